//! What a retention campaign earns when it contacts the highest scores.
//!
//! A contacted tenant that would have churned takes the offer with probability γ and is then worth the lifetime value
//! less offer and contact; one that would have stayed takes the offer for sure. Contacting `c` tenants that would churn
//! and `s` that would stay, of `n`, earns per tenant
//!
//! ```text
//! value * ((γ (1 - δ) - φ) c - (δ + φ) s) / n        δ = offer / value, φ = contact / value
//! ```
//!
//! γ is not known but Beta-distributed. EMPC lets the campaign choose its best threshold for each γ and takes the mean.
//! Only corners of the convex hull of the ROC curve are ever best: corner `i` for γ between γ_i and γ_(i+1), where γ_i is
//! the γ at which corners `i - 1` and `i` earn the same. On such a stretch the profit is linear in γ, and its mean follows
//! from the regularised incomplete beta function: nothing is integrated numerically.

use statrs::function::beta::checked_beta_reg;

use super::error::EvaluateError;
use super::ranking::Ranking;
use crate::threshold::{Campaign, CampaignError};

/// Largest shape parameter for which the incomplete beta function was found good to 1e-10. Beta(6 000, 14 000) stands
/// for an acceptance known to a third of a percent, so nothing is lost.
const LARGEST_SHAPE: f64 = 2e4;

/// Expected maximum profit of a campaign (EMPC) and how many tenants it contacts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedMaximumProfit {
    /// EMPC: money per tenant, contacted or not. Not negative, because contacting nobody earns 0.
    pub profit_per_tenant: f64,
    /// Share of tenants that the campaign is expected to contact (η in the paper).
    pub contacted_share: f64,
}

/// One point of a profit curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfitPoint {
    /// Tenants with scores at or above it are contacted; `None` where nobody is.
    pub threshold: Option<f64>,
    /// Share of tenants contacted.
    pub contacted_share: f64,
    /// Money per tenant, contacted or not.
    pub profit_per_tenant: f64,
}

/// Expected maximum profit of a campaign that contacts the highest scores.
///
/// Depends on the order of the scores only, not on their values. Where two numbers of contacts earn the same for a
/// stretch of γ, the smaller one is taken.
///
/// # Units
/// The money of `campaign`, per tenant; the share in `[0, 1]`.
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, or the campaign is unusable or has a shape parameter above
/// 20,000.
/// # Cost
/// O(n log n).
/// # Source
/// Verbraken, Verbeke and Baesens, IEEE Transactions on Knowledge and Data Engineering 25 (2013) 961-973.
pub fn expected_maximum_profit(
    scores: &[f64],
    labels: &[bool],
    campaign: &Campaign,
) -> Result<ExpectedMaximumProfit, EvaluateError> {
    expected_maximum(&Ranking::new(scores, labels)?, campaign)
}

/// Profit for the mean acceptance against the share of tenants contacted: the empty campaign, then one point per
/// distinct score, highest score first.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, or the campaign is unusable.
/// # Cost
/// O(n log n).
pub fn profit_curve(scores: &[f64], labels: &[bool], campaign: &Campaign) -> Result<Vec<ProfitPoint>, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    campaign.check()?;
    let n = ranking.n() as f64;
    let acceptance = campaign.mean_acceptance();
    let nobody = ProfitPoint { threshold: None, contacted_share: 0.0, profit_per_tenant: 0.0 };
    let points = ranking.reached().map(|reached| {
        let contacted = Contacted { n_churned: reached.n_churned, n_stayed: reached.n_stayed };
        ProfitPoint {
            threshold: Some(reached.score),
            contacted_share: reached.n() as f64 / n,
            profit_per_tenant: campaign.lifetime_value
                * ((contacted.gain(campaign) * acceptance - contacted.cost(campaign)) / n),
        }
    });
    Ok(std::iter::once(nobody).chain(points).collect())
}

/// The highest point of the profit curve; of several, the one that contacts fewest.
///
/// # Errors
/// As [`profit_curve`].
/// # Cost
/// O(n log n).
pub fn maximum_profit(scores: &[f64], labels: &[bool], campaign: &Campaign) -> Result<ProfitPoint, EvaluateError> {
    let curve = profit_curve(scores, labels, campaign)?;
    let higher = |best: ProfitPoint, point: &ProfitPoint| {
        if point.profit_per_tenant > best.profit_per_tenant { *point } else { best }
    };
    Ok(curve[1..].iter().fold(curve[0], higher))
}

/// Whom a campaign contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contacted {
    n_churned: usize,
    n_stayed: usize,
}

impl Contacted {
    fn n(self) -> f64 {
        (self.n_churned + self.n_stayed) as f64
    }

    /// What is earned from those who accept, if all would-be churners did; in lifetime values.
    fn gain(self, campaign: &Campaign) -> f64 {
        (1.0 - campaign.offer_share()) * self.n_churned as f64
    }

    /// What is spent whether would-be churners accept or not; in lifetime values.
    fn cost(self, campaign: &Campaign) -> f64 {
        let (delta, phi) = (campaign.offer_share(), campaign.contact_share());
        phi * self.n_churned as f64 + (delta + phi) * self.n_stayed as f64
    }

    /// The acceptance from which going on from `self` to `next` pays, above 1 where none does.
    fn pays_from(self, next: Self, campaign: &Campaign) -> f64 {
        let more = Self { n_churned: next.n_churned - self.n_churned, n_stayed: next.n_stayed - self.n_stayed };
        if more.n_churned == 0 { f64::INFINITY } else { more.cost(campaign) / more.gain(campaign) }
    }
}

/// EMPC of a ranking.
pub(super) fn expected_maximum(ranking: &Ranking, campaign: &Campaign) -> Result<ExpectedMaximumProfit, EvaluateError> {
    campaign.check()?;
    for (name, shape) in [("accept_alpha", campaign.accept_alpha), ("accept_beta", campaign.accept_beta)] {
        if shape > LARGEST_SHAPE {
            return Err(EvaluateError::Argument { name, found: shape.to_string(), expected: "at most 20000" });
        }
    }
    let corners = convex_hull(ranking);
    let mut profit = 0.0;
    let mut contacted = 0.0;
    for (position, corner) in corners.iter().enumerate().skip(1) {
        let from = corners[position - 1].pays_from(*corner, campaign);
        if from >= 1.0 {
            break;
        }
        let to = corners.get(position + 1).map_or(1.0, |next| corner.pays_from(*next, campaign).min(1.0));
        let Stretch { chance, accepted } = Stretch::new(from, to, campaign)?;
        // The profit of a best corner is never negative; only rounding makes it so.
        profit += (corner.gain(campaign) * accepted - corner.cost(campaign) * chance).max(0.0);
        contacted += corner.n() * chance;
    }
    let n = ranking.n() as f64;
    Ok(ExpectedMaximumProfit {
        profit_per_tenant: campaign.lifetime_value * (profit / n),
        contacted_share: (contacted / n).clamp(0.0, 1.0),
    })
}

/// A stretch of acceptance probabilities.
struct Stretch {
    /// Chance that the acceptance lies in it.
    chance: f64,
    /// Integral of the acceptance over it: its mean there, times `chance`.
    accepted: f64,
}

impl Stretch {
    fn new(from: f64, to: f64, campaign: &Campaign) -> Result<Self, CampaignError> {
        let (alpha, beta) = (campaign.accept_alpha, campaign.accept_beta);
        let within = |alpha| {
            // Not `beta_reg`, which panics where this one returns an error: on costs so large that `from` is NaN.
            let up_to = |x| checked_beta_reg(alpha, beta, x).map_err(|_| CampaignError);
            Ok::<f64, CampaignError>(up_to(to)? - up_to(from)?)
        };
        // x times the density of Beta(a, b) is the density of Beta(a + 1, b) times the mean.
        Ok(Self { chance: within(alpha)?, accepted: campaign.mean_acceptance() * within(alpha + 1.0)? })
    }
}

/// Corners of the upper convex hull of the ROC curve, from nobody to everybody; no three of them in a line.
fn convex_hull(ranking: &Ranking) -> Vec<Contacted> {
    let mut hull = vec![Contacted { n_churned: 0, n_stayed: 0 }];
    for reached in ranking.reached() {
        let next = Contacted { n_churned: reached.n_churned, n_stayed: reached.n_stayed };
        while let [.., before, last] = hull[..] {
            // Counts are integers, so that a corner on the line is known to be on it.
            let rise = |to: Contacted| (to.n_churned - before.n_churned) as i128;
            let run = |to: Contacted| (to.n_stayed - before.n_stayed) as i128;
            if rise(last) * run(next) > rise(next) * run(last) {
                break;
            }
            hull.pop();
        }
        hull.push(next);
    }
    hull
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 6] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4];
    const LABELS: [bool; 6] = [true, false, true, true, false, false];

    #[test]
    fn the_hull_keeps_only_corners_that_bend_outwards() {
        let hull = convex_hull(&Ranking::new(&SCORES, &LABELS).unwrap());
        let corners: Vec<_> = hull.iter().map(|corner| (corner.n_stayed, corner.n_churned)).collect();
        assert_eq!(corners, [(0, 0), (0, 1), (1, 3), (3, 3)]);
    }

    #[test]
    fn when_contacts_cost_nothing_exactly_the_churned_are_contacted() {
        let campaign = Campaign { contact: 0.0, ..Campaign::default() };
        let best = expected_maximum_profit(&[0.9, 0.8, 0.1, 0.0], &[true, true, false, false], &campaign).unwrap();
        assert!((best.profit_per_tenant - 0.5 * 0.3 * 190.0).abs() < 1e-12, "{best:?}");
        assert!((best.contacted_share - 0.5).abs() < 1e-14, "{best:?}");
    }

    #[test]
    fn a_campaign_that_never_pays_contacts_nobody() {
        let dear = Campaign { contact: 190.0, ..Campaign::default() };
        let best = expected_maximum_profit(&SCORES, &LABELS, &dear).unwrap();
        assert_eq!((best.profit_per_tenant, best.contacted_share), (0.0, 0.0));
        assert_eq!(maximum_profit(&SCORES, &LABELS, &dear).unwrap().threshold, None);
    }

    #[test]
    fn the_profit_curve_counts_gains_and_costs_in_money() {
        let curve = profit_curve(&SCORES, &LABELS, &Campaign::default()).unwrap();
        assert_eq!(curve.len(), 7);
        let expected = [0.0, 56.0, 45.0, 101.0, 157.0, 146.0, 135.0];
        for (point, money) in curve.iter().zip(expected) {
            assert!((point.profit_per_tenant - money / 6.0).abs() < 1e-12, "{point:?}");
        }
        assert_eq!(maximum_profit(&SCORES, &LABELS, &Campaign::default()).unwrap(), curve[4]);
    }
}
