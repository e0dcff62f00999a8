//! Fills in what only a log with times can tell.

use churn_events::ObservationDate;
use churn_features::catalogue;
use churn_model::evaluate::{ColumnGroup, EvaluateError, Importance, Metrics};
use churn_training_data::Cohort;

use crate::Error;
use crate::backtest::{Backtest, backtest};
use crate::bagging::bagging;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::evaluation::importance;
use crate::original::original;
use crate::over_time::{DateFacts, OracleFacts, OverTime, Part, StudyWeek};
use crate::parts::Parts;
use crate::procedure::{Fitted, Procedure};
use crate::rows::Rows;
use crate::source::{Loaded, Observed};

/// Who was at risk on each observation date, and what that was used for.
pub(crate) fn date_facts(observed: &Observed, parts: &Parts) -> Vec<DateFacts> {
    let facts = |cohort: &Cohort| DateFacts {
        date: cohort.date(),
        part: if cohort.n_labelled() == 0 { Part::Censored } else { part(parts, cohort.date()) },
        n_observed: (cohort.n_labelled() + cohort.n_censored) as usize,
        n_churned: cohort.n_churned as usize,
        n_too_young: cohort.n_too_young as usize,
        n_cancelled_in_gap: cohort.n_cancelled_in_gap as usize,
    };
    observed.cohorts.iter().map(facts).collect()
}

fn part(parts: &Parts, date: ObservationDate) -> Part {
    let Some(split) = &parts.by_time else { return Part::FitAndTest };
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
    /// The candidates, and which was kept.
    pub(crate) fitted: &'a Fitted,
    /// The ROC-AUC of that one on the test split.
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
        let procedure = Procedure { config, schema };
        let backtest = if config.backtest {
            backtest(&procedure, set, &observed.plan, |rows| self.truth(rows), console)?
        } else {
            Backtest::default()
        };
        Ok(OverTime {
            log: observed.log.clone(),
            plan: observed.plan.clone(),
            split: config.split,
            dates: date_facts(observed, self.parts),
            event_study: self.event_study(),
            oracle: self.oracle()?,
            original: original(config, schema, self.fit, self.calibration, self.test, console)?,
            bagging: bagging(config, schema, &self.fitted.candidates, self.fit, self.test)?,
            families: self.families()?,
            backtest: backtest.steps,
            backtest_left_out: backtest.n_left_out,
            n_scored: observed.censored.latest().count(),
        })
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

    fn families(&self) -> Result<Vec<Importance>, Error> {
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
        Ok(importance(&groups, self.test, self.config.seed, |rows| self.fitted.kept().scores(rows)).map_err(fail)?.0)
    }
}
