//! Whole runs on events: a log says what the world said, nothing of later is known, and bad logs lose nothing.

mod desk;

use churn_events::{EventKind, TenantAttributes, encode};
use churn_simulator::{World, WorldOptions};
use desk::{ASSEMBLE, Desk, TRAIN};

/// A small world, and the options of `train` that simulate it.
const WORLD: &str = "--tenants 250 --days 500 --seed 3";

/// The options that simulate the small one.
const SMALL: &str = "--tenants 160 --days 360 --seed 3";

/// Options that keep a run short.
const SHORT: &str = "--n-trees 20 --min-leaf 30 --algorithm random-forest";

fn world() -> World {
    let options = WorldOptions { tenants: 250, days: 500, seed: 3, ..WorldOptions::default() };
    World::new(&options).expect("is a world")
}

/// One that is as small as both labels allow, for what is not about scores.
fn small() -> World {
    World::new(&WorldOptions { tenants: 160, days: 360, seed: 3, ..WorldOptions::default() }).expect("is a world")
}

/// The lines of the log of the world, tenant after tenant.
fn lines() -> Vec<Vec<u8>> {
    lines_of(&world())
}

fn lines_of(world: &World) -> Vec<Vec<u8>> {
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
fn assembling_and_scoring_a_log_gives_the_tenants_of_today_the_scores_of_the_run() {
    let desk = Desk::new();
    desk.train(&format!("{WORLD} {SHORT} --out run"));
    desk.run(ASSEMBLE, &format!("{WORLD} --out newer.csv")).succeeded();
    let words = "--model run/model.safetensors --table newer.csv --id tenant,observation_date --out scored.csv";
    desk.score(words).succeeded();
    let mut expected = desk.rows("run/scores.csv");
    let today = expected[0]["observation_date"].clone();
    let mut found = desk.rows("scored.csv");
    found.retain(|row| row["observation_date"] == today);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
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

/// The command that a run's model card names to repeat it, for a shell where `$TRAIN` is the program.
fn repeat(desk: &Desk, run: &str) -> String {
    let card = desk.read(&format!("{run}/model-card.md"));
    let command =
        card.lines().find_map(|line| line.strip_prefix("    cargo run --release --bin train")).expect("is there");
    format!("$TRAIN {}", command.strip_prefix(" --").unwrap_or(command))
}

#[test]
fn the_command_on_the_card_gives_the_model_file_again_byte_for_byte() {
    let all = lines_of(&small());
    let halves = [all[..all.len() / 2].concat(), all[all.len() / 2..].concat()];
    let desk = Desk::new()
        .with("plan.json", r#"{"gap": 7, "min_tenure": 56}"#)
        .with("hyperparameters.json", r#"{"n_trees": "20", "seed": 3, "algorithm": "random-forest"}"#)
        .with("it's one.jsonl", &halves[0])
        .with("other.jsonl", &halves[1]);
    desk.run(ASSEMBLE, &format!("{SMALL} --out set.parquet")).succeeded();
    let end = small().end().to_string();
    let [files, log_end] = [["--events", "it's one.jsonl", "other.jsonl"].as_slice(), &["--log-end", &end]];
    let options = ["--min-leaf", "30", "--hyperparameters", "hyperparameters.json", "--out", "run"].as_slice();
    let plan = ["--plan", "plan.json", "--horizon", "75", "--half-life", "180"].as_slice();
    for args in [
        [&["--tenants", "160", "--days", "360", "--split", "tenants"], plan, options].concat(),
        [files, log_end, plan, options].concat(),
        [&["--observations", "set.parquet", "--test-share", "0.3"], options].concat(),
    ] {
        desk.run_with(TRAIN, &args).succeeded();
        let command = repeat(&desk, "run");
        for forgotten in ["plan.json", "hyperparameters.json", "--out"] {
            assert!(!command.contains(forgotten), "{command}");
        }
        desk.shell(&format!("{command} --out again")).succeeded();
        assert!(desk.bytes("again/model.safetensors") == desk.bytes("run/model.safetensors"), "{command}");
        assert_eq!(desk.read("again/predictions.csv"), desk.read("run/predictions.csv"), "{command}");
        assert_eq!(repeat(&desk, "again"), command);
    }
}

#[test]
fn a_backtest_fits_each_date_on_all_labels_that_were_known_by_then() {
    let desk = Desk::new();
    let world = "--tenants 1000 --days 460 --seed 3 --horizon 120";
    desk.run(ASSEMBLE, &format!("{world} --out set.csv")).succeeded();
    desk.train("--observations set.csv --backtest --algorithm linear-learner --penalty 0.01 --out run");
    let day = |text: &str| text.parse::<churn_events::ObservationDate>().expect("is a date").days();
    let rows = desk.rows("set.csv");
    let labelled: Vec<i32> =
        rows.iter().filter(|row| !row["churned"].is_empty()).map(|row| day(&row["observation_date"])).collect();
    let metrics = desk.json("run/metrics.json");
    let steps = metrics["over_time"]["backtest"].as_array().expect("is a list");
    assert!(steps.len() >= 2, "{steps:?}");
    for step in steps {
        let date = day(step["date"].as_str().expect("is text"));
        let n_known = labelled.iter().filter(|&&observed| observed + 14 + 120 <= date).count();
        let n_test = labelled.iter().filter(|&&observed| observed == date).count();
        assert_eq!((step["n_fit"].as_u64(), step["test"]["n"].as_u64()), (Some(n_known as u64), Some(n_test as u64)));
    }
}

#[test]
fn a_folder_stands_for_the_logs_in_it() {
    let all = lines_of(&small());
    let (first, second) = all.split_at(all.len() / 3);
    let desk = Desk::new();
    for folder in ["log", "empty"] {
        std::fs::create_dir(desk.path(folder)).expect("makes a folder");
    }
    let desk = desk
        .with("log/b.jsonl", second.concat())
        .with("log/a.jsonl", first.concat())
        .with("log/truth.csv", "not,a,log\n")
        .with("empty/set.parquet", "PAR1");
    let end = small().end().to_string();
    desk.train(&format!("--events log --log-end {end} {SHORT} --out folder"));
    desk.train(&format!("--events log/a.jsonl log/b.jsonl --log-end {end} {SHORT} --out files"));
    assert!(desk.bytes("folder/model.safetensors") == desk.bytes("files/model.safetensors"));
    let said = desk.run(TRAIN, "--events empty").failed(1);
    assert!(said.contains(r#"no log of events in folder "empty""#) && said.contains("*.jsonl"), "{said}");
    let said = desk.run(TRAIN, "--events empty/set.parquet").failed(1);
    assert!(
        said.contains("is Parquet") && said.contains("--format jsonl") && said.contains("--observations"),
        "{said}"
    );
}

#[test]
fn the_original_company_table_gives_tenants_their_attributes() {
    let world = small();
    let mut log = Vec::new();
    let mut table = "Company,Industry,Revenue,Employees,#job30,#job90,MonthlyCharge,TotalCharge,Churn\n".to_owned();
    for tenant in 0..world.n_tenants() {
        let history = world.tenant(tenant);
        for mut event in history.events() {
            if let EventKind::TenantCreated(attributes) = &mut event.kind {
                let (industry, employees) = (attributes.industry.take(), attributes.employees.take());
                let (industry, employees) = (industry.unwrap_or_default(), employees.unwrap_or_default());
                table += &format!("{},{industry},12.5,{employees},1,2,300,900,0\n", event.tenant);
                *attributes = TenantAttributes::default();
            }
            if !matches!(event.kind, EventKind::TenantUpdated(_)) {
                encode(&event, &mut log);
                log.push(b'\n');
            }
        }
    }
    let desk = Desk::new().with("log.jsonl", log).with("companies.csv", table);
    let (end, start) = (world.end().to_string(), world.start().to_string());
    let missing = |printed: &str, feature: &str| {
        let line = printed.lines().find(|line| line.contains(" features")).expect("counts features").to_owned();
        line.split("missing in every row: ").nth(1).is_some_and(|names| names.split(", ").any(|name| name == feature))
    };
    let without = desk.train(&format!("--events log.jsonl --log-end {end} {SHORT} --out without"));
    let files = "log.jsonl companies.csv";
    let with = desk.train(&format!("--events {files} --received-at {start} --log-end {end} {SHORT} --out with"));
    for feature in ["industry", "employees", "revenue"] {
        assert!(missing(&without, feature) && !missing(&with, feature), "{feature}: {without}{with}");
    }
    let count = |run: &str| desk.json(&format!("{run}/metrics.json"))["over_time"]["log"]["n_tenants"].clone();
    assert_eq!(count("with"), count("without"), "the table and the log speak of the same tenants");
    let undated = desk.train(&format!("--events {files} --log-end {end} {SHORT} --out undated"));
    assert!(undated.contains("malformed") && undated.contains("companies.csv"), "{undated}");
}

#[test]
fn options_that_would_do_harm_or_nothing_are_refused_before_the_work() {
    let desk = Desk::new().with("log.jsonl", "").with("plan.json", r#"{"horizont": 30}"#);
    std::fs::create_dir(desk.path("folder.csv")).expect("makes a folder");
    let said = desk.run(TRAIN, "--plan plan.json").failed(2);
    assert!(said.contains(r#"no option of the observation plan is called "horizont""#), "{said}");
    for (plan, key) in [(r#"{"gap": 7, "gap": 9}"#, "gap"), (r#"{"min_tenure": 7, "min-tenure": 9}"#, "min-tenure")] {
        std::fs::write(desk.path("plan.json"), plan).expect("writes");
        let said = desk.run(TRAIN, "--plan plan.json").failed(2);
        assert!(said.contains(&format!("{key} is there twice; give it once")), "{said}");
    }
    assert!(said.contains("every, lookback, gap, horizon, min_tenure, from, to, half_life"), "{said}");
    for (words, code, part) in [
        ("--calibration-share 0.8", 2, "--calibration-share must be at least 0, and less than 1 together with"),
        ("--calibration-share -0.1", 2, "--calibration-share must be at least 0"),
        ("--calibration-share 0.1 --split tenants", 2, "no time to cut by"),
        ("--table t.csv --label churn --gap 7", 2, "--table has no dates"),
        ("--table t.csv --label churn --split tenants", 2, "--split"),
        ("--events log.jsonl --dead-letters absent/dead.jsonl", 1, r#"there is no folder "absent""#),
    ] {
        let said = desk.run(TRAIN, words).failed(code);
        assert!(said.contains(part), "{words}: {said}");
    }
    for (words, code, part) in [
        ("--out set.txt", 1, "ends in .parquet or .csv"),
        ("--out set", 1, "ends in .parquet or .csv"),
        ("--out absent/set.csv", 1, r#"there is no folder "absent""#),
        ("--out folder.csv", 1, "is a folder"),
        ("--out set.csv --split tenants", 2, "--split"),
        ("--out set.csv --calibration-share 0.1", 2, "--calibration-share"),
    ] {
        let said = desk.run(ASSEMBLE, words).failed(code);
        assert!(said.contains(part), "{words}: {said}");
    }
}

#[test]
fn assemble_counts_what_it_found_and_what_became_of_it() {
    let mut log = lines_of(&small());
    log.push(log[0].clone());
    log.push(b"garbage\n".to_vec());
    let desk = Desk::new().with("log.jsonl", log.concat());
    let end = "2024-12-01";
    let printed = desk.run(ASSEMBLE, &format!("--events log.jsonl --log-end {end} --out set.csv")).succeeded().out;
    for part in [
        " duplicate",
        "left out: 1 malformed",
        " received after the end of the log, known to labels only",
        "no label yet",
        "caution: the log goes on until 2024-12-",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let rows = desk.rows("set.csv");
    let (n_censored, n) = (rows.iter().filter(|row| row["churned"].is_empty()).count(), rows.len());
    let n_churned = rows.iter().filter(|row| row["churned"] == "1").count();
    let last = printed.lines().rev().nth(1).expect("has lines");
    assert!(
        last.starts_with(&format!("{} labelled observations, of which {n_churned} churned", n - n_censored)),
        "{last}"
    );
    assert!(last.ends_with(&format!("; {n_censored} without a label yet")), "{last}");
    let first = rows.iter().filter(|row| row["observation_date"] == rows[0]["observation_date"]);
    let n_first = first.clone().filter(|row| row["churned"] == "1").count();
    let line =
        printed.lines().find(|line| line.trim_start().starts_with(&rows[0]["observation_date"])).expect("is there");
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((cells[2], cells[3]), (&*n_first.to_string(), &*(first.count() - n_first).to_string()), "{line}");
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
