//! Realism checks: is this world as hard, as bursty and as untidy as real ones?

mod counts;
mod facts;
mod learners;
mod lives;

use rayon::prelude::*;

use crate::World;
use crate::dice::{Purpose, dice};
use counts::{NAMES, Row, WIDTH};
use facts::{Facts, quantile};
use lives::Lives;

/// Parts of the tenants that scores are made for by learners fitted on the others.
const N_FOLDS: u32 = 3;
/// Times that labels are permuted.
const N_PERMUTATIONS: u64 = 10;

/// One realism check.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is measured.
    pub name: &'static str,
    /// What was measured.
    pub measured: f64,
    /// The least that passes.
    pub least: f64,
    /// The most that passes.
    pub most: f64,
}

impl Check {
    /// Whether what was measured lies inside the band. What could not be measured does not.
    pub fn passes(&self) -> bool {
        (self.least..=self.most).contains(&self.measured)
    }
}

/// All realism checks of one world.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// The checks.
    pub checks: Vec<Check>,
    /// How much less churners use than matched stayers, as a difference of logarithms, 26 weeks to 1 week before the end.
    pub event_study: Vec<f64>,
    /// The ROC-AUC of each plain count on its own.
    pub single: Vec<(&'static str, f64)>,
}

impl Validation {
    /// Whether every check passes.
    pub fn passes(&self) -> bool {
        self.checks.iter().all(Check::passes)
    }
}

/// Simulates a world and checks whether it is realistic.
///
/// # Cost
/// The whole log once, in one tenant's memory per thread, and a few seconds for learners of its own.
pub fn validate(world: &World) -> Validation {
    let (start, end) = (world.start().days(), world.end().days());
    let parts: Vec<(Facts, Vec<Row>)> = (0..world.n_tenants())
        .into_par_iter()
        .map(|tenant| {
            let (history, truth) = (world.tenant(tenant), world.truth(tenant));
            let events: Vec<_> = history.events().collect();
            let rows = counts::rows(tenant, &events, &truth, start, end);
            (Facts::of(tenant, &events, start, end), rows)
        })
        .collect();
    let mut facts = Facts::default();
    let mut rows = Vec::new();
    for (part, part_rows) in parts {
        facts = facts.add(part);
        rows.extend(part_rows);
    }
    let seed = world.setting.seed;
    let event_study = facts.event_study();
    let mut checks = fact_checks(&mut facts, &Lives::of(world), &event_study);
    let by_gap: Vec<Grades> = (0..3).map(|gap| grade(&rows, gap, seed, gap == 1)).collect();
    let grades = &by_gap[1];
    let best_single = grades.single.iter().copied().fold(0.5, f64::max);
    let best = grades.linear.max(grades.forest);
    let check = |name, measured, least, most| Check { name, measured, least, most };
    checks.extend([
        check("churned observations", grades.n_churned, 100.0, f64::INFINITY),
        check("base rate of the default plan", grades.base_rate, 0.01, 0.08),
        check("ROC-AUC, all counts, linear", grades.linear, 0.75, 0.90),
        check("ROC-AUC, all counts, forest", grades.forest, 0.75, 0.90),
        check("ROC-AUC, best single count", best_single, 0.60, 0.75),
        check("forest minus linear", grades.forest - grades.linear, -0.03, 0.03),
        check("ROC-AUC, oracle", grades.oracle, 0.84, 0.92),
        check("oracle minus the best learner", grades.oracle - best, 0.0, 0.10),
        check("share of the way to the oracle", (best - 0.5) / (grades.oracle - 0.5), 0.85, 1.0),
        check("oracle's mean over the base rate", grades.oracle_mean / grades.base_rate, 0.85, 1.15),
        check("ROC-AUC, permuted labels", grades.permuted, 0.48, 0.52),
        check("ROC-AUC lost from gap 0 to 14 d", by_gap[0].linear - by_gap[1].linear, -0.005, 0.1),
        check("ROC-AUC lost from gap 14 to 60 d", by_gap[1].linear - by_gap[2].linear, 0.0, 0.2),
    ]);
    let single = NAMES.into_iter().zip(grades.single).collect();
    Validation { checks, event_study: event_study.to_vec(), single }
}

fn fact_checks(facts: &mut Facts, lives: &Lives, event_study: &[f64]) -> Vec<Check> {
    let check = |name, measured, least, most| Check { name, measured, least, most };
    let n_events = facts.n_events.max(1) as f64;
    let n_jobs = facts.weekdays.iter().sum::<u64>().max(1) as f64;
    let weekday = |day: usize| facts.weekdays[day] as f64 / n_jobs;
    let p = |values: &mut [f32], share| quantile(values, share, f32::total_cmp).map_or(f64::NAN, f64::from);
    let p50 = p(&mut facts.run_hours, 0.5);
    let p95 = p(&mut facts.run_hours, 0.95);
    let middle = |values: &mut [f64]| quantile(values, 0.5, f64::total_cmp).unwrap_or(f64::NAN);
    let cv = middle(&mut facts.arrival_variation);
    let alike = middle(&mut facts.autocorrelation);
    let quarter = |weeks: std::ops::Range<usize>| event_study[weeks.clone()].iter().sum::<f64>() / weeks.len() as f64;
    let (early, middle_weeks, last) = (quarter(0..6), quarter(10..16), quarter(20..26));
    // A single week is a few hundred tenants' noise; a gap that opened at once would jump by nearly all of itself.
    let blocks: Vec<f64> = (0..6).map(|block| quarter(2 + 4 * block..6 + 4 * block)).collect();
    let largest_step = blocks.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max) / blocks[5].max(1e-9);
    let (first, steady, renewal) = (lives.yearly_hazard(0..3), lives.yearly_hazard(5..11), lives.yearly_hazard(12..13));
    vec![
        check("events", facts.n_events as f64, 1.0, f64::INFINITY),
        check("run time p50, hours", p50, 0.5, 0.85),
        check("run time p95, hours", p95, 70.0, 120.0),
        check("coefficient of variation between jobs", cv, 2.0, 9.0),
        check("share of jobs of the top tenth of users", facts.top_tenth_share(), 0.55, 0.75),
        check("share of jobs on Mondays", weekday(0), 0.13, 0.17),
        check("share of jobs on Wednesdays", weekday(2), 0.19, 0.23),
        check("share of jobs on Saturdays", weekday(5), 0.04, 0.08),
        check("weekly usage, autocorrelation", alike, 0.5, 0.9),
        check("share received late, up to 3 d", facts.n_late as f64 / n_events, 0.005, 0.05),
        check("share received later than 3 d", facts.n_very_late as f64 / n_events, 0.0001, 0.005),
        check("share of duplicates", facts.n_duplicates as f64 / n_events, 0.0005, 0.02),
        check("events after a cancellation", facts.n_after_cancellation as f64, 0.0, 0.0),
        check("yearly tenant churn", lives.yearly_churn(), 0.08, 0.20),
        check("share of churn unrelated to health", lives.acausal_share(), 0.15, 0.30),
        check("tenants that came back", facts.n_returned as f64, 1.0, f64::INFINITY),
        check("hazard, months 1-3 over 6-11", first / steady, 1.15, 8.0),
        check("hazard, month 13 over 6-11", renewal / steady, 1.05, 8.0),
        check("event study, first gap over last", early / last, -0.2, 0.5),
        check("event study, gap grows to 16-11 weeks", middle_weeks - early, 0.0, 1.5),
        check("event study, gap grows to 6-1 weeks", last - middle_weeks, 0.05, 2.0),
        check("event study, largest step of four weeks", largest_step, 0.0, 0.5),
    ]
}

struct Grades {
    n_churned: f64,
    base_rate: f64,
    linear: f64,
    forest: f64,
    oracle: f64,
    oracle_mean: f64,
    permuted: f64,
    single: [f64; WIDTH],
}

fn grade(rows: &[Row], gap: usize, seed: u64, with_all: bool) -> Grades {
    let labelled: Vec<&Row> = rows.iter().filter(|row| row.labels[gap].is_some()).collect();
    let labels: Vec<bool> = labelled.iter().map(|row| row.labels[gap] == Some(true)).collect();
    let tenants: Vec<u32> = labelled.iter().map(|row| row.tenant).collect();
    let values: Vec<[f64; WIDTH]> = labelled.iter().map(|row| row.values).collect();
    let matrix = learners::standardised(&values);
    let n = labels.len().max(1) as f64;
    let n_churned = labels.iter().filter(|label| **label).count() as f64;
    let fold = |row: usize| tenants[row] % N_FOLDS;
    let linear = |labels: &[bool]| {
        let mut scores = vec![0.0; labels.len()];
        let folds: Vec<[f64; WIDTH + 1]> = (0..N_FOLDS)
            .into_par_iter()
            .map(|out| {
                let fitted: Vec<usize> = (0..labels.len()).filter(|row| fold(*row) != out).collect();
                learners::logistic(&matrix, labels, &fitted)
            })
            .collect();
        for (row, score) in scores.iter_mut().enumerate() {
            let weights = &folds[fold(row) as usize];
            *score =
                weights[WIDTH] + matrix[row].iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>();
        }
        learners::roc_auc(&scores, labels)
    };
    let mut forest_auc = f64::NAN;
    let mut permuted = f64::NAN;
    let mut single = [f64::NAN; WIDTH];
    if with_all && n_churned > 0.0 {
        let bins = learners::binned(&matrix);
        let mut scores = vec![0.0; labels.len()];
        for out in 0..N_FOLDS {
            let (scored, fitted): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|row| fold(*row) == out);
            let found = learners::forest(&bins, &labels, &tenants, &fitted, &scored, seed);
            scored.iter().zip(found).for_each(|(row, score)| scores[*row] = score);
        }
        forest_auc = learners::roc_auc(&scores, &labels);
        for (column, auc) in single.iter_mut().enumerate() {
            let column: Vec<f64> = matrix.iter().map(|row| row[column]).collect();
            let found = learners::roc_auc(&column, &labels);
            *auc = found.max(1.0 - found);
        }
        let aucs: Vec<f64> = (0..N_PERMUTATIONS)
            .map(|count| {
                let mut shuffled = labels.clone();
                let mut dice = dice(seed, 0, Purpose::Validation, 1 << 32 | count);
                for last in (1..shuffled.len()).rev() {
                    shuffled.swap(last, dice.below(last as u32 + 1) as usize);
                }
                linear(&shuffled)
            })
            .collect();
        permuted = aucs.iter().sum::<f64>() / aucs.len() as f64;
    }
    let oracle: Vec<f64> = labelled.iter().map(|row| row.oracle[gap]).collect();
    Grades {
        n_churned,
        base_rate: n_churned / n,
        linear: linear(&labels),
        forest: forest_auc,
        oracle: learners::roc_auc(&oracle, &labels),
        oracle_mean: oracle.iter().sum::<f64>() / n,
        permuted,
        single,
    }
}
