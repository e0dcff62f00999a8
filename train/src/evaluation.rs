//! A model held against the test split: metrics, curves, segments, importance, a yardstick.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use churn_features::FeatureSchema;
use churn_features::{Feature, FeatureKind};
use churn_model::evaluate::{
    self, Binning, ColumnGroup, Confusion, EvaluateError, Importance, Metrics, permutation_importance,
};
use churn_model::fit::{CalibratorLearner, DecisionTreeLearner, FitError, FittedTree, Progress};
use churn_model::{Campaign, RawScale, Threshold};

use crate::Error;
use crate::outcome::{Baseline, Evaluation, Segment};
use crate::rows::Rows;

/// Bins of the calibration curve and of the score histogram.
const N_CALIBRATION_BINS: usize = 10;
const N_HISTOGRAM_BINS: usize = 40;

/// Observations that the importance is measured on, at most; more change no order that matters.
const MOST_IMPORTANCE_ROWS: usize = 2_000;
const N_IMPORTANCE_REPEATS: usize = 5;

/// Features that the segment table is made by.
pub(crate) const N_SEGMENT_FEATURES: usize = 4;

/// Levels of one feature that the segment table shows.
const MOST_SEGMENT_LEVELS: usize = 12;

/// Rows that a thread scores at a time.
const CHUNK_ROWS: usize = 1024;

/// The score of every row, on all threads; `scores` gives those of some rows, which stand one after the other.
pub(crate) fn score_all(features: ArrayView2<'_, f32>, scores: impl Fn(&[f32]) -> Vec<f64> + Sync) -> Vec<f64> {
    let chunks: Vec<_> = features.axis_chunks_iter(Axis(0), CHUNK_ROWS).collect();
    let score_chunk = |chunk: &ArrayView2<'_, f32>| {
        let chunk = chunk.as_standard_layout();
        scores(chunk.as_slice().expect("this cannot fail because the layout has just been made standard"))
    };
    chunks.par_iter().flat_map_iter(score_chunk).collect()
}

/// Numbers and curves of scores held against labels.
///
/// # Errors
/// When the labels are all equal, or a score is no probability.
pub(crate) fn evaluate(
    scores: &[f64],
    labels: &[bool],
    threshold: &Threshold,
    campaign: &Campaign,
) -> Result<Evaluation, EvaluateError> {
    let mut histogram = vec![(0, 0); N_HISTOGRAM_BINS];
    for (score, &churned) in scores.iter().zip(labels) {
        let bin = &mut histogram[((score * N_HISTOGRAM_BINS as f64) as usize).min(N_HISTOGRAM_BINS - 1)];
        if churned { bin.1 += 1 } else { bin.0 += 1 }
    }
    Ok(Evaluation {
        metrics: Metrics::of(scores, labels, campaign)?,
        roc: evaluate::roc_curve(scores, labels)?,
        precision_recall: evaluate::precision_recall_curve(scores, labels)?,
        calibration: evaluate::calibration_table(scores, labels, Binning::EqualMass, N_CALIBRATION_BINS)?,
        gains: evaluate::gains_curve(scores, labels)?,
        profit: evaluate::profit_curve(scores, labels, campaign)?,
        confusion: Confusion::at(threshold.score, scores, labels)?,
        histogram,
    })
}

/// How much a model needs each group of columns, most needed first, and on how many observations that was measured.
///
/// # Errors
/// When the rows it is measured on bear one label only.
pub(crate) fn importance(
    groups: &[ColumnGroup],
    rows: &Rows,
    seed: u64,
    scores: impl Fn(&[f32]) -> Vec<f64> + Sync,
) -> Result<(Vec<Importance>, usize), EvaluateError> {
    let step = rows.len().div_ceil(MOST_IMPORTANCE_ROWS).max(1);
    let sample: Vec<usize> = (0..rows.len()).step_by(step).collect();
    let sample = rows.select(&sample);
    let score_matrix = |features: ArrayView2<'_, f32>| score_all(features, &scores);
    let mut importance = permutation_importance(
        sample.features.view(),
        &sample.labels,
        groups,
        N_IMPORTANCE_REPEATS,
        seed,
        score_matrix,
    )?;
    importance.sort_by(|a, b| b.log_loss_increase.mean.total_cmp(&a.log_loss_increase.mean));
    Ok((importance, sample.len()))
}

/// The test split in parts by these features.
pub(crate) fn segments(
    schema: &FeatureSchema,
    features: &[&str],
    rows: &Rows,
    scores: &[f64],
    threshold: &Threshold,
) -> Vec<Segment> {
    let positions = features.iter().filter_map(|name| schema.position(name));
    positions
        .flat_map(|position| {
            let feature = &schema.features()[position];
            let values: Vec<f32> = rows.features.column(position).to_vec();
            parts(feature, &values).into_iter().filter_map(move |(part, is_in)| {
                let members: Vec<usize> = (0..values.len()).filter(|&row| is_in(values[row])).collect();
                (!members.is_empty()).then(|| segment(feature.name(), part, &members, rows, scores, threshold))
            })
        })
        .collect()
}

type Part = (String, Box<dyn Fn(f32) -> bool>);

fn parts(feature: &Feature, values: &[f32]) -> Vec<Part> {
    let equals = |code: usize| Box::new(move |value: f32| value == code as f32) as Box<dyn Fn(f32) -> bool>;
    let mut parts: Vec<Part> = match feature.kind() {
        FeatureKind::Category { levels } => {
            let count = |code: usize| values.iter().filter(|&&value| value == code as f32).count();
            let mut codes: Vec<usize> = (0..levels.len()).collect();
            codes.sort_by_key(|&code| std::cmp::Reverse(count(code)));
            codes.into_iter().take(MOST_SEGMENT_LEVELS).map(|code| (levels[code].clone(), equals(code))).collect()
        }
        FeatureKind::Boolean => vec![("yes".to_owned(), equals(1)), ("no".to_owned(), equals(0))],
        FeatureKind::Numeric => quarters(values),
    };
    parts.push(("missing".to_owned(), Box::new(f32::is_nan)));
    parts
}

fn quarters(values: &[f32]) -> Vec<Part> {
    let mut known: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    known.sort_unstable_by(f32::total_cmp);
    let mut edges: Vec<f32> = (1..4).filter_map(|quarter| known.get(quarter * known.len() / 4).copied()).collect();
    edges.dedup();
    let texts = edge_texts(&edges);
    let text = |edge: f32| edges.iter().position(|other| *other == edge).map_or("", |at| &texts[at]);
    let starts = [f32::NEG_INFINITY].into_iter().chain(edges.iter().copied());
    let ends = edges.iter().copied().chain([f32::INFINITY]);
    starts
        .zip(ends)
        .map(|(start, end)| {
            let text = match (start.is_finite(), end.is_finite()) {
                (false, true) => format!("below {}", text(end)),
                (true, false) => format!("{} and more", text(start)),
                _ if start.is_finite() => format!("{} to below {}", text(start), text(end)),
                _ => "all".to_owned(),
            };
            (text, Box::new(move |value: f32| value >= start && value < end) as Box<dyn Fn(f32) -> bool>)
        })
        .collect()
}

/// Edges with as many significant digits as tell them apart, four at least, and no digits of a whole number left out.
fn edge_texts(edges: &[f32]) -> Vec<String> {
    let texts = |digits: i32| -> Vec<String> { edges.iter().map(|&edge| rounded(edge, digits)).collect() };
    let are_apart = |texts: &Vec<String>| texts.windows(2).all(|pair| pair[0] != pair[1]);
    (4..9).map(texts).find(are_apart).unwrap_or_else(|| edges.iter().map(f32::to_string).collect())
}

fn rounded(edge: f32, digits: i32) -> String {
    if edge == 0.0 || edge.fract() == 0.0 {
        return edge.to_string();
    }
    let places = (digits - 1 - edge.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{edge:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn segment(
    feature: &str,
    part: String,
    members: &[usize],
    rows: &Rows,
    scores: &[f64],
    threshold: &Threshold,
) -> Segment {
    let scores: Vec<f64> = members.iter().map(|&row| scores[row]).collect();
    let labels: Vec<bool> = members.iter().map(|&row| rows.labels[row]).collect();
    let n = members.len();
    Segment {
        feature: feature.to_owned(),
        part,
        n,
        n_churned: labels.iter().filter(|&&label| label).count(),
        mean_score: scores.iter().sum::<f64>() / n as f64,
        roc_auc: evaluate::roc_auc(&scores, &labels).ok(),
        decided_share: scores.iter().filter(|&&score| threshold.decide(score)).count() as f64 / n as f64,
    }
}

/// What the best single feature reaches in a tree of depth 3.
///
/// # Errors
/// When a tree cannot be fitted or its scores cannot be evaluated.
pub(crate) fn baseline(
    schema: &FeatureSchema,
    fit: &Rows,
    test: &Rows,
    campaign: &Campaign,
    seed: u64,
) -> Result<Baseline, Error> {
    let learner = DecisionTreeLearner { max_depth: 3, min_leaf: 20, complexity: Some(0.0), seed, ..Default::default() };
    let fit_error = |source: FitError| Error::Fit { what: "the one-feature baseline".to_owned(), source };
    let mut best: Option<(f64, usize, FittedTree)> = None;
    for (position, feature) in schema.features().iter().enumerate() {
        let one = FeatureSchema::new(vec![feature.clone()])
            .expect("this cannot fail because the feature comes from a sound schema");
        let column = fit.features.select(Axis(1), &[position]);
        let observations = fit.observe(&one, column.view()).map_err(fit_error)?;
        let fitted = learner.fit_out_of_fold(&observations, &Progress::silent()).map_err(fit_error)?;
        // The shares of leaves this large are good enough to choose by; only those of the best are calibrated.
        let as_it_is = CalibratorLearner::Identity;
        let loss = as_it_is.log_loss(RawScale::Share, &fitted.out_of_fold, &observations).map_err(fit_error)?;
        if best.as_ref().is_none_or(|best| loss < best.0) {
            best = Some((loss, position, fitted));
        }
    }
    let (_, position, FittedTree { model, out_of_fold, .. }) =
        best.expect("this cannot fail because a schema has a feature");
    let observations = fit.observations(schema).map_err(fit_error)?;
    let calibrator =
        CalibratorLearner::Logistic.fit(RawScale::Share, &out_of_fold, &observations).map_err(fit_error)?;
    let column = test.features.select(Axis(1), &[position]);
    let scores = score_all(column.view(), |rows| calibrator.scores(RawScale::Share, model.raw_scores(rows)));
    let what = || "the one-feature baseline".to_owned();
    let test =
        Metrics::of(&scores, &test.labels, campaign).map_err(|source| Error::Evaluate { what: what(), source })?;
    Ok(Baseline { feature: schema.features()[position].name().to_owned(), test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_segments_are_short_and_tell_each_other_apart() {
        assert_eq!(edge_texts(&[0.1 + 0.2, 12.300_001, 1_234_567.0]), ["0.3", "12.3", "1234567"]);
        assert_eq!(edge_texts(&[0.123_41, 0.123_44]), ["0.12341", "0.12344"]);
        assert_eq!(
            edge_texts(&[-0.000_012_345_6, 0.0, 1e-30]),
            ["-0.00001235", "0", "0.000000000000000000000000000001"]
        );
    }
}
