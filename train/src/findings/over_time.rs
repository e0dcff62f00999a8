//! What only a log with times can tell, in plain sentences; the report and the model card say the same.

use churn_events::ObservationDate;
use churn_training_data::ObservationPlan;

use crate::backtest::FEW_CHURNED;
use crate::numbers::{count, counted, decimals, percent, round_percent, sentence};
use crate::outcome::Outcome;
use crate::over_time::{
    BacktestFacts, BagFacts, BaggingFacts, DateFacts, LogFacts, OracleFacts, OriginalFacts, OverTime, Part, SplitKind,
    StudyWeek,
};

/// Churners are off the stayers' usage when they are below it by more than this.
const CLEARLY_BELOW: f64 = 0.05;

/// Out-of-bag and test figures that lie closer than this agree.
const AGREES: f64 = 0.005;

/// The dates of one part of a split, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PartSpan {
    /// What their observations were used for.
    pub(crate) part: Part,
    /// The first date.
    pub(crate) first: ObservationDate,
    /// The last date.
    pub(crate) last: ObservationDate,
    /// Number of dates.
    pub(crate) n_dates: usize,
    /// Tenants that were observed, over all dates.
    pub(crate) n_observed: usize,
    /// Of these, the ones that churned; `None` where nobody knows yet.
    pub(crate) n_churned: Option<usize>,
}

impl PartSpan {
    /// Share that churned, where that is known of anybody.
    pub(crate) fn base_rate(&self) -> Option<f64> {
        self.n_churned.filter(|_| self.n_observed > 0).map(|n_churned| n_churned as f64 / self.n_observed as f64)
    }

    /// From the first to the last date.
    pub(crate) fn days(&self) -> String {
        if self.n_dates == 1 { self.first.to_string() } else { format!("{} to {}", self.first, self.last) }
    }
}

/// The parts in the order of their dates.
pub(crate) fn parts(dates: &[DateFacts]) -> Vec<PartSpan> {
    let parts = dates.chunk_by(|a, b| a.part == b.part).map(|dates| PartSpan {
        part: dates[0].part,
        first: dates[0].date,
        last: dates[dates.len() - 1].date,
        n_dates: dates.len(),
        n_observed: dates.iter().map(|date| date.n_observed).sum(),
        n_churned: (dates[0].part != Part::Censored).then(|| dates.iter().map(|date| date.n_churned).sum()),
    });
    parts.collect()
}

/// The word for a part.
pub(crate) fn part_word(part: Part) -> &'static str {
    match part {
        Part::Fit => "fit",
        Part::Calibration => "calibration",
        Part::Test => "test",
        Part::FitAndTest => "fit and test",
        Part::Embargo => "embargo",
        Part::Censored => "no label yet",
    }
}

/// Whether labels exist for observations of that date.
pub(crate) fn is_labelled(date: &DateFacts) -> bool {
    date.part != Part::Censored
}

/// Observations that have a label.
pub(crate) fn n_labelled(dates: &[DateFacts]) -> usize {
    dates.iter().filter(|date| is_labelled(date)).map(|date| date.n_observed).sum()
}

/// Share that churned of all observations with a label.
pub(crate) fn base_rate(dates: &[DateFacts]) -> Option<f64> {
    let n_churned: usize = dates.iter().filter(|date| is_labelled(date)).map(|date| date.n_churned).sum();
    let n = n_labelled(dates);
    (n > 0).then(|| n_churned as f64 / n as f64)
}

/// What was in the log and what was not used of it.
pub(crate) fn log(log: &LogFacts) -> String {
    let n = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
    let left_out: Vec<String> = log.left_out.iter().map(|(why, left_out)| format!("{} {why}", n(*left_out))).collect();
    let used = if left_out.is_empty() {
        "every event was used".to_owned()
    } else {
        format!("left out: {}", left_out.join(", "))
    };
    format!(
        "The log holds {} events of {} tenants, from {} to the end of the log, the start of {}; {used}.",
        n(log.n_events),
        n(log.n_tenants),
        log.first,
        log.end,
    )
}

/// How observations were made.
pub(crate) fn plan(plan: &ObservationPlan) -> String {
    let embargo_end = plan.embargo_days();
    format!(
        "Every {} days the tenants that have been there for at least {} days are looked at: features see the {} days \
         before the observation date, {} days are left to act, and churn (rule: {}) is looked for in the {} days after \
         that, from day {} up to day {embargo_end}.",
        plan.every_days,
        plan.min_tenure_days,
        plan.lookback_days,
        plan.gap_days,
        plan.rule.word(),
        plan.horizon_days,
        plan.gap_days,
    )
}

/// The plan as names and values.
pub(crate) fn plan_settings(over_time: &OverTime) -> Vec<(&'static str, String)> {
    let plan = &over_time.plan;
    let days = |days: u32| counted(days as usize, "day", "days").replace(' ', "\u{a0}");
    vec![
        ("churn", plan.rule.word().to_owned()),
        ("an observation date every", days(plan.every_days)),
        ("lookback", days(plan.lookback_days)),
        ("gap", days(plan.gap_days)),
        ("label horizon", days(plan.horizon_days)),
        ("minimum tenure", days(plan.min_tenure_days)),
        (
            "test split cut by",
            match over_time.split {
                SplitKind::Time => "time".to_owned(),
                SplitKind::Tenants => "tenant".to_owned(),
            },
        ),
        ("embargo between parts", over_time.embargo_days().map_or_else(|| "none".to_owned(), days)),
    ]
}

/// Which dates were used for what.
pub(crate) fn dates(over_time: &OverTime) -> String {
    let dates = &over_time.dates;
    let parts: Vec<String> =
        parts(dates).iter().map(|span| format!("{} {}", part_word(span.part), span.days())).collect();
    if parts.is_empty() {
        return "There is no observation date.".to_owned();
    }
    let n = counted(dates.len(), "observation date", "observation dates");
    format!("{n}: {}. {}", parts.join("; "), sentence(split_rule(over_time.split)))
}

/// What the split is cut by, as a clause with its full stop.
fn split_rule(split: SplitKind) -> &'static str {
    match split {
        SplitKind::Time => {
            "the label horizons of a part end before the next part's first observation date; dates whose do not are \
             the embargo, and nothing was learnt from them."
        }
        SplitKind::Tenants => {
            "some of the tenants are the test, at all dates, so the figures say nothing about how a model ages."
        }
    }
}

/// How the test split was cut off, as a further sentence.
pub(crate) fn cut(over_time: &OverTime) -> &'static str {
    match over_time.split {
        SplitKind::Time => {
            " An observation is a tenant on an observation date. The test is of the latest dates, and every label that \
             was fitted on was known before the first of them."
        }
        SplitKind::Tenants => {
            " An observation is a tenant on an observation date. All observations of a tenant stayed on one side."
        }
    }
}

/// How much churn there was, date by date.
pub(crate) fn base_rates(dates: &[DateFacts]) -> String {
    let Some(mean) = base_rate(dates) else { return "No observation has a label.".to_owned() };
    let labelled = || dates.iter().filter(|date| is_labelled(date) && date.n_observed > 0);
    let share = |date: &DateFacts| date.n_churned as f64 / date.n_observed as f64;
    let (n, n_dates) = (count(n_labelled(dates)), labelled().count());
    let (Some(least), Some(most)) = (
        labelled().min_by(|a, b| share(a).total_cmp(&share(b))),
        labelled().max_by(|a, b| share(a).total_cmp(&share(b))),
    ) else {
        return "No observation has a label.".to_owned();
    };
    if n_dates == 1 {
        return format!("Of {n} observations on {}, {} churned.", least.date, percent(mean));
    }
    format!(
        "Of {n} observations on {n_dates} dates {} churned: from {} on {} to {} on {}.",
        percent(mean),
        percent(share(least)),
        least.date,
        percent(share(most)),
        most.date,
    )
}

/// The first week from which churners stay clearly below stayers.
pub(crate) fn lines_part(study: &[StudyWeek]) -> Option<&StudyWeek> {
    let n_open = study.iter().rev().take_while(|week| week.churners < (1.0 - CLEARLY_BELOW) * week.stayers).count();
    study.get(study.len() - n_open)
}

/// How usage falls before churn.
pub(crate) fn event_study(study: &[StudyWeek]) -> Option<String> {
    let last = study.last()?;
    let levels = format!(
        "in week {} they are at {} of their own earlier level, stayers at {}",
        decimals(f64::from(last.week), 0),
        whole_percent(last.churners),
        whole_percent(last.stayers),
    );
    let n = study.iter().map(|week| week.n_churners).max().unwrap_or_default();
    let of = counted(n, "churner is", "churners are");
    Some(match lines_part(study) {
        None => format!(
            "Usage gives no warning: churners do not stay more than {} below stayers; {levels}. {of} compared.",
            round_percent(CLEARLY_BELOW)
        ),
        Some(opens) => {
            let when = if opens.week == 0 {
                "Only in the last week".to_owned()
            } else {
                format!("Starting {} before the churn,", counted(opens.week.unsigned_abs() as usize, "week", "weeks"))
            };
            let below = 1.0 - last.churners / last.stayers;
            format!(
                "{when} churners stay more than {} below stayers; {levels}, so churners are {} below. {of} compared.",
                round_percent(CLEARLY_BELOW),
                round_percent(below)
            )
        }
    })
}

/// Usage as a share of the earlier level, which may be more than all of it.
pub(crate) fn whole_percent(share: f64) -> String {
    format!("{}\u{a0}%", decimals(100.0 * share, 0))
}

/// How far from the best possible score the model is.
pub(crate) fn oracle(outcome: &Outcome, oracle: &OracleFacts) -> String {
    let (best, reached) = (oracle.test.roc_auc, outcome.test.metrics.roc_auc);
    let way = if reached >= best {
        "which is no less than the true churn probabilities reach on these observations".to_owned()
    } else {
        format!("{} of the way from chance", round_percent(oracle.reached))
    };
    format!(
        "The world is simulated, so its true churn probabilities are known: the best possible ROC-AUC on the test \
         split is {}; this model reaches {}, {way}.",
        decimals(best, 3),
        decimals(reached, 3),
    )
}

/// What the original system's columns are worth beside all features.
pub(crate) fn original(outcome: &Outcome, original: &OriginalFacts) -> String {
    let (model, other) = (&outcome.test.metrics, &original.test);
    let verdict = if model.roc_auc_low > other.roc_auc {
        "the full model is better, and all of its interval lies above that"
    } else if model.roc_auc > other.roc_auc {
        "the full model is better, but its interval reaches down to that"
    } else {
        "the full model is no better"
    };
    format!(
        "A model of the original system's {} ({}), fitted and chosen in the same way, reaches {}; with {} (95\u{a0}% \
         interval {} to {}) {verdict}.",
        counted(original.features.len(), "column", "columns"),
        original.algorithm.name().replace('-', " "),
        decimals(other.roc_auc, 3),
        decimals(model.roc_auc, 3),
        decimals(model.roc_auc_low, 3),
        decimals(model.roc_auc_high, 3),
    )
}

/// How much more out-of-bag scores promised than the test gave.
pub(crate) fn promised_too_much(bag: &BagFacts) -> f64 {
    bag.out_of_bag_roc_auc - bag.test_roc_auc
}

/// What the two ways of bagging promised and what the test gave.
pub(crate) fn bagging(bagging: &BaggingFacts) -> String {
    let held = |bag: &BagFacts| {
        let too_much = promised_too_much(bag);
        let apart = decimals(too_much.abs(), 3);
        let verdict = if too_much > AGREES {
            format!("{apart} too much")
        } else if too_much < -AGREES {
            format!("{apart} too little")
        } else {
            "as promised".to_owned()
        };
        let (promised, given) = (decimals(bag.out_of_bag_roc_auc, 3), decimals(bag.test_roc_auc, 3));
        format!("promised ROC-AUC {promised} out of bag, and the test gave {given} ({verdict})")
    };
    let (by_row, by_tenant) = (promised_too_much(&bagging.by_row), promised_too_much(&bagging.by_tenant));
    let why = if by_row > by_tenant + AGREES {
        " A tree that knows a tenant from its other dates flatters the row-wise figure, so bags are drawn by tenant."
    } else {
        " Here it makes no difference that a tree may know a tenant from its other dates."
    };
    format!("Bags drawn row by row {}; bags drawn by tenant {}.{why}", held(&bagging.by_row), held(&bagging.by_tenant))
}

/// How the procedure did as the observation date moved.
pub(crate) fn backtest(backtest: &[BacktestFacts]) -> Option<String> {
    let aucs = || backtest.iter().map(|step| step.test.roc_auc).filter(|auc| auc.is_finite());
    let n = aucs().count();
    if n == 0 {
        return None;
    }
    let mean = aucs().sum::<f64>() / n as f64;
    let oracles: Vec<f64> = backtest.iter().filter_map(|step| step.oracle_roc_auc).collect();
    let oracle = if oracles.len() == backtest.len() {
        let mean = oracles.iter().sum::<f64>() / oracles.len() as f64;
        format!(", where the best possible is {} on average", decimals(mean, 3))
    } else {
        String::new()
    };
    if n == 1 {
        return Some(format!("Fitted anew for 1 observation date: ROC-AUC {}{oracle}.", decimals(mean, 3)));
    }
    Some(format!(
        "Fitted anew for each of {n} observation dates, on what was known by then: ROC-AUC {} on average, from {} to \
         {}{oracle}.",
        decimals(mean, 3),
        decimals(aucs().fold(f64::INFINITY, f64::min), 3),
        decimals(aucs().fold(f64::NEG_INFINITY, f64::max), 3),
    ))
}

/// The dates that a backtest could not test, as a clause with the reason and what helps; `None` where there are none.
pub(crate) fn backtest_left_out(over_time: &OverTime) -> Option<String> {
    let (tested, left_out) = (over_time.backtest.len(), over_time.backtest_left_out);
    (left_out > 0).then(|| {
        format!(
            "backtest: {tested} of {} dates; the others have fewer than {FEW_CHURNED} churned observations on them, or \
             before them with labels known by then; more tenants, a longer log or a longer label horizon gives more",
            tested + left_out,
        )
    })
}

#[cfg(test)]
mod tests {
    use churn_model::Campaign;
    use churn_model::evaluate::Metrics;

    use super::*;
    use churn_model::fit::Algorithm;

    fn date(day: i32, part: Part, n_observed: usize, n_churned: usize) -> DateFacts {
        let date = ObservationDate::from_days(day);
        DateFacts { date, part, n_observed, n_churned, n_too_young: 0, n_cancelled_in_gap: 0 }
    }

    fn week(week: i32, churners: f64, stayers: f64) -> StudyWeek {
        StudyWeek { week, churners, stayers, n_churners: 40 }
    }

    fn metrics() -> Metrics {
        Metrics::of(&[0.9, 0.4, 0.6, 0.1], &[true, true, false, false], &Campaign::default()).unwrap()
    }

    #[test]
    fn dates_of_one_part_make_one_span_and_what_is_censored_has_no_base_rate() {
        let dates = [date(0, Part::Fit, 90, 9), date(28, Part::Fit, 110, 11), date(56, Part::Censored, 100, 0)];
        let spans = parts(&dates);
        assert_eq!(
            spans.iter().map(|span| (span.n_dates, span.base_rate())).collect::<Vec<_>>(),
            [(2, Some(0.1)), (1, None)]
        );
        assert_eq!(spans[0].days(), "1970-01-01 to 1970-01-29");
        assert_eq!((n_labelled(&dates), base_rate(&dates)), (200, Some(0.1)));
    }

    #[test]
    fn base_rates_are_told_for_one_date_for_none_and_for_dates_without_churn() {
        let one = base_rates(&[date(0, Part::Fit, 50, 5)]);
        assert_eq!(one, "Of 50 observations on 1970-01-01, 10.0\u{a0}% churned.");
        for dates in [vec![], vec![date(0, Part::Censored, 50, 0)], vec![date(0, Part::Fit, 0, 0)]] {
            assert_eq!(base_rates(&dates), "No observation has a label.");
        }
        let quiet = base_rates(&[date(0, Part::Fit, 50, 0), date(28, Part::Test, 50, 5)]);
        assert!(quiet.contains("from 0.0\u{a0}% on 1970-01-01 to 10.0\u{a0}% on 1970-01-29"), "{quiet}");
    }

    #[test]
    fn the_lines_part_at_the_first_week_from_which_it_stays_open() {
        let study =
            [week(-4, 0.8, 1.0), week(-3, 1.0, 1.0), week(-2, 0.94, 1.0), week(-1, 0.8, 1.0), week(0, 0.5, 1.0)];
        assert_eq!(lines_part(&study).map(|week| week.week), Some(-2));
        let text = event_study(&study).unwrap();
        assert!(
            text.starts_with("Starting 2 weeks before the churn, churners stay more than 5\u{a0}% below"),
            "{text}"
        );
        assert!(text.contains("so churners are 50\u{a0}% below. 40 churners are compared"), "{text}");
    }

    #[test]
    fn a_gap_that_never_opens_and_a_study_of_nobody_are_told() {
        let text = event_study(&[week(-1, 1.0, 1.0), week(0, 0.97, 1.0)]).unwrap();
        assert!(text.starts_with("Usage gives no warning"), "{text}");
        assert_eq!(event_study(&[]), None);
        assert_eq!(lines_part(&[]), None);
        let nan = event_study(&[week(0, f64::NAN, f64::NAN)]).unwrap();
        assert!(!nan.contains("NaN"), "{nan}");
    }

    #[test]
    fn bagging_says_what_was_promised_and_what_was_given() {
        let bag = |out_of_bag_roc_auc, test_roc_auc| BagFacts {
            min_leaf: 5,
            out_of_bag_roc_auc,
            out_of_bag_log_loss: 0.2,
            test_roc_auc,
            test_log_loss: 0.2,
        };
        let text = bagging(&BaggingFacts { by_tenant: bag(0.85, 0.851), by_row: bag(0.93, 0.84) });
        assert!(
            text.contains("row by row promised ROC-AUC 0.930 out of bag, and the test gave 0.840 (0.090 too much)")
        );
        assert!(text.contains("by tenant promised ROC-AUC 0.850 out of bag, and the test gave 0.851 (as promised)"));
        assert!(text.ends_with("so bags are drawn by tenant."));
        let text = bagging(&BaggingFacts { by_tenant: bag(0.80, 0.85), by_row: bag(0.80, 0.85) });
        assert!(text.contains("(0.050 too little)") && text.contains("makes no difference"), "{text}");
    }

    #[test]
    fn a_backtest_of_one_date_and_of_none_is_told() {
        let step = BacktestFacts {
            date: ObservationDate::from_days(0),
            n_fit: 10,
            algorithm: Algorithm::LinearLearner,
            test: metrics(),
            oracle_roc_auc: None,
        };
        assert_eq!(backtest(&[]), None);
        assert_eq!(
            backtest(std::slice::from_ref(&step)).unwrap(),
            "Fitted anew for 1 observation date: ROC-AUC 0.750."
        );
        let known = BacktestFacts { oracle_roc_auc: Some(0.9), ..step.clone() };
        assert!(
            backtest(&[known.clone(), known.clone()])
                .unwrap()
                .ends_with("where the best possible is 0.900 on average.")
        );
        assert!(!backtest(&[known, step]).unwrap().contains("best possible"), "not known on all dates");
    }

    #[test]
    fn what_a_log_left_out_is_named_and_what_it_did_not_leave_out_is_not() {
        let mut facts = LogFacts {
            n_tenants: 2_000,
            n_events: 1_234_567,
            first: ObservationDate::from_days(0),
            end: ObservationDate::from_days(365),
            left_out: vec![(LogFacts::LATE.into(), 12), (LogFacts::AFTER_END.into(), 3)],
        };
        let text = log(&facts);
        assert!(text.starts_with("The log holds 1,234,567 events of 2,000 tenants, from 1970-01-01"), "{text}");
        let left_out = "left out: 12 received too late, 3 received after the end of the log, known to labels only.";
        assert!(text.ends_with(left_out), "{text}");
        facts.left_out.clear();
        assert!(log(&facts).ends_with("every event was used."));
    }
}
