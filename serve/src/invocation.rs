//! One request for scores, without HTTP: headers and body in, answer out.

use churn_model::Reason;

use crate::body::{Body, read_body};
use crate::companies::Companies;
use crate::company_answer::CompanyAnswer;
use crate::media_type::{AnswerFormat, BodyFormat, Wanted};
use crate::output::{OutputKey, Prediction, write_predictions};
use crate::problem::Problem;
use crate::row::{BadRows, Rows};
use crate::served_model::ServedModel;

/// Reasons per row, at most.
const MOST_REASONS: usize = 100;

/// Reasons per row where they are asked for without a number.
const DEFAULT_REASONS: usize = 3;

/// Rows with reasons in one request, at most: a large forest takes some milliseconds for each.
const MOST_ROWS_WITH_REASONS: usize = 5_000;

/// How requests are answered, unless they ask for something else.
#[derive(Debug, Clone)]
pub struct AnswerSettings {
    /// What is written where `Accept` leaves it open.
    pub default_format: AnswerFormat,
    /// The values of a prediction, where they are selected.
    pub keys: Option<Vec<OutputKey>>,
    /// Whether CSV bodies have a header unless they say so.
    pub csv_header: bool,
    /// Whether lists of lines end without a newline.
    pub open_end: bool,
    /// What becomes of rows that cannot be read.
    pub bad_rows: BadRows,
}

/// What a request says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Invocation<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `X-Amzn-SageMaker-Custom-Attributes`: `reasons=3` asks for reasons, all else is for others.
    pub custom_attributes: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What a request gets.
#[derive(Debug)]
pub struct Answer {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Scores given, for the record of how they are spread.
    pub scores: Vec<f64>,
    /// Rows that were answered by a placeholder.
    pub n_refused: usize,
}

impl Invocation<'_> {
    /// Scores what the body holds.
    ///
    /// # Errors
    /// When the request cannot be understood, or a row cannot be read; nothing is then scored.
    /// # Cost
    /// One pass over the body, and O(trees x depth) per row; with reasons exact TreeSHAP per row.
    pub fn answer(&self, model: &ServedModel, settings: &AnswerSettings) -> Result<Answer, Problem> {
        self.read(model, settings)?.answer(model, settings)
    }

    /// Reads what is asked, which takes no longer than the body is long.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub(crate) fn read(&self, model: &ServedModel, settings: &AnswerSettings) -> Result<Asked, Problem> {
        let format = BodyFormat::of(self.content_type, settings.csv_header)?;
        let wanted = Wanted::of(self.accept, settings.default_format)?;
        let n_reasons = self.n_reasons(&wanted, settings)?;
        match read_body(self.body, format, model, settings.bad_rows)? {
            Body::Rows(rows) if n_reasons > 0 && rows.n_rows > MOST_ROWS_WITH_REASONS => {
                Err(Problem::TooManyReasons { n_rows: rows.n_rows, most: MOST_ROWS_WITH_REASONS })
            }
            Body::Rows(rows) => Ok(Asked::Rows { rows, format: wanted.format, n_reasons }),
            Body::Companies(companies) => Ok(Asked::Companies(companies)),
        }
    }

    fn n_reasons(&self, wanted: &Wanted, settings: &AnswerSettings) -> Result<usize, Problem> {
        let attributes = self.custom_attributes.unwrap_or_default().split([',', ';']);
        let attribute = attributes.filter_map(|pair| pair.trim().strip_prefix("reasons=")).next();
        match wanted.reasons.as_deref().or(attribute) {
            Some(text) => match text.trim().parse() {
                Ok(n) if n <= MOST_REASONS => Ok(n),
                _ => Err(Problem::Reasons { found: text.to_owned(), most: MOST_REASONS }),
            },
            None if settings.keys.as_ref().is_some_and(|keys| keys.contains(&OutputKey::Reasons)) => {
                Ok(DEFAULT_REASONS)
            }
            None => Ok(0),
        }
    }
}

/// What a request asks for, read and not answered yet.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Scores of rows.
    Rows {
        /// The rows.
        rows: Rows,
        /// How the answer is written.
        format: AnswerFormat,
        /// Reasons per row.
        n_reasons: usize,
    },
    /// Answers about companies.
    Companies(Companies),
}

impl Asked {
    /// Whether reasons are part of the answer, which takes hundreds of times as long as a score.
    #[cfg(feature = "http")]
    pub(crate) fn is_explained(&self) -> bool {
        match self {
            Self::Rows { n_reasons, .. } => *n_reasons > 0,
            Self::Companies(_) => true,
        }
    }

    /// Scores.
    ///
    /// # Errors
    /// When a row that cannot be read is to be written as a number.
    pub(crate) fn answer(self, model: &ServedModel, settings: &AnswerSettings) -> Result<Answer, Problem> {
        match self {
            Self::Rows { rows, format, n_reasons } => score(model, &rows, format, n_reasons, settings),
            Self::Companies(companies) => Ok(score_companies(model, companies)),
        }
    }
}

fn score(
    model: &ServedModel,
    rows: &Rows,
    format: AnswerFormat,
    n_reasons: usize,
    settings: &AnswerSettings,
) -> Result<Answer, Problem> {
    let keys = keys(format, n_reasons, settings);
    let width = model.rows().width();
    let scorer = model.scorer();
    let scores = scorer.score_batch(&rows.values);
    let raw_scores: Vec<f64> = if keys.iter().any(|key| matches!(key, OutputKey::RawScore | OutputKey::RawScores)) {
        rows.values.chunks_exact(width).map(|row| scorer.raw_score(row)).collect()
    } else {
        Vec::new()
    };
    let reasons: Vec<Vec<Reason>> = if n_reasons > 0 {
        let contributions = model.explainer().explain_batch(&rows.values);
        let explained = rows.values.chunks_exact(width).zip(contributions.chunks_exact(width));
        explained.map(|(row, contributions)| model.explainer().reasons_of(row, contributions, n_reasons)).collect()
    } else {
        Vec::new()
    };
    let mut bad = rows.bad.iter().peekable();
    let predictions = scores.iter().enumerate().map(|(row, &score)| match bad.next_if(|(at, _)| *at == row) {
        Some((_, problem)) => Prediction::Bad(problem),
        None => Prediction::Scored {
            score,
            raw_score: raw_scores.get(row).copied().unwrap_or(f64::NAN),
            decision: model.model().decide(score),
            reasons: reasons.get(row).map_or(&[], Vec::as_slice),
        },
    });
    let body = write_predictions(predictions, &keys, format, settings.open_end)?;
    if rows.bad.is_empty() {
        model.observe(&rows.values);
        return Ok(Answer { content_type: format.media_type(), body, scores, n_refused: 0 });
    }
    let is_bad = |row: &usize| rows.bad.binary_search_by_key(row, |(at, _)| *at).is_ok();
    let good: Vec<usize> = (0..rows.n_rows).filter(|row| !is_bad(row)).collect();
    good.iter().for_each(|row| model.observe(&rows.values[row * width..][..width]));
    let scores = good.into_iter().map(|row| scores[row]).collect();
    Ok(Answer { content_type: format.media_type(), body, scores, n_refused: rows.bad.len() })
}

/// The answer about companies is JSON, whatever else is asked for.
fn score_companies(model: &ServedModel, Companies { rows, is_list }: Companies) -> Answer {
    rows.iter().for_each(|row| model.observe(&row.values));
    let answers: Vec<CompanyAnswer> = rows.into_iter().map(|row| CompanyAnswer::new(row, model)).collect();
    let body = if is_list { serde_json::to_vec(&answers) } else { serde_json::to_vec(&answers[0]) };
    let body = body.expect("this cannot fail because every key is a string");
    let scores = answers.iter().map(|answer| answer.probability).collect();
    Answer { content_type: AnswerFormat::Json.media_type(), body, scores, n_refused: 0 }
}

/// The linear learner's values, or those selected; reasons come along when a request asks for them.
fn keys(format: AnswerFormat, n_reasons: usize, settings: &AnswerSettings) -> Vec<OutputKey> {
    let mut keys = match (&settings.keys, format) {
        (Some(keys), _) => keys.clone(),
        (None, AnswerFormat::Csv) => vec![OutputKey::Score("score")],
        (None, _) => OutputKey::LINEAR_LEARNER.to_vec(),
    };
    if n_reasons > 0 && !keys.contains(&OutputKey::Reasons) {
        keys.push(OutputKey::Reasons);
    }
    keys
}
