//! Where a record stands in its shard.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal digits of a limb: as many as fit into 64 bits.
const LIMB_DIGITS: usize = 19;
const LIMBS: usize = 4;

/// The number that a stream gives a record; later records of a shard have larger ones.
///
/// Kinesis numbers have 56 digits, Kafka's and a file's offsets up to 20; they compare as numbers, not as texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber([u64; LIMBS]);

/// A text that is no sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is {found:?} where a sequence number of 1 to {most} digits is expected", most = LIMB_DIGITS * LIMBS)]
pub struct NoSequenceNumber {
    /// The text, or its beginning.
    pub found: String,
}

impl From<u64> for SequenceNumber {
    fn from(number: u64) -> Self {
        let limb = 10_u64.pow(LIMB_DIGITS as u32);
        Self([0, 0, number / limb, number % limb])
    }
}

impl FromStr for SequenceNumber {
    type Err = NoSequenceNumber;

    fn from_str(text: &str) -> Result<Self, NoSequenceNumber> {
        let digits = text.as_bytes();
        let fail = || NoSequenceNumber { found: text.chars().take(80).collect() };
        if digits.is_empty() || digits.len() > LIMB_DIGITS * LIMBS || !digits.iter().all(u8::is_ascii_digit) {
            return Err(fail());
        }
        let mut limbs = [0; LIMBS];
        for (limb, digits) in limbs.iter_mut().rev().zip(digits.rchunks(LIMB_DIGITS)) {
            *limb = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        }
        Ok(Self(limbs))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.iter().position(|limb| *limb > 0).unwrap_or(LIMBS - 1);
        write!(f, "{}", self.0[first])?;
        self.0[first + 1..].iter().try_for_each(|limb| write!(f, "{limb:0width$}", width = LIMB_DIGITS))
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SequenceNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a record stands in its shard: its sequence number, and its number inside an aggregated record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Number of the record that the stream keeps.
    pub sequence: SequenceNumber,
    /// Number of the user's record in it, from 0; 0 for a record that is not aggregated.
    #[serde(rename = "subSequence", default)]
    pub sub_sequence: u64,
}

impl Position {
    /// The position of a record that is not aggregated.
    pub fn of(sequence: impl Into<SequenceNumber>) -> Self {
        Self { sequence: sequence.into(), sub_sequence: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence)?;
        if self.sub_sequence > 0 {
            write!(f, "/{}", self.sub_sequence)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().expect("is a number")
    }

    #[test]
    fn numbers_of_any_length_compare_as_numbers_and_come_back_as_they_were() {
        let kinesis = "49590338271490256608559692538361571095921575989136588898";
        let texts = ["0", "7", "10", "18446744073709551615", "100000000000000000000", kinesis, &"9".repeat(76)];
        let numbers: Vec<SequenceNumber> = texts.iter().map(|text| number(text)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        for (text, number) in texts.iter().zip(&numbers) {
            assert_eq!(number.to_string(), *text);
        }
        assert_eq!(number("00012"), SequenceNumber::from(12));
        assert_eq!(SequenceNumber::from(u64::MAX), number("18446744073709551615"));
    }

    #[test]
    fn what_is_no_number_is_named() {
        for text in ["", "-1", "4x", "TRIM_HORIZON", &"1".repeat(77), "1 "] {
            assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
        }
        let error = "1e5".parse::<SequenceNumber>().expect_err("no digits");
        assert_eq!(error.to_string(), r#"is "1e5" where a sequence number of 1 to 76 digits is expected"#);
    }

    #[test]
    fn a_position_is_after_the_one_before_it() {
        let within = |sequence: u64, sub_sequence| Position { sequence: sequence.into(), sub_sequence };
        assert!(within(9, 5) < within(10, 0) && within(10, 0) < within(10, 1));
        assert_eq!((within(10, 0).to_string(), within(10, 3).to_string()), ("10".to_owned(), "10/3".to_owned()));
        let json = serde_json::to_string(&within(10, 3)).expect("is written");
        assert_eq!(json, r#"{"sequence":"10","subSequence":3}"#);
        assert_eq!(serde_json::from_str::<Position>(&json).expect("is read"), within(10, 3));
    }
}
