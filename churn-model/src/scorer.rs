//! The hot path: churn probabilities as fast as the processor allows.
//!
//! A [`Scorer`] is made once from a [`Model`] and asked many times. It gives bit for bit the scores of the model: partial
//! sums of leaf values are added in the same order, whatever the kernel.
//!
//! **What is computed.** A tree asks one question after the other, each answer deciding which word of memory to fetch
//! next; a hundred trees are a hundred chains that do not wait for each other. All kernels walk sixteen trees or more side by
//! side, without a branch that depends on the row.
//!
//! **Layout.** Split values become positions: a row is encoded once, one byte per feature (two where missing values go
//! both ways, more where a feature has over 254 split values), and a node is a word of four bytes that names slot, bin and the
//! step to its children. A split by category is a search in the runs of its level set, and a missing value is a code
//! like any other, so that a kernel knows one question only. Leaf values stand apart, as only one per tree is read: eight bytes
//! a node in all. The top four levels are complete and stand in two cache lines; below, the pairs that most observations
//! visit are packed into lines of eight, so that a walk touches few lines.
//!
//! **Kernels.** Chosen when the scorer is made: `avx512` (sixteen trees in the lanes of a vector, up to eight vectors,
//! codes and top levels in registers, one gather per level) and `portable`. Forests that do not fit words (thousands of
//! features or split values) are walked as nodes of 16 bytes over the row itself. Linear models are in `linear`.
//!
//! `cargo bench -p churn-benches --bench score` measures all of it, `benches/peers/score.sh` beside other libraries.

mod codes;
mod compact;
mod linear;
mod portable;
mod wide;

#[cfg(target_arch = "x86_64")]
mod avx512;

use codes::{Codes, Cuts};
use compact::CompactForest;
use linear::LinearTerms;
use wide::WideForest;

use crate::calibrator::{Calibrator, RawScale};
use crate::forest::{Combine, LANES, reduce};
use crate::model::{Model, ModelKind};

/// The instructions that forests are walked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Those that every processor has.
    Portable,
    /// AVX-512 with VBMI.
    Avx512,
}

impl Kernel {
    /// The kernels that this processor can run, the best one last.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if avx512::is_available() {
            kernels.push(Self::Avx512);
        }
        kernels
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if avx512::is_available() {
            return Self::Avx512;
        }
        Self::Portable
    }
}

/// Scores feature vectors with one model; may be shared by threads, takes no lock.
///
/// ```no_run
/// use churn_model::{Model, Scorer};
///
/// let model = Model::read("model.safetensors".as_ref())?;
/// let scorer = Scorer::new(&model);
/// let row = vec![f32::NAN; model.schema().len()];
/// assert_eq!(scorer.score(&row), model.score(&row));
/// # Ok::<(), churn_model::ReadError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scorer {
    n_features: usize,
    engine: Engine,
    kernel: Kernel,
    combine: Combine,
    n_trees: usize,
    scale: RawScale,
    calibrator: Calibrator,
    /// The model's own threshold, as a score.
    threshold: f64,
}

#[derive(Debug, Clone)]
enum Engine {
    Compact(CompactForest),
    Wide(WideForest),
    Linear(LinearTerms),
}

impl Scorer {
    /// Makes a model ready, for the best instructions that this processor has.
    ///
    /// # Cost
    /// O(nodes) time and 8 to 16 bytes a node.
    pub fn new(model: &Model) -> Self {
        Self::with_kernel(model, Kernel::best())
    }

    /// Makes a model ready for given instructions, or for portable ones where the processor or the forest does not suit them.
    pub fn with_kernel(model: &Model, kernel: Kernel) -> Self {
        let (engine, combine, n_trees) = match model.kind() {
            ModelKind::Linear(linear) => {
                (Engine::Linear(LinearTerms::new(linear, kernel)), Combine::SumLogOdds { base: 0.0 }, 0)
            }
            ModelKind::Forest(forest) => {
                let engine =
                    CompactForest::new(forest).map_or_else(|| Engine::Wide(WideForest::new(forest)), Engine::Compact);
                (engine, forest.combine(), forest.n_trees())
            }
        };
        let fits = match (&engine, kernel) {
            (Engine::Compact(_), Kernel::Portable) => true,
            (Engine::Linear(terms), _) => !terms.is_portable(),
            #[cfg(target_arch = "x86_64")]
            (Engine::Compact(forest), Kernel::Avx512) => {
                avx512::is_available() && forest.encoder.n_slots() < avx512::MOST_SLOTS
            }
            _ => false,
        };
        Self {
            n_features: model.kind().n_features(),
            engine,
            kernel: if fits { kernel } else { Kernel::Portable },
            combine,
            n_trees,
            scale: model.kind().raw_scale(),
            calibrator: model.calibrator().clone(),
            threshold: model.threshold().score,
        }
    }

    /// The instructions in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Bytes that trees take.
    pub fn n_bytes(&self) -> usize {
        match &self.engine {
            Engine::Compact(forest) => forest.n_bytes(),
            Engine::Wide(forest) => forest.n_bytes(),
            Engine::Linear(_) => 0,
        }
    }

    /// The churn probability of one feature vector, bit for bit that of [`Model::score`].
    ///
    /// # Missing
    /// NaN, and a category code that the schema does not have.
    /// # Panics
    /// When `row` does not have one value per feature.
    /// # Cost
    /// O(features + trees x depth), or O(features) for a linear model; no allocation and no lock.
    pub fn score(&self, row: &[f32]) -> f64 {
        self.calibrator.score(self.scale, self.raw_score(row))
    }

    /// The uncalibrated output for one feature vector; see [`score`](Self::score).
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn raw_score(&self, row: &[f32]) -> f64 {
        assert_eq!(row.len(), self.n_features, "a feature vector has one value per feature");
        let mut sums = [0.0; LANES];
        match &self.engine {
            Engine::Linear(terms) => return terms.raw_score(row),
            Engine::Compact(forest) => {
                let mut codes = Codes::ZERO;
                self.encode(forest, row, &mut codes);
                self.add_groups(forest, 0..forest.groups.len(), &codes, &mut sums);
            }
            Engine::Wide(forest) => forest.add_trees(0..forest.n_trees(), row, &mut sums),
        }
        self.combined(sums)
    }

    /// The churn probabilities of many feature vectors; on all cores with the feature `rayon`, where that is sooner.
    ///
    /// # Shape
    /// `rows` is row-major `(n_rows, n_features)`; the result is `(n_rows,)`.
    /// # Panics
    /// When `rows` is not a whole number of feature vectors.
    pub fn score_batch(&self, rows: &[f32]) -> Vec<f64> {
        let mut scores = vec![0.0; rows.len() / self.n_features.max(1)];
        self.score_into(rows, &mut scores);
        scores
    }

    /// Writes the churn probabilities of many feature vectors; see [`score_batch`](Self::score_batch).
    ///
    /// # Panics
    /// When `rows` does not hold as many feature vectors as there is room for scores.
    pub fn score_into(&self, rows: &[f32], scores: &mut [f64]) {
        assert_eq!(rows.len(), scores.len() * self.n_features, "rows hold one value per feature and score");
        let chunk = |(rows, scores): (&[f32], &mut [f64])| {
            self.raw_scores_into(rows, scores);
            scores.iter_mut().for_each(|raw| *raw = self.calibrator.score(self.scale, *raw));
        };
        #[cfg(feature = "rayon")]
        if scores.len() >= PARALLEL_ROWS && self.n_features > 0 {
            use rayon::prelude::*;
            let pieces = rows.par_chunks(THREAD_ROWS * self.n_features).zip(scores.par_chunks_mut(THREAD_ROWS));
            return pieces.for_each(chunk);
        }
        chunk((rows, scores));
    }

    fn raw_scores_into(&self, rows: &[f32], scores: &mut [f64]) {
        let width = self.n_features.max(1);
        let row = |position: usize| &rows[position * width..][..self.n_features];
        let n_rows = scores.len();
        let score_rows = |first: usize, scores: &mut [f64]| match &self.engine {
            Engine::Compact(forest) if forest.n_bytes() > CACHED_BYTES => {
                let mut codes = vec![Codes::ZERO; scores.len()];
                for (position, codes) in codes.iter_mut().enumerate() {
                    self.encode(forest, row(first + position), codes);
                }
                let mut sums = vec![[0.0; LANES]; scores.len()];
                let n_parts = forest.n_bytes().div_ceil(CACHED_BYTES);
                let n_groups = forest.groups.len();
                for part in 0..n_parts {
                    let groups = n_groups * part / n_parts..n_groups * (part + 1) / n_parts;
                    for (codes, sums) in codes.iter().zip(&mut sums) {
                        self.add_groups(forest, groups.clone(), codes, sums);
                    }
                }
                for (score, sums) in scores.iter_mut().zip(sums) {
                    *score = self.combined(sums);
                }
            }
            Engine::Compact(_) | Engine::Wide(_) | Engine::Linear(_) => {
                for (position, score) in scores.iter_mut().enumerate() {
                    *score = self.raw_score(row(first + position));
                }
            }
        };
        for first in (0..n_rows).step_by(BLOCK_ROWS) {
            score_rows(first, &mut scores[first..n_rows.min(first + BLOCK_ROWS)]);
        }
    }

    /// Whether to act by the model's own threshold: `score(row) >= threshold`, often without asking all trees.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn decide(&self, row: &[f32]) -> bool {
        self.decide_at(row, self.threshold)
    }

    /// Whether the score of a row is at least `threshold`; stops asking trees as soon as the others cannot change the answer.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn decide_at(&self, row: &[f32], threshold: f64) -> bool {
        self.decide_counted(row, threshold).0
    }

    /// As [`decide_at`](Self::decide_at), and the number of trees that were asked.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn decide_counted(&self, row: &[f32], threshold: f64) -> (bool, usize) {
        let Engine::Compact(forest) = &self.engine else {
            return (self.score(row) >= threshold, self.n_trees);
        };
        assert_eq!(row.len(), self.n_features, "a feature vector has one value per feature");
        let mut codes = Codes::ZERO;
        self.encode(forest, row, &mut codes);
        let mut sums = [0.0; LANES];
        let n_groups = forest.groups.len();
        let mut first = 0;
        while first < n_groups {
            let next = n_groups.min(first + DECIDE_GROUPS);
            self.add_groups(forest, first..next, &codes, &mut sums);
            first = next;
            let rest = forest.groups[first..]
                .iter()
                .fold([0.0; 2], |[a, b], group| [a + group.bounds[0], b + group.bounds[1]]);
            let sum = reduce(sums);
            // Rounding moves sums of f64 by far less than this.
            let slack = 1e-9 * (sum.abs() + rest[0].abs() + rest[1].abs());
            let score = |sum: f64| self.calibrator.score(self.scale, self.combine.of_sum(sum, self.n_trees));
            if score(sum + rest[0] - slack) >= threshold {
                return (true, self.n_trees.min(first * LANES));
            }
            if score(sum + rest[1] + slack) < threshold {
                return (false, self.n_trees.min(first * LANES));
            }
        }
        (self.calibrator.score(self.scale, self.combined(sums)) >= threshold, self.n_trees)
    }

    fn combined(&self, sums: [f64; LANES]) -> f64 {
        self.combine.of_sum(reduce(sums), self.n_trees)
    }

    #[inline]
    fn encode(&self, forest: &CompactForest, row: &[f32], codes: &mut Codes) {
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: this kernel is only chosen where the processor has its instructions.
            Kernel::Avx512 => unsafe { avx512::encode(forest, row, codes) },
            _ => forest.encoder.encode(row, codes, Cuts::count),
        }
    }

    #[inline]
    fn add_groups(
        &self,
        forest: &CompactForest,
        groups: std::ops::Range<usize>,
        codes: &Codes,
        sums: &mut [f64; LANES],
    ) {
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: this kernel is only chosen where the processor has its instructions and the slots are few enough.
            Kernel::Avx512 => unsafe { avx512::add_groups(forest, groups, codes, sums) },
            _ => portable::add_groups(forest, &forest.groups[groups], codes, sums),
        }
    }
}

/// Rows that are encoded together when a forest is walked part by part.
const BLOCK_ROWS: usize = 256;

/// Rows from which on a batch is shared among threads, and rows that a thread takes at a time.
#[cfg(feature = "rayon")]
const PARALLEL_ROWS: usize = 256;
#[cfg(feature = "rayon")]
const THREAD_ROWS: usize = 256;

/// Bytes of trees that stay in the second-level cache while a block of rows walks them.
const CACHED_BYTES: usize = 1 << 20;

/// Groups of trees between two looks at the bounds.
const DECIDE_GROUPS: usize = 2;
