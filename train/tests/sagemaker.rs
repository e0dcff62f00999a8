//! A training job as SageMaker lays it out: files in, a model, metrics and reasons out.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use churn_events::encode;
use churn_features::write_row;
use churn_model::Model;
use churn_simulator::{World, WorldOptions};

/// Two rows, as the original client sends them, the label first.
const TWO_ROWS: &str = "1,24670,6168,7,41,975,1645,0,0,0,0,0,1,0,0\n0,99420,49710,7,97,424,3039,1,0,0,0,0,0,0,0\n";

const TRAIN: &str = r#"{"train": {"ContentType": "text/csv", "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}}"#;

/// The folder that stands for `/opt/ml`.
struct Job(tempfile::TempDir);

impl Job {
    fn empty() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// The job of two rows.
    fn of_two_rows() -> Self {
        let job =
            Self::empty().with("input/config/inputdataconfig.json", TRAIN).with("input/data/train/a.csv", TWO_ROWS);
        job.with("input/config/resourceconfig.json", r#"{"current_host": "algo-1", "hosts": ["algo-1"]}"#)
            .with_hyperparameters(r#"{"max_depth": "5", "n_estimators": "2"}"#)
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        fs::write(path, bytes).expect("writes");
        self
    }

    fn with_hyperparameters(self, json: &str) -> Self {
        self.with("input/config/hyperparameters.json", json)
    }

    fn with_channels(self, json: &str) -> Self {
        self.with("input/config/inputdataconfig.json", json)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command.env("SAGEMAKER_BASE_DIR", self.0.path());
        command
    }

    fn run(&self) -> Run {
        Run::of(self.command().output().expect("the program runs"))
    }

    /// Runs it and expects a model.
    fn done(&self) -> String {
        let run = self.run();
        assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
        assert!(!self.path("output/failure").exists());
        self.model();
        run.out
    }

    /// Runs it and expects a reason why there is no model.
    fn failed(&self) -> String {
        let run = self.run();
        assert_eq!(run.code, Some(1), "{}\n{}", run.out, run.err);
        assert!(self.files("model").is_empty());
        let reason = fs::read_to_string(self.path("output/failure")).expect("a reason");
        assert!(reason.len() <= 1024 && !reason.contains('\n'), "{reason}");
        reason
    }

    fn model(&self) -> Model {
        assert_eq!(self.files("model"), ["model-card.md", "model.safetensors", "report.html"]);
        Model::read(&self.path("model/model.safetensors")).expect("a model")
    }

    /// The names of what is in a folder, hidden or not.
    fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The value of a metric, as a regular expression `name=([0-9.]+)` at the start of a line finds it.
fn metric(out: &str, name: &str) -> Option<f64> {
    let value = out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

/// So many rows of three numbers, of which the first tells most of the label; the label first.
fn rows(n: u32, seed: u32) -> String {
    let noise = |row: u32, column: u32| {
        let mixed = (row * 7919 + column * 104_729 + seed * 31).wrapping_mul(2_654_435_761);
        f64::from(mixed >> 8) / f64::from(1 << 24)
    };
    let row = |row: u32| {
        let (x, y, z) = (noise(row, 1), noise(row, 2), noise(row, 3));
        format!("{},{x:.4},{y:.4},{}\n", u32::from(x + 0.5 * noise(row, 4) > 0.8), (z * 10.0) as u32)
    };
    (0..n).map(row).collect()
}

#[test]
fn two_rows_are_enough_for_a_model_and_its_metrics() {
    let job = Job::of_two_rows();
    let out = job.done();
    assert!(out.lines().any(|line| line == "train rows=2"), "{out}");
    assert!(metric(&out, "validation:roc_auc_score").is_some(), "{out}");
    assert!(!out.contains('\u{1b}') && !out.contains('\r'), "{out}");
    assert_eq!(job.files("output/data"), ["metrics.json", "predictions.csv"]);
    assert!(job.model().card().caveats.iter().any(|caveat| caveat.contains("too few rows")));
}

#[test]
fn hyperparameters_are_texts_and_the_linear_learner_s_are_known() {
    let out = Job::of_two_rows()
        .with_hyperparameters(r#"{"learning_rate": "0.1", "use_bias": "true", "epochs": "16", "_tuning_x": "1"}"#)
        .done();
    assert!(out.contains("no effect here") && out.contains("epochs, learning_rate, use_bias"), "{out}");
}

#[test]
fn a_wrong_hyperparameter_is_named_with_its_value() {
    let reason = Job::of_two_rows().with_hyperparameters(r#"{"max_depth": "five"}"#).failed();
    assert!(reason.contains("max_depth") && reason.contains("five"), "{reason}");
    let reason = Job::of_two_rows().with_hyperparameters(r#"{"max_deth": "5"}"#).failed();
    assert!(reason.contains("max_deth") && reason.contains("did you mean max_depth"), "{reason}");
    let reason = Job::of_two_rows().with_hyperparameters("{").failed();
    assert!(reason.contains("hyperparameters.json"), "{reason}");
}

#[test]
fn a_channel_without_folder_or_files_is_named() {
    let job = Job::of_two_rows();
    fs::remove_file(job.path("input/data/train/a.csv")).unwrap();
    let reason = job.failed();
    assert!(reason.contains("\"train\"") && reason.contains("no files"), "{reason}");
    fs::remove_dir(job.path("input/data/train")).unwrap();
    fs::remove_file(job.path("output/failure")).unwrap();
    let reason = job.failed();
    assert!(reason.contains("channel \"train\": there is no folder"), "{reason}");
    let reason = Job::of_two_rows().with_channels(r#"{"testing": {}}"#).failed();
    assert!(reason.contains("no channel \"train\"") && reason.contains("testing"), "{reason}");
}

#[test]
fn files_of_subfolders_count_and_those_of_tools_do_not() {
    let job = Job::of_two_rows()
        .with("input/data/train/b.csv", TWO_ROWS)
        .with("input/data/train/sub/c.csv", TWO_ROWS)
        .with("input/data/train/.DS_Store", [0, 1, 2])
        .with("input/data/train/_SUCCESS", "");
    let out = job.done();
    assert!(out.lines().any(|line| line == "train rows=6"), "{out}");
}

#[test]
fn where_the_first_column_is_no_label_it_is_said_that_it_was_taken_as_one() {
    let table: String = (0..30).map(|row| format!("c{row},{},{}\n", row % 7, row % 2)).collect();
    let job = || Job::of_two_rows().with("input/data/train/a.csv", format!("Company,Jobs,Churn\n{table}"));
    let reason = job().with_hyperparameters(r#"{"header": "present"}"#).failed();
    assert!(reason.contains("first column was taken as the label; if it is none, name the column"), "{reason}");
    assert!(reason.contains("column \"Company\": a label has 2 values, found 30"), "{reason}");
    let reason = job().with_hyperparameters(r#"{"label": "Company"}"#).failed();
    assert!(reason.contains("found 30") && !reason.contains("was taken"), "{reason}");
}

#[test]
fn without_a_channel_to_train_on_the_folder_is_named() {
    let job = Job::empty().with("input/data/.keep", "");
    let reason = job.failed();
    assert!(reason.contains(&format!("nor any other in {:?}", job.path("input/data"))), "{reason}");
}

#[test]
fn a_header_is_refused_unless_it_is_declared() {
    let header = "Churn,a,b,c,d,e,f,g,h,i,j,k,l,m,n\n".to_owned() + TWO_ROWS;
    let reason = Job::of_two_rows().with("input/data/train/a.csv", &header).failed();
    assert!(
        reason.contains(r#"(it is declared by the channel's ContentType "text/csv; header=present", or"#),
        "{reason}"
    );
    let job = Job::of_two_rows().with("input/data/train/a.csv", &header);
    job.with_channels(r#"{"train": {"ContentType": "text/csv; header=present"}}"#).done();
    let job = Job::of_two_rows().with("input/data/train/a.csv", &header).with_hyperparameters(r#"{"label": "Churn"}"#);
    job.done();
    assert_eq!(job.model().schema().features()[0].name(), "a");
}

#[test]
fn the_label_size_of_a_content_type_is_one() {
    let with = |text: &str| Job::of_two_rows().with_channels(&format!(r#"{{"train": {{"ContentType": "{text}"}}}}"#));
    with("text/csv;label_size=1").done();
    assert!(with("text/csv;label_size=0").failed().contains("label_size=1"));
    assert!(with("image/png").failed().contains("image/png"));
}

#[test]
fn a_channel_that_cannot_be_written_is_read_like_any_other() {
    let channels = TRAIN.replace("\"File\"", "\"FastFile\"");
    let job = Job::of_two_rows().with_channels(&channels);
    let set = |is_readonly: bool| {
        for path in ["input/data/train/a.csv", "input/data/train", "input/config", "input"].map(|name| job.path(name)) {
            let mut permissions = fs::metadata(&path).unwrap().permissions();
            permissions.set_readonly(is_readonly);
            fs::set_permissions(path, permissions).unwrap();
        }
    };
    set(true);
    job.done();
    // Or the folder could not be removed.
    set(false);
}

#[test]
fn pipe_mode_fails_at_once() {
    let job = Job::of_two_rows().with_channels(&TRAIN.replace("\"File\"", "\"Pipe\""));
    fs::remove_dir_all(job.path("input/data/train")).unwrap();
    assert!(Command::new("mkfifo").arg(job.path("input/data/train_0")).status().unwrap().success());
    assert!(job.failed().contains("Pipe mode"));
}

#[test]
fn only_the_first_host_fits() {
    let hosts = |current: &str| format!(r#"{{"current_host": "{current}", "hosts": ["algo-2-x1", "algo-1-x1"]}}"#);
    let job = Job::of_two_rows().with("input/config/resourceconfig.json", hosts("algo-2-x1"));
    let run = job.run();
    assert_eq!((run.code, job.files("model").len(), job.files("output").len()), (Some(0), 0, 0), "{}", run.err);
    let sharded = TRAIN.replace("FullyReplicated", "ShardedByS3Key");
    let job = Job::of_two_rows().with("input/config/resourceconfig.json", hosts("algo-1-x1")).with_channels(&sharded);
    assert!(job.done().contains("host=algo-1-x1"));
    assert!(fs::read_to_string(job.path("model/model-card.md")).unwrap().contains("use FullyReplicated"));
}

#[test]
fn the_channels_are_what_they_are_called() {
    let job = Job::empty()
        .with_channels(r#"{"training": {}, "validation": {}, "test": {}, "extra": {}}"#)
        .with("input/data/training/a.csv", rows(300, 1))
        .with("input/data/validation/a.csv", rows(200, 2))
        .with("input/data/test/a.csv", rows(100, 3))
        .with_hyperparameters(r#"{"n_trees": "20", "binary_classifier_model_selection_criteria": "accuracy"}"#);
    let out = job.done();
    for line in ["training rows=300", "validation rows=200", "test rows=100"] {
        assert!(out.lines().any(|found| found == line), "{out}");
    }
    assert!(out.contains("channel \"extra\" is not used"), "{out}");
    let metrics: serde_json::Value =
        serde_json::from_slice(&fs::read(job.path("output/data/metrics.json")).unwrap()).unwrap();
    let split = |name: &str| metrics["split"][name].as_u64();
    assert_eq!([split("n_fit"), split("n_calibration"), split("n_test")], [Some(300), Some(200), Some(100)]);
    let measures =
        ["objective_loss", "binary_classification_accuracy", "recall", "precision", "binary_f_beta", "roc_auc_score"];
    for name in measures {
        for part in ["validation", "test"] {
            assert!(metric(&out, &format!("{part}:{name}")).is_some_and(|value| value > 0.0), "{part}:{name}\n{out}");
        }
    }
    let near = |name: &str, value: &serde_json::Value| {
        let printed = metric(&out, name).unwrap();
        assert!((printed - value.as_f64().unwrap()).abs() < 1e-5, "{name} is {printed} and {value}");
    };
    near("test:roc_auc_score", &metrics["test"]["roc_auc"]);
    near("test:objective_loss", &metrics["test"]["log_loss"]);
}

#[test]
fn without_a_test_channel_some_rows_are_held_out() {
    let job = Job::empty().with("input/data/train/a.csv", rows(300, 1)).with_hyperparameters(r#"{"n_trees": "20"}"#);
    let out = job.done();
    assert!(out.contains("fit on 240 rows, test on 60 held out"), "{out}");
    assert!(metric(&out, "test:roc_auc_score").is_some() && metric(&out, "train:objective_loss").is_some(), "{out}");
}

#[test]
fn a_small_validation_channel_is_measured_on_only() {
    let job = Job::empty()
        .with("input/data/train/a.csv", rows(300, 1))
        .with("input/data/validation/a.csv", rows(20, 2))
        .with_hyperparameters(r#"{"n_trees": "20"}"#);
    let out = job.done();
    assert!(out.contains("come from honest scores of the training rows"), "{out}");
    assert!(metric(&out, "validation:roc_auc_score").is_some(), "{out}");
}

#[test]
fn a_channel_without_content_type_is_known_by_its_first_bytes() {
    let mut record_io = Vec::new();
    for line in rows(100, 1).lines() {
        let numbers: Vec<f32> = line.split(',').map(|number| number.parse().unwrap()).collect();
        write_row(&mut record_io, Some(numbers[0]), &numbers[1..]);
    }
    let compressed = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&record_io).unwrap();
        encoder.finish().unwrap()
    };
    let hyperparameters = r#"{"n_trees": "10"}"#;
    let models = [rows(100, 1).into_bytes(), record_io, compressed].map(|bytes| {
        let job = Job::empty().with("input/data/train/a", bytes).with_hyperparameters(hyperparameters);
        job.done();
        job.model().schema().fingerprint()
    });
    assert_eq!(models[0], models[1]);
    assert_eq!(models[0], models[2]);
}

#[test]
fn events_are_observed_as_the_plan_says() {
    let (lines, end) = log();
    let job = Job::empty()
        .with_channels(r#"{"train": {"ContentType": "application/jsonlines"}}"#)
        .with("input/data/train/events.jsonl", lines)
        .with_hyperparameters(&format!(r#"{{"n_trees": "10", "algorithm": "random-forest", "log_end": "{end}"}}"#));
    let out = job.done();
    assert!(metric(&out, "test:roc_auc_score").is_some(), "{out}");
    assert!(job.model().card().point_in_time);
    assert!(job.files("output/data").contains(&"scores.csv".to_owned()));
}

#[test]
fn the_reason_of_an_earlier_run_is_forgotten() {
    let earlier = |job: Job| job.with("output/failure", "the earlier reason");
    earlier(Job::of_two_rows()).done();
    let reason = earlier(Job::of_two_rows().with_hyperparameters(r#"{"a": "b"}"#)).failed();
    assert!(reason.contains("no hyperparameter a"), "{reason}");
}

#[test]
fn labels_of_minus_and_plus_one_need_no_setting() {
    let job = |text: &str, content_type: &str| {
        let job = Job::empty().with("input/data/train/a", text).with_hyperparameters(r#"{"n_trees": "10"}"#);
        job.with_channels(&format!(r#"{{"train": {{"ContentType": "{content_type}"}}}}"#))
    };
    let label = |number: usize| if number.is_multiple_of(3) { "+1" } else { "-1" };
    let libsvm: String = (0..60).map(|i| format!("{} 1:{} 2:{}\n", label(i), i % 7, i)).collect();
    let csv: String = (0..60).map(|i| format!("{},{},{}\n", label(i), i % 7, i)).collect();
    for job in [job(&libsvm, "text/libsvm"), job(&csv, "text/csv")] {
        job.done();
        let label = job.model().card().label.clone();
        assert!(label.contains("1 = churn, -1 = stayed"), "{label}");
    }
    let reason = job(&libsvm.replace("+1 ", "2 "), "text/libsvm").failed();
    assert!(reason.contains("means churn; say which"), "{reason}");
}

#[test]
fn folders_that_are_linked_in_a_circle_are_read_once() {
    let job = Job::of_two_rows();
    let folder = job.path("input/data/train");
    fs::create_dir(folder.join("sub")).unwrap();
    for link in ["again", "sub/up"] {
        std::os::unix::fs::symlink(&folder, folder.join(link)).unwrap();
    }
    let out = job.done();
    assert!(out.contains("train rows=2\n"), "{out}");
}

#[test]
fn rows_of_one_label_make_no_model() {
    let job = Job::of_two_rows().with("input/data/train/a.csv", TWO_ROWS.replace("\n0,", "\n1,"));
    assert!(job.failed().contains("every label is \"1\""));
}

#[test]
fn folders_may_be_named_by_variables() {
    let job = Job::of_two_rows();
    fs::rename(job.path("input/data/train"), job.path("elsewhere")).unwrap();
    let mut command = job.command();
    command.env("SM_CHANNEL_TRAIN", job.path("elsewhere")).env("SM_MODEL_DIR", job.path("m"));
    command.env("SM_OUTPUT_DATA_DIR", job.path("o"));
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!((job.files("m").len(), job.files("model").len()), (3, 0));
    assert!(job.files("o").contains(&"metrics.json".to_owned()));
}

#[test]
fn sigterm_ends_it_and_leaves_no_part_of_a_model() {
    let job = Job::empty()
        .with("input/data/train/a.csv", rows(2_000, 1))
        .with_hyperparameters(r#"{"n_trees": "65535", "algorithm": "random-forest"}"#);
    let mut child = job.command().stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let fits = out.lines().map_while(Result::ok).any(|line| line.starts_with("fitting"));
    assert!(fits, "it ended before it began");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!((job.files("model").len(), job.files("output/data").len()), (0, 0));
    assert!(!job.path("output/failure").exists());
}

#[test]
fn a_job_that_was_stopped_goes_on_with_the_learners_it_has_fitted() {
    let job = |settings: &str| {
        let job = Job::empty().with("input/data/train/a.csv", rows(400, 1)).with_hyperparameters(settings);
        fs::create_dir_all(job.path("checkpoints")).unwrap();
        job
    };
    let (whole, stopped) = (job(r#"{"n_trees": "30"}"#), job(r#"{"n_trees": "30"}"#));
    let expected = whole.run();
    assert_eq!(expected.code, Some(0), "{}", expected.err);
    assert_eq!(whole.files("checkpoints").len(), 3);

    let mut child = stopped.command().stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!({ lines }.any(|line| line == "fitting the linear-learner"), "it ended before it began");
    assert!(Command::new("kill").args(["-KILL", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    assert!(stopped.files("checkpoints").len() >= 2, "{:?}", stopped.files("checkpoints"));

    let run = stopped.run();
    assert_eq!(run.code, Some(0), "{}", run.err);
    for learner in ["random-forest", "decision-tree"] {
        assert!(run.out.contains(&format!("the {learner} is taken from")), "{}", run.out);
    }
    let model = |job: &Job| fs::read(job.path("model/model.safetensors")).unwrap();
    assert!(model(&whole) == model(&stopped));

    // Other settings are another fit, other rows as well, and a damaged file is none.
    let other = job(r#"{"n_trees": "31", "algorithm": "random-forest"}"#);
    for file in stopped.files("checkpoints") {
        fs::copy(stopped.path("checkpoints").join(&file), other.path("checkpoints").join(&file)).unwrap();
        fs::write(stopped.path("checkpoints").join(&file), "{").unwrap();
    }
    fs::create_dir(stopped.path("checkpoints/.partial-x1y2")).unwrap();
    assert!(!other.run().out.contains("is taken from"));
    let run = stopped.run();
    assert!(run.out.contains(".json is damaged and is fitted anew: EOF"), "{}", run.out);
    assert!(stopped.files("checkpoints").iter().all(|name| !name.starts_with(".partial")));
    assert!(model(&whole) == model(&stopped));
    let moved = stopped.with("input/data/train/a.csv", rows(400, 2));
    assert!(!moved.run().out.contains("is taken from"));
}

/// The log of a small world, as lines, and the day it ends on.
fn log() -> (Vec<u8>, String) {
    let world = World::new(&WorldOptions { tenants: 160, days: 360, seed: 3, ..WorldOptions::default() });
    let world = world.expect("is a world");
    let mut lines = Vec::new();
    for tenant in 0..world.n_tenants() {
        for event in world.tenant(tenant).events() {
            encode(&event, &mut lines);
            lines.push(b'\n');
        }
    }
    (lines, world.end().to_string())
}
