//! Two small learners of other make than the project's, to judge how hard the world is.

use rayon::prelude::*;

use super::counts::WIDTH;
use crate::dice::{Purpose, dice};

/// One standardised row per observation.
pub(super) type Matrix = Vec<[f64; WIDTH]>;

/// Signed logarithms with mean 0 and standard deviation 1 per column.
pub(super) fn standardised(rows: &[[f64; WIDTH]]) -> Matrix {
    let mut matrix: Matrix = rows.iter().map(|row| row.map(|value| value.signum() * value.abs().ln_1p())).collect();
    let n = matrix.len().max(1) as f64;
    for column in 0..WIDTH {
        let mean = matrix.iter().map(|row| row[column]).sum::<f64>() / n;
        let variance = matrix.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / n;
        let sd = variance.sqrt().max(1e-9);
        matrix.iter_mut().for_each(|row| row[column] = (row[column] - mean) / sd);
    }
    matrix
}

/// Logistic regression with a small ridge, by Newton's method; returns the intercept after the weights.
pub(super) fn logistic(matrix: &Matrix, labels: &[bool], rows: &[usize]) -> [f64; WIDTH + 1] {
    const N: usize = WIDTH + 1;
    let mut weights = [0.0; N];
    for _ in 0..12 {
        let mut gradient = [0.0; N];
        let mut hessian = [[0.0; N]; N];
        for &row in rows {
            let mut x = [1.0; N];
            x[..WIDTH].copy_from_slice(&matrix[row]);
            let p = 1.0 / (1.0 + (-dot(&x, &weights)).exp());
            let w = p * (1.0 - p);
            for i in 0..N {
                gradient[i] += (f64::from(labels[row]) - p) * x[i];
                let wx = w * x[i];
                for j in 0..=i {
                    hessian[i][j] += wx * x[j];
                }
            }
        }
        for i in 0..WIDTH {
            gradient[i] -= weights[i];
            hessian[i][i] += 1.0;
        }
        let step = solve(hessian, gradient);
        weights.iter_mut().zip(step).for_each(|(weight, step)| *weight += step);
        if step.iter().all(|step| step.abs() < 1e-6) {
            break;
        }
    }
    weights
}

pub(super) fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves a positive definite system of which the lower half is given, by Cholesky's method.
fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            a[i][j] = if i == j { (a[i][i] - sum).max(1e-12).sqrt() } else { (a[i][j] - sum) / a[j][j] };
        }
        b[i] = (b[i] - (0..i).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    for i in (0..N).rev() {
        b[i] = (b[i] - (i + 1..N).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    b
}

const N_TREES: u64 = 80;
const N_BINS: usize = 32;
const DEPTH: u32 = 9;
const LEAF: usize = 25;
const TRIED: usize = 8;

/// Column values as the number of the quantile they fall into.
pub(super) fn binned(matrix: &Matrix) -> Vec<[u8; WIDTH]> {
    let mut bins = vec![[0; WIDTH]; matrix.len()];
    for column in 0..WIDTH {
        let mut values: Vec<f64> = matrix.iter().map(|row| row[column]).collect();
        values.sort_unstable_by(f64::total_cmp);
        let mut cuts: Vec<f64> = (1..N_BINS).map(|bin| values[(values.len() - 1) * bin / N_BINS]).collect();
        cuts.dedup();
        for (bin, row) in bins.iter_mut().zip(matrix) {
            bin[column] = cuts.partition_point(|cut| *cut < row[column]) as u8;
        }
    }
    bins
}

enum Node {
    Leaf(f64),
    Split { column: usize, below: u8, left: usize, right: usize },
}

/// A forest of trees, each on tenants drawn with replacement; returns the mean churn share of the leaves for `scored`.
pub(super) fn forest(
    bins: &[[u8; WIDTH]],
    labels: &[bool],
    tenants: &[u32],
    fitted: &[usize],
    scored: &[usize],
    seed: u64,
) -> Vec<f64> {
    let trees: Vec<Vec<Node>> = (0..N_TREES)
        .into_par_iter()
        .map(|tree| {
            let times = |tenant: u32| dice(seed, tenant, Purpose::Validation, tree).poisson(1.0);
            let bag = fitted.iter().flat_map(|&row| std::iter::repeat_n(row, times(tenants[row]) as usize)).collect();
            let mut dice = dice(seed, u32::MAX, Purpose::Validation, tree);
            let mut nodes = Vec::new();
            grow(bins, labels, bag, DEPTH, &mut nodes, &mut dice);
            nodes
        })
        .collect();
    let score = |row: &usize| {
        let total: f64 = trees.iter().map(|nodes| leaf(nodes, &bins[*row])).sum();
        total / N_TREES as f64
    };
    scored.par_iter().map(score).collect()
}

fn leaf(nodes: &[Node], bins: &[u8; WIDTH]) -> f64 {
    let mut at = 0;
    loop {
        match &nodes[at] {
            Node::Leaf(share) => return *share,
            Node::Split { column, below, left, right } => at = if bins[*column] < *below { *left } else { *right },
        }
    }
}

fn grow(
    bins: &[[u8; WIDTH]],
    labels: &[bool],
    rows: Vec<usize>,
    depth: u32,
    nodes: &mut Vec<Node>,
    dice: &mut crate::dice::Dice,
) -> usize {
    let at = nodes.len();
    let n_churned = rows.iter().filter(|row| labels[**row]).count() as f64;
    let n = rows.len() as f64;
    nodes.push(Node::Leaf((n_churned + 0.05) / (n + 1.0)));
    if depth == 0 || rows.len() < 2 * LEAF || n_churned == 0.0 || n_churned == n {
        return at;
    }
    let mut best: Option<(f64, usize, u8)> = None;
    for _ in 0..TRIED {
        let column = dice.below(WIDTH as u32) as usize;
        let mut counts = [[0.0; 2]; N_BINS];
        rows.iter().for_each(|&row| counts[bins[row][column] as usize][usize::from(labels[row])] += 1.0);
        let (mut left, mut left_churned) = (0.0, 0.0);
        for below in 1..N_BINS {
            left += counts[below - 1][0] + counts[below - 1][1];
            left_churned += counts[below - 1][1];
            let (right, right_churned) = (n - left, n_churned - left_churned);
            if left >= LEAF as f64 && right >= LEAF as f64 {
                // What is left of Gini's impurity is the same for all splits but for this sum.
                let gain: f64 = left_churned * left_churned / left + right_churned * right_churned / right;
                if best.is_none_or(|(most, ..)| gain > most) {
                    best = Some((gain, column, below as u8));
                }
            }
        }
    }
    if let Some((_, column, below)) = best {
        let (left, right) = rows.into_iter().partition(|row| bins[*row][column] < below);
        let left = grow(bins, labels, left, depth - 1, nodes, dice);
        let right = grow(bins, labels, right, depth - 1, nodes, dice);
        nodes[at] = Node::Split { column, below, left, right };
    }
    at
}

/// The chance that a row with the label scores higher than one without, ties counted half.
pub(super) fn roc_auc(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut rank_sum, mut n_churned) = (0.0, 0.0);
    let mut from = 0;
    while from < order.len() {
        let score = scores[order[from]];
        let to = from + order[from..].iter().take_while(|row| scores[**row] == score).count();
        let rank = (from + to + 1) as f64 / 2.0;
        let churned = order[from..to].iter().filter(|row| labels[**row]).count() as f64;
        rank_sum += rank * churned;
        n_churned += churned;
        from = to;
    }
    let n_stayed = scores.len() as f64 - n_churned;
    (rank_sum - n_churned * (n_churned + 1.0) / 2.0) / (n_churned * n_stayed)
}
