//! `Content-Type` and `Accept`: what a body is and what an answer may be.

use churn_features::RowFormat;
use mediatype::{MediaType, MediaTypeList, ReadParams};

use crate::problem::Problem;

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFormat {
    /// One row per line.
    Csv {
        /// Whether the first line names the columns.
        header: bool,
        /// Whether the first column is a label, which is passed over.
        label: bool,
    },
    /// One JSON value.
    Json,
    /// One JSON value per line.
    JsonLines,
    /// RecordIO of protobuf records, as SageMaker's own algorithms take them.
    RecordIo,
    /// One sparse row per line.
    LibSvm,
}

impl BodyFormat {
    /// Reads a `Content-Type`; CSV where there is none, as SageMaker's clients send it.
    ///
    /// # Errors
    /// [`Problem::ContentType`] and [`Problem::ContentTypeParameter`].
    pub(crate) fn of(content_type: Option<&str>, csv_header: bool) -> Result<Self, Problem> {
        let Some(text) = content_type.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self::Csv { header: csv_header, label: false });
        };
        let unknown = || Problem::ContentType { found: text.to_owned() };
        let media_type = MediaType::parse(text.trim_end_matches(';')).map_err(|_| unknown())?;
        let format = match RowFormat::of_media_type(&essence(&media_type)) {
            Some(RowFormat::Csv) => Self::Csv { header: csv_header, label: false },
            Some(RowFormat::Json) => Self::Json,
            Some(RowFormat::JsonLines) => Self::JsonLines,
            Some(RowFormat::RecordIo) => Self::RecordIo,
            Some(RowFormat::Libsvm) => Self::LibSvm,
            Some(RowFormat::Parquet) | None => return Err(unknown()),
        };
        format.with_parameters(&media_type)
    }

    fn with_parameters(mut self, media_type: &MediaType<'_>) -> Result<Self, Problem> {
        for (name, value) in media_type.params() {
            let (name, value) = (name.as_str().to_ascii_lowercase(), value.unquoted_str().to_ascii_lowercase());
            let wrong =
                |expected| Err(Problem::ContentTypeParameter { name: name.clone(), value: value.clone(), expected });
            match (name.as_str(), &mut self) {
                ("charset", _) => match value.as_str() {
                    "utf-8" | "utf8" | "us-ascii" | "ascii" => {}
                    _ => return wrong("utf-8"),
                },
                ("label_size", Self::Csv { label, .. }) => match value.as_str() {
                    "0" => *label = false,
                    "1" => *label = true,
                    _ => return wrong("0 or 1"),
                },
                ("header", Self::Csv { header, .. }) => match value.as_str() {
                    "present" => *header = true,
                    "absent" => *header = false,
                    _ => return wrong("present or absent"),
                },
                _ => {} // what others add is not for us
            }
        }
        Ok(self)
    }
}

/// What an answer is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFormat {
    /// `{"predictions": [...]}`
    Json,
    /// One prediction per line.
    JsonLines,
    /// One line of values per prediction.
    Csv,
    /// RecordIO of protobuf records.
    RecordIo,
}

impl AnswerFormat {
    /// The media type that the answer bears.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLines => "application/jsonlines",
            Self::Csv => "text/csv",
            Self::RecordIo => "application/x-recordio-protobuf",
        }
    }

    /// The format that a media type without parameters names.
    #[cfg(feature = "http")]
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        MediaType::parse(name.trim()).ok().and_then(|media_type| Self::of_essence(&essence(&media_type)))
    }

    fn of_essence(essence: &str) -> Option<Self> {
        match RowFormat::of_media_type(essence)? {
            RowFormat::Json => Some(Self::Json),
            RowFormat::JsonLines => Some(Self::JsonLines),
            RowFormat::Csv => Some(Self::Csv),
            RowFormat::RecordIo => Some(Self::RecordIo),
            RowFormat::Libsvm | RowFormat::Parquet => None,
        }
    }
}

/// What a request asks for by its `Accept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The format.
    pub(crate) format: AnswerFormat,
    /// The parameter `reasons`, as it stands there.
    pub(crate) reasons: Option<String>,
}

impl Wanted {
    /// Reads an `Accept`: of the types it names the first of the highest quality that is written here; `default` where it
    /// names none.
    ///
    /// # Errors
    /// [`Problem::Accept`] when nothing of what it names is written.
    pub(crate) fn of(accept: Option<&str>, default: AnswerFormat) -> Result<Self, Problem> {
        let Some(text) = accept.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self { format: default, reasons: None });
        };
        let refused = || Problem::Accept { found: text.to_owned() };
        let mut best: Option<(f32, Self)> = None;
        for media_type in MediaTypeList::new(text) {
            let media_type = media_type.map_err(|_| refused())?;
            let parameter = |wanted: &str| {
                let found = media_type.params().find(|(name, _)| name.as_str().eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value.unquoted_str().into_owned())
            };
            let quality = parameter("q").and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
            let format = match essence(&media_type).as_str() {
                "*/*" => Some(default),
                "application/*" if default == AnswerFormat::Csv => Some(AnswerFormat::Json),
                "application/*" => Some(default),
                "text/*" => Some(AnswerFormat::Csv),
                essence => AnswerFormat::of_essence(essence),
            };
            let Some(format) = format.filter(|_| quality > 0.0) else { continue };
            if best.as_ref().is_none_or(|(least, _)| quality > *least) {
                best = Some((quality, Self { format, reasons: parameter("reasons") }));
            }
        }
        best.map(|(_, wanted)| wanted).ok_or_else(refused)
    }
}

fn essence(media_type: &MediaType<'_>) -> String {
    media_type.essence().to_string().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: BodyFormat = BodyFormat::Csv { header: false, label: false };

    #[test]
    fn content_types_are_read_with_their_parameters_in_any_case() {
        let format = |text: &str| BodyFormat::of(Some(text), false).unwrap();
        assert_eq!(format("text/csv"), PLAIN);
        assert_eq!(format("Text/CSV; Charset=\"UTF-8\";"), PLAIN);
        assert_eq!(format("text/csv;label_size=1; header=present"), BodyFormat::Csv { header: true, label: true });
        assert_eq!(format("application/json; charset=utf-8"), BodyFormat::Json);
        assert_eq!(BodyFormat::of(None, false).unwrap(), PLAIN);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let problem = |text: &str| BodyFormat::of(Some(text), false).unwrap_err();
        assert_eq!(["text/plain", "nonsense"].map(|text| problem(text).kind()), ["UnsupportedContentType"; 2]);
        assert!(problem("text/csv; charset=utf-16").to_string().contains("charset=\"utf-16\" is not understood"));
        let label_size = problem("text/csv; label_size=5");
        assert!(
            label_size.kind() == "ContentTypeParameter" && label_size.to_string().contains("label_size"),
            "{label_size}"
        );
    }

    #[test]
    fn the_first_of_the_best_quality_is_answered() {
        let format = |accept: &str| Wanted::of(Some(accept), AnswerFormat::Json).unwrap().format;
        assert_eq!(format("text/html, text/csv;q=0.5, application/jsonlines"), AnswerFormat::JsonLines);
        assert_eq!(format("*/*"), AnswerFormat::Json);
        assert_eq!(format("application/json;verbose=True"), AnswerFormat::Json);
        assert_eq!(Wanted::of(Some("text/html"), AnswerFormat::Json).unwrap_err().kind(), "NotAcceptable");
        assert_eq!(Wanted::of(Some("application/json;q=0"), AnswerFormat::Json).unwrap_err().kind(), "NotAcceptable");
    }

    #[test]
    fn reasons_are_a_parameter_of_accept() {
        let wanted = Wanted::of(Some("application/json; reasons=3"), AnswerFormat::Csv).unwrap();
        assert_eq!((wanted.format, wanted.reasons.as_deref()), (AnswerFormat::Json, Some("3")));
    }
}
