//! A synthetic churn table whose difficulty is known.
//!
//! Eleven numbers as activity logs have them (counts, heavy tails, shares, a rating) and a plan of nine levels in one
//! column each: 20 features that any library takes. The label depends on them through thresholds, interactions and
//! saturation, about one in five is churn, and 3 % of either label is noise that nothing can learn. The best possible
//! ROC-AUC is about 0.89.

use churn_features::{Feature, FeatureSchema};
use ndarray::{Array2, aview1};
use rand_distr::{Beta, Distribution, Exp, Gamma, LogNormal, Poisson, StandardNormal, StandardUniform, StudentT};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;

const NUMBERS: [&str; 11] = [
    "tenure_days",
    "logins_30d",
    "login_trend",
    "monthly_spend",
    "spend_trend",
    "tickets_90d",
    "days_since_login",
    "session_minutes",
    "discount_share",
    "failed_payments_90d",
    "recommend_0_to_10",
];

const N_PLANS: usize = 9;

/// How common each plan is.
const PLAN_SHARES: [f64; N_PLANS] = [0.30, 0.20, 0.14, 0.10, 0.08, 0.07, 0.05, 0.04, 0.02];

/// What each plan adds to the log-odds of churn.
const PLAN_EFFECTS: [f64; N_PLANS] = [0.0, 0.5, -0.6, 0.9, -0.3, 0.2, -1.0, 1.2, -0.2];

/// Churn that comes, and stays away, for no reason that the table holds.
const UNLEARNABLE: f64 = 0.03;

/// Columns of the table.
pub const N_FEATURES: usize = NUMBERS.len() + N_PLANS;

/// Names and kinds of the columns.
pub fn schema() -> FeatureSchema {
    let numbers = NUMBERS.into_iter().map(Feature::numeric);
    let plans = (0..N_PLANS).map(|plan| Feature::boolean(format!("plan_{plan}")));
    FeatureSchema::new(numbers.chain(plans).collect())
        .expect("this cannot fail because the names are not empty and unique")
}

/// Which of two tables that share no observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What models are fitted on.
    Fit,
    /// What they are judged by.
    Test,
}

impl Part {
    /// The word for this part in file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Test => "test",
        }
    }
}

/// Observations with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Row-major `(n_observations, N_FEATURES)`, no value missing.
    pub features: Array2<f32>,
    /// `(n_observations,)`; `true` for churned.
    pub labels: Vec<bool>,
}

impl Table {
    /// The first `n_observations` of that part: the same on every run, and a shorter table is the head of a longer one.
    ///
    /// # Cost
    /// About a microsecond per observation, and no memory beyond the table.
    pub fn generate(part: Part, n_observations: usize, seed: u64) -> Self {
        let mut features = Array2::zeros((n_observations, N_FEATURES));
        let mut source = ObservationSource::new(part, seed);
        let labels = features.outer_iter_mut().map(|mut row| {
            let observation = source.draw();
            row.assign(&aview1(&observation.features));
            observation.churned
        });
        let labels = labels.collect();
        Self { features, labels }
    }
}

/// One row of the table, and what nobody else knows about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawnObservation {
    /// In the order of [`schema`].
    pub features: [f32; N_FEATURES],
    /// Whether the tenant churned.
    pub churned: bool,
    /// The probability that `churned` was drawn with: the best score there is.
    pub churn_probability: f64,
}

/// Draws observations one after the other.
#[derive(Debug, Clone)]
pub struct ObservationSource {
    dice: Pcg64,
    tenure_days: Exp<f64>,
    activity: Gamma<f64>,
    monthly_spend: LogNormal<f64>,
    trend: StudentT<f64>,
    session_minutes: Gamma<f64>,
    discount_share: Beta<f64>,
}

/// Why `expect` may be used on the distributions of this page.
const CONSTANT: &str = "this cannot fail because the parameters are finite and positive";

impl ObservationSource {
    /// A source for that part.
    pub fn new(part: Part, seed: u64) -> Self {
        let stream = match part {
            Part::Fit => 0,
            Part::Test => 1,
        };
        Self {
            dice: Pcg64::seed_from_u64(seed.wrapping_mul(2).wrapping_add(stream)),
            tenure_days: Exp::new(1.0 / 500.0).expect(CONSTANT),
            activity: Gamma::new(1.2, 1.0).expect(CONSTANT),
            monthly_spend: LogNormal::new(3.2, 1.0).expect(CONSTANT),
            trend: StudentT::new(3.0).expect(CONSTANT),
            session_minutes: Gamma::new(2.0, 6.0).expect(CONSTANT),
            discount_share: Beta::new(0.6, 3.0).expect(CONSTANT),
        }
    }

    /// Draws the next observation.
    pub fn draw(&mut self) -> DrawnObservation {
        let tenant = self.draw_tenant();
        let churn_probability = tenant.churn_probability();
        let churned = self.share() < churn_probability;
        DrawnObservation { features: tenant.features(), churned, churn_probability }
    }

    fn draw_tenant(&mut self) -> Tenant {
        let plan = self.plan();
        // A hidden cause of two features, which are therefore correlated.
        let activity = self.activity.sample(&mut self.dice);
        let tenure_days = (self.tenure_days.sample(&mut self.dice) + 1.0).floor();
        let logins = self.count(12.0 * activity);
        let login_trend = 0.5 * self.normal();
        let spend = self.monthly_spend.sample(&mut self.dice) * (1.0 + 0.15 * plan as f64);
        let monthly_spend = (100.0 * spend).round() / 100.0;
        let spend_trend = 0.3 * self.trend.sample(&mut self.dice);
        let tickets = self.count(if plan == 3 { 1.1 } else { 0.6 });
        let silence = Exp::new(0.08 + 0.25 * activity).expect(CONSTANT);
        let days_since_login = silence.sample(&mut self.dice).floor();
        let session_minutes = self.session_minutes.sample(&mut self.dice);
        let discount_share = self.discount_share.sample(&mut self.dice);
        let failed_payments = self.count(if monthly_spend > 80.0 { 0.65 } else { 0.25 });
        let rating = (7.0 - 0.9 * tickets + 1.8 * self.normal()).round().clamp(0.0, 10.0);
        Tenant {
            tenure_days,
            logins,
            login_trend,
            monthly_spend,
            spend_trend,
            tickets,
            days_since_login,
            session_minutes,
            discount_share,
            failed_payments,
            rating,
            plan,
        }
    }

    fn plan(&mut self) -> usize {
        let mut left = self.share();
        for (plan, share) in PLAN_SHARES.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return plan;
            }
        }
        N_PLANS - 1 // the shares may add up to a little less than 1
    }

    /// A number in `[0, 1)`.
    fn share(&mut self) -> f64 {
        StandardUniform.sample(&mut self.dice)
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.dice)
    }

    /// A Poisson count; a mean too small for the distribution counts nothing.
    fn count(&mut self, mean: f64) -> f64 {
        Poisson::new(mean).map_or(0.0, |counts| counts.sample(&mut self.dice))
    }
}

/// An observation before it is rounded to f32.
struct Tenant {
    tenure_days: f64,
    logins: f64,
    login_trend: f64,
    monthly_spend: f64,
    spend_trend: f64,
    tickets: f64,
    days_since_login: f64,
    session_minutes: f64,
    discount_share: f64,
    failed_payments: f64,
    rating: f64,
    plan: usize,
}

impl Tenant {
    fn features(&self) -> [f32; N_FEATURES] {
        let numbers: [f64; NUMBERS.len()] = [
            self.tenure_days,
            self.logins,
            self.login_trend,
            self.monthly_spend,
            self.spend_trend,
            self.tickets,
            self.days_since_login,
            self.session_minutes,
            self.discount_share,
            self.failed_payments,
            self.rating,
        ];
        let mut features = [0.0; N_FEATURES];
        features.iter_mut().zip(numbers).for_each(|(feature, number)| *feature = number as f32);
        features[NUMBERS.len() + self.plan] = 1.0;
        features
    }

    fn churn_probability(&self) -> f64 {
        let is = |fact: bool| f64::from(u8::from(fact));
        let is_new = (-self.tenure_days / 180.0).exp();
        let is_settled = 1.0 - (-self.tenure_days / 90.0).exp();
        let log_spend = (self.monthly_spend + 1.0).ln() - 3.2;

        let mut log_odds = -2.92;
        log_odds += 2.3 * is_new;
        log_odds += 2.0 * is(self.days_since_login > 7.0) + 0.08 * self.days_since_login.min(30.0);
        log_odds -= 1.1 * (self.logins + 1.0).ln() * is_settled;
        log_odds -= 2.2 * self.login_trend * is(self.logins > 4.0);
        log_odds += 1.9 * is(self.tickets >= 2.0 && self.rating < 5.0);
        log_odds += 1.6 * self.failed_payments.min(3.0) * is(self.discount_share < 0.2);
        log_odds += 1.2 * (2.0 * self.spend_trend).tanh() * if self.monthly_spend > 40.0 { -1.0 } else { 0.4 };
        log_odds += 0.4 * log_spend * log_spend;
        log_odds += 1.35 * PLAN_EFFECTS[self.plan] * if self.tenure_days < 120.0 { 1.6 } else { 1.0 };
        log_odds += 0.95 * ((self.session_minutes - 12.0) / 10.0).sin();
        UNLEARNABLE + (1.0 - 2.0 * UNLEARNABLE) / (1.0 + (-log_odds).exp())
    }
}

#[cfg(test)]
mod tests {
    use churn_model::evaluate::roc_auc;

    use super::*;

    #[test]
    fn one_in_five_churns_and_the_best_score_is_far_from_perfect() {
        let mut source = ObservationSource::new(Part::Fit, 1);
        let drawn: Vec<DrawnObservation> = (0..50_000).map(|_| source.draw()).collect();
        let labels: Vec<bool> = drawn.iter().map(|observation| observation.churned).collect();
        let scores: Vec<f64> = drawn.iter().map(|observation| observation.churn_probability).collect();
        let base_rate = labels.iter().filter(|&&churned| churned).count() as f64 / labels.len() as f64;
        let best_auc = roc_auc(&scores, &labels).unwrap();
        assert!((0.17..0.24).contains(&base_rate), "base rate {base_rate}");
        assert!((0.86..0.92).contains(&best_auc), "best ROC-AUC {best_auc}");
    }

    #[test]
    fn the_same_seed_gives_the_same_table_and_a_shorter_one_is_its_head() {
        let long = Table::generate(Part::Fit, 500, 7);
        let short = Table::generate(Part::Fit, 200, 7);
        assert_eq!(long, Table::generate(Part::Fit, 500, 7));
        assert_eq!(short.features, long.features.slice(ndarray::s![..200, ..]));
        assert_eq!(short.labels, long.labels[..200]);
    }

    #[test]
    fn parts_and_seeds_share_no_observation() {
        let tenants = |part, seed| Table::generate(part, 300, seed).features.column(2).to_vec();
        let mut trends =
            [tenants(Part::Fit, 1), tenants(Part::Test, 1), tenants(Part::Fit, 2), tenants(Part::Test, 2)].concat();
        trends.sort_unstable_by(f32::total_cmp);
        trends.dedup();
        assert_eq!(trends.len(), 1200);
    }

    #[test]
    fn every_observation_has_one_plan_and_no_value_is_missing_or_infinite() {
        let table = Table::generate(Part::Test, 2_000, 3);
        assert!(table.features.iter().all(|value| value.is_finite()));
        for row in table.features.outer_iter() {
            let plans = row.slice(ndarray::s![NUMBERS.len()..]);
            assert!(plans.sum() == 1.0 && plans.iter().all(|&held| held == 0.0 || held == 1.0), "{row}");
        }
    }
}
