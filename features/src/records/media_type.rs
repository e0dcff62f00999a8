//! Media types of rows, in one place for what is trained on and what is scored.

/// What rows are written as, where a media type says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Text of values between commas, a row a line.
    Csv,
    /// One JSON value.
    Json,
    /// One JSON value a line.
    JsonLines,
    /// RecordIO of protobuf records.
    RecordIo,
    /// LIBSVM's text.
    Libsvm,
    /// Parquet.
    Parquet,
}

impl RowFormat {
    /// The format that a media type names, without its parameters and in any case.
    ///
    /// XGBoost's container also takes the bare words `csv` and `libsvm` for the ContentType of a channel. In a request
    /// they are no media type, so a server refuses them before it asks here.
    pub fn of_media_type(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "text/csv" | "application/csv" | "csv" => Self::Csv,
            "application/json" => Self::Json,
            "application/jsonlines" | "application/x-jsonlines" | "application/jsonl" | "application/x-ndjson" => {
                Self::JsonLines
            }
            "application/x-recordio-protobuf" => Self::RecordIo,
            "text/libsvm" | "text/x-libsvm" | "libsvm" => Self::Libsvm,
            "application/x-parquet" | "application/vnd.apache.parquet" => Self::Parquet,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_known_in_any_case_and_others_are_not() {
        assert_eq!(RowFormat::of_media_type(" Text/CSV"), Some(RowFormat::Csv));
        assert_eq!(RowFormat::of_media_type("application/x-ndjson"), Some(RowFormat::JsonLines));
        assert_eq!(["text/plain", "", "json"].map(RowFormat::of_media_type), [None; 3]);
    }
}
