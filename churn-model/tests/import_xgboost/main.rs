//! Models that XGBoost saved score here as they do there.

#[path = "../import_files/mod.rs"]
mod import_files;

mod damage;

use std::fs;

use churn_features::{Feature, FeatureSchema};
use churn_model::{Combine, ImportError, Model, ModelKind, Node};

use import_files::{Golden, check_kernels, every_release, files, golden, name, told};

/// The margin as XGBoost adds it up: leaf after leaf, in f32.
fn margin_in_f32(model: &Model, row: &[f32]) -> f32 {
    let ModelKind::Forest(forest) = model.kind() else { panic!("is a forest") };
    let Combine::SumLogOdds { base } = forest.combine() else { panic!("is a sum") };
    let leaf_of_tree = |tree| {
        let alone = churn_model::ForestModel::new(model.schema(), Combine::SumLogOdds { base: 0.0 }, &[tree]);
        alone.expect("a forest of one tree").raw_score(row) as f32
    };
    forest.trees().fold(base as f32, |sum, tree| sum + leaf_of_tree(tree))
}

#[test]
fn every_release_and_kind_of_model_scores_as_xgboost_does() {
    for path in files("xgboost", "json", false) {
        let model = Model::from_xgboost_json(None, &fs::read(&path).expect("readable")).expect("imported");
        let is_regression = name(&path) == "squarederror.json";
        check_kernels(&model, &golden(&path));
        for Golden { row, raw, predicted } in golden(&path) {
            let (found, score) = (model.kind().raw_score(&row), model.score(&row));
            assert!((found - raw).abs() < 1e-6, "{path:?}: raw score {found} for {raw} at {row:?}");
            let expected = match name(&path) {
                "logitraw.json" => 1.0 / (1.0 + (-raw).exp()),
                _ if is_regression => predicted.clamp(0.0, 1.0),
                _ => predicted,
            };
            assert!((score - expected).abs() < 1e-6, "{path:?}: score {score} for {expected} at {row:?}");
        }
    }
}

#[test]
fn the_same_leaves_added_in_f32_are_the_margin_bit_for_bit() {
    for path in files("xgboost", "json", false) {
        let model = Model::from_xgboost_json(None, &fs::read(&path).expect("readable")).expect("imported");
        for Golden { row, raw, .. } in golden(&path) {
            assert_eq!(margin_in_f32(&model, &row), raw as f32, "{path:?} at {row:?}");
        }
    }
}

#[test]
fn what_a_model_here_cannot_be_is_refused_by_its_name() {
    let reasons = [
        ("classes.refused.json", "objective \"multi:softprob\" is not read"),
        ("linear.refused.json", "booster \"gblinear\" is not read; read are gbtree and dart"),
        ("poisson.refused.json", "objective \"count:poisson\""),
        ("ranking.refused.json", "objective \"rank:pairwise\""),
        ("hinge.refused.json", "objective \"binary:hinge\""),
        ("targets.refused.json", "models of one output"),
        ("binary.refused.ubj", "encoding \"UBJSON\" is not read; read are JSON files"),
    ];
    for (file, reason) in reasons {
        let models = every_release("xgboost", file);
        assert!(!models.is_empty(), "{file}");
        for bytes in models {
            let error = Model::from_xgboost_json(None, &bytes).expect_err(file);
            assert!(told(&error).contains(reason), "{file}: {}", told(&error));
        }
    }
}

#[test]
fn names_and_levels_come_from_the_file_where_it_has_them() {
    for bytes in every_release("xgboost", "data_frame.json") {
        let model = Model::from_xgboost_json(None, &bytes).expect("imported");
        let names: Vec<&str> = model.schema().features().iter().map(Feature::name).collect();
        assert_eq!(names, ["job30", "job60 mean", "zeros", "industry"]);
        let levels = model.schema().features()[3].levels();
        if model.card().algorithm.starts_with("XGBoost 3") {
            assert_eq!(levels, ["energy", "retail", "backerei", "health", "public", "media"]);
        } else {
            assert_eq!((levels.len(), levels[0].as_str(), levels[253].as_str()), (254, "0", "253"));
        }
    }
    for bytes in every_release("xgboost", "logistic.json") {
        let model = Model::from_xgboost_json(None, &bytes).expect("imported");
        assert_eq!(model.schema().features()[1].name(), "f1");
    }
}

fn schema(industry: Feature) -> FeatureSchema {
    let numbers = ["job30", "job60 mean", "zeros"].map(Feature::numeric);
    FeatureSchema::new(numbers.into_iter().chain([industry]).collect()).expect("valid")
}

fn industry(n_levels: usize) -> Feature {
    Feature::category("industry", (0..n_levels).map(|level| format!("level {level}")).collect())
}

#[test]
fn a_schema_given_names_the_levels_and_has_to_agree() {
    for bytes in every_release("xgboost", "data_frame.json") {
        let read = |schema: &FeatureSchema| Model::from_xgboost_json(Some(schema), &bytes);
        let (given, own) = (read(&schema(industry(6))).expect("agrees"), Model::from_xgboost_json(None, &bytes));
        let row = [0.3, f32::NAN, 0.0, 4.0];
        assert_eq!(given.score(&row), own.expect("imported").score(&row));
        assert_eq!(given.schema(), &schema(industry(6)));

        let error = |schema: &FeatureSchema| read(schema).expect_err("does not agree");
        assert!(matches!(error(&schema(industry(1))), ImportError::Level { last: 0, .. }));
        assert!(matches!(error(&schema(Feature::numeric("industry"))), ImportError::Kind { expected: "number", .. }));
        assert!(matches!(error(&schema(Feature::numeric("branch"))), ImportError::FeatureName { column: 3, .. }));
        let narrow = FeatureSchema::new(vec![Feature::numeric("job30")]).expect("valid");
        assert!(matches!(error(&narrow), ImportError::Width { found: 4, expected: 1 }));
    }
}

#[test]
fn an_imported_model_survives_the_model_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    for file in files("xgboost", "json", false) {
        let model = Model::from_xgboost_json(None, &fs::read(&file).expect("readable")).expect("imported");
        model.write(&path).expect("written");
        assert_eq!(Model::read(&path).expect("read"), model, "{file:?}");
    }
}

#[test]
fn cover_is_the_weight_that_xgboost_holds() {
    for bytes in every_release("xgboost", "logistic.json") {
        let model = Model::from_xgboost_json(None, &bytes).expect("imported");
        let ModelKind::Forest(forest) = model.kind() else { panic!("is a forest") };
        for tree in forest.trees() {
            for node in &tree.nodes {
                let Node::Split { left, cover, .. } = *node else { continue };
                let of = |at: u32| match tree.nodes[at as usize] {
                    Node::Leaf { cover, .. } | Node::Split { cover, .. } => cover,
                };
                assert!(cover > 0.0 && (of(left) + of(left + 1) - cover).abs() < 1e-3 * cover);
            }
        }
    }
}
