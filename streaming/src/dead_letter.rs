use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The most bytes of a record that a dead letter carries; of a longer one, it carries the beginning.
///
/// Less than what a stream takes in a record, base64 and the rest of the letter included.
const MOST_BYTES: usize = 512 << 10;

/// A record that is no event, with why, so that nothing is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The shard that it came from.
    pub source: String,
    /// Where it stands there.
    pub position: String,
    /// The field that is wrong; `line` when it is all of it.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub reason: String,
    /// The record, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The record's bytes otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_base64: Option<String>,
    /// How many bytes the record has, where these are only its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_bytes: Option<usize>,
}

impl DeadLetter {
    /// A letter about a record.
    pub fn new(
        source: impl Into<String>,
        position: impl ToString,
        field: impl Into<Cow<'static, str>>,
        reason: impl ToString,
        data: &[u8],
    ) -> Self {
        let beginning = &data[..data.len().min(MOST_BYTES)];
        let text = match std::str::from_utf8(beginning) {
            Ok(text) => Some(text),
            // A character that was cut in two is no fault of the record's.
            Err(error) if error.error_len().is_none() && data.len() > MOST_BYTES => {
                std::str::from_utf8(&beginning[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        Self {
            source: source.into(),
            position: position.to_string(),
            field: field.into(),
            reason: reason.to_string(),
            text_base64: text.is_none().then(|| STANDARD.encode(beginning)),
            text: text.map(str::to_owned),
            record_bytes: (data.len() > MOST_BYTES).then_some(data.len()),
        }
    }

    /// The letter with so many characters of its record, where the whole is too large for whom it goes to: a text of
    /// control characters takes six times its bytes as JSON.
    #[cfg(any(feature = "kinesis", feature = "kafka", test))]
    pub(crate) fn shortened(&self, chars: usize) -> Self {
        // Of base64, a multiple of four is whole.
        let cut = |text: &String, chars: usize| text.chars().take(chars).collect();
        let padding = |text: &str| text.bytes().rev().take_while(|byte| *byte == b'=').count();
        let text_bytes = self.text.as_ref().map(String::len);
        let binary_bytes = self.text_base64.as_ref().map(|text| text.len() / 4 * 3 - padding(text));
        Self {
            text: self.text.as_ref().map(|text| cut(text, chars)),
            text_base64: self.text_base64.as_ref().map(|text| cut(text, chars / 4 * 4)),
            record_bytes: self.record_bytes.or(text_bytes).or(binary_bytes),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(data: &[u8]) -> serde_json::Value {
        let letter = DeadLetter::new("shard-1", 7, "line", "is not JSON", data);
        serde_json::to_value(&letter).expect("is written")
    }

    #[test]
    fn a_letter_carries_text_as_text_and_bytes_as_base64() {
        let expected = serde_json::json!({
            "source": "shard-1", "position": "7", "field": "line", "reason": "is not JSON", "text": "{"
        });
        assert_eq!(json(b"{"), expected);
        assert_eq!(json(&[0xff, 0])["textBase64"], "/wA=");
        assert!(json(&[0xff, 0]).get("text").is_none());
    }

    #[test]
    fn a_shortened_letter_has_the_beginning_of_its_record_and_says_how_long_that_is() {
        let short = |data: &[u8]| DeadLetter::new("shard-1", 7, "line", "is not JSON", data).shortened(7);
        assert_eq!((short(b"not JSON").text.as_deref(), short(b"not JSON").record_bytes), (Some("not JSO"), Some(8)));
        let binary = short(&[0xff; 8]);
        let text = binary.text_base64.as_deref().expect("is there");
        assert_eq!((STANDARD.decode(text), binary.text), (Ok(vec![0xff; 3]), None));
        assert_eq!(binary.record_bytes, Some(8));
        assert_eq!(short(&b"x".repeat(MOST_BYTES + 9)).record_bytes, Some(MOST_BYTES + 9));
    }

    #[test]
    fn a_long_record_is_cut_and_says_so() {
        let long = "ü".repeat(MOST_BYTES);
        let shifted = format!("x{long}");
        for text in [&long, &shifted] {
            let letter = json(text.as_bytes());
            assert_eq!(letter["recordBytes"], text.len());
            let kept = letter["text"].as_str().expect("is text");
            assert!(text.starts_with(kept) && kept.len() > MOST_BYTES - 2);
        }
    }
}
