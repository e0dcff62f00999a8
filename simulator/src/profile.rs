//! What a tenant is: drawn once, known to the platform for the greater part.

use churn_events::{INDUSTRIES, Money};

use crate::dice::{Dice, Purpose, dice};
use crate::scenario::Parameters;

/// How many tenants there are of each industry, relative to each other; nearly even, as in the company table.
const INDUSTRY_SHARES: [f64; 9] = [1.3, 1.1, 0.8, 1.2, 0.7, 1.0, 1.1, 1.0, 0.8];
/// Million dollars of revenue per employee.
const REVENUE_PER_EMPLOYEE: [f64; 9] = [0.22, 0.16, 0.6, 0.4, 0.12, 0.18, 0.25, 0.12, 0.2];

const FIRST_WORDS: [&str; 20] = [
    "Alder", "Basalt", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel",
    "Lumen", "Meridian", "Nimbus", "Orchid", "Pioneer", "Quartz", "Ridge", "Summit", "Tundra",
];
const SECOND_WORDS: [&str; 9] =
    ["Systems", "Advisory", "Power", "Capital", "Agency", "Care", "Stores", "Services", "Journeys"];

/// Days between two bills, and between two decisions on a monthly contract.
pub(crate) const MONTH_DAYS: i32 = 30;
/// Days between two decisions on an annual contract.
pub(crate) const YEAR_DAYS: i32 = 365;
pub(crate) const N_REGIONS: u32 = 3;

#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) company: String,
    pub(crate) industry: &'static str,
    pub(crate) employees: u32,
    /// In million dollars.
    pub(crate) revenue: f64,
    /// One tenant in twelve does not say.
    pub(crate) tells_revenue: bool,
    pub(crate) seats: u32,
    pub(crate) price_per_seat: f64,
    pub(crate) is_annual: bool,
    /// 0 Europe, 1 Americas, 2 Asia and Pacific: working hours, seasons and outages go by it.
    pub(crate) region: u32,
    /// Days since 1970 on which it first subscribed; may lie before the log begins.
    pub(crate) created_day: i32,
    pub(crate) never_active: bool,
    /// The yearly quiet time, where there is one: first week of the year and number of weeks.
    pub(crate) quiet_weeks: Option<(i32, i32)>,
    pub(crate) weeks_to_value: f64,
    /// Log of how much more a user of this tenant logs in than a user elsewhere; those of small tenants do more of the work.
    pub(crate) log_habit: f64,
    /// Where the readiness of its users begins, from 0 to 1.
    pub(crate) readiness: f64,
}

impl Profile {
    pub(crate) fn draw(seed: u64, tenant: u32, parameters: &Parameters, start_day: i32, days: u32) -> Self {
        let mut dice = dice(seed, tenant, Purpose::Profile, 0);
        let industry = pick(&mut dice, &INDUSTRY_SHARES);
        // Seats grow slower than employees (notes: employees ^ 0.6); both are heavy-tailed.
        let employees = dice.log_normal(380.0, 1.5).clamp(3.0, 400_000.0);
        let seats =
            (0.30 * employees.powf(0.6) * dice.log_normal(1.0, 0.25)).round().clamp(7.0, employees.clamp(7.0, 1500.0));
        let revenue = employees * REVENUE_PER_EMPLOYEE[industry] * dice.log_normal(1.0, 0.5);
        let is_imported = dice.chance(parameters.there_at_start);
        let created_day = match is_imported {
            // Up to four years of customers, more of the recent ones: the platform has been growing.
            true => start_day - 1 - (dice.unit().powf(1.3) * 1460.0) as i32,
            false => start_day + (dice.unit().powf(0.85) * f64::from(days)) as i32,
        };
        let discount = 1.0 - 0.06 * seats.ln();
        let quiet = dice.chance(parameters.seasonal_tenants);
        let quiet_weeks = (dice.below(52) as i32, 5 + dice.below(7) as i32);
        Self {
            id: format!("comp_{tenant}"),
            company: format!(
                "{} {} {tenant}",
                FIRST_WORDS[dice.below(FIRST_WORDS.len() as u32) as usize],
                SECOND_WORDS[industry]
            ),
            industry: INDUSTRIES[industry],
            employees: employees as u32,
            revenue: (revenue * 100.0).round() / 100.0,
            tells_revenue: !dice.chance(1.0 / 12.0),
            seats: seats as u32,
            price_per_seat: (dice.log_normal(60.0, 0.35) * discount * 100.0).round() / 100.0,
            is_annual: dice.chance(0.06 + 0.03 * seats.ln()),
            region: pick(&mut dice, &[0.4, 0.4, 0.2]) as u32,
            created_day,
            never_active: dice.chance(parameters.never_active),
            quiet_weeks: quiet.then_some(quiet_weeks),
            // Weibull of shape 1.3 around its median.
            weeks_to_value: parameters.weeks_to_value
                * (dice.exponential(1.0) / std::f64::consts::LN_2).powf(1.0 / 1.3),
            log_habit: 0.05 * dice.normal() - 0.6 * (seats / 13.0).ln(),
            readiness: dice.unit(),
        }
    }

    /// How likely it is to end for its own reasons, beside a middling tenant: small firms end more often.
    pub(crate) fn mortality(&self) -> f64 {
        (f64::from(self.employees) / 380.0).powf(-0.15).clamp(0.4, 2.5)
    }

    pub(crate) fn charge(&self, seats: u32, price_factor: f64) -> Money {
        let dollars = self.price_per_seat * price_factor * f64::from(seats.max(1));
        Money::from_dollars(dollars).expect("this cannot fail because seats and prices are small")
    }
}

/// An index, by these relative weights.
pub(crate) fn pick(dice: &mut Dice, weights: &[f64]) -> usize {
    let total: f64 = weights.iter().sum();
    let mut left = dice.unit() * total;
    for (index, weight) in weights.iter().enumerate() {
        if left < *weight {
            return index;
        }
        left -= weight;
    }
    weights.len() - 1
}
