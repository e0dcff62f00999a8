//! What holds for every world.

use churn_events::{EventKind, ObservationDate};
use churn_simulator::{
    Error, Format, Scenario, TruthPlan, World, WorldOptions, replay, write_log, write_table, write_truth,
};
use sha2::{Digest, Sha256};

fn small(scenario: Scenario) -> World {
    let options = WorldOptions { tenants: 60, days: 200, seed: 5, scenario, ..WorldOptions::default() };
    World::new(&options).expect("is within bounds")
}

fn words(world: &World) -> Vec<u8> {
    let mut out = Vec::new();
    replay(world, &mut out, None).expect("a vector takes all");
    out
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let world = small(Scenario::Steady);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let mut bytes = Vec::new();
            for format in Format::ALL {
                let log = write_log(&world, &folder.path().join(format.extension()), format).expect("is written");
                for file in &log.files {
                    bytes.extend(std::fs::read(file).expect("is there"));
                }
            }
            write_truth(&world, &folder.path().join("truth.csv"), &TruthPlan::default()).expect("is written");
            bytes.extend(std::fs::read(folder.path().join("truth.csv")).expect("is there"));
            bytes
        })
    };
    let one = on(1);
    assert!(one == on(2), "two threads");
    assert!(one == on(5), "five threads");
}

#[test]
fn another_seed_gives_another_log() {
    let other = WorldOptions { tenants: 60, days: 200, seed: 6, ..WorldOptions::default() };
    assert!(words(&small(Scenario::Steady)) != words(&World::new(&other).expect("is within bounds")));
}

#[test]
fn the_log_is_that_of_its_tenants_in_received_order() {
    let world = small(Scenario::Steady);
    let mut of_tenants = Vec::new();
    for tenant in 0..world.n_tenants() {
        let history = world.tenant(tenant);
        let mut last = i64::MIN;
        for event in history.events() {
            assert!(event.received_at.millis() >= last, "{} is out of order", event.id);
            last = event.received_at.millis();
            assert!((world.start().start()..world.end().start()).contains(&event.received_at), "{}", event.id);
            let mut line = Vec::new();
            churn_events::encode(&event, &mut line);
            of_tenants.push((event.received_at, tenant, line));
        }
    }
    // Stable, so a tenant's own events keep their order.
    of_tenants.sort_by_key(|(received, tenant, _)| (*received, *tenant));
    let lines: Vec<u8> = of_tenants
        .into_iter()
        .flat_map(|(.., mut line)| {
            line.push(b'\n');
            line
        })
        .collect();
    assert!(lines == words(&world));
}

#[test]
fn every_line_is_read_back_as_the_event_that_was_written() {
    let world = small(Scenario::Seasonal);
    for tenant in 0..10 {
        let history = world.tenant(tenant);
        for event in history.events() {
            let mut line = Vec::new();
            churn_events::encode(&event, &mut line);
            assert_eq!(churn_events::decode(&line).expect("is an event"), event);
        }
    }
}

#[test]
fn a_cancelled_tenant_is_silent_until_it_comes_back() {
    let options = WorldOptions { tenants: 600, days: 500, ..WorldOptions::default() };
    let world = World::new(&options).expect("is within bounds");
    let (mut n_cancelled, mut n_back) = (0, 0);
    for tenant in 0..world.n_tenants() {
        let mut is_gone = false;
        for event in world.tenant(tenant).events() {
            match event.kind {
                EventKind::TenantCreated(_) => {
                    n_back += u32::from(is_gone);
                    is_gone = false;
                }
                _ => assert!(!is_gone, "{} comes after the cancellation", event.id),
            }
            if matches!(event.kind, EventKind::TenantCancelled { .. }) {
                n_cancelled += 1;
                is_gone = true;
            }
        }
    }
    assert!(n_cancelled > 30 && n_back > 0, "{n_cancelled} cancelled, {n_back} came back");
}

#[test]
fn a_tiny_world_stays_as_it_is() {
    // Changed on purpose? Then change the digest, and say in the commit what changed in the worlds.
    let options = WorldOptions { tenants: 5, days: 60, seed: 42, ..WorldOptions::default() };
    let digest = Sha256::digest(words(&World::new(&options).expect("is within bounds")));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "2eb9471add9dae3d");
}

#[test]
fn the_truth_is_a_probability_that_comes_true_as_often_as_it_says() {
    let options = WorldOptions { tenants: 3000, days: 200, ..WorldOptions::default() };
    let world = World::new(&options).expect("is within bounds");
    let date = ObservationDate::from_days(world.start().days() + 100);
    let (mut expected, mut n_churned) = (0.0, 0.0);
    for tenant in 0..world.n_tenants() {
        let truth = world.truth(tenant);
        let Some(probability) = truth.churn_probability(date, 14, 60) else { continue };
        assert!((0.0..=1.0).contains(&probability));
        assert_eq!(truth.churn_probability(date, 14, 60), Some(probability), "asked twice");
        let after = truth.cancellations().find(|(day, _)| *day >= date).map(|(day, _)| day.days() - date.days());
        if after.is_none_or(|after| after >= 14) {
            expected += probability;
            n_churned += f64::from(after.is_some_and(|after| (14..74).contains(&after)));
        }
    }
    // Four standard deviations of a Poisson count.
    assert!((n_churned - expected).abs() < 4.0 * expected.sqrt(), "{n_churned} churned, {expected:.1} expected");
    assert!(n_churned > 10.0);
}

#[test]
fn there_is_no_truth_about_a_tenant_that_is_not_there() {
    let world = small(Scenario::Onboarding);
    let before = ObservationDate::from_days(world.start().days() - 10);
    let newest = (0..world.n_tenants()).map(|tenant| world.truth(tenant)).find(|truth| {
        truth.health_at(world.start().plus_days(50)).is_none()
            && truth.health_at(world.start().plus_days(190)).is_some()
    });
    assert_eq!(newest.expect("some arrive late").churn_probability(before, 14, 60), None);
}

#[test]
fn a_table_has_the_original_columns_and_a_label_of_both_kinds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("companies.csv");
    write_table(&path, 500, 1, ObservationDate::from_days(19_723)).expect("is written");
    let text = std::fs::read_to_string(&path).expect("is there");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Company,Industry,Revenue,Employees,#job30,#job90,MonthlyCharge,TotalCharge,Churn"));
    let labels: Vec<&str> = lines.map(|line| line.rsplit(',').next().expect("has fields")).collect();
    assert_eq!(labels.len(), 500);
    let n_churned = labels.iter().filter(|label| **label == "1").count();
    assert!((20..200).contains(&n_churned), "{n_churned} of 500");
}

#[test]
fn options_outside_their_bounds_are_refused_with_what_was_found() {
    let refused = |options: WorldOptions| World::new(&options).expect_err("is out of bounds").to_string();
    let none = WorldOptions { tenants: 0, ..WorldOptions::default() };
    assert_eq!(refused(none), "the number of tenants is 0; expected 1 to 10000000");
    let endless = WorldOptions { days: 10_000, ..WorldOptions::default() };
    assert_eq!(refused(endless), "the number of days is 10000; expected 1 to 3660");
    assert!(matches!("calm".parse::<Scenario>(), Err(Error::UnknownScenario { .. })));
    assert!(matches!("xlsx".parse::<Format>(), Err(Error::UnknownFormat { .. })));
}

#[test]
fn even_a_small_world_has_the_facts_of_real_logs() {
    let options = WorldOptions { tenants: 300, seed: 2, ..WorldOptions::default() };
    let validation = churn_simulator::validate(&World::new(&options).expect("is within bounds"));
    // How hard churn is to predict takes more tenants to tell.
    let is_fact = |name: &str| {
        ["run time", "share", "events", "coefficient", "yearly", "hazard"].iter().any(|word| name.starts_with(word))
            && !name.contains("oracle")
    };
    let facts: Vec<_> = validation.checks.iter().filter(|check| is_fact(check.name)).collect();
    assert!(facts.len() >= 14, "{} facts", facts.len());
    for fact in facts {
        assert!(fact.passes(), "{fact:?}");
    }
    assert_eq!(validation.event_study.len(), 26);
}

#[test]
fn parquet_files_hold_the_same_events_as_lines_do() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let world = small(Scenario::Drifting);
    let folder = tempfile::tempdir().expect("a folder");
    let log = write_log(&world, folder.path(), Format::Parquet).expect("is written");
    let lines = words(&world);
    let mut lines = lines.split(|byte| *byte == b'\n');
    let mut n_rows = 0;
    for file in &log.files {
        let reader = SerializedFileReader::new(std::fs::File::open(file).expect("is there")).expect("is parquet");
        for row in reader.get_row_iter(None).expect("has rows") {
            let row = row.expect("is a row");
            let event = churn_events::decode(lines.next().expect("has a line")).expect("is an event");
            assert_eq!(row.get_timestamp_millis(0).expect("is a time"), event.received_at.millis());
            assert_eq!(row.get_timestamp_millis(1).expect("is a time"), event.occurred_at.millis());
            assert_eq!(row.get_string(2).expect("is text"), event.id.as_ref());
            if let EventKind::JobSubmitted { job, user, servers, data_size } = &event.kind {
                assert_eq!(row.get_string(4).expect("is text"), "job.submitted");
                assert_eq!(row.get_string(6).expect("is text"), user.as_ref());
                assert_eq!(row.get_string(8).expect("is text"), job.as_ref());
                assert_eq!(row.get_long(10).expect("is a number"), i64::from(*servers));
                assert_eq!(row.get_long(11).expect("is a number"), *data_size as i64);
            }
            n_rows += 1;
        }
    }
    assert_eq!(n_rows, log.events);
}
