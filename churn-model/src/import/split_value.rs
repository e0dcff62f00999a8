//! Other libraries' split rules as ours.
//!
//! Ours is `value < split_value`, both f32. Others compare with `<=`, or hold their split value in f64. Every such rule
//! sends all f32 values up to some point left and all others right, so the smallest f32 that goes right says the same.

/// Which values another library's split sends left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum GoesLeft {
    /// Those with `value < split_value`.
    #[cfg_attr(not(any(feature = "linfa", feature = "lightgbm")), allow(dead_code, reason = "the rule of linfa"))]
    Below(f64),
    /// Those with `value <= split_value`.
    #[cfg_attr(
        not(any(feature = "smartcore", feature = "lightgbm")),
        allow(dead_code, reason = "the rule of smartcore and LightGBM")
    )]
    AtMost(f64),
}

impl GoesLeft {
    /// The split value with which our rule sends the same f32 values left: the smallest f32 that goes right.
    ///
    /// `None` where there is none: the split value is NaN, or everything up to infinity goes left.
    pub(super) fn split_value(self) -> Option<f32> {
        let nearest = self.number() as f32; // rounds to nearest, beyond the largest f32 to infinity
        if nearest.is_nan() {
            return None;
        }
        if !self.holds(f64::from(nearest)) {
            return Some(nearest);
        }
        (nearest < f32::INFINITY).then(|| nearest.next_up())
    }

    /// The split value as the other library holds it.
    pub(super) fn number(self) -> f64 {
        let (Self::Below(number) | Self::AtMost(number)) = self;
        number
    }

    fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(split_value) => value < split_value,
            Self::AtMost(split_value) => value <= split_value,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CORNERS: [f32; 13] = [
        f32::NEG_INFINITY,
        f32::MIN,
        -1.0,
        -f32::MIN_POSITIVE,
        -1e-45,
        -0.0,
        0.0,
        1e-45,
        f32::MIN_POSITIVE,
        1.0,
        16_777_216.0,
        f32::MAX,
        f32::INFINITY,
    ];

    fn same_side(rule: GoesLeft, value: f32) -> Result<(), TestCaseError> {
        match rule.split_value() {
            Some(split_value) => prop_assert_eq!(
                value < split_value,
                rule.holds(f64::from(value)),
                "{:?} became {:e}, which disagrees on {:e}",
                rule,
                split_value,
                value
            ),
            None => prop_assert!(rule.number().is_nan() || rule == GoesLeft::AtMost(f64::INFINITY)),
        }
        Ok(())
    }

    fn same_sides_around(number: f64) -> Result<(), TestCaseError> {
        let nearest = number as f32;
        for value in CORNERS.into_iter().chain([nearest.next_down(), nearest, nearest.next_up(), f32::NAN]) {
            same_side(GoesLeft::Below(number), value)?;
            same_side(GoesLeft::AtMost(number), value)?;
        }
        Ok(())
    }

    #[test]
    fn every_corner_of_the_floats_keeps_its_side() {
        let f64_only = [f64::MIN, -1e300, -1e-300, -5e-324, 5e-324, 1e-300, 0.1, 3.5e38, 1e300, f64::MAX, f64::NAN];
        for number in CORNERS.map(f64::from).into_iter().chain(f64_only) {
            for number in [number.next_down(), number, number.next_up()] {
                same_sides_around(number).expect("same side");
            }
        }
    }

    #[test]
    fn only_what_our_rule_cannot_say_is_refused() {
        assert_eq!(GoesLeft::Below(f64::NAN).split_value(), None);
        assert_eq!(GoesLeft::AtMost(f64::NAN).split_value(), None);
        assert_eq!(GoesLeft::AtMost(f64::INFINITY).split_value(), None);
        assert_eq!(GoesLeft::Below(f64::INFINITY).split_value(), Some(f32::INFINITY));
        assert_eq!(GoesLeft::AtMost(f64::MAX).split_value(), Some(f32::INFINITY));
        assert_eq!(GoesLeft::AtMost(-0.0).split_value(), Some(1e-45));
    }

    proptest! {
        #[test]
        fn any_f64_split_value_keeps_every_f32_on_its_side(number in any::<u64>(), value in any::<u32>()) {
            let (number, value) = (f64::from_bits(number), f32::from_bits(value));
            same_sides_around(number)?;
            same_side(GoesLeft::Below(number), value)?;
            same_side(GoesLeft::AtMost(number), value)?;
        }

        #[test]
        fn split_values_at_and_beside_an_f32_keep_their_neighbours_on_their_sides(value in any::<u32>(), share in 0.0..1.0) {
            let value = f32::from_bits(value);
            let number = f64::from(value);
            for number in [number.next_down(), number, number.next_up()] {
                same_sides_around(number)?;
            }
            same_sides_around(number + share * (f64::from(value.next_up()) - number))?;
        }
    }
}
