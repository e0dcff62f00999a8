//! Which observations are for what: fit, calibration, test.

use churn_training_data::{TimeSplit, TrainingSet, check_split, stratified_split, time_split};

use crate::Error;
use crate::config::TrainConfig;
use crate::over_time::SplitKind;
use crate::rows::need_both_labels;
use crate::source::Loaded;

/// Positions of observations in the set, by what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// Learners are fitted on these.
    pub(crate) fit: Vec<usize>,
    /// The calibrator and the threshold come from these; there may be none.
    pub(crate) calibration: Vec<usize>,
    /// Models are tested on these.
    pub(crate) test: Vec<usize>,
    /// How they were cut, where that was by time.
    pub(crate) by_time: Option<TimeSplit>,
}

impl Parts {
    /// Cuts a set as configured: a flat table at random within labels, a log by time or by tenant.
    ///
    /// # Errors
    /// When the set cannot be cut so, a label horizon or a tenant would reach across the cut, or a part would bear one label only.
    pub(crate) fn cut(config: &TrainConfig, loaded: &Loaded) -> Result<Self, Error> {
        let set = &loaded.set;
        let parts = match &loaded.observed {
            Some(observed) if config.split == SplitKind::Time => {
                let split = time_split(set, &observed.plan, config.test_share, config.calibration_share)?;
                Self {
                    fit: split.fit.clone(),
                    calibration: split.calibration.clone(),
                    test: split.test.clone(),
                    by_time: Some(split),
                }
            }
            _ => {
                let (fit, test) = stratified_split(set.labels(), set.groups(), config.test_share, config.seed)?;
                Self { fit, calibration: Vec::new(), test, by_time: None }
            }
        };
        if let Some(observed) = &loaded.observed {
            check_split(set, &observed.plan, &parts.fit, &parts.test)?;
            if !parts.calibration.is_empty() {
                check_split(set, &observed.plan, &parts.calibration, &parts.test)?;
            }
        }
        let option = if parts.by_time.is_some() { "--test-share" } else { "--test-share or --seed" };
        let needed = [("test", &parts.test), ("calibration", &parts.calibration), ("fit", &parts.fit)];
        for (name, rows) in needed.iter().filter(|(name, rows)| *name != "calibration" || !rows.is_empty()) {
            need_both_labels(set, rows, &format!("the {name} split of {:?}", loaded.source), option)?;
        }
        Ok(parts)
    }

    /// Whether models are tested on other rows than they are fitted on.
    pub(crate) fn is_test_held_out(&self) -> bool {
        // They are the same rows or quite others.
        self.test.first().is_none_or(|row| !self.fit.contains(row))
    }

    /// What each observation of the set is for, as files name it; empty for those that are for nothing.
    pub(crate) fn words(&self, set: &TrainingSet) -> Vec<&'static str> {
        let mut words = vec![""; set.n_observations()];
        for (name, rows) in [("test", &self.test), ("calibration", &self.calibration), ("fit", &self.fit)] {
            rows.iter().for_each(|&row| words[row] = name);
        }
        words
    }
}
