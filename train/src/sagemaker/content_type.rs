//! What a channel's files hold: as its ContentType says or, without one, as the first file begins.

use std::io::Read;
use std::path::Path;

use churn_features::RowFormat;
use churn_training_data::TableFormat;
use flate2::read::MultiGzDecoder;

use super::error::JobError;

/// What the rows of a channel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Rows of a table.
    Table {
        format: TableFormat,
        /// Whether CSV has a header, where the ContentType says it.
        header: Option<bool>,
    },
    /// Events, one a line.
    Events,
}

impl Content {
    fn table(format: TableFormat) -> Self {
        Self::Table { format, header: None }
    }

    /// Reads a media type: its name in any case, and the parameters that matter here; others are let be.
    pub(crate) fn of_type(channel: &str, text: &str) -> Result<Self, JobError> {
        let unknown = || JobError::ContentType { channel: channel.to_owned(), found: text.to_owned() };
        let mut words = text.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        let mut header = None;
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            match key.trim().to_ascii_lowercase().as_str() {
                "label_size" if value != "1" => {
                    return Err(JobError::LabelSize { channel: channel.to_owned(), found: text.to_owned() });
                }
                "header" => match value.as_str() {
                    "present" => header = Some(true),
                    "absent" => header = Some(false),
                    _ => return Err(unknown()),
                },
                _ => {}
            }
        }
        match RowFormat::of_media_type(name) {
            Some(RowFormat::Csv) => Ok(Self::Table { format: TableFormat::Csv, header }),
            Some(RowFormat::Libsvm) => Ok(Self::table(TableFormat::Libsvm)),
            Some(RowFormat::RecordIo) => Ok(Self::table(TableFormat::RecordIo)),
            Some(RowFormat::Parquet) => Ok(Self::table(TableFormat::Parquet)),
            Some(RowFormat::JsonLines) => Ok(Self::Events),
            Some(RowFormat::Json) | None => Err(unknown()),
        }
    }

    /// Tells by the first bytes; CSV where they tell nothing.
    pub(crate) fn of_file(path: &Path) -> Self {
        match start(path).unwrap_or_default().as_slice() {
            [b'P', b'A', b'R', b'1', ..] => Self::table(TableFormat::Parquet),
            [0x0a, 0x23, 0xd7, 0xce, ..] => Self::table(TableFormat::RecordIo),
            [b'{', ..] => Self::Events,
            _ => Self::table(TableFormat::Csv),
        }
    }
}

/// The first four bytes, of what is in it where it is compressed.
fn start(path: &Path) -> std::io::Result<Vec<u8>> {
    let four = |input: &mut dyn Read| {
        let mut start = Vec::new();
        input.take(4).read_to_end(&mut start).map(|_| start)
    };
    let start = four(&mut std::fs::File::open(path)?)?;
    if start.starts_with(b"\x1f\x8b") { four(&mut MultiGzDecoder::new(std::fs::File::open(path)?)) } else { Ok(start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Result<Content, String> {
        Content::of_type("train", text).map_err(|error| error.to_string())
    }

    #[test]
    fn media_types_are_read_with_their_parameters() {
        let csv = |header| Ok(Content::Table { format: TableFormat::Csv, header });
        assert_eq!(content("text/csv"), csv(None));
        assert_eq!(content("Text/CSV; charset=utf-8;label_size=1"), csv(None));
        assert_eq!(content("text/csv; header=present"), csv(Some(true)));
        assert_eq!(content("text/csv;header=\"absent\""), csv(Some(false)));
        assert_eq!(content("text/x-libsvm"), Ok(Content::table(TableFormat::Libsvm)));
        for text in ["application/jsonlines", "application/jsonl"] {
            assert_eq!(content(text), Ok(Content::Events), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_trained_on_is_refused_by_name() {
        assert!(content("application/json").is_err());
        assert!(content("image/png").unwrap_err().contains("\"image/png\"; expected text/csv"));
        for text in ["text/csv;label_size=0", "text/csv; label_size=2"] {
            assert!(content(text).unwrap_err().contains("expected label_size=1"), "{text}");
        }
        assert!(content("text/csv; header=maybe").is_err());
    }

    #[test]
    fn a_file_tells_what_it_is_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let of = |bytes: &[u8]| {
            let path = folder.path().join("f");
            std::fs::write(&path, bytes).unwrap();
            Content::of_file(&path)
        };
        assert_eq!(of(b"PAR1"), Content::table(TableFormat::Parquet));
        assert_eq!(of(b"\x0a\x23\xd7\xce\0"), Content::table(TableFormat::RecordIo));
        assert_eq!(of(b"{\"id\": 1}"), Content::Events);
        assert_eq!([of(b"1,2"), of(b"")], [Content::table(TableFormat::Csv); 2]);
    }
}
