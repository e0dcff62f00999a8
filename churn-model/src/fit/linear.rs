//! The linear learner: logistic regression with an elastic-net penalty.
//!
//! Newton's method; each quadratic step is solved by Cholesky's factors, or with a lasso by coordinate descent with
//! soft thresholds (Friedman, Hastie and Tibshirani 2010). Rows are expanded block by block, so that memory follows the
//! block and not the table.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::calibrator::mean_log_loss;
use super::cholesky;
use super::design::Design;
use super::random::subkey;
use super::weights::ClassWeight;
use super::{FitError, Observations, Progress, Step};
use crate::calibrator::sigmoid;
use crate::linear::LinearModel;

/// Fits a [`LinearModel`].
///
/// Numbers enter standardised, as they are and as signed logarithms; categories as a column of 0 and 1 per level; missing
/// values as one of their own. All of that is inside the model.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearLearner {
    /// Penalty on the squared or absolute weights, per observation. `None` chooses it by cross-validated log loss.
    pub penalty: Option<f64>,
    /// Share of the penalty on absolute weights: 0 is ridge, 1 is lasso.
    pub l1_ratio: f64,
    /// How much the two labels count.
    pub class_weight: ClassWeight,
    /// Newton steps, at most.
    pub max_steps: usize,
    /// Folds of the cross-validation that chooses the penalty and gives out-of-fold scores; 2 to 20.
    pub n_folds: usize,
    /// Seed of the folds.
    pub seed: u64,
}

impl Default for LinearLearner {
    fn default() -> Self {
        Self { penalty: None, l1_ratio: 0.0, class_weight: ClassWeight::Equal, max_steps: 50, n_folds: 5, seed: 0 }
    }
}

/// One penalty that was tried on the way to a linear model.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LinearTrial {
    /// The penalty.
    pub penalty: f64,
    /// Log loss of the out-of-fold scores.
    pub log_loss: f64,
}

/// A linear model, and what was learned about it on the way.
#[derive(Debug, Clone)]
pub struct FittedLinear {
    /// The model.
    pub model: LinearModel,
    /// Per observation, the log-odds by a model fitted on the other folds.
    pub out_of_fold: Vec<f64>,
    /// The penalty used.
    pub penalty: f64,
    /// The penalties compared; empty when it was given.
    pub trials: Vec<LinearTrial>,
    /// Newton steps taken by the last fit.
    pub n_steps: usize,
    /// Whether the weights stopped moving within the steps allowed.
    pub has_converged: bool,
}

/// Penalties that are compared when the data choose, from the heaviest.
const PENALTIES: [f64; 11] = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7];

/// A lighter penalty has to lower the log loss by this share of it to be worth going on.
const WORTH_IT: f64 = 1e-4;

impl LinearLearner {
    /// Fits a linear model.
    ///
    /// # Errors
    /// When a hyperparameter is out of range.
    /// # Cost
    /// O(observations x columns^2) per Newton step, on all threads of the current rayon pool. The model does not depend
    /// on their number.
    pub fn fit(&self, observations: &Observations<'_>) -> Result<LinearModel, FitError> {
        Ok(self.fit_out_of_fold(observations, &Progress::silent())?.model)
    }

    /// Fits a linear model, and scores every observation by one that has not seen its group.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_out_of_fold(
        &self,
        observations: &Observations<'_>,
        progress: &Progress<'_>,
    ) -> Result<FittedLinear, FitError> {
        self.check()?;
        let weights = self.class_weight.weigh(observations)?;
        let design = Design::new(observations, &weights);
        if design.width() > MOST_COLUMNS {
            return Err(FitError::TooMany {
                what: "columns of the linear learner",
                found: design.width(),
                most: MOST_COLUMNS,
            });
        }
        let problem = Problem { observations, design: &design, weights: &weights, progress: *progress };
        let folds: Vec<u64> = (0..observations.n_observations())
            .map(|row| subkey(self.seed, observations.group(row)) % self.n_folds as u64)
            .collect();

        let mut trials = Vec::new();
        let mut starts = vec![problem.start(); self.n_folds];
        let mut best: Option<(LinearTrial, Vec<f64>)> = None;
        let penalties = self.penalty.map_or(PENALTIES.to_vec(), |penalty| vec![penalty]);
        for penalty in penalties {
            let out_of_fold = self.cross_validate(&problem, &folds, penalty, &mut starts)?;
            let trial = LinearTrial { penalty, log_loss: mean_log_loss(&out_of_fold, observations) };
            progress.step(Step::Trial);
            trials.push(trial);
            let improves = best.as_ref().is_none_or(|(best, _)| trial.log_loss < best.log_loss * (1.0 - WORTH_IT));
            if improves {
                best = Some((trial, out_of_fold));
            } else if trial.log_loss > best.as_ref().map_or(f64::INFINITY, |(best, _)| best.log_loss * (1.0 + WORTH_IT))
            {
                break; // lighter penalties overfit from here on
            }
        }
        let (trial, out_of_fold) = best.expect("this cannot fail because there is at least one penalty");
        let solution = self.solve(&problem, trial.penalty, |_| true, starts[0].clone())?;
        Ok(FittedLinear {
            model: design.model(observations.schema(), &solution.weights.to_vec()),
            out_of_fold,
            penalty: trial.penalty,
            trials: if self.penalty.is_some() { Vec::new() } else { trials },
            n_steps: solution.n_steps,
            has_converged: solution.has_converged,
        })
    }

    fn check(&self) -> Result<(), FitError> {
        let fail = |name, found: String, expected| Err(FitError::Hyperparameter { name, found, expected });
        if let Some(penalty) = self.penalty.filter(|penalty| !(penalty.is_finite() && *penalty >= 0.0)) {
            return fail("penalty", penalty.to_string(), "a number of at least 0");
        }
        if !(0.0..=1.0).contains(&self.l1_ratio) {
            return fail("l1_ratio", self.l1_ratio.to_string(), "0 to 1");
        }
        if !(2..=20).contains(&self.n_folds) {
            return fail("n_folds", self.n_folds.to_string(), "2 to 20");
        }
        if self.max_steps == 0 {
            return fail("max_steps", self.max_steps.to_string(), "at least 1");
        }
        Ok(())
    }

    fn cross_validate(
        &self,
        problem: &Problem<'_, '_>,
        folds: &[u64],
        penalty: f64,
        starts: &mut [Array1<f64>],
    ) -> Result<Vec<f64>, FitError> {
        let mut out_of_fold = vec![0.0; folds.len()];
        for (fold, start) in starts.iter_mut().enumerate() {
            let is_held_out = |row: u32| folds[row as usize] == fold as u64;
            *start = self.solve(problem, penalty, |row| !is_held_out(row), start.clone())?.weights;
            let held_out: Vec<u32> = (0..folds.len() as u32).filter(|&row| is_held_out(row)).collect();
            for block in held_out.chunks(BLOCK_ROWS) {
                let log_odds = problem.design.expand(problem.observations, block).dot(&*start);
                block.iter().zip(log_odds).for_each(|(&row, log_odds)| out_of_fold[row as usize] = log_odds);
            }
        }
        Ok(out_of_fold)
    }

    /// Newton's method from `start`, with steps halved while they make things worse.
    fn solve(
        &self,
        problem: &Problem<'_, '_>,
        penalty: f64,
        takes_part: impl Fn(u32) -> bool,
        start: Array1<f64>,
    ) -> Result<Solution, FitError> {
        let rows: Vec<u32> = (0..problem.weights.len() as u32).filter(|&row| takes_part(row)).collect();
        let (ridge, lasso) = (penalty * (1.0 - self.l1_ratio), penalty * self.l1_ratio);
        let penalised = |loss: f64, weights: &Array1<f64>| {
            let (squares, sizes) =
                weights.iter().skip(1).fold((0.0, 0.0), |(squares, sizes), w| (squares + w * w, sizes + w.abs()));
            loss + ridge / 2.0 * squares + lasso * sizes
        };
        let mut weights = start;
        let mut here = problem.quadratic(&rows, &weights);
        let mut objective = penalised(here.loss, &weights);
        for n_steps in 1..=self.max_steps {
            let target = here.minimise(&weights, ridge, lasso);
            let mut step = &target - &weights;
            let mut n_halved = 0;
            let (next, there, next_objective) = loop {
                let next = &weights + &step;
                let there = problem.quadratic(&rows, &next);
                let next_objective = penalised(there.loss, &next);
                if next_objective <= objective + TOLERANCE * objective.abs() || n_halved == MAX_HALVINGS {
                    break (next, there, next_objective);
                }
                step /= 2.0;
                n_halved += 1;
            };
            problem.progress.check()?;
            let gain = objective - next_objective;
            (weights, here, objective) = (next, there, next_objective);
            if gain.abs() <= TOLERANCE * objective.abs().max(TOLERANCE) {
                return Ok(Solution { weights, n_steps, has_converged: true });
            }
        }
        Ok(Solution { weights, n_steps: self.max_steps, has_converged: false })
    }
}

/// Columns whose matrix of second derivatives is still held, in half a gigabyte per thread.
const MOST_COLUMNS: usize = 8_192;

/// Relative change of the objective at which the weights count as settled.
const TOLERANCE: f64 = 1e-10;
const MAX_HALVINGS: usize = 30;

/// Rows expanded at a time; fixed, so that sums do not depend on the number of threads.
const BLOCK_ROWS: usize = 2_048;

struct Solution {
    weights: Array1<f64>,
    n_steps: usize,
    has_converged: bool,
}

struct Problem<'a, 'o> {
    observations: &'a Observations<'o>,
    design: &'a Design,
    weights: &'a [f64],
    progress: Progress<'a>,
}

impl Problem<'_, '_> {
    /// All weights 0 but the intercept, which gives the base rate.
    fn start(&self) -> Array1<f64> {
        let labels = self.observations.labels();
        // Summed apart: where one label outweighs the other by 2^53, their difference would be nothing.
        let [stayed, churned] = [false, true].map(|label| -> f64 {
            self.weights.iter().zip(labels).filter(|(_, l)| **l == label).map(|(weight, _)| weight).sum()
        });
        let mut start = Array1::zeros(self.design.width());
        start[0] = churned.max(f64::MIN_POSITIVE).ln() - stayed.max(f64::MIN_POSITIVE).ln();
        start
    }

    /// Mean log loss over these rows, with its gradient and Hessian.
    fn quadratic(&self, rows: &[u32], at: &Array1<f64>) -> Quadratic {
        let blocks: Vec<Quadratic> = rows.par_chunks(BLOCK_ROWS).map(|block| self.block(block, at)).collect();
        let mut sum = Quadratic::zeros(self.design.width());
        for block in blocks {
            sum.weight += block.weight;
            sum.loss += block.loss;
            sum.gradient += &block.gradient;
            sum.hessian += &block.hessian;
        }
        let weight = sum.weight.max(f64::MIN_POSITIVE);
        Quadratic { loss: sum.loss / weight, gradient: sum.gradient / weight, hessian: sum.hessian / weight, weight }
    }

    fn block(&self, rows: &[u32], at: &Array1<f64>) -> Quadratic {
        if self.progress.is_stopped() {
            return Quadratic::zeros(self.design.width());
        }
        let columns = self.design.expand(self.observations, rows);
        let log_odds = columns.dot(at);
        let mut sum = Quadratic::zeros(self.design.width());
        let mut residuals = Array1::zeros(rows.len());
        let mut curved = columns.clone();
        for (position, &row) in rows.iter().enumerate() {
            let weight = self.weights[row as usize];
            let churned = self.observations.labels()[row as usize];
            let score = sigmoid(log_odds[position]);
            sum.weight += weight;
            sum.loss += weight * log_loss(log_odds[position], churned);
            residuals[position] = weight * (score - f64::from(u8::from(churned)));
            curved.index_axis_mut(Axis(0), position).mapv_inplace(|x| x * weight * score * (1.0 - score));
        }
        sum.gradient = columns.t().dot(&residuals);
        sum.hessian = columns.t().dot(&curved);
        sum
    }
}

/// Log loss of log-odds, without overflow.
fn log_loss(log_odds: f64, churned: bool) -> f64 {
    let wrong = if churned { -log_odds } else { log_odds };
    wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
}

struct Quadratic {
    weight: f64,
    loss: f64,
    gradient: Array1<f64>,
    hessian: Array2<f64>,
}

impl Quadratic {
    fn zeros(width: usize) -> Self {
        Self { weight: 0.0, loss: 0.0, gradient: Array1::zeros(width), hessian: Array2::zeros((width, width)) }
    }

    /// Where the quadratic with its penalties is smallest; the intercept is not penalised.
    fn minimise(&self, at: &Array1<f64>, ridge: f64, lasso: f64) -> Array1<f64> {
        let solved = if lasso == 0.0 { self.solve(at, ridge) } else { None };
        solved.unwrap_or_else(|| self.descend(at, ridge, lasso))
    }

    /// The same without a lasso: a system of linear equations. Columns that say the same, such as the levels of a wide
    /// category, would cost coordinate descent thousands of sweeps.
    fn solve(&self, at: &Array1<f64>, ridge: f64) -> Option<Array1<f64>> {
        let (mut matrix, mut slope) = (self.hessian.clone(), self.gradient.clone());
        for column in 1..at.len() {
            matrix[[column, column]] += ridge;
            slope[column] += ridge * at[column];
        }
        Some(at - &cholesky::solve(&matrix, &slope)?)
    }

    /// The same by coordinate descent, which leaps every now and then: where columns together say what others say, such
    /// as all levels of a category and the intercept, sweeps alone creep.
    fn descend(&self, at: &Array1<f64>, ridge: f64, lasso: f64) -> Array1<f64> {
        let mut point = Point { weights: at.clone(), gradient: self.gradient.clone() };
        for n_sweeps in 1..=MAX_SWEEPS {
            if self.sweep(&mut point, ridge, lasso) < SWEEP_TOLERANCE {
                break;
            }
            if n_sweeps % SWEEPS_PER_LEAP == 0 {
                self.leap(&mut point, ridge, lasso);
            }
        }
        point.weights
    }

    /// Moves every weight to where the quadratic is smallest while the others stay. Returns the largest gain, twice.
    fn sweep(&self, point: &mut Point, ridge: f64, lasso: f64) -> f64 {
        let Point { weights, gradient } = point;
        let mut largest = 0.0_f64;
        for column in 0..weights.len() {
            let curvature = self.hessian[[column, column]].max(LEAST_CURVATURE);
            let (ridge, lasso) = if column == 0 { (0.0, 0.0) } else { (ridge, lasso) };
            let pull = curvature * weights[column] - gradient[column];
            let moved = (pull.abs() - lasso).max(0.0).copysign(pull) / (curvature + ridge);
            let step = moved - weights[column];
            if step != 0.0 {
                weights[column] = moved;
                gradient.scaled_add(step, &self.hessian.row(column));
                largest = largest.max(step * step * curvature);
            }
        }
        largest
    }

    /// Moves all weights that are not 0 together, to where the quadratic is smallest or to where the first of them
    /// becomes 0: up to there the lasso is a straight line, and the rest a system of linear equations.
    fn leap(&self, point: &mut Point, ridge: f64, lasso: f64) {
        let Point { weights, gradient } = point;
        let active: Vec<usize> = (0..weights.len()).filter(|&column| column == 0 || weights[column] != 0.0).collect();
        let mut matrix = self.hessian.select(Axis(0), &active).select(Axis(1), &active);
        let mut slope = gradient.select(Axis(0), &active);
        for (position, &column) in active.iter().enumerate() {
            if column != 0 {
                matrix[[position, position]] += ridge;
                slope[position] += ridge * weights[column] + lasso * weights[column].signum();
            }
            // Where columns say the same the matrix is singular. With a little more curvature than there is, the
            // leap is shorter than it could be, and still downhill.
            matrix[[position, position]] = matrix[[position, position]].max(LEAST_CURVATURE) * (1.0 + LEAP_DAMPING);
        }
        let Some(direction) = cholesky::solve(&matrix, &slope) else { return };
        let until_zero = |position: usize, column: usize| {
            let share = weights[column] / direction[position];
            if lasso > 0.0 && column != 0 && share >= 0.0 { share } else { f64::INFINITY }
        };
        let length = active.iter().enumerate().map(|(p, &column)| until_zero(p, column)).fold(1.0, f64::min);
        let next: Vec<f64> = active
            .iter()
            .enumerate()
            .map(|(p, &column)| {
                let vanishes = until_zero(p, column) == length;
                if vanishes { 0.0 } else { weights[column] - length * direction[p] }
            })
            .collect();
        for (&column, next) in active.iter().zip(next) {
            gradient.scaled_add(next - weights[column], &self.hessian.row(column));
            weights[column] = next;
        }
    }
}

/// Weights on the way, with the gradient of the quadratic there, kept up to date as they move.
struct Point {
    weights: Array1<f64>,
    gradient: Array1<f64>,
}

const MAX_SWEEPS: usize = 2_000;
const SWEEP_TOLERANCE: f64 = 1e-20;
const SWEEPS_PER_LEAP: usize = 20;

/// Share added to the curvatures of a leap.
const LEAP_DAMPING: f64 = 1e-9;

/// Keeps a step finite where all scores are so certain that the loss no longer bends.
const LEAST_CURVATURE: f64 = 1e-12;
