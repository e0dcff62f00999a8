//! Fills in what only a log with times can tell.

use churn_features::catalogue;
use churn_model::evaluate::{ColumnGroup, EvaluateError, Metrics};

use crate::Error;
use crate::backtest::backtest;
use crate::bagging::bagging;
use crate::candidates::Candidate;
use crate::config::{Algorithm, TrainConfig};
use crate::console::Console;
use crate::evaluation::importance;
use crate::original::original;
use crate::over_time::{DateFacts, OracleFacts, OverTime, Part, PlanFacts, SplitKind, StudyWeek};
use crate::parts::Parts;
use crate::procedure::Procedure;
use crate::rows::Rows;
use crate::source::{Loaded, Observed};

/// What is known once a model has been fitted on observations with dates.
pub(crate) struct Observing<'a> {
    /// What was asked for.
    pub(crate) config: &'a TrainConfig,
    /// What it was fitted on.
    pub(crate) loaded: &'a Loaded,
    /// How that was observed.
    pub(crate) observed: &'a Observed,
    /// Which observations were for what.
    pub(crate) parts: &'a Parts,
    /// The observations fitted on.
    pub(crate) fit: &'a Rows,
    /// The observations that calibrator and threshold come from, where there are some.
    pub(crate) calibration: Option<&'a Rows>,
    /// The observations tested on.
    pub(crate) test: &'a Rows,
    /// The candidate that was kept.
    pub(crate) kept: &'a Candidate,
    /// Its ROC-AUC on the test split.
    pub(crate) roc_auc: f64,
}

impl Observing<'_> {
    /// Everything that a run on a log of events finds out beyond what a flat table can tell.
    ///
    /// # Errors
    /// When a yardstick cannot be fitted or evaluated.
    pub(crate) fn find(&self, console: &Console) -> Result<OverTime, Error> {
        let Self { config, loaded, observed, .. } = self;
        let (set, schema) = (&loaded.set, loaded.set.schema());
        let is_forest_tried = config.algorithm.algorithms().contains(&Algorithm::RandomForest);
        let bagging = if is_forest_tried { Some(bagging(config, schema, self.fit, self.test)?) } else { None };
        let procedure = Procedure { config, schema };
        Ok(OverTime {
            log: observed.log.clone(),
            plan: self.plan(),
            dates: self.dates(),
            event_study: self.event_study(),
            oracle: self.oracle()?,
            original: original(config, schema, self.fit, self.calibration, self.test, console)?,
            bagging,
            families: self.families()?,
            backtest: if config.backtest {
                backtest(&procedure, set, &observed.plan, |rows| self.truth(rows), console)?
            } else {
                Vec::new()
            },
            n_scored: observed.censored.latest().count(),
        })
    }

    fn plan(&self) -> PlanFacts {
        let plan = &self.observed.plan;
        PlanFacts {
            rule: plan.rule.word().to_owned(),
            every_days: plan.every_days,
            lookback_days: plan.lookback_days,
            gap_days: plan.gap_days,
            horizon_days: plan.horizon_days,
            min_tenure_days: plan.min_tenure_days,
            split: if self.parts.by_time.is_some() { SplitKind::Time } else { SplitKind::Tenants },
            embargo_days: self.parts.by_time.as_ref().map(|_| plan.embargo_days()),
        }
    }

    fn dates(&self) -> Vec<DateFacts> {
        let cohorts = self.observed.cohorts.iter();
        cohorts
            .map(|cohort| DateFacts {
                date: cohort.date(),
                part: self.part(cohort.date(), cohort.n_labelled() == 0),
                n_at_risk: cohort.n_at_risk() as usize,
                n_churned: cohort.n_churned as usize,
                n_too_young: cohort.n_too_young as usize,
                n_cancelled_in_gap: cohort.n_cancelled_in_gap as usize,
            })
            .collect()
    }

    fn part(&self, date: churn_events::ObservationDate, is_censored: bool) -> Part {
        if is_censored {
            return Part::Censored;
        }
        let Some(split) = &self.parts.by_time else { return Part::FitAndTest };
        let is_in = |(first, last): (_, _)| first <= date && date <= last;
        if is_in(split.fit_dates) {
            Part::Fit
        } else if split.calibration_dates.is_some_and(is_in) {
            Part::Calibration
        } else if is_in(split.test_dates) {
            Part::Test
        } else {
            Part::Embargo
        }
    }

    fn event_study(&self) -> Vec<StudyWeek> {
        let Some(study) = &self.observed.event_study else { return Vec::new() };
        let weeks = study.weeks.iter().zip(study.churned.iter().zip(&study.stayed));
        weeks
            .map(|(&week, (&churners, &stayers))| StudyWeek { week, churners, stayers, n_churners: study.n_churned })
            .collect()
    }

    fn truth(&self, rows: &[usize]) -> Option<Vec<f64>> {
        self.observed.world.as_ref()?.truth(&self.loaded.set, rows, &self.observed.plan)
    }

    fn oracle(&self) -> Result<Option<OracleFacts>, Error> {
        let Some(truth) = self.truth(&self.parts.test) else { return Ok(None) };
        let test = Metrics::of(&truth, &self.test.labels, &self.config.campaign())
            .map_err(|source| Error::Evaluate { what: "the true churn probabilities".to_owned(), source })?;
        let reached = (self.roc_auc - 0.5) / (test.roc_auc - 0.5);
        Ok(Some(OracleFacts { test, reached }))
    }

    fn families(&self) -> Result<Vec<churn_model::evaluate::Importance>, Error> {
        let schema = self.loaded.set.schema();
        let mut groups: Vec<ColumnGroup> = Vec::new();
        for definition in catalogue() {
            let Some(column) = schema.position(definition.feature.name()) else { continue };
            let name = definition.family.word();
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.columns.push(column),
                None => groups.push(ColumnGroup { name: name.to_owned(), columns: vec![column] }),
            }
        }
        let fail = |source: EvaluateError| Error::Evaluate { what: "families of features".to_owned(), source };
        Ok(importance(&groups, self.test, self.config.seed, |rows| self.kept.scores(rows)).map_err(fail)?.0)
    }
}
