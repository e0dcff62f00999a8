//! Splits by time: fit, calibration and test, with an embargo between them.
//!
//! A part's label horizons end before the next part's first observation date, as they would have had to if the model
//! had been fitted on that date. The observations in between are left out.

use std::collections::BTreeMap;
use std::ops::Range;

use churn_events::{DAY_MS, ObservationDate};

use crate::plan::later;
use crate::split::check_test_share;
use crate::{AssemblyError, Error, ObservationPlan, TrainingSet};

/// Which rows are fitted on, calibrated with and tested with, cut by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSplit {
    /// Rows to fit on, increasing.
    pub fit: Vec<usize>,
    /// Rows to calibrate with, increasing; none when the calibration share is 0.
    pub calibration: Vec<usize>,
    /// Rows to test with, increasing.
    pub test: Vec<usize>,
    /// First and last observation date of the rows to fit on.
    pub fit_dates: (ObservationDate, ObservationDate),
    /// First and last observation date of the rows to calibrate with.
    pub calibration_dates: Option<(ObservationDate, ObservationDate)>,
    /// First and last observation date of the rows to test with.
    pub test_dates: (ObservationDate, ObservationDate),
    /// Rows that are in no part because their label horizons reach into the next one.
    pub n_embargoed: usize,
}

/// Cuts a training set by time: the latest dates that hold at least `test_share` of the rows are tested with, those
/// before that hold at least `calibration_share` of the rows are calibrated with, and what is earlier is fitted on. With
/// a calibration share of 0 there is no calibration part.
///
/// # Errors
/// When the rows have no dates, the dates are too few for the parts and the embargo between them, or a part has only
/// one label. The message says what helps.
pub fn time_split(
    set: &TrainingSet,
    plan: &ObservationPlan,
    test_share: f64,
    calibration_share: f64,
) -> Result<TimeSplit, Error> {
    DatedRows::of(set)?.split(plan, test_share, calibration_share)
}

/// Cuts a training set by time so that it is tested with the observation dates of `test`, as in one step of a backtest;
/// rows after them are left out and not counted as embargoed.
///
/// # Errors
/// As [`time_split`].
pub fn time_split_at(
    set: &TrainingSet,
    plan: &ObservationPlan,
    test: Range<ObservationDate>,
    calibration_share: f64,
) -> Result<TimeSplit, Error> {
    DatedRows::of(set)?.split_at(plan, test, calibration_share)
}

const FIT: &str = "fit";
const CALIBRATION: &str = "calibration";
const TEST: &str = "test";

fn check_calibration_share(share: f64, test_share: f64) -> Result<(), AssemblyError> {
    if share >= 0.0 && share + test_share < 1.0 {
        return Ok(());
    }
    Err(AssemblyError::CalibrationShare { found: share })
}

/// Rows of which no more is known than when they were observed and, perhaps, who churned: what a split by time looks at.
#[derive(Debug, Clone)]
pub struct DatedRows<'a> {
    of_row: &'a [ObservationDate],
    labels: Option<&'a [bool]>,
    n_rows: BTreeMap<ObservationDate, usize>,
}

impl<'a> DatedRows<'a> {
    /// Rows of these dates. Without labels, parts of only one label are not refused.
    pub fn new(dates: &'a [ObservationDate], labels: Option<&'a [bool]>) -> Self {
        let mut n_rows = BTreeMap::new();
        dates.iter().for_each(|&date| *n_rows.entry(date).or_insert(0) += 1);
        Self { of_row: dates, labels, n_rows }
    }

    fn of(set: &'a TrainingSet) -> Result<Self, AssemblyError> {
        let dates = set.keys().dates().ok_or(AssemblyError::NoDates)?;
        Ok(Self::new(dates, Some(set.labels())))
    }

    /// Cuts them as [`time_split`] does.
    ///
    /// # Errors
    /// As [`time_split`].
    pub fn split(&self, plan: &ObservationPlan, test_share: f64, calibration_share: f64) -> Result<TimeSplit, Error> {
        check_test_share(test_share)?;
        check_calibration_share(calibration_share, test_share)?;
        let test_from = self.latest(None, test_share).ok_or(AssemblyError::EmptyPart { part: TEST })?;
        let test = test_from..later(self.last()?, 1);
        self.cut(plan, test, test_share, calibration_share)
    }

    /// Cuts them as [`time_split_at`] does.
    ///
    /// # Errors
    /// As [`time_split`].
    pub fn split_at(
        &self,
        plan: &ObservationPlan,
        test: Range<ObservationDate>,
        calibration_share: f64,
    ) -> Result<TimeSplit, Error> {
        let n_test: usize = self.n_rows.range(test.clone()).map(|(_, n)| n).sum();
        let test_share = n_test as f64 / self.of_row.len() as f64;
        if n_test == 0 {
            return Err(AssemblyError::EmptyPart { part: TEST }.into());
        }
        check_calibration_share(calibration_share, test_share)?;
        self.cut(plan, test, test_share, calibration_share)
    }

    fn first(&self) -> Result<ObservationDate, AssemblyError> {
        self.n_rows.keys().next().copied().ok_or(AssemblyError::EmptyPart { part: FIT })
    }

    fn last(&self) -> Result<ObservationDate, AssemblyError> {
        self.n_rows.keys().next_back().copied().ok_or(AssemblyError::EmptyPart { part: TEST })
    }

    /// The date from which on the latest rows until `until` are that share of all rows.
    fn latest(&self, until: Option<ObservationDate>, share: f64) -> Option<ObservationDate> {
        let mut n = 0;
        let mut found = None;
        for (&date, n_rows) in self.n_rows.iter().rev().filter(|(date, _)| until.is_none_or(|until| **date <= until)) {
            n += n_rows;
            found = Some(date);
            if n as f64 >= share * self.of_row.len() as f64 {
                break;
            }
        }
        found
    }

    fn cut(
        &self,
        plan: &ObservationPlan,
        test: Range<ObservationDate>,
        test_share: f64,
        calibration_share: f64,
    ) -> Result<TimeSplit, Error> {
        let embargo = i32::try_from(plan.embargo_days()).unwrap_or(i32::MAX);
        // The last date whose label horizon ends before a part begins.
        let before = |from: ObservationDate| ObservationDate::from_days(from.days().saturating_sub(embargo));
        let n_parts = if calibration_share > 0.0 { 3 } else { 2 };
        let room = |part, next| self.no_room(plan, (part, next), n_parts, (test_share, calibration_share));

        let mut next = test.start;
        let mut calibration = None;
        if calibration_share > 0.0 {
            let until = before(next);
            let from = self.latest(Some(until), calibration_share).ok_or_else(|| room(CALIBRATION, next))?;
            calibration = Some(from..later(until, 1));
            next = from;
        }
        let fit = self.first()?..later(before(next), 1);
        if fit.is_empty() {
            return Err(room(FIT, next).into());
        }

        let rows = |dates: &Range<ObservationDate>| -> Vec<usize> {
            (0..self.of_row.len()).filter(|&row| dates.contains(&self.of_row[row])).collect()
        };
        let span = |rows: &[usize], part| -> Result<_, AssemblyError> {
            let dates = || rows.iter().map(|&row| self.of_row[row]);
            dates().min().zip(dates().max()).ok_or(AssemblyError::EmptyPart { part })
        };
        let fit = rows(&fit);
        let (calibration, test) = (calibration.as_ref().map(rows), rows(&test));
        let fit_dates = span(&fit, FIT)?;
        let calibration_dates = calibration.as_ref().map(|rows| span(rows, CALIBRATION)).transpose()?;
        let test_dates = span(&test, TEST)?;
        let calibration = calibration.unwrap_or_default();
        for (part, rows) in [(FIT, &fit), (CALIBRATION, &calibration), (TEST, &test)] {
            self.check_labels(part, rows)?;
        }
        let n_until_test = self.n_rows.range(..=test_dates.1).map(|(_, n)| n).sum::<usize>();
        let n_embargoed = n_until_test - fit.len() - calibration.len() - test.len();
        Ok(TimeSplit { fit, calibration, test, fit_dates, calibration_dates, test_dates, n_embargoed })
    }

    /// Why a part has no date: the log is too short for all of them, or the later ones take too much of it.
    fn no_room(
        &self,
        plan: &ObservationPlan,
        (part, next): (&'static str, ObservationDate),
        n_parts: u32,
        (test_share, calibration_share): (f64, f64),
    ) -> AssemblyError {
        let (first, last) = match (self.first(), self.last()) {
            (Ok(first), Ok(last)) => (first, last),
            (Err(error), _) | (_, Err(error)) => return error,
        };
        let embargo = plan.embargo_days();
        let found_days = (last.start().millis() - first.start().millis()) / DAY_MS;
        let step = i64::from(embargo.div_ceil(plan.every_days.max(1))) * i64::from(plan.every_days);
        let needed_days = step * i64::from(n_parts - 1);
        if found_days < needed_days {
            let missing_days = needed_days - found_days;
            return AssemblyError::ShortForSplit {
                first,
                last,
                found_days,
                needed_days,
                missing_days,
                embargo,
                n_parts,
            };
        }
        AssemblyError::NoRoom { part, next, embargo, test_share, calibration_share }
    }

    fn check_labels(&self, part: &'static str, rows: &[usize]) -> Result<(), AssemblyError> {
        let Some(labels) = self.labels else { return Ok(()) };
        let n_churned = rows.iter().filter(|&&row| labels[row]).count();
        let found = match rows.len() {
            0 => return Ok(()),
            _ if n_churned == 0 => "stayed",
            n if n_churned == n => "churn",
            _ => return Ok(()),
        };
        Err(AssemblyError::OneLabelInPart { part, found, n_observations: rows.len() })
    }
}
