//! Requests to the model of [`served`](crate::served), without a server between.

use std::sync::LazyLock;

use churn_serve::{Answer, AnswerFormat, AnswerSettings, BadRows, Invocation, Problem, ServedModel};

pub(crate) static SERVED: LazyLock<ServedModel> = LazyLock::new(|| ServedModel::new(crate::served::model()));

pub(crate) fn settings() -> AnswerSettings {
    AnswerSettings {
        default_format: AnswerFormat::Json,
        keys: None,
        csv_header: false,
        open_end: false,
        bad_rows: BadRows::Refuse,
    }
}

pub(crate) fn ask_with(
    settings: &AnswerSettings,
    content_type: &str,
    accept: &str,
    body: &str,
) -> Result<Answer, Problem> {
    let (content_type, accept) = (Some(content_type), Some(accept));
    Invocation { content_type, accept, custom_attributes: None, body: body.as_bytes() }.answer(&SERVED, settings)
}
