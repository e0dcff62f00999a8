//! Models that LightGBM saved score here as they do there.

#[path = "../import_files/mod.rs"]
mod import_files;

mod damage;

use std::fs;

use churn_features::{Feature, FeatureSchema};
use churn_model::{ImportError, Model, ModelKind, Node};

use import_files::{Golden, check_kernels, every_release, files, golden, name, told};

#[test]
fn every_release_and_kind_of_model_scores_as_lightgbm_does() {
    for path in files("lightgbm", "txt", false) {
        let model = Model::from_lightgbm_text(None, &fs::read(&path).expect("readable")).expect("imported");
        let ModelKind::Forest(forest) = model.kind() else { panic!("is a forest") };
        // LightGBM's raw scores are neither averaged nor multiplied by the sigmoid parameter; ours are log-odds.
        let slope = match name(&path) {
            "sigmoid.txt" => 2.5,
            "forest.txt" | "regression_forest.txt" => 1.0 / forest.n_trees() as f64,
            _ => 1.0,
        };
        let is_number = ["regression.txt", "huber.txt", "regression_forest.txt"].contains(&name(&path));
        check_kernels(&model, &golden(&path));
        for Golden { row, raw, predicted } in golden(&path) {
            let (found, score) = (forest.raw_score(&row), model.score(&row));
            assert!((found - raw * slope).abs() < 1e-6, "{path:?}: raw score {found} for {raw} at {row:?}");
            let expected = if is_number { predicted.clamp(0.0, 1.0) } else { predicted };
            assert!((score - expected).abs() < 1e-6, "{path:?}: score {score} for {expected} at {row:?}");
        }
    }
}

#[test]
fn what_a_model_here_cannot_be_is_refused_by_its_name() {
    let reasons = [
        ("classes.refused.txt", "objective \"multiclass num_class:2\" is not read"),
        ("linear_tree.refused.txt", "kind of tree \"linear_tree\" is not read; read are trees with a constant"),
        ("poisson.refused.txt", "objective \"poisson\""),
        ("square_root.refused.txt", "objective \"regression sqrt\""),
    ];
    for (file, reason) in reasons {
        let models = every_release("lightgbm", file);
        assert!(!models.is_empty(), "{file}");
        for bytes in models {
            let error = Model::from_lightgbm_text(None, &bytes).expect_err(file);
            assert!(told(&error).contains(reason), "{file}: {}", told(&error));
        }
    }
}

#[test]
fn names_and_levels_come_from_the_file_where_it_has_them() {
    for bytes in every_release("lightgbm", "data_frame.txt") {
        let model = Model::from_lightgbm_text(None, &bytes).expect("imported");
        let names: Vec<&str> = model.schema().features().iter().map(Feature::name).collect();
        assert_eq!(names, ["job30", "job60_mean", "zeros", "industry"]);
        let levels = model.schema().features()[3].levels();
        assert_eq!(levels, ["energy", "retail", "bäckerei", "health", "public", "media"]);
    }
    for bytes in every_release("lightgbm", "categories.txt") {
        let model = Model::from_lightgbm_text(None, &bytes).expect("imported");
        let feature = &model.schema().features()[4];
        assert_eq!((feature.name(), feature.levels().len(), feature.levels()[39].as_str()), ("Column_4", 40, "39"));
    }
}

#[test]
fn a_schema_given_names_the_levels_and_has_to_agree() {
    let schema = |industry: Feature| {
        let numbers = ["job30", "job60_mean", "zeros"].map(Feature::numeric);
        FeatureSchema::new(numbers.into_iter().chain([industry]).collect()).expect("valid")
    };
    let industry = |n_levels: usize| Feature::category("industry", (0..n_levels).map(|n| n.to_string()).collect());
    for bytes in every_release("lightgbm", "data_frame.txt") {
        let given = schema(industry(6));
        let model = Model::from_lightgbm_text(Some(&given), &bytes).expect("agrees");
        assert_eq!(model.schema(), &given);
        let error = |schema: FeatureSchema| Model::from_lightgbm_text(Some(&schema), &bytes).expect_err("disagrees");
        assert!(matches!(error(schema(industry(1))), ImportError::Level { last: 0, .. }));
        assert!(matches!(error(schema(Feature::numeric("industry"))), ImportError::Kind { expected: "number", .. }));
        assert!(matches!(error(schema(Feature::numeric("branch"))), ImportError::FeatureName { column: 3, .. }));
    }
}

#[test]
fn an_imported_model_survives_the_model_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    for file in files("lightgbm", "txt", false) {
        let model = Model::from_lightgbm_text(None, &fs::read(&file).expect("readable")).expect("imported");
        model.write(&path).expect("written");
        assert_eq!(Model::read(&path).expect("read"), model, "{file:?}");
    }
}

/// Cover of a node and, for a split, of its two children together.
fn covers(model: &Model) -> Vec<(f32, Option<f32>)> {
    let ModelKind::Forest(forest) = model.kind() else { panic!("is a forest") };
    let cover = |node: &Node| match *node {
        Node::Leaf { cover, .. } | Node::Split { cover, .. } => cover,
    };
    let in_tree = |tree: churn_model::Tree| {
        let children = |node: &Node| match *node {
            Node::Leaf { .. } => None,
            Node::Split { left, .. } => Some(cover(&tree.nodes[left as usize]) + cover(&tree.nodes[left as usize + 1])),
        };
        tree.nodes.iter().map(|node| (cover(node), children(node))).collect::<Vec<_>>()
    };
    forest.trees().flat_map(in_tree).collect()
}

#[test]
fn cover_is_the_count_that_lightgbm_holds_unless_zeros_took_more_splits() {
    for bytes in every_release("lightgbm", "binary.txt") {
        let model = Model::from_lightgbm_text(None, &bytes).expect("imported");
        assert!(covers(&model).iter().all(|&(cover, children)| cover > 0.0 && children.is_none_or(|sum| sum == cover)));
    }
    for bytes in every_release("lightgbm", "zero_as_missing.txt") {
        let model = Model::from_lightgbm_text(None, &bytes).expect("imported");
        let ModelKind::Forest(forest) = model.kind() else { panic!("is a forest") };
        let text = String::from_utf8(bytes).expect("text");
        let leaves = text.lines().filter_map(|line| line.strip_prefix("num_leaves=")?.parse::<usize>().ok());
        let n_nodes: usize = leaves.map(|leaves| 2 * leaves - 1).sum();
        assert!(forest.n_nodes() > n_nodes, "no zeros that go against their neighbours: {n_nodes} nodes");
        assert!(covers(&model).iter().all(|&(cover, _)| cover == 0.0));
    }
}
