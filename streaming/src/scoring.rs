//! From a tenant's state to a score record.

use std::sync::Arc;

use churn_events::{Event, ObservationDate, Timestamp};
use churn_features::{Error as FeatureError, Feature, FeatureReader, FeatureSchema, TenantState};
use churn_model::{DriftMonitor, Explainer, Model, Scorer};

use crate::{CompanyNumbers, EventIdentity, ScoreRecord};

/// Features that a score record tells beside the score; the industry is read as a text.
const COMPANY: [&str; 6] = ["revenue", "employees", "job30", "job90", "monthly_charge", "total_charge"];

/// One score record of so many is looked at for drift: enough to tell it, and an eighth of the time.
const OBSERVED: u64 = 8;

/// Bytes of an industry that a score record repeats, at most.
const MOST_INDUSTRY_BYTES: usize = 256;

/// Why a model cannot score events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoringError {
    /// The model asks for what is not derived from events.
    #[error("the model reads features that are not derived from events; train it on events, as with `train --events`")]
    Features {
        /// Which one.
        source: FeatureError,
    },
    /// The model cannot be told from others.
    #[error("the model has no id")]
    Id {
        /// Why.
        source: churn_model::WriteError,
    },
}

/// A tenant at an observation date, whose features wait for being scored; `'a` is the life of its event.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    pub(crate) tenant: &'a str,
    /// The event that it is made at; none when a date came.
    pub(crate) event: Option<&'a Event<'a>>,
    /// When that event was received, or the date came.
    pub(crate) received_at: Timestamp,
    date: ObservationDate,
    company: CompanyNumbers,
}

/// A model made ready to score tenant states.
///
/// Features are read when the state has them, and scored some at a time: a forest is larger than the processor's nearer
/// caches, and rows that meet a tree together fetch it once.
#[derive(Debug)]
pub struct Scoring {
    model_id: Arc<str>,
    threshold: f64,
    scorer: Scorer,
    explainer: Option<(Explainer, usize)>,
    drift: DriftMonitor,
    n_records: u64,
    schema: FeatureSchema,
    /// Reads the model's features, and after them those of [`COMPANY`] that it does not have.
    reader: FeatureReader,
    /// Where those of [`COMPANY`] stand in `row`.
    company: [usize; COMPANY.len()],
    /// What was read last.
    row: Vec<f32>,
    /// The features of the observations that wait, row-major `(n_observations, n_features)`.
    rows: Vec<f32>,
    scores: Vec<f64>,
    contributions: Vec<f64>,
}

impl Scoring {
    /// Makes a model ready; score records have so many reasons at most.
    ///
    /// # Errors
    /// When the model reads features that are not of the catalogue.
    pub fn new(model: &Model, n_reasons: usize) -> Result<Self, ScoringError> {
        let fail = |source| ScoringError::Features { source };
        let mut features: Vec<Feature> = model.schema().features().to_vec();
        FeatureReader::new(model.schema()).map_err(fail)?;
        let company = COMPANY.map(|name| {
            features.iter().position(|feature| feature.name() == name).unwrap_or_else(|| {
                features.push(Feature::numeric(name));
                features.len() - 1
            })
        });
        let reader = FeatureSchema::new(features).and_then(|schema| FeatureReader::new(&schema)).map_err(fail)?;
        Ok(Self {
            model_id: model.id().map_err(|source| ScoringError::Id { source })?.to_string().into(),
            threshold: model.threshold().score,
            scorer: Scorer::new(model),
            explainer: (n_reasons > 0).then(|| (model.explainer(), n_reasons)),
            drift: DriftMonitor::new(model),
            n_records: 0,
            schema: model.schema().clone(),
            company,
            row: vec![0.0; reader.width()],
            rows: Vec::new(),
            scores: Vec::new(),
            contributions: vec![0.0; model.schema().len()],
            reader,
        })
    }

    /// The features that have drifted, the farthest first; see [`DriftMonitor::most_drifted`].
    pub fn drift(&self) -> Vec<(&str, f64)> {
        self.drift.most_drifted(&self.schema)
    }

    /// Reads the features that the tenant has on a date; `None` when it has cancelled.
    ///
    /// Observations are given back to [`scores`](Self::scores), all of them and in their order.
    ///
    /// # Errors
    /// When the state does not keep what the model reads, or has passed the date.
    pub(crate) fn observe<'a>(
        &mut self,
        (tenant, state): (&'a str, &TenantState),
        date: ObservationDate,
        event: Option<&'a Event<'a>>,
    ) -> Result<Option<Observation<'a>>, FeatureError> {
        if state.has_cancelled_at(date) {
            return Ok(None);
        }
        state.features_at(date, &self.reader, &mut self.row)?;
        self.rows.extend_from_slice(&self.row[..self.schema.len()]);
        let [revenue, employees, job30, job90, monthly_fee, total_fee] =
            self.company.map(|position| self.row[position]);
        let known = |value: f32| Some(value).filter(|value| !value.is_nan());
        let company = CompanyNumbers {
            industry: state.industry_at(date).filter(|name| name.len() <= MOST_INDUSTRY_BYTES).map(Box::from),
            revenue: known(revenue),
            employees: known(employees).map(|number| number as u32),
            job30: job30 as u32,
            job90: job90 as u32,
            monthly_fee: known(monthly_fee),
            total_fee: known(total_fee),
        };
        let received_at = event.map_or_else(|| date.start(), |event| event.received_at);
        Ok(Some(Observation { tenant, event, received_at, date, company }))
    }

    /// Scores the observations that wait, and hands out their scores, in their order, and whether they mean risk; where
    /// `is_wanted` says so, the score record is made.
    pub(crate) fn scores<'a>(
        &mut self,
        observations: impl ExactSizeIterator<Item = Observation<'a>>,
        mut is_wanted: impl FnMut(&Observation<'a>, f64, bool) -> bool,
        records: &mut Vec<ScoreRecord>,
    ) {
        let (mut rows, mut scores) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.scores));
        scores.resize(observations.len(), 0.0);
        self.scorer.score_into(&rows, &mut scores);
        for ((observation, &score), row) in observations.zip(&scores).zip(rows.chunks_exact(self.schema.len())) {
            if is_wanted(&observation, score, score >= self.threshold) {
                records.push(self.record(observation, row, score));
            }
        }
        rows.clear();
        (self.rows, self.scores) = (rows, scores);
    }

    fn record(&mut self, observation: Observation<'_>, row: &[f32], score: f64) -> ScoreRecord {
        let Observation { tenant, event, received_at, date, company } = observation;
        self.n_records += 1;
        if self.n_records.is_multiple_of(OBSERVED) {
            self.drift.observe(row);
        }
        let reasons = self.explainer.as_ref().map_or_else(Vec::new, |(explainer, n_reasons)| {
            explainer.approximate_into(row, &mut self.contributions);
            let reasons = explainer.reasons_of(row, &self.contributions, *n_reasons);
            reasons.iter().map(ToString::to_string).collect()
        });
        let event =
            event.map(|event| EventIdentity { source: event.source.as_ref().into(), id: event.id.as_ref().into() });
        ScoreRecord {
            id: ScoreRecord::id_of(&self.model_id, tenant, date, event.as_ref(), received_at),
            tenant: tenant.into(),
            company,
            at_risk: score >= self.threshold,
            score,
            threshold: self.threshold,
            observation_date: date,
            reasons,
            model_id: Arc::clone(&self.model_id),
            event,
            received_at,
        }
    }
}
