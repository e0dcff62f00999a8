//! Arrow columns in few forms, whatever form they came in.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::MILLISECONDS_IN_DAY;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, BinaryViewArray, StringViewArray};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::take::{TakeOptions, take};

/// A column without dictionary, with texts and bytes as views, and dates and times as milliseconds of UTC; everything else
/// as it is.
///
/// It does what `arrow_cast::cast` does, which brings every other conversion along: half a megabyte of the wheel.
///
/// # Errors
/// When the keys of a dictionary lead nowhere.
pub(crate) fn plain(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            take(&plain(dictionary.values())?, dictionary.keys(), Some(TakeOptions { check_bounds: true }))?
        }
        DataType::Null => Arc::new(StringViewArray::new_null(array.len())),
        DataType::Utf8 => Arc::new(StringViewArray::from(array.as_string::<i32>())),
        DataType::LargeUtf8 => Arc::new(StringViewArray::from(array.as_string::<i64>())),
        DataType::Binary => Arc::new(BinaryViewArray::from(array.as_binary::<i32>())),
        DataType::LargeBinary => Arc::new(BinaryViewArray::from(array.as_binary::<i64>())),
        DataType::Date32 => millis::<Date32Type>(array, |days| i64::from(days).checked_mul(MILLISECONDS_IN_DAY)),
        DataType::Date64 => millis::<Date64Type>(array, Some),
        DataType::Timestamp(TimeUnit::Second, _) => millis::<TimestampSecondType>(array, |time| time.checked_mul(1000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => millis::<TimestampMillisecondType>(array, Some),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            millis::<TimestampMicrosecondType>(array, |time| Some(time.div_euclid(1000)))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            millis::<TimestampNanosecondType>(array, |time| Some(time.div_euclid(1_000_000)))
        }
        _ => Arc::clone(array),
    })
}

/// Times in milliseconds; null where one is out of range.
fn millis<T: ArrowPrimitiveType>(array: &ArrayRef, time: impl Fn(T::Native) -> Option<i64>) -> ArrayRef {
    Arc::new(array.as_primitive::<T>().unary_opt::<_, TimestampMillisecondType>(time))
}
