//! Zeros: LightGBM takes all values nearer to zero than 1e-35 for zero, and can count zeros as missing.
//!
//! At a split of a model fitted with `zero_as_missing` zeros go where missing values go, and all else by `value <= threshold`. One split of ours can say so
//! where zeros go with the values on one side of them. Where they do not, the first split of that feature on a way from
//! the root asks whether the value lies below zero, above, or is zero; from then on it is known, and each split of that
//! feature is a plain one or has its answer.

use std::rc::Rc;

use crate::import::split_value::GoesLeft;

/// Values up to here, on both sides, are zeros.
///
/// # Source
/// `kZeroThreshold` in LightGBM's `meta.h`, an f32. `RowPairFunctionFromDenseMatric` in its `c_api.cpp` leaves out of a
/// row what is not beyond it, before any tree sees the row.
pub(super) const ZERO: f64 = 1e-35_f32 as f64;

/// Sends zeros and what is below left.
pub(super) const NOT_ABOVE: GoesLeft = GoesLeft::AtMost(ZERO);

/// Sends what is below zeros left.
pub(super) const BELOW: GoesLeft = GoesLeft::Below(-ZERO);

/// Where the value of a feature lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Below zero, or missing or zero.
    NotAbove,
    Below,
    /// Zero or missing.
    Zero,
    Above,
}

/// What is known on a way from the root, the latest first.
pub(super) type Sides = Option<Rc<Known>>;

/// What is known of one feature.
#[derive(Debug)]
pub(super) struct Known {
    feature: usize,
    side: Side,
    before: Sides,
}

impl Known {
    pub(super) fn new(feature: usize, side: Side, before: &Sides) -> Self {
        Self { feature, side, before: before.clone() }
    }
}

/// The side that a feature's value is on, where it is known.
pub(super) fn side(mut sides: &Sides, feature: usize) -> Option<Side> {
    while let Some(known) = sides {
        if known.feature == feature {
            return Some(known.side);
        }
        sides = &known.before;
    }
    None
}

/// The rule of a split at which zeros are values like others.
pub(super) fn plain(threshold: f64) -> GoesLeft {
    // A threshold within the zeros lies at their upper or at their lower end; a NaN is refused with its rule.
    with_zeros(threshold, 0.0 <= threshold).unwrap_or(GoesLeft::AtMost(threshold))
}

/// The one rule that sends zeros left or not, and all else by `value <= threshold`; `None` where there is none.
pub(super) fn with_zeros(threshold: f64, zeros_left: bool) -> Option<GoesLeft> {
    match zeros_left {
        true => (threshold >= -ZERO).then_some(GoesLeft::AtMost(threshold.max(ZERO))),
        false if threshold < -ZERO => Some(GoesLeft::AtMost(threshold)),
        false => (threshold <= ZERO).then_some(BELOW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_keep_together_and_all_else_keeps_its_side() {
        let corners = [-1.0, -2e-35, -1e-35, -1e-36, -0.0, 0.0, 1e-40, 1e-36, 1e-35, 2e-35, 1.0_f32];
        let beside = |value: f32| [value.next_down(), value, value.next_up()];
        for threshold in corners.into_iter().flat_map(beside).map(f64::from) {
            for zeros_left in [false, true] {
                let Some(rule) = with_zeros(threshold, zeros_left) else {
                    assert_ne!(zeros_left, 0.0 <= threshold, "one rule says what zeros as plain numbers do");
                    continue;
                };
                let split_value = rule.split_value().expect("there is one");
                for value in corners.into_iter().flat_map(beside) {
                    let is_zero = f64::from(value).abs() <= ZERO;
                    let expected = if is_zero { zeros_left } else { f64::from(value) <= threshold };
                    assert_eq!(value < split_value, expected, "{value:e} at {threshold:e}, zeros left: {zeros_left}");
                }
            }
        }
    }
}
