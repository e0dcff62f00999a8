//! What the Parquet library does with damaged files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::{ParquetError, Result};

/// Runs what reads Parquet and turns a panic into an error: over some damaged pages the library (60.1) panics, such as
/// over values that point into a dictionary where the file has none.
///
/// Whatever `read` has changed is not to be used after an error. The panic's own message still goes to standard error.
pub(crate) fn without_panic<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(ParquetError::General(format!("the file is damaged: {}", text.unwrap_or_else(|| "panic".to_owned()))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_says_what_it_said() {
        let message = |read: fn() -> Result<u8>| without_panic(read).expect_err("fails").to_string();
        assert!(message(|| panic!("no dictionary")).contains("damaged: no dictionary"));
        assert!(message(|| None::<u8>.ok_or(ParquetError::EOF("the end".to_owned()))).contains("the end"));
        assert_eq!(without_panic(|| Ok(1)).expect("succeeds"), 1);
    }
}
