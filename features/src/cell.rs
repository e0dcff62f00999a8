//! What the text of one cell means.

/// Words that count as a missing value, in any case, besides a blank cell.
pub const MISSING_WORDS: [&str; 6] = ["NA", "N/A", "NaN", "null", "None", "?"];

/// The meaning of one cell's text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// Blank, or one of the [`MISSING_WORDS`].
    Missing,
    /// A finite number.
    Number(f32),
    /// Text that reads as a number no 32-bit float can hold: `inf`, `1e999`.
    Infinite,
    /// Any other text.
    Word,
}

impl Cell {
    /// Reads trimmed text.
    pub fn read(text: &str) -> Self {
        if text.is_empty() {
            return Self::Missing;
        }
        match text.parse::<f32>() {
            Ok(number) if number.is_nan() => Self::Missing,
            Ok(number) if number.is_infinite() => Self::Infinite,
            Ok(number) => Self::Number(number),
            Err(_) if MISSING_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) => Self::Missing,
            Err(_) => Self::Word,
        }
    }
}

/// What a yes-or-no word in any case says; `None` for any other text.
pub fn yes_or_no(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 8] = [
        ("yes", true),
        ("no", false),
        ("y", true),
        ("n", false),
        ("true", true),
        ("false", false),
        ("t", true),
        ("f", false),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_cells_and_missing_words_are_missing_in_any_case() {
        for text in ["", "NA", "na", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "None", "none", "?"] {
            assert_eq!(Cell::read(text), Cell::Missing, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_finite_and_everything_else_is_a_word() {
        assert_eq!(Cell::read("-1.5e3"), Cell::Number(-1500.0));
        assert_eq!(Cell::read("007"), Cell::Number(7.0));
        for text in ["inf", "-Infinity", "1e999", "1e39"] {
            assert_eq!(Cell::read(text), Cell::Infinite, "{text:?}");
        }
        for text in ["abc", "1,000", "0x10", "12 %", "nano"] {
            assert_eq!(Cell::read(text), Cell::Word, "{text:?}");
        }
    }

    #[test]
    fn yes_and_no_are_read_in_any_case() {
        let words = ["YES", "n", "False", "t", "maybe", ""];
        assert_eq!(words.map(yes_or_no), [Some(true), Some(false), Some(false), Some(true), None, None]);
    }
}
