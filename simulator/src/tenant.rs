//! Hidden health: what moves a tenant from week to week, and nobody sees.

use crate::dice::Dice;
use crate::scenario::Parameters;

/// A facet of health: a mean-reverting walk with this many weeks of memory, around a mean of the tenant's own.
///
/// The facets are in units of their own standard deviation, of which `own` is the tenant's.
struct Facet {
    memory_weeks: f64,
    own: f64,
    /// What one unit of it takes off the log hazard of churn.
    weight: f64,
}

/// How much people log in.
const ENGAGEMENT: Facet = Facet { memory_weeks: 30.0, own: 0.8, weight: 1.12 };
/// How many of the seats are in use.
const ADOPTION: Facet = Facet { memory_weeks: 40.0, own: 0.8, weight: 1.0 };
/// How much of the time is real work.
const DEPTH: Facet = Facet { memory_weeks: 35.0, own: 0.8, weight: 1.42 };
/// How well the platform does for this tenant.
const SERVICE: Facet = Facet { memory_weeks: 30.0, own: 0.8, weight: 1.8 };
/// What one unit of pressure from a price increase adds to the log hazard.
const PRICE_WEIGHT: f64 = 0.6;
const PRICE_MEMORY_WEEKS: f64 = 13.0;

/// A disengagement begins so often, per tenant and year.
const EPISODES_PER_YEAR: f64 = 0.28;
/// Weeks that it takes, median and standard deviation of the logarithm (notes: log-normal, median 8).
const EPISODE_WEEKS: (f64, f64) = (8.0, 0.6);
/// How deep it goes.
const EPISODE_DEPTH: f64 = 1.8;
/// Chance per week that it turns again.
const EPISODE_TURNS: f64 = 0.02;
/// A champion leaves so often, per tenant and year.
const CHAMPION_LEAVES_PER_YEAR: f64 = 0.2;
/// Something goes very well so often, per tenant and year.
const WINS_PER_YEAR: f64 = 0.25;
/// Weeks over which health is averaged before it counts for a decision.
const DECISION_WEEKS: f64 = 8.0;

/// What a tenant's facets tend to.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    engagement: f64,
    adoption: f64,
    depth: f64,
    service: f64,
}

impl Means {
    pub(crate) fn draw(dice: &mut Dice, never_active: bool) -> Self {
        let low = if never_active { 1.2 } else { 0.0 };
        Self {
            engagement: ENGAGEMENT.own * dice.normal(),
            adoption: ADOPTION.own * dice.normal() - low,
            depth: DEPTH.own * dice.normal() - low,
            service: SERVICE.own * dice.normal(),
        }
    }
}

/// The hidden state of a tenant at the end of a week; all that the next week depends on.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) engagement: f64,
    pub(crate) adoption: f64,
    pub(crate) depth: f64,
    pub(crate) service: f64,
    pub(crate) price_pressure: f64,
    /// All price increases so far, as a factor.
    pub(crate) price_factor: f64,
    /// How far a disengagement has gone, from 0 to 1, and what it gains per week.
    episode: f64,
    episode_per_week: f64,
    /// Health averaged over the weeks behind a decision.
    pub(crate) average: f64,
}

/// What happened to a tenant in a week, beside the slow walk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shocks {
    pub(crate) price_increase: Option<f64>,
    pub(crate) champion_left: bool,
    /// How bad the region's outage was, 0 for none.
    pub(crate) outage: f64,
}

impl Health {
    pub(crate) fn draw(dice: &mut Dice, means: &Means) -> Self {
        let walk = |facet: &Facet, dice: &mut Dice| (1.0 - facet.own * facet.own).sqrt() * dice.normal();
        let mut health = Self {
            engagement: means.engagement + walk(&ENGAGEMENT, dice),
            adoption: means.adoption + walk(&ADOPTION, dice),
            depth: means.depth + walk(&DEPTH, dice),
            service: means.service + walk(&SERVICE, dice),
            price_pressure: 0.0,
            price_factor: 1.0,
            episode: 0.0,
            episode_per_week: 0.0,
            average: 0.0,
        };
        health.average = health.level();
        health
    }

    /// Health this week: what all facets together take off the log hazard.
    pub(crate) fn level(&self) -> f64 {
        ENGAGEMENT.weight * self.engagement
            + ADOPTION.weight * self.adoption
            + DEPTH.weight * self.depth
            + SERVICE.weight * self.service
            - PRICE_WEIGHT * self.price_pressure
    }

    /// One more week. `outage` is the region's; `years` those since the log began.
    pub(crate) fn step(
        &mut self,
        means: &Means,
        parameters: &Parameters,
        dice: &mut Dice,
        outage: f64,
        years: f64,
    ) -> Shocks {
        let mut shocks = Shocks { outage, ..Shocks::default() };
        let price_rate = parameters.price_increases_per_year * parameters.price_drift.powf(years) / 52.0;
        // One draw decides on all rare things, which never come together in a week.
        let mut rare = dice.unit();
        let mut falls_into = |rate: f64| {
            let is_it = (0.0..rate).contains(&rare);
            rare -= rate;
            is_it
        };
        let is_price = falls_into(price_rate);
        shocks.champion_left = falls_into(CHAMPION_LEAVES_PER_YEAR / 52.0);
        let is_win = falls_into(WINS_PER_YEAR / 52.0);
        let is_episode = falls_into(EPISODES_PER_YEAR / 52.0);
        let turns = falls_into(EPISODE_TURNS);
        if is_price {
            let increase = dice.log_normal(0.09, 0.5).min(0.4);
            shocks.price_increase = Some(increase);
            self.price_factor *= 1.0 + increase;
            // A tenth more is felt as one and a half units; some bear it, some do not.
            self.price_pressure += 15.0 * increase * dice.log_normal(1.0, 0.2);
        }
        if shocks.champion_left {
            self.engagement -= 0.9;
            self.adoption -= 0.5;
        }
        if is_win {
            self.engagement += 0.6;
            self.depth += 0.8;
        }
        if is_episode && self.episode_per_week == 0.0 {
            self.episode_per_week = 1.0 / dice.log_normal(EPISODE_WEEKS.0, EPISODE_WEEKS.1).max(1.0);
        }
        if turns && self.episode > 0.0 {
            // The facets then walk back up by themselves.
            self.episode = 0.0;
            self.episode_per_week = 0.0;
        }
        let before = self.episode;
        self.episode = (self.episode + self.episode_per_week).min(1.0);
        let down = EPISODE_DEPTH * (self.episode - before);
        self.engagement -= down;
        self.adoption -= 0.4 * down;
        self.depth -= 0.5 * down;
        let low = EPISODE_DEPTH * self.episode;
        walk(&mut self.engagement, means.engagement - low, &ENGAGEMENT, dice);
        walk(&mut self.adoption, means.adoption - 0.4 * low, &ADOPTION, dice);
        walk(&mut self.depth, means.depth - 0.5 * low, &DEPTH, dice);
        walk(&mut self.service, means.service, &SERVICE, dice);
        self.service -= outage;
        self.price_pressure *= 1.0 - 1.0 / PRICE_MEMORY_WEEKS;
        self.average += (self.level() - self.average) / DECISION_WEEKS;
        shocks
    }
}

fn walk(value: &mut f64, mean: f64, facet: &Facet, dice: &mut Dice) {
    let pull = 1.0 / facet.memory_weeks;
    let free_variance = 1.0 - facet.own * facet.own;
    let noise = (free_variance * pull * (2.0 - pull)).sqrt();
    *value += pull * (mean - *value) + noise * dice.normal();
}
