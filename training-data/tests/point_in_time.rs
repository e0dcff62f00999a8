//! What holds for every activity log and plan.

mod activity_log;

use std::collections::{BTreeMap, BTreeSet};

use churn_training_data::{
    Assembled, AssemblyError, Cohort, Error, LabelRule, ObservationPlan, check_split, stratified_folds, time_split,
};
use proptest::collection::vec;
use proptest::prelude::*;

use activity_log::{
    BASE, Fact, MINUTES_PER_DAY, What, assemble, assemble_in_batches, content, day, fact, in_received_order, jobs,
};

const DAYS: i64 = 420;
/// The first observation date of every plan here.
const FIRST: i64 = 84;
const SKEW_MINUTES: i64 = 5;
const LATENESS_MINUTES: i64 = 3 * MINUTES_PER_DAY;

fn plan() -> impl Strategy<Value = ObservationPlan> {
    let days = (1..=5_u32, 0..=14_u32, 7..=28_u32, 0..60_u32, 1..=90_u32);
    (days, any::<bool>(), proptest::option::of(1..400_u32)).prop_map(|(days, is_usage, age_half_life_days)| {
        let (every, gap_days, horizon_days, min_tenure_days, lookback_days) = days;
        ObservationPlan {
            every_days: every * 7,
            lookback_days,
            gap_days,
            horizon_days,
            min_tenure_days,
            rule: if is_usage { LabelRule::Usage } else { LabelRule::Cancelled },
            first: Some(day(FIRST as i32)),
            age_half_life_days,
            ..ObservationPlan::default()
        }
    })
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let what = prop_oneof![
        1 => Just(What::Created),
        1 => Just(What::Cancelled),
        6 => Just(What::Job),
        2 => Just(What::Login),
        1 => Just(What::Billed),
    ];
    let delay = prop_oneof![
        6 => 0..2_i64,
        2 => 0..LATENESS_MINUTES,
        1 => LATENESS_MINUTES..60 * MINUTES_PER_DAY,
        1 => -2 * SKEW_MINUTES..0,
        1 => -40 * MINUTES_PER_DAY..0,
    ];
    (0..8_u8, 0..DAYS * MINUTES_PER_DAY, delay, what).prop_map(|(tenant, occurred, delay, what)| {
        let received = (occurred + delay).clamp(0, DAYS * MINUTES_PER_DAY);
        Fact { tenant: format!("{}", 10_u64.pow(u32::from(tenant))), occurred, received, what, number: 0 }
    })
}

/// Random events of eight tenants, and two tenants that make sure of both labels on the first observation date.
fn log(plan: &ObservationPlan) -> impl Strategy<Value = Vec<Fact>> + use<> {
    let horizon = FIRST + i64::from(plan.gap_days);
    vec(any_fact(), 0..200).prop_map(move |mut facts| {
        for tenant in ["stays", "churns"] {
            facts.push(fact(tenant, 0, What::Created));
        }
        facts.extend(jobs("stays", 1, DAYS, 1));
        facts.extend(jobs("churns", FIRST - 1, FIRST, 1));
        facts.push(fact("churns", horizon + 3, What::Cancelled));
        in_received_order(facts)
    })
}

fn plan_and_log() -> impl Strategy<Value = (ObservationPlan, Vec<Fact>)> {
    plan().prop_flat_map(|plan| (Just(plan.clone()), log(&plan)))
}

/// An event as it counts: one from the near future occurred when it was received, one from further ahead is received in
/// its own time.
#[derive(Debug, Clone)]
struct Counted {
    occurred: i64,
    received: i64,
    what: What,
    begins_tenure: bool,
}

fn counted(fact: &Fact) -> Counted {
    let (mut occurred, mut received) = (fact.occurred, fact.received);
    if occurred > received + SKEW_MINUTES {
        received = occurred;
    } else if occurred > received {
        occurred = received;
    }
    let is_late = fact.received - fact.occurred > LATENESS_MINUTES;
    let begins_tenure = !is_late || matches!(fact.what, What::Created | What::Cancelled);
    Counted { occurred, received, what: fact.what, begins_tenure }
}

/// When the tenure in force at `t` began, by the events given.
fn tenure_start<'a>(events: impl Iterator<Item = &'a Counted> + Clone, t: i64) -> Option<i64> {
    let of = |what| events.clone().filter(move |event| event.occurred < t && event.what == what);
    match of(What::Cancelled).map(|event| event.occurred).max() {
        Some(cancelled) => of(What::Created).map(|event| event.occurred).filter(|&at| at >= cancelled).min(),
        None => of(What::Created).map(|event| event.occurred).min().or_else(|| {
            events.clone().filter(|event| event.occurred < t && event.begins_tenure).map(|event| event.occurred).min()
        }),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    labels: BTreeMap<(i32, String), bool>,
    censored: BTreeSet<(i32, String)>,
    /// What the feature `tenure_days` is, of rows with a label and without.
    tenure_days: BTreeMap<(i32, String), i64>,
    n_cancelled_in_gap: u64,
    n_too_young: u64,
    n_inactive: u64,
}

/// Looks at every tenant on every date, straight from the facts.
fn brute_force(facts: &[Fact], plan: &ObservationPlan) -> Expected {
    let mut expected = Expected::default();
    let end = facts.last().map_or(0, |last| last.received) / MINUTES_PER_DAY;
    let tenants: BTreeSet<&str> = facts.iter().map(|fact| fact.tenant.as_str()).collect();
    for tenant in tenants {
        let own: Vec<&Fact> = facts.iter().filter(|fact| fact.tenant == tenant).collect();
        let events: Vec<Counted> = own.iter().map(|fact| counted(fact)).collect();
        for t_day in (FIRST..=end).step_by(plan.every_days as usize) {
            let t = t_day * MINUTES_PER_DAY;
            if own.iter().all(|fact| fact.received >= t) {
                continue;
            }
            let known = events.iter().filter(|event| event.received < t);
            let Some(start) = tenure_start(known.clone(), t) else { continue };
            if t_day - start.div_euclid(MINUTES_PER_DAY) < i64::from(plan.min_tenure_days) {
                expected.n_too_young += 1;
                continue;
            }
            let lookback = t - i64::from(plan.lookback_days) * MINUTES_PER_DAY;
            let is_active = known.clone().any(|event| event.what == What::Job && event.occurred >= lookback);
            if plan.rule == LabelRule::Usage && !is_active {
                expected.n_inactive += 1;
                continue;
            }
            let from = t + i64::from(plan.gap_days) * MINUTES_PER_DAY;
            let to = from + i64::from(plan.horizon_days) * MINUTES_PER_DAY;
            let occurs_in = |what, from, to| {
                events.iter().any(|event| event.what == what && event.occurred >= from && event.occurred < to)
            };
            let key = (BASE + t_day as i32, tenant.to_owned());
            let tenure_days = t_day - start.div_euclid(MINUTES_PER_DAY);
            if to > end * MINUTES_PER_DAY {
                expected.tenure_days.insert(key.clone(), tenure_days);
                expected.censored.insert(key);
            } else if tenure_start(events.iter(), t).is_none() || occurs_in(What::Cancelled, t, from) {
                expected.n_cancelled_in_gap += 1;
            } else {
                let is_churn = match plan.rule {
                    LabelRule::Cancelled => occurs_in(What::Cancelled, from, to),
                    LabelRule::Usage => !occurs_in(What::Job, from, to),
                };
                expected.tenure_days.insert(key.clone(), tenure_days);
                expected.labels.insert(key, is_churn);
            }
        }
    }
    expected
}

fn found(assembled: &Assembled) -> Expected {
    let keys = assembled.labelled.keys();
    let key = |row| keys.observation(row).map(|(tenant, date)| (date.days(), tenant.to_owned())).expect("has dates");
    let sum = |count: fn(&Cohort) -> u64| assembled.cohorts.iter().map(count).sum::<u64>();
    let tenure = assembled.labelled.schema().position("tenure_days").expect("has no lookback");
    let days = |features: &[f32]| {
        assert!(!features[tenure].is_nan(), "tenure is never missing");
        features[tenure] as i64
    };
    let of_labelled = (0..keys.len()).map(|row| (key(row), days(&assembled.labelled.features().row(row).to_vec())));
    let of_censored =
        assembled.censored.iter().map(|row| ((row.date.days(), row.tenant.to_owned()), days(row.features)));
    Expected {
        labels: (0..keys.len()).map(|row| (key(row), assembled.labelled.labels()[row])).collect(),
        censored: assembled.censored.iter().map(|row| (row.date.days(), row.tenant.to_owned())).collect(),
        tenure_days: of_labelled.chain(of_censored).collect(),
        n_cancelled_in_gap: sum(|cohort| cohort.n_cancelled_in_gap),
        n_too_young: sum(|cohort| cohort.n_too_young),
        n_inactive: sum(|cohort| cohort.n_inactive),
    }
}

/// Feature vectors of one date by tenant, with the industry by name.
fn features_on(assembled: &Assembled, date: i32) -> BTreeMap<String, (Vec<u32>, Option<String>)> {
    let schema = assembled.labelled.schema();
    let industry = schema.position("industry").expect("is in the catalogue");
    let read = |features: &[f32]| {
        let level = schema.features()[industry].levels().get(features[industry] as usize).cloned();
        let level = level.filter(|_| !features[industry].is_nan());
        let bits = features.iter().enumerate().filter(|(position, _)| *position != industry);
        (bits.map(|(_, value)| value.to_bits()).collect(), level)
    };
    let keys = assembled.labelled.keys();
    let labelled = (0..keys.len()).filter_map(|row| {
        let (tenant, at) = keys.observation(row)?;
        let features = assembled.labelled.features().row(row).to_vec();
        (at.days() == date).then(|| (tenant.to_owned(), read(&features)))
    });
    let censored = assembled.censored.iter().filter(|row| row.date.days() == date);
    labelled.chain(censored.map(|row| (row.tenant.to_owned(), read(row.features)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn labels_and_cohorts_are_those_of_the_raw_events((plan, facts) in plan_and_log()) {
        let assembled = assemble(&facts, &plan, None).expect("has both labels");
        prop_assert_eq!(found(&assembled), brute_force(&facts, &plan));
        prop_assert!(assembled.labelled.n_churned() > 0);
        prop_assert_eq!(assembled.report.n_out_of_order, 0);
    }

    #[test]
    fn events_received_later_never_change_an_observation((plan, facts) in plan_and_log(), pick in 0..100_i64) {
        let every = i64::from(plan.every_days);
        // Late enough for a label on the first date of the shorter log.
        let steps = (42 + every - 1) / every;
        let t = FIRST + every * (steps + pick % ((DAYS - FIRST - 42) / every - 2).max(1));
        let date = BASE + t as i32;
        let known: Vec<Fact> =
            facts.iter().filter(|fact| fact.received < t * MINUTES_PER_DAY).cloned().collect();
        let then = assemble(&known, &plan, Some(day(t as i32))).expect("has both labels");
        let now = assemble(&facts, &plan, None).expect("has both labels");
        let (then_features, now_features) = (features_on(&then, date), features_on(&now, date));
        for (tenant, (bits, industry)) in &now_features {
            let (then_bits, then_industry) = &then_features[tenant];
            prop_assert_eq!(then_bits, bits);
            // A level may be one in one of the two sets only.
            if let (Some(one), Some(other)) = (then_industry, industry) {
                prop_assert_eq!(one, other);
            }
        }
        let cohort = |assembled: &Assembled| {
            assembled.cohorts.iter().find(|cohort| cohort.date().days() == date).map_or((0, 0, 0), |cohort| {
                (cohort.n_at_risk(), cohort.n_too_young, cohort.n_inactive)
            })
        };
        prop_assert_eq!(cohort(&then), cohort(&now));
        prop_assert_eq!(cohort(&then).0, then_features.len() as u64);
    }

    #[test]
    fn only_the_order_within_a_tenant_matters(
        (plan, facts) in plan_and_log(), seed in any::<u64>(), batch in 1..300_usize
    ) {
        let now = content(&assemble(&facts, &plan, None).expect("has both labels"));
        // Whole tenants one after the other, in an order drawn from the seed.
        let mut shuffled = facts.clone();
        let place = |fact: &Fact| {
            let salt = seed ^ (u64::from(fact.tenant.as_bytes()[0]) << 32) ^ fact.tenant.len() as u64;
            salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        shuffled.sort_by_key(|fact| (place(fact), fact.tenant.clone()));
        let other = assemble_in_batches(&shuffled, &plan, None, batch).expect("has both labels");
        prop_assert_eq!(now, content(&other));
    }

    #[test]
    fn any_number_of_threads_gives_the_same_set((plan, facts) in plan_and_log()) {
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("starts");
            pool.install(|| content(&assemble(&facts, &plan, None).expect("has both labels")))
        };
        prop_assert_eq!(run(1), run(3));
    }

    #[test]
    fn censored_rows_are_never_labelled((plan, facts) in plan_and_log()) {
        let assembled = assemble(&facts, &plan, None).expect("has both labels");
        let end = assembled.report.end().start();
        for &date in assembled.labelled.keys().dates().expect("has dates") {
            prop_assert!(plan.label_horizon(date).1 <= end);
        }
        for row in assembled.censored.iter() {
            prop_assert!(plan.label_horizon(row.date).1 > end && row.date.start() <= end);
        }
    }

    #[test]
    fn no_label_horizon_crosses_a_cut(
        (plan, facts) in plan_and_log(), test_share in 0.05..0.6, calibration_share in 0.0..0.4
    ) {
        let set = assemble(&facts, &plan, None).expect("has both labels").labelled;
        match time_split(&set, &plan, test_share, calibration_share) {
            Ok(split) => {
                let dates = set.keys().dates().expect("has dates");
                let parts: Vec<&Vec<usize>> =
                    [&split.fit, &split.calibration, &split.test].into_iter().filter(|part| !part.is_empty()).collect();
                for pair in parts.windows(2) {
                    let last = pair[0].iter().map(|&row| dates[row]).max().expect("has rows");
                    let next = pair[1].iter().map(|&row| dates[row]).min().expect("has rows");
                    prop_assert!(plan.label_horizon(last).1 <= next.start());
                    prop_assert!(check_split(&set, &plan, pair[0], pair[1]).is_ok());
                }
                let n_rows = parts.iter().map(|part| part.len()).sum::<usize>() + split.n_embargoed;
                prop_assert_eq!(n_rows, set.n_observations());
                prop_assert!(split.test.len() as f64 >= test_share * set.n_observations() as f64);
            }
            Err(Error::Assembly(error)) => prop_assert!(matches!(
                error,
                AssemblyError::ShortForSplit { .. } | AssemblyError::NoRoom { .. } | AssemblyError::OneLabelInPart { .. }
            ), "{error}"),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_tenant_is_on_both_sides_of_a_random_fold((plan, facts) in plan_and_log(), seed in any::<u64>()) {
        let set = assemble(&facts, &plan, None).expect("has both labels").labelled;
        let folds = stratified_folds(set.labels(), set.groups(), 2, seed).expect("has two tenants");
        let (fit, test): (Vec<usize>, Vec<usize>) = (0..folds.len()).partition(|&row| folds[row] == 0);
        let tenants = |rows: &[usize]| rows.iter().map(|&row| set.keys().get(row)).collect::<BTreeSet<_>>();
        prop_assert!(tenants(&fit).is_disjoint(&tenants(&test)));
        if !fit.is_empty() && !test.is_empty() {
            let checked = check_split(&set, &plan, &fit, &test);
            let is_cut_by_time = matches!(checked, Err(Error::Assembly(AssemblyError::HorizonAcrossCut { .. })));
            prop_assert!(checked.is_ok() || is_cut_by_time);
        }
    }

    #[test]
    fn an_event_at_the_wrong_place_takes_observations_from_its_tenant_only(
        (plan, facts) in plan_and_log(), pick in any::<prop::sample::Index>()
    ) {
        let in_order = assemble(&facts, &plan, None).expect("has both labels");
        // The two tenants that make sure of both labels keep theirs.
        let sure = |fact: &Fact| fact.tenant == "stays" || fact.tenant == "churns";
        let places: Vec<usize> = (0..facts.len()).filter(|&place| !sure(&facts[place])).collect();
        if places.is_empty() {
            return Ok(());
        }
        let mut moved = facts.clone();
        let first = moved.remove(*pick.get(&places));
        let tenant = first.tenant.clone();
        moved.insert(0, first);
        let moved = assemble(&moved, &plan, None).expect("has both labels");
        let mut lost = 0;
        for cohort in &in_order.cohorts {
            let date = cohort.date().days();
            let (before, after) = (features_on(&in_order, date), features_on(&moved, date));
            for (name, features) in before {
                match after.get(&name) {
                    Some(found) if name != tenant => prop_assert_eq!(&found.0, &features.0),
                    Some(_) => {}
                    None => {
                        prop_assert_eq!(&name, &tenant);
                        lost += 1;
                    }
                }
            }
        }
        // The count is of who was at risk by everything in the log, so of one that nobody knew to have left it says nothing.
        let is_known_at_once = |fact: &Fact| {
            fact.tenant != tenant || !matches!(fact.what, What::Created | What::Cancelled) || fact.received <= fact.occurred
        };
        if facts.iter().all(is_known_at_once) {
            prop_assert!(moved.report.n_passed_over >= lost, "{} were lost and not counted", lost);
        }
    }

    #[test]
    fn no_log_is_too_odd_to_be_answered(
        mut facts in vec(any_fact(), 0..60), plan in plan(), is_sorted in any::<bool>()
    ) {
        if is_sorted {
            facts = in_received_order(facts);
        }
        match assemble(&facts, &plan, None) {
            Ok(assembled) => {
                prop_assert!(assembled.labelled.n_churned() > 0);
                prop_assert!(assembled.labelled.n_churned() < assembled.labelled.n_observations());
                prop_assert!(!is_sorted || assembled.report.n_passed_over == 0);
            }
            // What the log as a whole does not hold; one tenant is never the reason.
            Err(Error::Assembly(
                AssemblyError::EmptyLog
                | AssemblyError::ShortLog { .. }
                | AssemblyError::NobodyAtRisk { .. }
                | AssemblyError::NoChurn { .. }
                | AssemblyError::OnlyChurn { .. }
                | AssemblyError::UnsureEnd { .. },
            )) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
