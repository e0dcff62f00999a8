//! What holds for every model and every damaged file.

use crate::parts::Parts;
use churn_features::{Feature, FeatureKind, FeatureSchema};
use churn_model::{
    Calibrator, Campaign, Combine, ForestModel, LevelSet, LinearModel, Model, ModelCard, ModelKind, Node,
    ReferenceHistogram, SplitRule, Standardised, Term, Threshold, ThresholdRule, Tree,
};
use proptest::collection::vec;
use proptest::num;
use proptest::prelude::*;

fn finite() -> num::f64::Any {
    num::f64::NORMAL | num::f64::SUBNORMAL | num::f64::ZERO
}

fn finite_f32() -> num::f32::Any {
    num::f32::NORMAL | num::f32::SUBNORMAL | num::f32::ZERO
}

fn positive() -> num::f64::Any {
    num::f64::POSITIVE | num::f64::NORMAL
}

fn schema() -> impl Strategy<Value = FeatureSchema> {
    let kind = prop_oneof![
        Just(FeatureKind::Numeric),
        Just(FeatureKind::Boolean),
        vec(any::<String>(), 0..6).prop_map(|levels| FeatureKind::Category { levels: numbered(levels) }),
    ];
    let feature = (any::<String>(), kind, any::<Option<u32>>(), any::<Option<String>>());
    vec(feature, 1..6).prop_map(|features| {
        let features = features.into_iter().enumerate().map(|(i, (name, kind, lookback, unit))| {
            let feature = Feature::new(format!("{name}{i}"), kind);
            let feature = unit.into_iter().fold(feature, Feature::with_unit);
            lookback.into_iter().fold(feature, Feature::with_lookback_days)
        });
        FeatureSchema::new(features.collect()).expect("names and levels differ")
    })
}

/// The same texts, made different from each other.
fn numbered(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().enumerate().map(|(i, text)| format!("{text}{i}")).collect()
}

/// What is drawn for one node; whether it becomes a split also depends on the room that is left.
#[derive(Debug, Clone)]
struct Draw {
    splits: bool,
    feature: usize,
    split_value: f32,
    words: [u64; 4],
    missing_left: bool,
    share: f32,
    cover: f32,
}

fn draw() -> impl Strategy<Value = Draw> {
    let split_value = prop_oneof![9 => finite_f32(), 1 => Just(f32::INFINITY), 1 => Just(f32::NEG_INFINITY)];
    let cover = finite_f32().prop_map(f32::abs);
    (prop::bool::weighted(0.6), 0..100_usize, split_value, any::<[u64; 4]>(), any::<bool>(), 0.0..=1.0_f32, cover)
        .prop_map(|(splits, feature, split_value, words, missing_left, share, cover)| Draw {
            splits,
            feature,
            split_value,
            words,
            missing_left,
            share,
            cover,
        })
}

fn tree(schema: &FeatureSchema, draws: &[Draw]) -> Tree {
    let mut nodes = vec![Node::Leaf { value: 0.0, cover: 0.0 }];
    for (at, draw) in draws.iter().enumerate() {
        if at == nodes.len() {
            break;
        }
        let (left, cover) = (nodes.len(), draw.cover);
        nodes[at] = if draw.splits && left + 2 <= draws.len() {
            let feature = draw.feature % schema.len();
            let rule = if schema.features()[feature].is_category() {
                SplitRule::Levels(LevelSet::from_words(draw.words))
            } else {
                SplitRule::Below(draw.split_value)
            };
            nodes.extend([Node::Leaf { value: 0.0, cover: 0.0 }; 2]);
            Node::Split { feature: feature as u16, rule, missing_left: draw.missing_left, left: left as u32, cover }
        } else {
            Node::Leaf { value: draw.share, cover }
        };
    }
    Tree { nodes }
}

fn forest(schema: FeatureSchema) -> impl Strategy<Value = ModelKind> {
    let combine = prop_oneof![Just(Combine::MeanShare), finite().prop_map(|base| Combine::SumLogOdds { base })];
    (combine, vec(vec(draw(), 1..40), 1..5)).prop_map(move |(combine, draws)| {
        let trees: Vec<Tree> = draws.iter().map(|draws| tree(&schema, draws)).collect();
        ModelKind::Forest(ForestModel::new(&schema, combine, &trees).expect("is sound"))
    })
}

fn standardised() -> impl Strategy<Value = Standardised> {
    (finite(), positive(), finite()).prop_map(|(mean, scale, weight)| Standardised { mean, scale, weight })
}

fn linear(schema: FeatureSchema) -> impl Strategy<Value = ModelKind> {
    let terms: Vec<BoxedStrategy<Term>> = schema
        .features()
        .iter()
        .map(|feature| match feature.kind() {
            FeatureKind::Category { levels } => (vec(finite(), levels.len()), finite())
                .prop_map(|(level_weights, missing_weight)| Term::Category { level_weights, missing_weight })
                .boxed(),
            FeatureKind::Numeric | FeatureKind::Boolean => (standardised(), prop::option::of(standardised()), finite())
                .prop_map(|(value, signed_log, missing_weight)| Term::Numeric { value, signed_log, missing_weight })
                .boxed(),
        })
        .collect();
    (finite(), terms).prop_map(move |(intercept, terms)| {
        ModelKind::Linear(LinearModel::new(&schema, intercept, terms).expect("is sound"))
    })
}

fn calibrator() -> impl Strategy<Value = Calibrator> {
    let knots = vec((finite(), 0.0..=1.0_f64), 1..30).prop_map(|knots| {
        let (mut raw_scores, mut probabilities): (Vec<f64>, Vec<f64>) = knots.into_iter().unzip();
        raw_scores.sort_unstable_by(f64::total_cmp);
        raw_scores.dedup();
        probabilities.sort_unstable_by(f64::total_cmp);
        probabilities.truncate(raw_scores.len());
        Calibrator::Isotonic { raw_scores, probabilities }
    });
    let logistic = (positive(), finite()).prop_map(|(slope, intercept)| Calibrator::Logistic { slope, intercept });
    prop_oneof![Just(Calibrator::Identity), logistic, knots]
}

fn threshold() -> impl Strategy<Value = Threshold> {
    let rule = prop_oneof![
        finite().prop_map(|contact| ThresholdRule::Profit { campaign: Campaign { contact, ..Campaign::default() } }),
        finite().prop_map(|share| ThresholdRule::Capacity { share }),
        finite().prop_map(|at_least| ThresholdRule::Precision { at_least }),
        Just(ThresholdRule::Fixed),
    ];
    (finite(), rule).prop_map(|(score, rule)| Threshold { score, rule })
}

fn reference(feature: &Feature) -> BoxedStrategy<ReferenceHistogram> {
    let n_levels = feature.levels().len();
    let is_category = feature.is_category();
    let numbers = (vec(finite_f32(), 0..10), prop::option::of(finite_f32()));
    (0.0..=1.0_f64, vec(0.0..=1.0_f64, 254), numbers)
        .prop_map(move |(missing_share, mut shares, (mut edges, mut median))| {
            edges.sort_unstable_by(f32::total_cmp);
            edges.dedup();
            if is_category {
                edges.clear();
                median = None;
            }
            shares.truncate(if is_category { n_levels } else { edges.len() + 1 });
            ReferenceHistogram { missing_share, edges, shares, median }
        })
        .boxed()
}

fn card() -> impl Strategy<Value = ModelCard> {
    let value = prop_oneof![
        any::<String>().prop_map(serde_json::Value::from),
        finite().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        Just(serde_json::json!({"b": [true, null], "a": {}})),
    ];
    let free = prop::collection::btree_map(any::<String>(), value, 0..4);
    let metrics = prop::collection::btree_map(any::<String>(), finite(), 0..4);
    (any::<String>(), any::<bool>(), any::<[u64; 3]>(), free, metrics, vec(any::<String>(), 0..3)).prop_map(
        |(text, point_in_time, [n_observations, n_churned, seed], hyperparameters, metrics, caveats)| ModelCard {
            algorithm: text.clone(),
            label: text,
            point_in_time,
            n_observations,
            n_churned,
            seed,
            hyperparameters,
            metrics,
            caveats,
        },
    )
}

fn model() -> impl Strategy<Value = Model> {
    schema().prop_flat_map(|schema| {
        let kind = prop_oneof![forest(schema.clone()), linear(schema.clone())];
        let references: Vec<_> = schema.features().iter().map(reference).collect();
        (kind, calibrator(), threshold(), references, card()).prop_map(
            move |(kind, calibrator, threshold, references, card)| {
                Model::new(schema.clone(), kind, calibrator, threshold, references, card).expect("fits together")
            },
        )
    })
}

/// One way in which a file goes bad.
#[derive(Debug, Clone)]
enum Damage {
    Flip { at: usize, bits: u8 },
    Truncate { at: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Remove { at: usize, n: usize },
}

impl Damage {
    fn apply(&self, file: &mut Vec<u8>) {
        let place = |at: usize| at % file.len().max(1);
        match self {
            Self::Flip { at, bits } => {
                let at = place(*at);
                file.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits);
            }
            Self::Truncate { at } => file.truncate(place(*at)),
            Self::Insert { at, bytes } => drop(file.splice(place(*at)..place(*at), bytes.iter().copied())),
            Self::Remove { at, n } => {
                let (start, end) = (place(*at), (place(*at) + n).min(file.len()));
                drop(file.drain(start..end));
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => (any::<usize>(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip { at, bits }),
        1 => any::<usize>().prop_map(|at| Damage::Truncate { at }),
        2 => (any::<usize>(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        1 => (any::<usize>(), 1..40_usize).prop_map(|(at, n)| Damage::Remove { at, n }),
    ]
}

/// Every way to use a model, with values that lead everywhere.
fn use_all_of(model: &Model) {
    for value in [f32::NAN, f32::NEG_INFINITY, -1.0, 0.0, 1.0, 255.0, f32::MAX, f32::INFINITY] {
        let score = model.score(&vec![value; model.schema().len()]);
        model.decide(score);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_model_read_from_its_bytes_is_the_same_model_and_has_the_same_bytes(model in model()) {
        let bytes = model.to_bytes().expect("writes");
        let read = Model::from_bytes(&bytes).expect("reads");
        prop_assert_eq!(&read, &model);
        prop_assert_eq!(read.to_bytes().expect("writes"), bytes);
    }

    #[test]
    fn a_damaged_file_is_refused_or_still_the_same_model(model in model(), damage in vec(damage(), 1..4)) {
        let mut file = model.to_bytes().expect("writes");
        damage.iter().for_each(|damage| damage.apply(&mut file));
        if let Ok(read) = Model::from_bytes(&file) {
            prop_assert_eq!(read, model);
        }
    }

    #[test]
    fn damage_under_a_right_checksum_is_refused_or_a_usable_model(
        model in model(),
        in_header in vec(damage(), 0..3),
        in_tensors in vec((any::<prop::sample::Index>(), any::<usize>(), 1..=255_u8), 0..4),
    ) {
        let mut parts = Parts::of(&model.to_bytes().expect("writes")).expect("is a container");
        let mut text = parts.text.as_bytes()[97..].to_vec();
        in_header.iter().for_each(|damage| damage.apply(&mut text));
        parts.text.replace_range(97.., &String::from_utf8_lossy(&text));
        for (tensor, at, bits) in in_tensors {
            if !parts.tensors.is_empty() {
                let (_, _, bytes) = parts.tensors.values_mut().nth(tensor.index(7)).expect("a forest has seven");
                Damage::Flip { at, bits }.apply(bytes);
            }
        }
        if let Ok(read) = Model::from_bytes(&parts.sealed().packed()) {
            use_all_of(&read);
            let bytes = read.to_bytes().expect("what was read can be written");
            prop_assert_eq!(Model::from_bytes(&bytes).expect("reads"), read);
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert!(Model::from_bytes(&bytes).is_err());
    }
}
