//! The score at which somebody acts, and the costs it follows from.

use serde::{Deserialize, Serialize};

/// What keeping a tenant is worth and what trying costs (Verbraken, Verbeke and Baesens 2013).
///
/// # Units
/// Money in any one currency; only ratios matter for the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Customer lifetime value: what a kept tenant is worth.
    pub lifetime_value: f64,
    /// Cost of the offer, paid when a tenant takes it.
    pub offer: f64,
    /// Cost of contacting one tenant.
    pub contact: f64,
    /// First shape parameter of the Beta-distributed probability that a would-be churner takes the offer and stays.
    pub accept_alpha: f64,
    /// Second shape parameter of it.
    pub accept_beta: f64,
}

impl Default for Campaign {
    /// The values of the literature: 200, 10, 1 and Beta(6, 14), a mean acceptance of 30 %.
    fn default() -> Self {
        Self { lifetime_value: 200.0, offer: 10.0, contact: 1.0, accept_alpha: 6.0, accept_beta: 14.0 }
    }
}

/// Why a campaign's numbers cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a campaign needs lifetime value > offer >= 0, contact >= 0 and positive shape parameters, all finite")]
pub struct CampaignError;

impl Campaign {
    /// Mean probability that a would-be churner takes the offer and stays.
    pub fn mean_acceptance(&self) -> f64 {
        self.accept_alpha / (self.accept_alpha + self.accept_beta)
    }

    /// Offer cost as a share of the lifetime value (delta in the paper).
    pub fn offer_share(&self) -> f64 {
        self.offer / self.lifetime_value
    }

    /// Contact cost as a share of the lifetime value (phi in the paper).
    pub fn contact_share(&self) -> f64 {
        self.contact / self.lifetime_value
    }

    /// The churn probability from which contacting a tenant pays on average.
    ///
    /// Contacting gains `acceptance (1 - delta) - phi` of a lifetime value where the tenant would have churned, and
    /// costs `delta + phi` where not; they balance at `(delta + phi) / (acceptance (1 - delta) + delta)`.
    /// Above 1 when no probability pays.
    pub fn break_even(&self) -> f64 {
        let (delta, phi) = (self.offer_share(), self.contact_share());
        (delta + phi) / (self.mean_acceptance() * (1.0 - delta) + delta)
    }

    /// Refuses numbers with which no campaign could pay or nothing is defined.
    ///
    /// # Errors
    /// See [`CampaignError`].
    pub fn check(&self) -> Result<(), CampaignError> {
        let finite = [self.lifetime_value, self.offer, self.contact, self.accept_alpha, self.accept_beta]
            .iter()
            .all(|number| number.is_finite());
        let sound = self.lifetime_value > self.offer
            && self.offer >= 0.0
            && self.contact >= 0.0
            && self.accept_alpha > 0.0
            && self.accept_beta > 0.0;
        if finite && sound { Ok(()) } else { Err(CampaignError) }
    }
}

/// What a threshold was chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum ThresholdRule {
    /// Contacting pays on average from here on.
    Profit {
        /// The campaign whose costs decide.
        campaign: Campaign,
    },
    /// As many tenants as somebody can contact.
    Capacity {
        /// Share of tenants, in `(0, 1]`.
        share: f64,
    },
    /// The lowest score above which precision is still at least this.
    Precision {
        /// Precision floor, in `(0, 1]`.
        at_least: f64,
    },
    /// The score of the highest precision at which at least so much of all churn is found.
    Recall {
        /// Recall floor, in `(0, 1]`.
        at_least: f64,
    },
    /// The score at which most decisions are right.
    Accuracy,
    /// The score of the highest F-score.
    FScore {
        /// How many times as much recall counts as precision; positive.
        beta: f64,
    },
    /// Given by hand.
    Fixed,
}

/// The score at or above which someone acts; never part of the model's fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The score.
    pub score: f64,
    /// What it was chosen by.
    #[serde(flatten)]
    pub rule: ThresholdRule,
}

impl Threshold {
    /// `score >= threshold`.
    pub fn decide(&self, score: f64) -> bool {
        score >= self.score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_even_is_where_the_expected_profit_of_a_contact_is_zero() {
        let campaign = Campaign::default();
        let (delta, phi, accept) = (campaign.offer_share(), campaign.contact_share(), campaign.mean_acceptance());
        let p = campaign.break_even();
        let profit = p * (accept * (1.0 - delta) - phi) - (1.0 - p) * (delta + phi);
        assert!(profit.abs() < 1e-15, "{profit}");
        assert!((p - 0.055 / 0.335).abs() < 1e-12);
    }

    #[test]
    fn a_campaign_that_cannot_pay_is_refused() {
        assert_eq!(Campaign { lifetime_value: 5.0, ..Campaign::default() }.check(), Err(CampaignError));
        assert_eq!(Campaign { accept_alpha: 0.0, ..Campaign::default() }.check(), Err(CampaignError));
        assert_eq!(Campaign { contact: f64::NAN, ..Campaign::default() }.check(), Err(CampaignError));
    }
}
