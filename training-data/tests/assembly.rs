//! Observations of small logs in view, and logs that are refused.

mod activity_log;

use churn_training_data::{
    Assembled, Assembler, AssemblyError, DatedRows, Error, LabelRule, ObservationPlan, ValueSummary, check_split,
    time_split, time_split_at,
};

use activity_log::{Fact, What, assemble, day, fact, in_received_order, jobs, late_fact};

/// Observation dates on days 28, 56, 84, ...; gap 7 days, label horizon 21 days.
fn plan() -> ObservationPlan {
    ObservationPlan { gap_days: 7, horizon_days: 21, first: Some(day(0)), ..ObservationPlan::default() }
}

fn message(result: Result<Assembled, Error>) -> String {
    result.expect_err("refused").to_string()
}

fn rows(assembled: &Assembled) -> Vec<(String, i32, bool)> {
    let keys = assembled.labelled.keys();
    let key = |row| keys.observation(row).expect("has dates");
    let base = day(0).days();
    (0..keys.len())
        .map(|row| (key(row).0.to_owned(), key(row).1.days() - base, assembled.labelled.labels()[row]))
        .collect()
}

#[test]
fn every_tenant_of_a_small_log_is_where_it_belongs() {
    let mut facts = vec![
        fact("acme", 0, What::Created),
        fact("birch", 0, What::Created),
        fact("birch", 70, What::Cancelled),
        fact("cedar", 0, What::Created),
        fact("cedar", 60, What::Cancelled),
        // Known only after day 56, and occurred before it.
        fact("dogwood", 0, What::Created),
        late_fact("dogwood", 54, 58, What::Cancelled),
        // Comes, goes and comes back.
        fact("elm", 5, What::Created),
        fact("elm", 40, What::Cancelled),
        fact("elm", 70, What::Created),
        // The end of the log: day 113 is over.
        fact("acme", 114, What::Login),
    ];
    facts.extend(jobs("acme", 1, 110, 7));
    let assembled = assemble(&in_received_order(facts), &plan(), None).expect("has both labels");

    let row = |tenant: &str, day, label| (tenant.to_owned(), day, label);
    assert_eq!(
        rows(&assembled),
        [
            // Day 28: label horizon [35, 56).
            row("acme", 28, false),
            row("birch", 28, false),
            row("cedar", 28, false),
            row("dogwood", 28, true),
            // Day 56: label horizon [63, 84). Cedar cancels in the gap, dogwood has cancelled and nobody knows.
            row("acme", 56, false),
            row("birch", 56, true),
            // Day 84: label horizon [91, 112).
            row("acme", 84, false),
        ]
    );
    let cohorts: Vec<_> = assembled
        .cohorts
        .iter()
        .map(|cohort| {
            let day = cohort.date().days() - day(0).days();
            (day, cohort.n_at_risk(), cohort.n_churned, cohort.n_stayed, cohort.n_cancelled_in_gap, cohort.n_too_young)
        })
        .collect();
    assert_eq!(cohorts, [(28, 4, 1, 3, 0, 1), (56, 4, 1, 1, 2, 0), (84, 1, 0, 1, 0, 1), (112, 2, 0, 0, 0, 0)]);
    assert_eq!(assembled.cohorts[1].churn_share(), Some(0.5));
    assert_eq!((assembled.cohorts[3].n_censored, assembled.cohorts[3].churn_share()), (2, None));
    let censored: Vec<&str> = assembled.censored.latest().map(|row| row.tenant).collect();
    assert_eq!(censored, ["acme", "elm"]);

    // Acme's jobs on days 1, 8, ..., 50 are known on day 56, at noon each.
    let schema = assembled.labelled.schema();
    let job90 = schema.position("job90").expect("is in the catalogue");
    assert_eq!(assembled.labelled.features()[[4, job90]], 8.0);
    assert_eq!(assembled.report.n_tenants, 5);
    assert_eq!(assembled.report.end(), day(114));
}

#[test]
fn the_usage_rule_calls_silence_churn() {
    let mut facts = vec![fact("late", 20, What::Job), fact("end", 120, What::Login)];
    facts.extend(jobs("busy", 1, 120, 3));
    facts.extend(jobs("stops", 1, 60, 3));
    let plan = ObservationPlan { rule: LabelRule::Usage, lookback_days: 30, min_tenure_days: 0, ..plan() };
    let assembled = assemble(&in_received_order(facts), &plan, None).expect("has both labels");
    let row = |tenant: &str, day, label| (tenant.to_owned(), day, label);
    assert_eq!(
        rows(&assembled),
        [
            row("busy", 28, false),
            row("late", 28, true),
            row("stops", 28, false),
            row("busy", 56, false),
            row("stops", 56, true),
            row("busy", 84, false),
            row("stops", 84, true),
        ]
    );
    // On days 56 and 84 the one job of day 20 is out of the lookback, or nearly.
    assert_eq!(assembled.cohorts.iter().map(|cohort| cohort.n_inactive).collect::<Vec<_>>(), [0, 1, 1, 2]);
    let names: Vec<&str> = schema_names(&assembled);
    assert!(names.contains(&"job30") && !names.contains(&"job90"), "features look back 30 days at most: {names:?}");
}

fn schema_names(assembled: &Assembled) -> Vec<&str> {
    assembled.labelled.schema().features().iter().map(|feature| feature.name()).collect()
}

#[test]
fn logs_without_an_answer_are_refused_with_what_to_do() {
    let log = |days: i64, cancelled: Option<i64>| {
        let mut facts = vec![fact("acme", 0, What::Created), fact("birch", 0, What::Created)];
        facts.extend(jobs("acme", 1, days, 3));
        facts.extend(cancelled.map(|day| fact("birch", day, What::Cancelled)));
        in_received_order(facts)
    };
    assert_eq!(
        message(assemble(&[], &plan(), None)),
        "the activity log holds no event; expected the events of tenants, in received order"
    );
    let nobody = message(assemble(&log(120, None), &plan(), None));
    assert!(nobody.starts_with("no tenant churned in 6 labelled observations"), "{nobody}");
    assert!(nobody.ends_with("when the log holds no tenant.cancelled events, use the label rule usage"), "{nobody}");
    let short = message(assemble(&log(120, Some(70)), &ObservationPlan::default(), None));
    assert!(short.contains("covers 118 days") && short.contains("at least 164 days are needed"), "{short}");
    let everybody = ObservationPlan { rule: LabelRule::Usage, ..plan() };
    let all = message(assemble(&log(36, None), &everybody, Some(day(56))));
    assert!(all.starts_with("every one of 1 labelled observations churned"), "{all}");
    let young = ObservationPlan { min_tenure_days: 1000, ..plan() };
    let young = message(assemble(&log(120, Some(70)), &young, None));
    assert!(young.starts_with("none of 2 tenants was at risk") && young.contains("times too young"), "{young}");
    let horizon = ObservationPlan { horizon_days: 0, ..plan() };
    assert!(matches!(Assembler::new(horizon, None), Err(Error::Assembly(AssemblyError::NoHorizon))));
}

/// Tenants of 300 days, of which two cancel.
fn long_log() -> Vec<Fact> {
    let mut facts = vec![fact("birch", 150, What::Cancelled), fact("cedar", 200, What::Cancelled)];
    for tenant in ["acme", "birch", "cedar"] {
        facts.push(fact(tenant, 0, What::Created));
        facts.extend(jobs(tenant, 1, if tenant == "acme" { 300 } else { 150 }, 1));
    }
    facts
}

#[test]
fn one_event_from_the_far_future_never_moves_the_end_of_the_log() {
    let known = assemble(&in_received_order(long_log()), &plan(), Some(day(300))).expect("has both labels");
    for wrong_day in [330, 1000, 27_000, 90_000] {
        let wrong = late_fact("acme", 100, wrong_day, What::Job);
        for place in [40, 10_000] {
            let mut facts = in_received_order(long_log());
            facts.insert(place.min(facts.len()), Fact { number: 77_777, ..wrong.clone() });
            let refused = message(assemble(&facts, &plan(), None));
            assert!(
                refused.starts_with("the log goes on as usual to 2024-06-25, and after that holds only 1 more"),
                "{refused}"
            );
            assert!(refused.contains("(id \"77777\", tenant \"acme\") received at "), "{refused}");
            assert!(refused.contains("give 2024-06-26 as the end of the log"), "{refused}");

            let given = assemble(&facts, &plan(), Some(day(300))).expect("has both labels");
            assert_eq!(given.report.n_after_end, 1);
            let all = |assembled: &Assembled| {
                (rows(assembled), assembled.labelled.features().map(|value| value.to_bits()), assembled.censored.len())
            };
            assert_eq!(all(&given), all(&known), "day {wrong_day}, place {place}");
        }
    }
}

#[test]
fn an_end_beyond_the_log_is_refused_and_makes_nobody_stay() {
    let facts = in_received_order(long_log());
    assert!(assemble(&facts, &plan(), Some(day(314))).is_ok(), "two weeks may be silent");
    let refused = message(assemble(&facts, &plan(), Some(day(330))));
    assert!(
        refused.starts_with(
            "the log is said to end on 2024-07-26, and the last event before that was received on 2024-06-25"
        ),
        "{refused}"
    );
    for before in [-1000, 0] {
        let refused = message(assemble(&facts, &plan(), Some(day(before))));
        assert!(refused.contains("its first event was received on 2023-08-31"), "{refused}");
    }
    let mut far = facts;
    far.push(fact("acme", 900, What::Job));
    assert!(matches!(
        assemble(&far, &plan(), Some(day(890))),
        Err(Error::Assembly(AssemblyError::EndBeyondLog { last, .. })) if last == day(299)
    ));
}

#[test]
fn an_event_out_of_order_is_late_by_its_own_times_only() {
    let mut facts = long_log();
    facts.retain(|fact| fact.tenant != "acme" || fact.what != What::Login);
    let mut facts = in_received_order(facts);
    let in_order = assemble(&facts, &plan(), None).expect("has both labels");
    // Received on day 100 as it occurred, and found in the log after events of day 130; observed on day 112.
    let place = facts.iter().position(|fact| fact.tenant == "acme" && fact.received > 100 * 1440).expect("is there");
    let moved = facts.remove(place);
    let place = facts.iter().position(|fact| fact.received > 130 * 1440).expect("is there");
    facts.insert(place, moved);
    let moved = assemble(&facts, &plan(), None).expect("has both labels");
    assert_eq!((moved.report.n_out_of_order, moved.report.n_late), (1, 0));
    let job90 = |assembled: &Assembled, day| {
        let row = rows(assembled).iter().position(|row| (row.0.as_str(), row.1) == ("acme", day)).expect("is there");
        let position = assembled.labelled.schema().position("job90").expect("is in the catalogue");
        assembled.labelled.features()[[row, position]]
    };
    assert_eq!((job90(&in_order, 112), job90(&moved, 112)), (90.0, 89.0), "not known on day 112 any more");
    assert_eq!((job90(&in_order, 140), job90(&moved, 140)), (90.0, 90.0), "known ever after");
}

#[test]
fn a_tenant_whose_log_begins_with_a_later_event_is_observed_from_then_on() {
    let mut facts = in_received_order(long_log());
    let in_order = assemble(&facts, &plan(), None).expect("has both labels");
    assert_eq!(in_order.report.n_passed_over, 0);
    // An event of day 100 to 101 at the top of the log; day 112 is the next to be observed.
    let place = facts.iter().position(|fact| fact.tenant == "acme" && fact.received > 100 * 1440).expect("is there");
    let moved = facts.remove(place);
    facts.insert(0, moved);
    let moved = assemble(&facts, &plan(), None).expect("has both labels");
    let mut expected = rows(&in_order);
    expected.retain(|(tenant, day, _)| tenant != "acme" || *day > 100);
    assert_eq!(rows(&moved), expected);
    assert_eq!(moved.report.n_passed_over, (rows(&in_order).len() - expected.len()) as u64);
    assert!(moved.report.n_passed_over > 0);

    let backwards: Vec<Fact> = facts.into_iter().rev().collect();
    let backwards = message(assemble(&backwards, &plan(), None));
    assert!(backwards.ends_with("sort each tenant's events by the time received"), "{backwards}");
}

#[test]
fn a_log_in_which_days_are_missing_is_refused() {
    let mut facts = Vec::new();
    for number in 0..12 {
        let name = format!("tenant {number}");
        facts.push(fact(&name, 0, What::Created));
        let last = if number % 3 == 0 { 100 + 25 * number } else { 500 };
        facts.extend(jobs(&name, 1, last, 1));
        if last < 500 {
            facts.push(fact(&name, last, What::Cancelled));
        }
    }
    let facts = in_received_order(facts);
    let usage = ObservationPlan { rule: LabelRule::Usage, ..plan() };
    let without = |from: i64, to: i64| -> Vec<Fact> {
        facts.iter().filter(|fact| !(from..to).contains(&(fact.received / 1440))).cloned().collect()
    };
    assert!(assemble(&facts, &usage, None).is_ok());
    assert!(assemble(&without(200, 212), &usage, None).is_ok(), "closed for twelve days");
    let hole = without(200, 260);
    let Err(Error::Assembly(AssemblyError::GapInLog { from, last, days, first_after })) = assemble(&hole, &usage, None)
    else {
        panic!("a gap")
    };
    assert_eq!((from, last, days, first_after), (day(200), day(259), 60, day(350)));
    assert!(assemble(&hole, &plan(), None).is_err(), "cancellations on these days are not known either");
    // What the message names helps.
    assert!(assemble(&hole, &usage, Some(from)).is_ok());
    let after = assemble(&hole, &ObservationPlan { first: Some(first_after), ..usage.clone() }, None);
    assert!(matches!(after, Ok(_) | Err(Error::Assembly(AssemblyError::NoChurn { .. }))));
    assert!(assemble(&hole, &ObservationPlan { last: Some(day(168)), ..usage.clone() }, None).is_ok());
    // A few tenants may be silent together.
    let few: Vec<Fact> =
        hole.into_iter().filter(|fact| fact.tenant.len() == 8).take_while(|fact| fact.received < 400 * 1440).collect();
    let few: Vec<Fact> = few.into_iter().filter(|fact| fact.tenant != "tenant 9").collect();
    assert!(assemble(&few, &usage, None).is_ok());
}

#[test]
fn an_event_out_of_order_never_reaches_an_observation_made_before() {
    let mut facts = vec![
        fact("acme", 0, What::Created),
        fact("birch", 0, What::Created),
        fact("birch", 70, What::Cancelled),
        fact("acme", 57, What::Login),
        fact("acme", 114, What::Login),
    ];
    facts = in_received_order(facts);
    let without = assemble(&facts, &plan(), None).expect("has both labels");
    // Received on day 55, and found in the log after an event of day 57.
    let place = facts.iter().position(|fact| fact.what == What::Login).expect("is there") + 1;
    facts.insert(place, Fact { number: 99, ..fact("acme", 55, What::Login) });
    let with = assemble(&facts, &plan(), None).expect("has both labels");
    assert_eq!(with.report.n_out_of_order, 1);
    let logins = |assembled: &Assembled, day| {
        let row = rows(assembled).iter().position(|row| (row.0.as_str(), row.1) == ("acme", day)).expect("is there");
        let position = assembled.labelled.schema().position("logins_28").expect("is in the catalogue");
        assembled.labelled.features()[[row, position]]
    };
    assert_eq!(logins(&with, 56), logins(&without, 56));
    assert_eq!((logins(&without, 84), logins(&with, 84)), (1.0, 1.0), "day 55 is out of the 28 days before day 84");
}

/// Forty tenants for 500 days, of which every third cancels, one after the other.
fn world(age_half_life_days: Option<u32>) -> (Assembled, ObservationPlan) {
    let mut facts = Vec::new();
    for number in 0..40_i64 {
        let name = format!("t{number:02}");
        facts.push(fact(&name, 0, What::Created));
        let last = if number % 3 == 0 { 100 + number * 9 } else { 500 };
        facts.extend(jobs(&name, 1 + number % 5, last, 3));
        if last < 500 {
            facts.push(fact(&name, last, What::Cancelled));
        }
    }
    let plan = ObservationPlan { every_days: 7, age_half_life_days, ..ObservationPlan::default() };
    let assembled = assemble(&in_received_order(facts), &plan, Some(day(500))).expect("has both labels");
    (assembled, plan)
}

#[test]
fn a_split_by_time_leaves_out_what_reaches_across() {
    let (Assembled { labelled: set, .. }, plan) = world(None);
    let split = time_split(&set, &plan, 0.2, 0.2).expect("is long enough");
    let (fit, test) = (split.fit_dates, split.test_dates);
    let calibration = split.calibration_dates.expect("was asked for");
    assert!(fit.1.plus_days(74) <= calibration.0 && calibration.1.plus_days(74) <= test.0);
    assert!(fit.1.plus_days(74 + 7) > calibration.0, "no date more is left out than has to be");
    let n_rows = split.fit.len() + split.calibration.len() + split.test.len() + split.n_embargoed;
    assert_eq!(n_rows, set.n_observations());
    assert!(split.n_embargoed > 0);

    let two = time_split(&set, &plan, 0.2, 0.0).expect("is long enough");
    assert!(two.calibration.is_empty() && two.calibration_dates.is_none());
    assert!(two.fit.len() > split.fit.len());
    let dates = set.keys().dates().expect("has dates");
    assert_eq!(DatedRows::new(dates, None).split(&plan, 0.2, 0.0).expect("as the set itself"), two);
    let one_label = vec![true; dates.len()];
    let refused = DatedRows::new(dates, Some(&one_label)).split(&plan, 0.2, 0.0).expect_err("says who churned");
    assert!(refused.to_string().contains("have the label churn"), "{refused}");
    let step = time_split_at(&set, &plan, test.0.plus_days(-7)..test.0, 0.0).expect("is long enough");
    assert_eq!(step.test_dates, (test.0.plus_days(-7), test.0.plus_days(-7)));

    let refused = |test_share, calibration_share| {
        time_split(&set, &plan, test_share, calibration_share).expect_err("refused").to_string()
    };
    assert!(refused(0.0, 0.2).contains("the test share is 0"));
    assert!(refused(0.5, 0.5).contains("together with the test share"));
    assert!(refused(0.6, 0.3).contains("no observation date is left"), "{}", refused(0.6, 0.3));
    let longer = ObservationPlan { horizon_days: 180, ..plan.clone() };
    let short = time_split(&set, &longer, 0.2, 0.2).expect_err("refused").to_string();
    assert!(short.contains("3 parts with an embargo of 194 days between them need 392"), "{short}");
    assert!(short.ends_with("or no calibration part"), "{short}");
}

#[test]
fn leaky_designs_are_refused_with_the_reason() {
    let (Assembled { labelled: set, .. }, plan) = world(None);
    let dates = set.keys().dates().expect("has dates");
    let split = time_split(&set, &plan, 0.2, 0.0).expect("is long enough");
    let refused = |fit: &[usize], test: &[usize]| check_split(&set, &plan, fit, test).expect_err("refused").to_string();
    assert!(check_split(&set, &plan, &split.fit, &split.test).is_ok());

    let up_to_the_cut: Vec<usize> = (0..dates.len()).filter(|&row| dates[row] < split.test_dates.0).collect();
    let across = refused(&up_to_the_cut, &split.test);
    assert!(across.starts_with("the label horizon of 20") && across.contains("at least 74 days"), "{across}");
    let (even, odd): (Vec<usize>, Vec<usize>) = (0..dates.len()).partition(|row| row % 2 == 0);
    let shared = refused(&even, &odd);
    assert!(shared.contains("in parts whose dates overlap or run backwards (39 such tenants)"), "{shared}");
    assert!(refused(&split.test, &split.fit).contains("run backwards"));
    assert!(refused(&[0, 1], &[1, 2]).starts_with("row 1 (tenant \"t02\" on 20"));
    assert!(refused(&[], &[1]).starts_with("the fit part has no rows"));
    assert!(refused(&[0], &[100_000]).contains("names row 100000"));
    let (some, others): (Vec<usize>, Vec<usize>) =
        (0..dates.len()).partition(|&row| set.keys().get(row).as_ref() < "t20");
    assert!(check_split(&set, &plan, &some, &others).is_ok(), "whole tenants are dealt to the parts");
}

#[test]
fn weights_halve_with_age() {
    let (Assembled { labelled: set, .. }, _) = world(Some(28));
    let (weights, dates) = (set.weights().expect("were asked for"), set.keys().dates().expect("has dates"));
    let last = *dates.iter().max().expect("has rows");
    let weight = |age| weights[dates.iter().position(|date| date.plus_days(age) == last).expect("is there")];
    assert_eq!([weight(0), weight(28), weight(56)], [1.0, 0.5, 0.25]);
    assert!(world(None).0.labelled.weights().is_none());
}

#[test]
fn a_set_from_a_log_describes_itself() {
    let (Assembled { labelled: set, .. }, _) = world(Some(100));
    let label = "churned: 1 = cancelled within [14 d, 74 d) after the observation date, 0 = stayed";
    assert_eq!(set.label_values().to_string(), label);
    let columns = set.describe();
    assert_eq!(columns.len(), 3 + set.schema().len());
    let [tenant, churned, weight, ..] = columns.as_slice() else { panic!("there are at least three columns") };
    assert_eq!((tenant.name.as_str(), tenant.n_distinct), ("tenant", Some(39)));
    assert!(tenant.notes[0].contains("observation dates from 2023-"), "{}", tenant.notes[0]);
    let ValueSummary::Levels(levels) = &churned.values else { panic!("a label has two values") };
    assert_eq!(levels.iter().map(|(_, count)| count).sum::<usize>(), set.n_observations());
    assert!(matches!(weight.values, ValueSummary::Numbers { max: 1.0, .. }));
    assert_eq!(set.groups().map(|groups| groups[0]), Some(churn_training_data::group_of("t01")));
    let some = set.select(&[3, 1]);
    assert_eq!(some.keys().observation(1), set.keys().observation(1));
}

#[test]
fn the_event_study_shows_usage_falling_before_churn_and_not_elsewhere() {
    // Everybody submits 4 jobs a week; those who cancel, one a week, 2 in the last 6 weeks.
    let mut facts = Vec::new();
    for number in 0..30_i64 {
        let name = format!("t{number:02}");
        facts.push(fact(&name, 0, What::Created));
        let last = if number < 10 { 280 + 7 * number } else { 500 };
        for week in 0..last / 7 {
            let jobs = if number < 10 && week >= last / 7 - 6 { 2 } else { 4 };
            facts.extend((0..jobs).map(|job| fact(&name, week * 7 + job, What::Job)));
        }
        if number < 10 {
            facts.push(fact(&name, last, What::Cancelled));
        }
    }
    let assembled = assemble(&in_received_order(facts), &ObservationPlan::default(), Some(day(500)));
    let assembled = assembled.expect("has both labels");
    let study = assembled.event_study.as_ref().expect("ten tenants churned");
    assert_eq!((study.n_churned, study.n_unmatched, study.n_unseen), (10, 0, 0));
    assert_eq!((study.weeks[0], study.weeks[26], study.weeks.len()), (-26, 0, 27));
    assert!(study.stayed.iter().all(|&usage| (usage - 1.0).abs() < 1e-12), "{:?}", study.stayed);
    assert!(study.churned[..21].iter().all(|&usage| (usage - 1.0).abs() < 1e-12), "{:?}", study.churned);
    assert!(study.churned[21..].iter().all(|&usage| (usage - 0.5).abs() < 1e-12), "{:?}", study.churned);
}
