//! Linear models: eight features side by side.
//!
//! **What is computed.** The terms of eight neighbouring features of the row, whether numbers or not, are laid out as
//! arrays, mean beside mean and weight beside weight. What is no number, or has no logarithm, has weight 0 there.
//! Adding 0 changes no sum, so the partial sums are those of [`LinearModel::raw_score`], bit for bit. Groups without
//! any logarithm skip it. Categories are looked up in one table, where a missing or unknown level is one more level.
//!
//! **Instructions.** One function, which the compiler turns into vectors, is compiled for every set of instructions.
//!
//! **Tried and dropped.** A reciprocal in f32 and Newton's steps instead of the division: a fifth slower. Sixteen or 24
//! features side by side: no faster with AVX-512. One more coefficient of the logarithm: a tenth slower. Dividing all
//! groups first and then evaluating all polynomials: the compiler then transposes.
//!
//! `cargo bench -p churn-benches --bench linear` measures it.
#![allow(unsafe_code)] // calls of code compiled for AVX2 and AVX-512; measured at 1.7 and 2.3 times the speed of the portable one

use std::hint::select_unpredictable;

use crate::forest::{level_code, reduce};
use crate::linear::{LANES, LinearModel, Term};
use crate::signed_log::signed_log;

use super::Kernel;

/// The terms of a linear model, laid out for vectors.
#[derive(Debug, Clone)]
pub(super) struct LinearTerms {
    intercept: f64,
    groups: Vec<Group>,
    categories: Vec<Category>,
    /// The level weights of each category, its missing weight after them.
    level_weights: Vec<f64>,
}

/// The numbers among eight neighbouring features; weights of 0 where there is none.
#[derive(Debug, Clone, Default)]
#[repr(align(64))]
struct Group {
    mean: [f64; LANES],
    per_unit: [f64; LANES],
    log_mean: [f64; LANES],
    log_per_unit: [f64; LANES],
    missing_weight: [f64; LANES],
    has_logs: bool,
}

#[derive(Debug, Clone, Copy)]
struct Category {
    feature: usize,
    first_weight: usize,
    n_levels: u8,
}

impl LinearTerms {
    pub(super) fn new(model: &LinearModel) -> Self {
        let mut groups = vec![Group::default(); model.terms().len().div_ceil(LANES)];
        let (mut categories, mut level_weights) = (Vec::new(), Vec::new());
        for (feature, term) in model.terms().iter().enumerate() {
            let (group, lane) = (&mut groups[feature / LANES], feature % LANES);
            match term {
                Term::Numeric { value, signed_log, missing_weight } => {
                    group.mean[lane] = value.mean;
                    group.per_unit[lane] = value.per_unit();
                    group.missing_weight[lane] = *missing_weight;
                    if let Some(log) = signed_log {
                        group.log_mean[lane] = log.mean;
                        group.log_per_unit[lane] = log.per_unit();
                        group.has_logs = true;
                    }
                }
                Term::Category { level_weights: of_levels, missing_weight } => {
                    let n_levels = of_levels.len() as u8;
                    categories.push(Category { feature, first_weight: level_weights.len(), n_levels });
                    level_weights.extend(of_levels.iter().chain([missing_weight]));
                }
            }
        }
        Self { intercept: model.intercept(), groups, categories, level_weights }
    }

    /// The raw score of a row with one value per feature, by a kernel that this processor has.
    pub(super) fn raw_score(&self, row: &[f32], kernel: Kernel) -> f64 {
        // The short walk comes first, so that its loads are under way while the vectors compute.
        let categories = self.sum_categories(row);
        let numbers = match kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this kernel is only chosen where the processor has its instructions.
            Kernel::Avx2 => unsafe { sum_numbers_avx2(&self.groups, row) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx512 => unsafe { sum_numbers_avx512(&self.groups, row) },
            _ => sum_numbers(&self.groups, row),
        };
        self.intercept + (numbers + categories)
    }

    #[inline]
    fn sum_categories(&self, row: &[f32]) -> f64 {
        let mut sum = 0.0;
        for category in &self.categories {
            let code = level_code(row[category.feature], category.n_levels).unwrap_or(category.n_levels);
            sum += self.level_weights[category.first_weight + usize::from(code)];
        }
        sum
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_numbers_avx2(groups: &[Group], row: &[f32]) -> f64 {
    sum_numbers(groups, row)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn sum_numbers_avx512(groups: &[Group], row: &[f32]) -> f64 {
    sum_numbers(groups, row)
}

#[inline(always)]
fn sum_numbers(groups: &[Group], row: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for (group, values) in groups.iter().zip(whole) {
        group.add(values, &mut sums);
    }
    if let (false, Some(group)) = (rest.is_empty(), groups.last()) {
        let mut values = [0.0; LANES];
        values.iter_mut().zip(rest).for_each(|(value, &given)| *value = given);
        group.add(&values, &mut sums);
    }
    reduce(sums)
}

impl Group {
    #[inline(always)]
    fn add(&self, values: &[f32; LANES], sums: &mut [f64; LANES]) {
        if self.has_logs {
            self.add_terms(values, sums, |lane, value| {
                self.log_per_unit[lane] * (signed_log(value) - self.log_mean[lane])
            });
        } else {
            self.add_terms(values, sums, |_, _| 0.0);
        }
    }

    #[inline(always)]
    fn add_terms(&self, values: &[f32; LANES], sums: &mut [f64; LANES], log_term: impl Fn(usize, f64) -> f64) {
        for lane in 0..LANES {
            let value = f64::from(values[lane]);
            let term = self.per_unit[lane] * (value - self.mean[lane]) + log_term(lane, value);
            // Nobody can guess what is missing, and a branch would keep the compiler from making vectors.
            sums[lane] += select_unpredictable(value.is_finite(), term, self.missing_weight[lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use churn_features::{Feature, FeatureSchema};

    use super::*;
    use crate::linear::Standardised;

    #[test]
    fn all_kernels_add_up_to_the_same_bits() {
        for n_features in [1, 7, 8, 9, 48, 203] {
            let model = model(n_features);
            for start in 0..VALUES.len() {
                let row: Vec<f32> = (0..n_features).map(|i| VALUES[(start + i * 7) % VALUES.len()]).collect();
                let expected = model.raw_score(&row);
                assert!(expected.is_finite());
                for kernel in Kernel::available() {
                    let found = LinearTerms::new(&model).raw_score(&row, kernel);
                    assert_eq!(found.to_bits(), expected.to_bits(), "{kernel:?} of {row:?}");
                }
            }
        }
    }

    const VALUES: [f32; 17] = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        1e-45,
        -f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        1.0,
        2.0,
        2.5,
        -1.0,
        255.0,
        0.414_213_57,
        -7.25e8,
        3.0e-9,
    ];

    /// Numbers with and without logarithms and categories, in turn; the first eight features have no logarithm.
    fn model(n_features: usize) -> LinearModel {
        let levels = || vec!["free".to_owned(), "paid".to_owned(), "other".to_owned()];
        let is_category = |i: usize| i % 5 == 3;
        let feature = |i: usize| match is_category(i) {
            true => Feature::category(format!("c{i}"), levels()),
            false => Feature::numeric(format!("x{i}")),
        };
        let schema = FeatureSchema::new((0..n_features).map(feature).collect()).expect("valid");
        let part = |i: usize, weight: f64| Standardised { mean: 0.3 * i as f64, scale: 1.7, weight };
        let term = |i: usize| match is_category(i) {
            true => Term::Category { level_weights: vec![0.1, -0.7, 0.3 * i as f64], missing_weight: -0.9 },
            false => Term::Numeric {
                value: part(i, 0.1 - 0.01 * i as f64),
                signed_log: (i >= LANES && !i.is_multiple_of(3)).then(|| part(2 * i, 0.7)),
                missing_weight: 0.01 * i as f64,
            },
        };
        LinearModel::new(&schema, -1.1, (0..n_features).map(term).collect()).expect("valid")
    }
}
