use churn_events::ObservationDate;

use crate::label::Fate;

/// What the tenants known on one observation date were and became.
///
/// At risk are those who could be scored then: the ones that churned, stayed, cancelled in the gap or are censored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cohort {
    /// The observation date, in days since 1970-01-01.
    pub(crate) day: i32,
    /// At risk, and churned inside the label horizon.
    pub n_churned: u64,
    /// At risk, and did not churn inside the label horizon.
    pub n_stayed: u64,
    /// At risk by what was known then, and cancelled before the label horizon began; neither churned nor stayed. Also
    /// who had cancelled before the observation date when that was received only later.
    pub n_cancelled_in_gap: u64,
    /// At risk, and the log ends before the label horizon does.
    pub n_censored: u64,
    /// Not at risk: younger than the minimum tenure.
    pub n_too_young: u64,
    /// Not at risk under the usage rule: no job in the lookback.
    pub n_inactive: u64,
}

impl Cohort {
    pub(crate) fn new(date: ObservationDate) -> Self {
        let day = date.days();
        Self { day, n_churned: 0, n_stayed: 0, n_cancelled_in_gap: 0, n_censored: 0, n_too_young: 0, n_inactive: 0 }
    }

    /// The observation date.
    pub fn date(&self) -> ObservationDate {
        ObservationDate::from_days(self.day)
    }

    /// Tenants at risk on the date.
    pub fn n_at_risk(&self) -> u64 {
        self.n_labelled() + self.n_cancelled_in_gap + self.n_censored
    }

    /// Tenants with a label.
    pub fn n_labelled(&self) -> u64 {
        self.n_churned + self.n_stayed
    }

    /// The share of the labelled tenants that churned; `None` when there are none.
    pub fn churn_share(&self) -> Option<f64> {
        (self.n_labelled() > 0).then(|| self.n_churned as f64 / self.n_labelled() as f64)
    }

    pub(crate) fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Churned => self.n_churned += 1,
            Fate::Stayed => self.n_stayed += 1,
            Fate::CancelledInGap => self.n_cancelled_in_gap += 1,
            Fate::Censored => self.n_censored += 1,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.n_churned += other.n_churned;
        self.n_stayed += other.n_stayed;
        self.n_cancelled_in_gap += other.n_cancelled_in_gap;
        self.n_censored += other.n_censored;
        self.n_too_young += other.n_too_young;
        self.n_inactive += other.n_inactive;
    }
}
