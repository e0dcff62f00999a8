//! Whole runs on events: a log says what the world said, nothing of later is known, and bad logs lose nothing.

mod desk;

use churn_events::encode;
use churn_simulator::{World, WorldOptions};
use desk::{ASSEMBLE, Desk, TRAIN};

/// A small world, and the options of `train` that simulate it.
const WORLD: &str = "--tenants 250 --days 500 --seed 3";

/// Options that keep a run short.
const SHORT: &str = "--n-trees 20 --min-leaf 30 --algorithm random-forest";

fn world() -> World {
    let options = WorldOptions { tenants: 250, days: 500, seed: 3, ..WorldOptions::default() };
    World::new(&options).expect("is a world")
}

/// The lines of the log of the world, tenant after tenant.
fn lines() -> Vec<Vec<u8>> {
    let world = world();
    (0..world.n_tenants())
        .flat_map(|tenant| {
            let line = |event| {
                let mut line = Vec::new();
                encode(&event, &mut line);
                line.push(b'\n');
                line
            };
            world.tenant(tenant).events().map(line).collect::<Vec<_>>()
        })
        .collect()
}

/// The day that the log of the world ends on.
fn log_end() -> String {
    world().end().to_string()
}

#[test]
fn a_log_gives_the_model_of_the_world_that_wrote_it() {
    let desk = Desk::new().with("log.jsonl", lines().concat());
    desk.train(&format!("{WORLD} {SHORT} --out simulated"));
    desk.train(&format!("--events log.jsonl --log-end {} --seed 3 {SHORT} --out read", log_end()));
    assert_eq!(desk.read("read/predictions.csv"), desk.read("simulated/predictions.csv"));
    assert_eq!(desk.read("read/scores.csv"), desk.read("simulated/scores.csv"));
    let (simulated, read) = (desk.json("simulated/metrics.json"), desk.json("read/metrics.json"));
    assert_eq!(read["test"], simulated["test"]);
    assert!(simulated["over_time"]["oracle"].is_object() && read["over_time"]["oracle"].is_null());
}

#[test]
fn observations_that_were_assembled_before_give_the_same_model() {
    let desk = Desk::new();
    for file in ["set.parquet", "set.csv"] {
        desk.run(ASSEMBLE, &format!("{WORLD} --out {file}")).succeeded();
        desk.train(&format!("--observations {file} --seed 3 {SHORT} --out {file}.run"));
    }
    desk.train(&format!("{WORLD} {SHORT} --out direct"));
    for file in ["set.parquet", "set.csv"] {
        assert_eq!(desk.read(&format!("{file}.run/predictions.csv")), desk.read("direct/predictions.csv"));
    }
}

#[test]
fn the_run_folder_holds_a_score_for_every_tenant_at_risk_today() {
    let desk = Desk::new();
    desk.train(&format!("{WORLD} {SHORT} --out run"));
    let (metrics, scores) = (desk.json("run/metrics.json"), desk.rows("run/scores.csv"));
    assert_eq!(metrics["over_time"]["n_scored"], scores.len());
    let last = metrics["over_time"]["dates"].as_array().and_then(|dates| dates.last().cloned()).expect("has dates");
    assert!(scores.iter().all(|row| row["observation_date"] == last["date"].as_str().expect("is text")));
    let ordered: Vec<f64> = scores.iter().map(|row| row["score"].parse().expect("is a number")).collect();
    assert!(ordered.windows(2).all(|pair| pair[0] >= pair[1]) && !ordered.is_empty());
    let predictions = desk.rows("run/predictions.csv");
    assert!(predictions.iter().all(|row| ["fit", "test"].contains(&row["split"].as_str())));
}

#[test]
fn no_label_horizon_of_the_fit_split_reaches_the_test() {
    let desk = Desk::new();
    desk.train(&format!("{WORLD} {SHORT} --gap 21 --horizon 49 --out run"));
    let day = |text: &String| text.parse::<churn_events::ObservationDate>().expect("is a date").days();
    let predictions = desk.rows("run/predictions.csv");
    let days = |split: &str| {
        let rows = predictions.iter().filter(|row| row["split"] == split);
        rows.map(|row| day(&row["observation_date"])).collect::<Vec<_>>()
    };
    let (last_fit, first_test) = (days("fit").into_iter().max(), days("test").into_iter().min());
    assert!(last_fit.expect("has rows") + 21 + 49 <= first_test.expect("has rows"));
}

#[test]
fn a_test_by_tenant_shares_no_tenant_with_the_fit() {
    let desk = Desk::new();
    desk.train(&format!("{WORLD} {SHORT} --split tenants --out run"));
    let predictions = desk.rows("run/predictions.csv");
    let tenants = |split: &str| {
        let rows = predictions.iter().filter(|row| row["split"] == split);
        rows.map(|row| row["tenant"].clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(tenants("fit").is_disjoint(&tenants("test")) && !tenants("test").is_empty());
}

#[test]
fn a_calibration_split_lies_between_fit_and_test() {
    let desk = Desk::new();
    let world = "--tenants 250 --days 700 --seed 3";
    let printed = desk.train(&format!("{world} {SHORT} --calibration-share 0.2 --out run"));
    assert!(printed.contains("  calibration "), "{printed}");
    let splits: std::collections::BTreeSet<String> =
        desk.rows("run/predictions.csv").into_iter().map(|row| row["split"].clone()).collect();
    assert_eq!(splits.into_iter().collect::<Vec<_>>(), ["calibration", "fit", "test"]);
}

#[test]
fn a_plan_in_a_file_is_the_plan_of_its_options() {
    let plan = r#"{"gap": 7, "horizon": "30", "min_tenure": 56}"#;
    let desk = Desk::new().with("plan.json", plan);
    desk.train(&format!("{WORLD} {SHORT} --plan plan.json --out file"));
    desk.train(&format!("{WORLD} {SHORT} --gap 7 --horizon 30 --min-tenure 56 --out options"));
    assert_eq!(desk.read("file/predictions.csv"), desk.read("options/predictions.csv"));
    assert_eq!(desk.json("file/metrics.json")["over_time"]["plan"]["gap_days"], 7);
}

#[test]
fn what_cannot_be_read_is_kept_and_counted_and_stops_nothing() {
    let mut log = lines();
    let (garbage, late) = (b"{\"specversion\": \"1.0\", \"id\": 7}\n".to_vec(), b"not JSON at all\n".to_vec());
    log.insert(500, garbage.clone());
    log.insert(100, late.clone());
    let desk = Desk::new().with("log.jsonl", lines().concat()).with("dirty.jsonl", log.concat());
    let end = log_end();
    desk.train(&format!("--events log.jsonl --log-end {end} {SHORT} --out clean"));
    let printed =
        desk.train(&format!("--events dirty.jsonl --log-end {end} {SHORT} --dead-letters dead.jsonl --out dirty"));
    assert!(printed.contains("malformed: ") && printed.contains("dirty.jsonl"), "{printed}");
    assert_eq!(desk.read("dead.jsonl").lines().count(), 2);
    assert_eq!(desk.read("dirty/predictions.csv"), desk.read("clean/predictions.csv"));
}

#[test]
fn a_log_that_nothing_can_be_learned_from_is_refused_with_what_helps() {
    let refused = |desk: &Desk, words: &str| desk.run(TRAIN, words).failed(1);
    let desk = Desk::new().with("empty.jsonl", "").with("garbage.jsonl", "a\nb\n");
    assert!(refused(&desk, "--events absent.jsonl").contains("absent.jsonl"));
    for file in ["empty.jsonl", "garbage.jsonl"] {
        let said = refused(&desk, &format!("--events {file}"));
        assert!(said.contains("no event") || said.contains("empty"), "{said}");
    }
    let short = refused(&desk, "--tenants 50 --days 100");
    assert!(short.contains("days"), "{short}");
    let kept: Vec<u8> = lines()
        .into_iter()
        .filter(|line| !line.windows(16).any(|window| window == b"tenant.cancelled"))
        .flatten()
        .collect();
    let said = refused(&desk.with("loyal.jsonl", kept), "--events loyal.jsonl");
    assert!(said.contains("usage") || said.contains("horizon"), "{said}");
}
