//! Answers: which values of a prediction are written, and how.

use std::io::Write as _;

use churn_features::write_answer;
use churn_model::Reason;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use crate::media_type::AnswerFormat;
use crate::problem::Problem;
use crate::row::RowProblem;

/// A value of a prediction, by the names that SageMaker's XGBoost container gives to `SAGEMAKER_INFERENCE_OUTPUT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputKey {
    /// `score`, `predicted_score`, `probability`: the churn probability.
    Score(&'static str),
    /// `predicted_label`: 1 at or above the threshold, else 0.
    PredictedLabel,
    /// `labels`: what the label can be.
    Labels,
    /// `probabilities`: of staying and of churning.
    Probabilities,
    /// `raw_score`: the uncalibrated output.
    RawScore,
    /// `raw_scores`: the same in a list.
    RawScores,
    /// `reasons`: the largest contributions, in words.
    Reasons,
    /// Another name, answered by null.
    Unknown(String),
}

impl OutputKey {
    /// What the linear learner answers.
    pub const LINEAR_LEARNER: [Self; 2] = [Self::Score("score"), Self::PredictedLabel];

    /// The key of that name.
    pub fn of_name(name: &str) -> Self {
        match name.trim() {
            "score" => Self::Score("score"),
            "predicted_score" => Self::Score("predicted_score"),
            "probability" => Self::Score("probability"),
            "predicted_label" => Self::PredictedLabel,
            "labels" => Self::Labels,
            "probabilities" => Self::Probabilities,
            "raw_score" => Self::RawScore,
            "raw_scores" => Self::RawScores,
            "reasons" => Self::Reasons,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Score(name) => name,
            Self::PredictedLabel => "predicted_label",
            Self::Labels => "labels",
            Self::Probabilities => "probabilities",
            Self::RawScore => "raw_score",
            Self::RawScores => "raw_scores",
            Self::Reasons => "reasons",
            Self::Unknown(name) => name,
        }
    }
}

/// What is answered to one row.
#[derive(Debug)]
pub(crate) enum Prediction<'a> {
    /// It was scored.
    Scored {
        /// Churn probability.
        score: f64,
        /// Uncalibrated output.
        raw_score: f64,
        /// Whether the score is at or above the threshold.
        decision: bool,
        /// The largest contributions, where they were asked for.
        reasons: &'a [Reason],
    },
    /// It could not be read.
    Bad(&'a RowProblem),
}

/// A prediction with the keys that are written of it.
struct Selected<'a>(&'a Prediction<'a>, &'a [OutputKey]);

impl Serialize for Selected<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(prediction, keys) = self;
        let mut map = serializer.serialize_map(None)?;
        match prediction {
            Prediction::Bad(problem) => map.serialize_entry("error", &problem.to_string())?,
            Prediction::Scored { score, raw_score, decision, reasons } => {
                for key in *keys {
                    let name = key.name();
                    match key {
                        OutputKey::Score(_) => map.serialize_entry(name, score)?,
                        OutputKey::PredictedLabel => map.serialize_entry(name, &u8::from(*decision))?,
                        OutputKey::Labels => map.serialize_entry(name, &[0, 1])?,
                        OutputKey::Probabilities => map.serialize_entry(name, &[1.0 - score, *score])?,
                        OutputKey::RawScore => map.serialize_entry(name, raw_score)?,
                        OutputKey::RawScores => map.serialize_entry(name, &[raw_score])?,
                        OutputKey::Reasons => map.serialize_entry(name, &WrittenReasons(reasons))?,
                        OutputKey::Unknown(_) => map.serialize_entry(name, &())?,
                    }
                }
            }
        }
        map.end()
    }
}

/// Reasons in the shape of SageMaker Clarify's attributions, each with its sentence.
struct WrittenReasons<'a>(&'a [Reason]);

impl Serialize for WrittenReasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|reason| {
            json!({
                "feature_header": reason.feature,
                "attributions": [{ "attribution": [reason.contribution] }],
                "reason": reason.to_string(),
            })
        }))
    }
}

/// Writes predictions, row by row in their order.
///
/// A list of lines ends in a newline unless `open_end`: a batch job that joins answers of one record each adds its own.
///
/// # Errors
/// When a row without a score is to be written as a number.
pub(crate) fn write_predictions<'a>(
    predictions: impl ExactSizeIterator<Item = Prediction<'a>>,
    keys: &[OutputKey],
    format: AnswerFormat,
    open_end: bool,
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(64 * predictions.len());
    match format {
        AnswerFormat::Json => {
            out.extend_from_slice(b"{\"predictions\":[");
            for (i, prediction) in predictions.enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_json(&mut out, &Selected(&prediction, keys));
            }
            out.extend_from_slice(b"]}");
        }
        AnswerFormat::JsonLines => {
            for prediction in predictions {
                write_json(&mut out, &Selected(&prediction, keys));
                out.push(b'\n');
            }
        }
        AnswerFormat::Csv => {
            for prediction in predictions {
                write_csv(&mut out, &prediction, keys);
                out.push(b'\n');
            }
        }
        AnswerFormat::RecordIo => {
            for prediction in predictions {
                let Prediction::Scored { score, decision, .. } = prediction else { return Err(Problem::NoPlaceholder) };
                write_answer(&mut out, score as f32, f32::from(u8::from(decision)));
            }
        }
    }
    if open_end && matches!(format, AnswerFormat::JsonLines | AnswerFormat::Csv) {
        out.pop();
    }
    Ok(out)
}

fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value)
        .expect("this cannot fail because memory takes all text and every key is a string");
}

/// Values in the order of the keys; lists are quoted, as SageMaker's XGBoost container quotes them.
fn write_csv(out: &mut Vec<u8>, prediction: &Prediction<'_>, keys: &[OutputKey]) {
    let Prediction::Scored { score, raw_score, decision, reasons } = prediction else {
        return out.extend_from_slice(b"ERROR");
    };
    for (i, key) in keys.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let written = match key {
            OutputKey::Score(_) => write!(out, "{score}"),
            OutputKey::PredictedLabel => write!(out, "{}", u8::from(*decision)),
            OutputKey::Labels => write!(out, "\"[0, 1]\""),
            OutputKey::Probabilities => write!(out, "\"[{}, {score}]\"", 1.0 - score),
            OutputKey::RawScore => write!(out, "{raw_score}"),
            OutputKey::RawScores => write!(out, "\"[{raw_score}]\""),
            OutputKey::Reasons => {
                let sentences: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                write!(out, "\"{}\"", sentences.join(" | ").replace('"', "\"\""))
            }
            OutputKey::Unknown(_) => Ok(()),
        };
        written.expect("this cannot fail because memory takes all text");
    }
}
