//! What the text of one cell means.

/// Words that count as a missing value, in any case, besides a blank cell.
pub const MISSING_WORDS: [&str; 6] = ["NA", "N/A", "NaN", "null", "None", "?"];

/// The meaning of one cell's text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    Missing,
    /// A finite number.
    Number(f32),
    /// Text that reads as a number no 32-bit float can hold: `inf`, `1e999`.
    Infinite,
    Word,
}

impl Cell {
    /// Reads trimmed text.
    pub(crate) fn read(text: &str) -> Self {
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

/// The two ways of writing yes and no, which one column does not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BooleanWords {
    /// yes, no, y, n
    YesNo,
    /// true, false, t, f
    TrueFalse,
}

/// Reads a yes-or-no word in any case.
pub(crate) fn read_boolean(text: &str) -> Option<(bool, BooleanWords)> {
    const WORDS: [(&str, bool, BooleanWords); 8] = [
        ("yes", true, BooleanWords::YesNo),
        ("no", false, BooleanWords::YesNo),
        ("y", true, BooleanWords::YesNo),
        ("n", false, BooleanWords::YesNo),
        ("true", true, BooleanWords::TrueFalse),
        ("false", false, BooleanWords::TrueFalse),
        ("t", true, BooleanWords::TrueFalse),
        ("f", false, BooleanWords::TrueFalse),
    ];
    WORDS.iter().find(|(word, ..)| word.eq_ignore_ascii_case(text)).map(|&(_, value, words)| (value, words))
}

/// What a yes-or-no word in any case says; `None` for any other text.
pub fn yes_or_no(text: &str) -> Option<bool> {
    read_boolean(text).map(|(value, _)| value)
}

/// Whether text would be a number without a currency sign, a per cent sign or separators, as in `$1,200`.
pub(crate) fn resembles_number(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !matches!(c, '$' | '€' | '£' | '%' | ',' | ' ')).collect();
    bare.len() < text.len() && matches!(Cell::read(&bare), Cell::Number(_))
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
        assert_eq!(read_boolean("YES"), Some((true, BooleanWords::YesNo)));
        assert_eq!(read_boolean("n"), Some((false, BooleanWords::YesNo)));
        assert_eq!(read_boolean("False"), Some((false, BooleanWords::TrueFalse)));
        assert_eq!(read_boolean("maybe"), None);
    }

    #[test]
    fn numbers_in_disguise_are_seen() {
        assert!(resembles_number("$1,200") && resembles_number("12 %") && resembles_number("29,85"));
        assert!(!resembles_number("12") && !resembles_number("$") && !resembles_number("One year"));
    }
}
