//! Whole runs of the two programs: what they write, that it adds up, and that they write the same again.

mod desk;

use std::collections::{BTreeMap, BTreeSet};

use churn_model::evaluate::Metrics;
use churn_model::{Campaign, Model, ThresholdRule};
use desk::{Desk, Dice, SCORE, TRAIN, tenants};
use serde_json::Value;

const TENANTS: &str = "--table t.csv --label churn --id tenant --n-trees 40";
const METRICS: [&str; 7] = ["roc_auc", "pr_auc", "log_loss", "brier", "ece", "lift_10", "empc"];

fn desk() -> Desk {
    Desk::new().with("t.csv", tenants(400))
}

fn numbers(rows: &[BTreeMap<String, String>], column: &str) -> Vec<f64> {
    rows.iter().map(|row| row[column].parse().expect("is a number")).collect()
}

fn metrics_of(rows: &[BTreeMap<String, String>]) -> Value {
    let labels: Vec<bool> = rows.iter().map(|row| row["label"] == "1").collect();
    let metrics = Metrics::of(&numbers(rows, "score"), &labels, &Campaign::default()).expect("is sound");
    serde_json::to_value(metrics).expect("is JSON")
}

fn rows_of_split(desk: &Desk, file: &str, split: &str) -> Vec<BTreeMap<String, String>> {
    desk.rows(file).into_iter().filter(|row| row["split"] == split).collect()
}

#[test]
fn a_run_without_arguments_writes_a_whole_run_folder() {
    let desk = Desk::new();
    let printed = desk.train("");
    // The default world: what is known of its hidden health ranks tenants well, if not as well as the truth would.
    let line = printed.lines().find(|line| line.starts_with("model file runs/")).expect("says where the model is");
    let id = line.split('/').nth(1).expect("is in a folder");
    let written =
        ["metrics.json", "model-card.md", "model.safetensors", "predictions.csv", "report.html", "scores.csv"];
    let paths =
        written.map(|name| format!("runs/{id}/{name}")).into_iter().chain([format!("runs/{id}"), "runs".into()]);
    let expected: BTreeSet<_> = paths.map(|path| desk.path(&path)).collect();
    assert_eq!(desk.everything().into_keys().collect::<BTreeSet<_>>(), expected);
    let model = Model::read(&desk.path(&format!("runs/{id}/model.safetensors"))).expect("reads");
    assert_eq!(model.id().expect("has an id").to_string(), id);
    let metrics = desk.json(&format!("runs/{id}/metrics.json"));
    assert_eq!(metrics["model_id"], id);
    let number = |value: &Value| value.as_f64().expect("is a number");
    let (test, over_time) = (&metrics["test"], &metrics["over_time"]);
    assert!((0.78..0.90).contains(&number(&test["roc_auc"])) && number(&test["ece"]) <= 0.03, "{test}");
    assert!(number(&over_time["oracle"]["test"]["roc_auc"]) > number(&test["roc_auc"]), "{over_time}");
    assert!(number(&over_time["oracle"]["reached"]) > 0.87, "{over_time}");
    let bags = ["by_tenant", "by_row"].map(|bags| &over_time["bagging"][bags]);
    let promised = bags.map(|bag| number(&bag["out_of_bag_roc_auc"]) - number(&bag["test_roc_auc"]));
    assert!(promised[0] < promised[1] - 0.03, "bags of rows promise more than they hold: {promised:?}");
    assert!(!printed.contains('\u{1b}') && !printed.contains('\r'), "plain lines where there is no terminal");
}

#[test]
fn the_columns_and_the_comparison_are_printed() {
    let desk = desk();
    let printed = desk.train(&format!("{TENANTS} --out run"));
    for line in [
        "t.csv: 400 rows,",
        "  tenant   id ",
        "  logins   feature  number ",
        "  plan     feature  category ",
        "  trial    feature  boolean ",
        "fit on 320 rows, test on 80 held out",
        "fitting the random-forest",
        "fitting the linear-learner",
    ] {
        assert!(printed.lines().any(|printed| printed.starts_with(line)), "{line:?} in {printed}");
    }
    let candidates = desk.json("run/metrics.json")["candidates"].clone();
    for candidate in candidates.as_array().expect("is a list") {
        let name = candidate["algorithm"].as_str().expect("is text");
        let loss = format!("{:.4}", candidate["log_loss"].as_f64().expect("is a number"));
        let shown = printed.lines().find(|line| line.trim_start().starts_with(name)).expect("has a line");
        assert!(shown.contains(&loss), "{loss} in {shown}");
        let is_kept = desk.json("run/metrics.json")["algorithm"] == name;
        assert_eq!(shown.ends_with("kept"), is_kept, "{shown}");
    }
}

#[test]
fn metrics_are_those_of_the_predictions() {
    let desk = desk();
    desk.train(&format!("{TENANTS} --out run"));
    let rows = desk.rows("run/predictions.csv");
    assert_eq!(rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), names(400));
    let (test, metrics) = (rows_of_split(&desk, "run/predictions.csv", "test"), desk.json("run/metrics.json"));
    assert_eq!(metrics["test"], metrics_of(&test));
    let kept = metrics["candidates"].as_array().expect("is a list").iter();
    let kept = kept.clone().find(|candidate| candidate["algorithm"] == metrics["algorithm"]).expect("is there");
    assert_eq!(kept["test"], metrics["test"]);
    let split = &metrics["split"];
    assert_eq!((split["n_fit"].as_u64(), split["n_test"].as_u64()), (Some(320), Some(80)));
    let churned = |rows: &[BTreeMap<String, String>]| rows.iter().filter(|row| row["label"] == "1").count() as u64;
    assert_eq!(split["n_test_churned"].as_u64(), Some(churned(&test)));
    assert_eq!(split["n_fit_churned"].as_u64(), Some(churned(&rows) - churned(&test)));
    let threshold = metrics["threshold"]["score"].as_f64().expect("is a number");
    let counts = |decision: &str, label: &str| {
        test.iter().filter(|row| row["decision"] == decision && row["label"] == label).count() as u64
    };
    for (key, decision, label) in [
        ("true_positives", "1", "1"),
        ("false_positives", "1", "0"),
        ("false_negatives", "0", "1"),
        ("true_negatives", "0", "0"),
    ] {
        assert_eq!(metrics["confusion"][key].as_u64(), Some(counts(decision, label)), "{key}");
    }
    let scores = numbers(&test, "score");
    assert!(test.iter().zip(&scores).all(|(row, &score)| (row["decision"] == "1") == (score >= threshold)));
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|tenant| format!("t{tenant}")).collect()
}

#[test]
fn every_key_of_the_metrics_is_documented() {
    fn add_keys(value: &Value, keys: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => object.iter().for_each(|(key, value)| {
                keys.insert(key.clone());
                if key != "hyperparameters" {
                    add_keys(value, keys); // its keys are the flags
                }
            }),
            Value::Array(values) => values.iter().for_each(|value| add_keys(value, keys)),
            _ => {}
        }
    }
    let desk = desk();
    let mut keys = BTreeSet::new();
    for threshold in ["profit", "capacity:0.1", "precision:0.4"] {
        desk.train(&format!("{TENANTS} --cv 2 --threshold {threshold} --out run"));
        add_keys(&desk.json("run/metrics.json"), &mut keys);
    }
    let page = include_str!("../../docs/run-folder.md");
    let is_missing = |key: &&String| !["`", "."].iter().any(|before| page.contains(&format!("{before}{key}`")));
    let missing: Vec<&String> = keys.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "docs/run-folder.md says nothing about {missing:?}");
    assert!(METRICS.iter().all(|&key| keys.contains(key)));
}

#[test]
fn cross_validation_adds_up_from_the_out_of_fold_scores() {
    let folds: String = (0..400).map(|row| format!("{row},{}\n", row * 7 % 3)).collect();
    let desk = desk().with("f.csv", format!("row,fold\n{folds}"));
    desk.train(&format!("{TENANTS} --folds f.csv --out run"));
    let (rows, metrics) = (desk.rows("run/oof.csv"), desk.json("run/metrics.json"));
    assert_eq!(rows.len(), 400);
    let labels = desk.rows("run/predictions.csv");
    for (number, (row, prediction)) in rows.iter().zip(&labels).enumerate() {
        assert_eq!((&row["row"], &row["fold"]), (&number.to_string(), &(number * 7 % 3).to_string()));
        assert_eq!(row["label"], prediction["label"]);
    }
    let folds = metrics["cv"]["folds"].as_array().expect("is a list");
    assert_eq!(folds.len(), 3);
    for (number, fold) in folds.iter().enumerate() {
        assert_eq!(fold["fold"].as_u64(), Some(number as u64));
        let rows: Vec<_> = rows.iter().filter(|row| row["fold"] == number.to_string()).cloned().collect();
        let expected = metrics_of(&rows);
        METRICS.iter().for_each(|&key| assert_eq!(fold[key], expected[key], "fold {number}, {key}"));
    }
    for key in METRICS {
        let mean = folds.iter().map(|fold| fold[key].as_f64().expect("is a number")).sum::<f64>() / 3.0;
        let found = metrics["cv"]["mean"][key].as_f64().expect("is a number");
        assert!((found - mean).abs() < 1e-12, "{key}: {found} where {mean} is the mean");
    }
    for candidate in metrics["candidates"].as_array().expect("is a list") {
        assert!(candidate["cv"]["mean"]["log_loss"].is_f64(), "{candidate}");
    }
    // The next run into the same folder has no folds, and nothing there may look as if it had.
    desk.train(&format!("{TENANTS} --out run"));
    assert!(desk.json("run/metrics.json")["cv"].is_null() && !desk.path("run/oof.csv").exists());
}

#[test]
fn cross_validation_does_not_change_the_model() {
    let desk = desk();
    desk.train(&format!("{TENANTS} --algorithm linear-learner --out plain"));
    desk.train(&format!("{TENANTS} --algorithm linear-learner --cv 5 --out crossed"));
    assert_eq!(desk.bytes("plain/model.safetensors"), desk.bytes("crossed/model.safetensors"));
    let folds: BTreeSet<String> = desk.rows("crossed/oof.csv").into_iter().map(|row| row["fold"].clone()).collect();
    assert_eq!(folds, ["0", "1", "2", "3", "4"].map(str::to_owned).into());
}

#[test]
fn the_model_file_is_the_same_byte_for_byte_on_any_number_of_threads() {
    let table = tenants(400);
    let (header, rows) = table.split_once('\n').expect("has a header");
    let rows: String = rows.lines().zip(0..).map(|(row, i)| format!("{row},{},g{}\n", 1 + i % 3, i / 4)).collect();
    let desk = Desk::new().with("t.csv", format!("{header},worth,team\n{rows}"));
    for learner in [
        "--drop worth,team",
        "--drop worth,team --algorithm random-forest",
        "--drop worth,team --algorithm decision-tree",
        "--drop worth,team --algorithm linear-learner",
        "--drop worth,team --tune 3",
        "--weight worth --group team",
    ] {
        let model = |words: &str| {
            desk.train(&format!("{TENANTS} {learner} {words} --out run"));
            desk.bytes("run/model.safetensors")
        };
        let first = model("--threads 1");
        for words in ["--threads 1", "--threads 2", "--threads 3", "--threads 8", ""] {
            assert!(model(words) == first, "another model with {learner} {words}");
        }
        assert!(model("--threads 2 --seed 1") != first, "the seed changes nothing with {learner}");
    }
}

#[test]
fn predictions_and_metrics_are_the_same_on_any_number_of_threads() {
    let desk = desk();
    let found = |threads: u32| {
        desk.train(&format!("{TENANTS} --cv 3 --threads {threads} --out run"));
        let mut metrics = desk.json("run/metrics.json");
        for candidate in metrics["candidates"].as_array_mut().expect("is a list") {
            candidate["fit_seconds"] = Value::Null; // the one thing that threads may change
        }
        (metrics, desk.bytes("run/predictions.csv"), desk.bytes("run/oof.csv"))
    };
    assert!(found(1) == found(3));
}

#[test]
fn scoring_the_training_table_gives_the_scores_of_the_test_split_again() {
    let desk = desk();
    for algorithm in ["random-forest", "decision-tree", "linear-learner"] {
        desk.train(&format!("{TENANTS} --algorithm {algorithm} --out run"));
        desk.score("--model run/model.safetensors --table t.csv --id tenant --out scores.csv");
        let scored: BTreeMap<String, (String, String)> = desk
            .rows("scores.csv")
            .into_iter()
            .map(|row| (row["id"].clone(), (row["score"].clone(), row["decision"].clone())))
            .collect();
        assert_eq!(scored.len(), 400);
        for row in rows_of_split(&desk, "run/predictions.csv", "test") {
            assert_eq!(scored[&row["id"]], (row["score"].clone(), row["decision"].clone()), "{algorithm}: {row:?}");
        }
    }
}

#[test]
fn columns_are_matched_by_name_whatever_their_order() {
    let desk = desk();
    desk.train(&format!("{TENANTS} --out run"));
    let shuffled: String = desk
        .read("t.csv")
        .lines()
        .zip(0..)
        .map(|(line, i)| {
            let cells: Vec<&str> = line.split(',').collect();
            let [tenant, logins, revenue, plan, trial, churn] = cells[..] else { panic!("six cells") };
            let (region, note) = if i == 0 { ("region", "note") } else { ("north", r#""a, b""#) };
            format!("{region},{trial},{churn},{plan},{note},{revenue},{tenant},{logins}\r\n")
        })
        .collect();
    std::fs::write(desk.path("shuffled.csv"), shuffled).expect("writes");
    let score = |table: &str| desk.score(&format!("--model run/model.safetensors --table {table} --id tenant"));
    let (straight, shuffled) = (score("t.csv"), score("shuffled.csv"));
    assert_eq!(straight.out, shuffled.out);
    assert!(shuffled.err.contains("not read by the model: region, churn, note"), "{}", shuffled.err);
}

#[test]
fn several_ids_stand_under_their_own_names_in_the_scores() {
    let desk = desk();
    desk.train(&format!("{TENANTS} --algorithm linear-learner --out run"));
    for words in ["--id tenant --id plan", "--id tenant,plan"] {
        let score = format!("--model run/model.safetensors --table t.csv {words} --out o.csv");
        let ended = desk.run(desk::SCORE, &score);
        ended.succeeded();
        assert!(desk.read("o.csv").starts_with("tenant,plan,score,decision\n"), "{}", desk.read("o.csv"));
        let (scores, table) = (desk.rows("o.csv"), desk.rows("t.csv"));
        assert_eq!(scores.len(), table.len());
        for (score, row) in scores.iter().zip(&table) {
            assert_eq!((&score["tenant"], &score["plan"]), (&row["tenant"], &row["plan"]));
        }
    }
}

#[test]
fn what_was_missing_or_never_seen_is_counted_and_scored_as_missing() {
    let desk = desk();
    desk.train(&format!("{TENANTS} --out run"));
    let header = "logins,revenue,plan,trial\n";
    let table = format!("{header}1,2,gold,yes\n1,,\"dia\nmond\",no\n1,NA,gold,yes\n,2,basic,yes\n1,2,,yes\n");
    std::fs::write(desk.path("s.csv"), table).expect("writes");
    let ended = desk.score("--model run/model.safetensors --table s.csv");
    let told: Vec<&str> = ended.err.lines().collect();
    assert!(told[0].starts_with("5 rows scored; "), "{told:?}");
    assert_eq!(
        told[1..],
        [
            "  logins: 1 missing",
            "  revenue: 2 missing",
            "  plan: 1 missing",
            r#"  plan: 3 with a level that the model has never seen ("gold", "dia\nmond"), taken as missing"#,
        ]
    );
    let rows: Vec<&str> = ended.out.lines().collect();
    assert_eq!((rows[0], rows.len()), ("row,score,decision", 6));
    let score = |row: usize| rows[row].split(',').nth(1).expect("has a score");
    assert_eq!(score(1), score(5), "a level that was never seen scores as a blank does");
}

#[test]
fn a_table_without_header_goes_from_training_to_scoring() {
    let desk = Desk::new();
    let lines: Vec<String> = tenants(400)
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{},{},{}\n", cells[5], cells[1], cells[2], cells[3])
        })
        .collect();
    let without_label: String = lines.iter().map(|line| line[2..].to_owned()).collect();
    let desk = desk.with("t.csv", lines.concat()).with("s.csv", without_label);
    let printed = desk.train("--table t.csv --no-header --n-trees 40 --out run");
    assert!(printed.contains("  label     label") && printed.contains("  column_3  feature  category"), "{printed}");
    let with_label = desk.score("--model run/model.safetensors --table t.csv --no-header");
    let without = desk.score("--model run/model.safetensors --table s.csv --no-header");
    assert_eq!(with_label.out, without.out);
    let scores: Vec<&str> = without.out.lines().skip(1).collect();
    for row in rows_of_split(&desk, "run/predictions.csv", "test") {
        let number: usize = row["row"].parse().expect("is a number");
        assert_eq!(scores[number], format!("{number},{},{}", row["score"], row["decision"]));
    }
}

#[test]
fn a_compressed_table_gives_the_same_model_and_the_same_scores() {
    use std::io::Write;
    let desk = desk();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&desk.bytes("t.csv")).expect("compresses");
    let desk = desk.with("t.csv.gz", gzip.finish().expect("compresses"));
    let model = |table: &str| {
        desk.train(&format!("--table {table} --label churn --id tenant --algorithm linear-learner --out run"));
        let scores = desk.score(&format!("--model run/model.safetensors --table {table}")).out;
        (desk.bytes("run/model.safetensors"), scores)
    };
    assert!(model("t.csv") == model("t.csv.gz"));
}

/// Rows of 60 tenants, five each, in an order that tears them apart.
fn repeated() -> String {
    let mut dice = Dice(3);
    let mut table = "tenant,x,y,churn\n".to_owned();
    for month in 0..5 {
        for tenant in 0..60 {
            let x = dice.normal() + f64::from(tenant % 7);
            table.push_str(&format!("t{tenant},{x:.3},{month},{}\n", dice.label(f64::from(tenant % 7) / 7.0)));
        }
    }
    table
}

#[test]
fn rows_of_one_tenant_stay_together_in_split_and_folds() {
    let desk = Desk::new().with("t.csv", repeated());
    for role in ["--group tenant", "--id tenant"] {
        let words = format!("--table t.csv --label churn {role} --cv 4 --algorithm decision-tree --out run");
        let printed = desk.train(&words);
        assert!(printed.contains("rows of one tenant stay together"), "{printed}");
        assert_eq!(desk.json("run/metrics.json")["split"]["group"], "tenant");
        let sides = desk.rows("run/predictions.csv");
        let folds = desk.rows("run/oof.csv");
        for tenant in 0..60 {
            let of_tenant = || (0..5).map(move |month| month * 60 + tenant);
            let split: BTreeSet<&str> = of_tenant().map(|row| sides[row]["split"].as_str()).collect();
            let fold: BTreeSet<&str> = of_tenant().map(|row| folds[row]["fold"].as_str()).collect();
            assert_eq!((split.len(), fold.len()), (1, 1), "{role}: tenant {tenant} in {split:?} and folds {fold:?}");
        }
        let n_test = rows_of_split(&desk, "run/predictions.csv", "test").len();
        assert!((50..=70).contains(&n_test), "{n_test} of 300 rows are a fifth");
    }
}

#[test]
fn rows_of_weight_zero_do_not_count_and_the_weight_is_no_feature() {
    // For each honest row one that says the opposite and weighs nothing.
    let mut rows = String::new();
    for line in tenants(400).lines().skip(1) {
        let (features, label) = line.rsplit_once(',').expect("has cells");
        let opposite = if label == "1" { "0" } else { "1" };
        rows.push_str(&format!("{features},{label},2.5\n{features},{opposite},0\n"));
    }
    let header = "tenant,logins,revenue,plan,trial,churn,worth\n";
    let desk = Desk::new().with("w.csv", format!("{header}{rows}")).with("t.csv", tenants(400));
    let auc = |weight: &str| {
        desk.train(&format!("--table w.csv --label churn {weight} --drop tenant --n-trees 40 --out run"));
        let scored = desk.score("--model run/model.safetensors --table t.csv --out scores.csv");
        assert!(!scored.err.contains("worth"), "{}", scored.err);
        let labels: Vec<bool> = desk.read("t.csv").lines().skip(1).map(|line| line.ends_with('1')).collect();
        churn_model::evaluate::roc_auc(&numbers(&desk.rows("scores.csv"), "score"), &labels).expect("is sound")
    };
    let (with, without) = (auc("--weight worth"), auc("--drop worth"));
    assert!(with > 0.75 && without < 0.6, "ROC-AUC {with} with weights, {without} without");
}

#[test]
fn flags_and_hyperparameters_file_make_the_same_run() {
    let json = r#"{"table": "t.csv", "label": "churn", "id": "tenant", "n_trees": "30", "min_leaf": 7, "seed": "4",
                   "algorithm": "random-forest", "threshold": "capacity:0.2", "drop": ["revenue"], "out": "by-file"}"#;
    let desk = desk().with("h.json", json);
    desk.train("--hyperparameters h.json");
    desk.train(
        "--table t.csv --label churn --id tenant --n-trees 30 --min-leaf 7 --seed 4 --algorithm random-forest \
         --threshold capacity:0.2 --drop revenue --out by-flags",
    );
    assert_eq!(desk.bytes("by-file/model.safetensors"), desk.bytes("by-flags/model.safetensors"));
    desk.train("--hyperparameters h.json --seed 5 --out by-both");
    assert_eq!(desk.json("by-both/metrics.json")["seed"], 5);
    assert_eq!(desk.json("by-both/metrics.json")["candidates"][0]["hyperparameters"]["n_trees"], 30);
}

#[test]
fn the_learner_asked_for_is_the_one_kept() {
    let desk = desk();
    for algorithm in ["random-forest", "decision-tree", "linear-learner"] {
        desk.train(&format!("{TENANTS} --algorithm {algorithm} --out run"));
        let metrics = desk.json("run/metrics.json");
        assert_eq!(
            (&metrics["algorithm"], metrics["candidates"].as_array().map(Vec::len)),
            (&algorithm.into(), Some(1))
        );
        let model = Model::read(&desk.path("run/model.safetensors")).expect("reads");
        assert_eq!(model.card().algorithm, algorithm);
    }
}

#[test]
fn hyperparameters_given_are_the_ones_used_and_a_search_finds_others() {
    let desk = desk();
    let used = |words: &str| {
        desk.train(&format!("--table t.csv --label churn --id tenant {words} --out run"));
        desk.json("run/metrics.json")["candidates"][0]["hyperparameters"].clone()
    };
    let forest = used("--algorithm random-forest --n-trees 20 --min-leaf 9 --max-depth 3 --features-per-split 2");
    let expected = serde_json::json!({"n_trees": 20, "min_leaf": 9, "max_depth": 3, "features_per_split": 2});
    assert_eq!(forest, expected);
    let tree = used("--algorithm decision-tree --min-leaf 9 --max-depth 3 --complexity 0.25");
    assert_eq!(tree, serde_json::json!({"min_leaf": 9, "max_depth": 3, "complexity": 0.25}));
    let linear = used("--algorithm linear-learner --penalty 0.5 --l1-ratio 0.5");
    assert_eq!(linear, serde_json::json!({"penalty": 0.5, "l1_ratio": 0.5}));
    desk.train(&format!("{TENANTS} --algorithm decision-tree --tune 6 --out run"));
    let notes = desk.json("run/metrics.json")["candidates"][0]["notes"].clone();
    assert_eq!(notes[0], "the best of 6 settings");
}

#[test]
fn the_threshold_follows_its_rule_in_the_model_and_in_the_metrics() {
    let desk = desk();
    let threshold = |words: &str| {
        desk.train(&format!("{TENANTS} --algorithm linear-learner {words} --out run"));
        let threshold = *Model::read(&desk.path("run/model.safetensors")).expect("reads").threshold();
        let recorded = desk.json("run/metrics.json")["threshold"].clone();
        assert_eq!(recorded, serde_json::to_value(threshold).expect("is JSON"), "{words}");
        threshold
    };
    let fit = |desk: &Desk| rows_of_split(desk, "run/predictions.csv", "fit");

    let campaign = Campaign { lifetime_value: 500.0, offer: 50.0, contact: 2.0, ..Campaign::default() };
    let profit = threshold("--lifetime-value 500 --offer 50 --contact 2");
    assert_eq!((profit.rule, profit.score), (ThresholdRule::Profit { campaign }, campaign.break_even()));

    let capacity = threshold("--threshold capacity:0.15");
    assert_eq!(capacity.rule, ThresholdRule::Capacity { share: 0.15 });
    let decided = fit(&desk).iter().filter(|row| row["decision"] == "1").count();
    assert_eq!(decided, 48, "15 % of 320 rows by scores of models that had not seen them");

    let precision = threshold("--threshold precision:0.6");
    assert_eq!(precision.rule, ThresholdRule::Precision { at_least: 0.6 });
    let decided: Vec<bool> =
        fit(&desk).iter().filter(|row| row["decision"] == "1").map(|row| row["label"] == "1").collect();
    let share = decided.iter().filter(|&&churned| churned).count() as f64 / decided.len() as f64;
    assert!(share >= 0.6, "{share}");

    let fixed = threshold("--threshold 0.35");
    assert_eq!((fixed.rule, fixed.score), (ThresholdRule::Fixed, 0.35));
}

#[test]
fn a_precision_out_of_reach_names_the_best_there_is() {
    let desk = Desk::new().with("t.csv", repeated());
    let before = desk.everything();
    let words = "--table t.csv --label churn --drop x --algorithm decision-tree --threshold precision:1 --out run";
    let line = desk.run(TRAIN, words).failed(1);
    assert!(line.starts_with("cannot evaluate the threshold: ") && line.contains("precision"), "{line}");
    assert!(desk.everything() == before);
}

#[cfg(unix)]
#[test]
fn files_are_readable_by_whom_the_user_allows() {
    use std::os::unix::fs::PermissionsExt;
    let desk = desk();
    desk.shell(
        "umask 022; \"$TRAIN\" --table t.csv --label churn --id tenant --algorithm decision-tree --out run && \
         \"$SCORE\" --model run/model.safetensors --table t.csv --out s.csv",
    )
    .succeeded();
    for name in ["run/model.safetensors", "run/report.html", "run/predictions.csv", "s.csv"] {
        let mode = std::fs::metadata(desk.path(name)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
}

#[test]
fn help_fits_the_page_and_names_every_choice() {
    let desk = Desk::new();
    for (program, words) in [
        (TRAIN, ["--table", "--tune", "--group", "--threshold", "Hyperparameters:", "Decision:"].as_slice()),
        (SCORE, ["--model", "--table", "--no-header", "--out"].as_slice()),
    ] {
        for flag in ["-h", "--help"] {
            let ended = desk.run(program, flag).succeeded();
            assert!(ended.err.is_empty() && words.iter().all(|word| ended.out.contains(word)), "{}", ended.out);
            let longest = ended.out.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(110), "a line of {longest:?} characters in\n{}", ended.out);
        }
        assert!(desk.run(program, "--version").succeeded().out.ends_with(concat!(env!("CARGO_PKG_VERSION"), "\n")));
    }
}
