//! The hot path: churn probabilities as fast as the processor allows.
//!
//! A [`Scorer`] is made once from a [`Model`] and asked many times. It gives bit for bit the scores of the model: partial
//! sums of leaf values are added in the same order, whatever the kernel.
//!
//! **What is computed.** A tree asks one question after the other, each answer deciding which word of memory to fetch
//! next; a hundred trees are a hundred chains that do not wait for each other. All kernels walk sixteen trees or more
//! side by side, without a branch that depends on the row.
//!
//! **Layout.** Split values become positions: a row is encoded once, one byte per feature (two where missing values go
//! both ways, more where a feature has over 254 split values), and a node is a word of four bytes that names slot, bin
//! and the step to its children. A split by category is a search in the runs of its level set, and a missing value is a
//! code like any other, so that a kernel knows one question only. Leaf values stand apart, as only one per tree is
//! read: eight bytes a node in all. The top four levels are complete and stand in two cache lines; below, the pairs
//! that most observations visit are packed into lines of eight, so that a walk touches few lines.
//!
//! **Kernels.** Chosen when the scorer is made. `portable` walks sixteen trees side by side in plain code. `avx2` puts
//! them into the lanes of two vectors, one gather per level; `avx512` into one vector, with the codes and the top
//! levels of a group in registers; `neon` has the codes there too, and loads words one by one. A single row meets
//! several groups at once so that their gathers overlap; of a batch, several rows meet one group, whose words stay in
//! the second-level cache. Forests that do not fit words ([`Scorer::new`] says which) are walked as nodes of
//! 16 bytes over the row itself. Linear models are in `linear`.
//!
//! **Budget.** 100 trees x depth 12, 20 features, AVX-512, one row: some 500 ns, of which the codes take 60 and 63 gathers
//! nearly all of the rest. They are bound by how many lines the second-level cache hands out: where most lie in the nearest
//! one, at depth 6, a row takes 200 ns.
//!
//! **Tried and dropped.** In the portable kernel: bounds checks (2.6 times as long); eight chains instead of sixteen,
//! so that no position is spilled (8 % longer), or four (25 %); positions of 32 bits (15 % longer, as each step extends
//! one); sixteen comparisons per split value line, as AVX makes them (encoding took 60 % longer than with a search by
//! halves). With AVX2, two walks at a time instead of four (15 % longer); eight (8 % longer at depth 12, 8 % shorter at
//! 6). A batch row after row through one part of the forest after the other (1.6 times as long at 100 x 12, 5 times
//! without limit of depth: few gathers overlap). Looking at the bounds of decisions every two groups instead of four (a
//! decision took longer than a score with AVX-512, as each look waits for all gathers before it).
//!
//! `cargo bench -p churn-benches --bench score` measures all of it, `benches/peers/score.sh` beside other libraries.

mod codes;
mod compact;
mod file;
mod linear;
mod nodes;
mod portable;
mod walks;
mod wide;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use std::ops::Range;
use std::slice::{from_mut, from_ref};

use codes::{Codes, Cuts, MAX_SLOTS};
use compact::CompactForest;
use linear::LinearTerms;
use wide::WideForest;

use churn_features::FeatureSchema;

use crate::calibrator::Calibrator;
use crate::file::ModelId;
use crate::forest::{Combine, LANES, reduce};
use crate::model::{Model, ModelKind};

/// The instructions that models are scored with, the preferred ones last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Those that every processor has.
    Portable,
    /// NEON, of 64-bit ARM.
    Neon,
    /// AVX2.
    Avx2,
    /// AVX-512 with VBMI.
    Avx512,
}

impl Kernel {
    /// The kernels that this processor can run, the best one last.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(avx2::is_available().then_some(Self::Avx2));
            kernels.extend(avx512::is_available().then_some(Self::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        kernels.extend(neon::is_available().then_some(Self::Neon));
        kernels
    }

    /// This kernel, or the best one below it among those available that suits.
    fn or_lesser(self, available: &[Self], suits: impl Fn(Self) -> bool) -> Self {
        let suitable = available.iter().copied().filter(|&kernel| kernel <= self && suits(kernel));
        suitable.max().unwrap_or(Self::Portable)
    }

    fn suits(self, forest: &CompactForest) -> bool {
        let most_slots = match self {
            Self::Portable => MAX_SLOTS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::MOST_SLOTS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::MOST_SLOTS,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::MOST_SLOTS,
            _ => 0, // those of other processors
        };
        forest.encoder.n_slots() < most_slots
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
    model_id: Option<ModelId>,
    schema: FeatureSchema,
    engine: Engine,
    kernel: Kernel,
    combine: Combine,
    n_trees: usize,
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
    /// Makes a model ready, for the best instructions that processor and model suit.
    ///
    /// A forest is put into words when its questions fit 254 slots. A feature takes one; two when no one code can stand
    /// for missing values, because some split sends them left and another one, with the same or a higher split value,
    /// right; and as many again for every further 254 split values. AVX-512 takes forests of up to 127 slots, AVX2 of
    /// 251, NEON of 127. Other forests are walked node by node.
    ///
    /// # Cost
    /// O(nodes) time and 8 to 10 bytes a node in words, 16 otherwise.
    pub fn new(model: &Model) -> Self {
        let (engine, combine, n_trees) = match model.kind() {
            ModelKind::Linear(linear) => {
                (Engine::Linear(LinearTerms::new(linear)), Combine::SumLogOdds { base: 0.0 }, 0)
            }
            ModelKind::Forest(forest) => {
                let engine =
                    CompactForest::new(forest).map_or_else(|| Engine::Wide(WideForest::new(forest)), Engine::Compact);
                (engine, forest.combine(), forest.n_trees())
            }
        };
        let scorer = Self {
            model_id: None,
            schema: model.schema().clone(),
            engine,
            kernel: Kernel::Portable,
            combine,
            n_trees,
            calibrator: model.calibrator().clone(),
            threshold: model.threshold().score,
        };
        scorer.limited_to(Kernel::Avx512)
    }

    /// The same scorer with these instructions, or the best before them in the order of [`Kernel`] where processor or model
    /// do not suit them.
    #[must_use]
    pub fn limited_to(mut self, kernel: Kernel) -> Self {
        self.kernel = match &self.engine {
            Engine::Compact(forest) => kernel.or_lesser(&Kernel::available(), |kernel| kernel.suits(forest)),
            Engine::Linear(_) => kernel.or_lesser(&Kernel::available(), |_| true),
            Engine::Wide(_) => Kernel::Portable,
        };
        self
    }

    /// The model that this scorer's file was written for; `None` when the scorer was made of a model in memory, which
    /// [`Model::id`] names.
    pub fn model_id(&self) -> Option<ModelId> {
        self.model_id
    }

    /// What a feature vector holds.
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// The instructions in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Bytes that nodes take, without what is kept per group of trees and the unused rest of huge pages.
    pub fn n_bytes(&self) -> usize {
        match &self.engine {
            Engine::Compact(forest) => forest.nodes.n_bytes(),
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
        self.calibrator.score(self.combine.scale(), self.raw_score(row))
    }

    /// The uncalibrated output for one feature vector; see [`score`](Self::score).
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn raw_score(&self, row: &[f32]) -> f64 {
        assert_eq!(row.len(), self.schema.len(), "a feature vector has one value per feature");
        let mut sums = [0.0; LANES];
        match &self.engine {
            Engine::Linear(terms) => return terms.raw_score(row, self.kernel),
            Engine::Compact(forest) => {
                let mut codes = Codes::ZERO;
                self.encode(forest, row, &mut codes);
                self.add_groups(forest, 0..forest.groups.len(), from_ref(&codes), from_mut(&mut sums));
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
        let mut scores = vec![0.0; rows.len() / self.schema.len().max(1)];
        self.score_into(rows, &mut scores);
        scores
    }

    /// Writes the churn probabilities of many feature vectors; see [`score_batch`](Self::score_batch).
    ///
    /// # Panics
    /// When `rows` does not hold as many feature vectors as there is room for scores.
    pub fn score_into(&self, rows: &[f32], scores: &mut [f64]) {
        assert_eq!(rows.len(), scores.len() * self.schema.len(), "rows hold one value per feature and score");
        let block = |(rows, scores): (&[f32], &mut [f64])| {
            self.raw_scores_into(rows, scores);
            scores.iter_mut().for_each(|raw| *raw = self.calibrator.score(self.combine.scale(), *raw));
        };
        #[cfg(feature = "rayon")]
        if scores.len() >= 2 * THREAD_ROWS && self.schema.len() > 0 {
            use rayon::prelude::*;
            let n_rows = scores.len().div_ceil(2 * rayon::current_num_threads()).clamp(THREAD_ROWS, BLOCK_ROWS);
            let blocks = rows.par_chunks(n_rows * self.schema.len()).zip(scores.par_chunks_mut(n_rows));
            return blocks.for_each(block);
        }
        for first in (0..scores.len()).step_by(BLOCK_ROWS) {
            let end = scores.len().min(first + BLOCK_ROWS);
            block((&rows[first * self.schema.len()..end * self.schema.len()], &mut scores[first..end]));
        }
    }

    fn raw_scores_into(&self, rows: &[f32], scores: &mut [f64]) {
        let rows = (0..scores.len()).map(|row| &rows[row * self.schema.len()..][..self.schema.len()]);
        let Engine::Compact(forest) = &self.engine else {
            return scores.iter_mut().zip(rows).for_each(|(score, row)| *score = self.raw_score(row));
        };
        let mut codes = vec![Codes::ZERO; scores.len()];
        let mut sums = vec![[0.0; LANES]; scores.len()];
        rows.zip(&mut codes).for_each(|(row, codes)| self.encode(forest, row, codes));
        let n_parts = forest.nodes.n_bytes().div_ceil(CACHED_BYTES);
        let n_groups = forest.groups.len();
        for part in 0..n_parts {
            let groups = n_groups * part / n_parts..n_groups * (part + 1) / n_parts;
            self.add_groups(forest, groups, &codes, &mut sums);
        }
        scores.iter_mut().zip(sums).for_each(|(score, sums)| *score = self.combined(sums));
    }

    /// Whether to act by the model's own threshold: `score(row) >= threshold`, often without asking all trees.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn decide(&self, row: &[f32]) -> bool {
        self.decide_at(row, self.threshold)
    }

    /// Whether the score of a row is at least `threshold`; stops asking trees as soon as the others cannot change the
    /// answer.
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
        assert_eq!(row.len(), self.schema.len(), "a feature vector has one value per feature");
        let mut codes = Codes::ZERO;
        self.encode(forest, row, &mut codes);
        let mut sums = [0.0; LANES];
        let n_groups = forest.groups.len();
        // A sum of n numbers is off by less than n roundings of the sum of their sizes; there are four sums here.
        let slack = 4.0 * self.n_trees as f64 * f64::EPSILON * forest.size;
        let mut first = 0;
        while first < n_groups {
            let next = n_groups.min(first + DECIDE_GROUPS);
            self.add_groups(forest, first..next, from_ref(&codes), from_mut(&mut sums));
            first = next;
            let (rest, sum) = (forest.rest[first], reduce(sums));
            let score = |sum: f64| self.calibrator.score(self.combine.scale(), self.combine.of_sum(sum, self.n_trees));
            if score(sum + rest[0] - slack) >= threshold {
                return (true, self.n_trees.min(first * LANES));
            }
            if score(sum + rest[1] + slack) < threshold {
                return (false, self.n_trees.min(first * LANES));
            }
        }
        (self.calibrator.score(self.combine.scale(), self.combined(sums)) >= threshold, self.n_trees)
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
            Kernel::Avx2 => unsafe { avx2::encode(forest, row, codes) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: this kernel is only chosen where the processor has its instructions.
            Kernel::Avx512 => unsafe { avx512::encode(forest, row, codes) },
            _ => forest.encoder.encode(row, codes, Cuts::count),
        }
    }

    #[inline]
    fn add_groups(&self, forest: &CompactForest, groups: Range<usize>, rows: &[Codes], sums: &mut [[f64; LANES]]) {
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: this kernel is only chosen where the processor has its instructions and the slots are few enough.
            Kernel::Avx2 => unsafe { avx2::add_groups(forest, groups, rows, sums) },
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            // SAFETY: this kernel is only chosen where the processor has its instructions and the slots are few enough.
            Kernel::Avx512 => unsafe { avx512::add_groups(forest, groups, rows, sums) },
            #[cfg(target_arch = "aarch64")]
            #[allow(unsafe_code)]
            // SAFETY: this kernel is only chosen where the processor has its instructions and the slots are few enough.
            Kernel::Neon => unsafe { neon::add_groups(forest, groups, rows, sums) },
            _ => portable::add_groups(forest, groups, rows, sums),
        }
    }
}

/// Rows that are encoded together and then walk the forest part by part, at most.
const BLOCK_ROWS: usize = 1024;

/// Rows that a thread takes at least: two threads were sooner than one from 256 rows on, at depth 6 as at 12.
#[cfg(feature = "rayon")]
const THREAD_ROWS: usize = 128;

/// Bytes of trees that stay in the second-level cache while a block of rows walks them.
const CACHED_BYTES: usize = 1 << 20;

/// Groups of trees between two looks at the bounds.
const DECIDE_GROUPS: usize = 4;

#[cfg(test)]
mod tests {
    use super::Kernel::{Avx2, Avx512, Neon, Portable};
    use super::*;

    #[test]
    fn a_kernel_that_is_not_there_or_does_not_suit_gives_way_to_the_next_one() {
        let narrow = |kernel: Kernel| kernel != Avx512;
        for (asked, available, expected) in [
            (Avx512, vec![Portable, Avx2, Avx512], Avx512),
            (Avx512, vec![Portable, Avx2], Avx2),
            (Avx2, vec![Portable, Avx2, Avx512], Avx2),
            (Avx512, vec![Portable, Neon], Neon),
            (Neon, vec![Portable, Avx2, Avx512], Portable),
            (Portable, vec![Portable, Neon], Portable),
        ] {
            assert_eq!(asked.or_lesser(&available, |_| true), expected, "{asked:?} of {available:?}");
        }
        assert_eq!(Avx512.or_lesser(&[Portable, Avx2, Avx512], narrow), Avx2);
        assert_eq!(Avx512.or_lesser(&[Portable, Avx512], narrow), Portable);
    }
}
