//! A model file is written whole or not at all, and nothing else is left in its folder.

use std::collections::BTreeSet;
use std::path::Path;

use churn_model::{
    Campaign, Combine, ForestModel, LinearModel, Model, ModelCard, ModelError, ModelKind, ReferenceHistogram,
    TermError, Threshold, ThresholdRule, TreeError, WriteError,
};

use crate::parts::golden;

fn model() -> Model {
    Model::read(&golden("forest")).expect("reads")
}

/// The model with another threshold and card.
fn with(model: &Model, threshold: Threshold, card: ModelCard) -> Result<Model, ModelError> {
    let references = model.references().to_vec();
    Model::new(model.schema().clone(), model.kind().clone(), model.calibrator().clone(), threshold, references, card)
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("reads");
    entries.map(|entry| entry.expect("reads").file_name().to_string_lossy().into_owned()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_written_model_reads_back_and_replaces_what_was_there() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, "older").expect("writes");
    model().write(&path).expect("writes");
    assert_eq!(Model::read(&path).expect("reads"), model());
    assert_eq!(std::fs::read(&path).expect("reads"), model().to_bytes().expect("has bytes"));
    assert_eq!(names_in(folder.path()), names(&["model.safetensors"]));
}

#[test]
fn a_path_that_can_hold_no_file_is_refused_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").expect("writes");
    std::fs::create_dir(folder.path().join("folder")).expect("makes a folder");

    let in_missing_folder = model().write(&folder.path().join("none/model.safetensors"));
    assert!(matches!(in_missing_folder, Err(WriteError::Io { .. })), "{in_missing_folder:?}");
    let below_a_file = model().write(&file.join("model.safetensors"));
    assert!(matches!(below_a_file, Err(WriteError::Io { .. })), "{below_a_file:?}");
    for path in [&folder.path().join("folder"), Path::new("/"), Path::new("")] {
        let no_file = model().write(path);
        assert!(matches!(no_file, Err(WriteError::NotAFile { .. })), "{path:?}: {no_file:?}");
    }
    let too_long = model().write(&folder.path().join("m".repeat(300)));
    assert!(matches!(too_long, Err(WriteError::Io { .. })), "{too_long:?}");

    assert_eq!(names_in(folder.path()), names(&["file", "folder"]));
    assert_eq!(std::fs::read_to_string(&file).expect("reads"), "kept");
    assert!(names_in(&folder.path().join("folder")).is_empty());
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt;

    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("binds");
    assert!(matches!(model().write(&path), Err(WriteError::NotAFile { .. })));
    assert!(std::fs::metadata(&path).expect("is there").file_type().is_socket());
}

/// Fills the disk, as far as a process is concerned: a size limit makes writing fail in the middle.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_the_older_file_and_no_other() {
    const TARGET: &str = "CHURN_MODEL_TEST_TARGET";
    let caveats = vec!["long".repeat(10_000)];
    let large = with(&model(), *model().threshold(), ModelCard { caveats, ..model().card().clone() }).expect("fits");
    if let Some(target) = std::env::var_os(TARGET) {
        let error = large.write(Path::new(&target)).expect_err("there is no room");
        assert!(matches!(error, WriteError::Io { step: "writing its bytes", .. }), "{error:?}");
        return;
    }
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("model.safetensors");
    model().write(&path).expect("writes");
    let before = std::fs::read(&path).expect("reads");
    // Where the signal that comes with the limit is ignored, writing beyond it is an error like a full disk's.
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().expect("has a path"))
        .arg("write::a_disk_that_fills_up_leaves_the_older_file_and_no_other")
        .env(TARGET, &path)
        .output()
        .expect("runs");
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
    assert_eq!(std::fs::read(&path).expect("reads"), before);
    assert_eq!(names_in(folder.path()), names(&["model.safetensors"]));
}

#[test]
fn writers_of_the_same_path_do_not_mix() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("model.safetensors");
    model().write(&path).expect("writes");
    let linear = Model::read(&golden("linear")).expect("reads");
    std::thread::scope(|scope| {
        for model in [model(), linear.clone(), model(), linear.clone()] {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    model.write(path).expect("writes");
                    Model::read(path).expect("is whole at any time");
                }
            });
        }
    });
    assert_eq!(names_in(folder.path()), names(&["model.safetensors"]));
}

#[test]
fn a_number_that_is_not_finite_is_refused_by_name() {
    let model = model();
    let sound = *model.threshold();
    let card = || model.card().clone();
    let field = |model: Result<Model, ModelError>| match model.expect("fits together").to_bytes() {
        Err(WriteError::NotFinite { field, .. }) => field,
        other => panic!("not refused: {other:?}"),
    };

    let never = Threshold { score: f64::INFINITY, rule: ThresholdRule::Fixed };
    assert_eq!(field(with(&model, never, card())), "threshold.score");
    let campaign = Campaign { contact: f64::NAN, ..Campaign::default() };
    let profit = Threshold { rule: ThresholdRule::Profit { campaign }, ..sound };
    assert_eq!(field(with(&model, profit, card())), "threshold.contact");
    let capacity = Threshold { rule: ThresholdRule::Capacity { share: f64::NAN }, ..sound };
    assert_eq!(field(with(&model, capacity, card())), "threshold.share");
    let precision = Threshold { rule: ThresholdRule::Precision { at_least: f64::NEG_INFINITY }, ..sound };
    assert_eq!(field(with(&model, precision, card())), "threshold.at_least");
    let mut unknown = card();
    unknown.metrics.insert("test.lift".into(), f64::NAN);
    assert_eq!(field(with(&model, sound, unknown)), "card.metrics[\"test.lift\"]");
}

#[test]
fn every_other_number_in_a_header_is_finite_once_a_model_exists() {
    let model = model();
    let schema = model.schema();
    let combine = Combine::SumLogOdds { base: f64::NAN };
    assert_eq!(ForestModel::new(schema, combine, &[]), Err(TreeError::Base));
    assert_eq!(LinearModel::new(schema, f64::NAN, vec![]).map_err(|e| matches!(e, TermError::Count { .. })), Err(true));

    let mut references = model.references().to_vec();
    references[0] = ReferenceHistogram { median: Some(f32::NAN), ..references[0].clone() };
    let (kind, calibrator): (ModelKind, _) = (model.kind().clone(), model.calibrator().clone());
    let broken = Model::new(schema.clone(), kind, calibrator, *model.threshold(), references, model.card().clone());
    assert_eq!(broken, Err(ModelError::Reference { feature: "days_since_login".into() }));
}
