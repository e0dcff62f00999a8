use std::fmt;

/// An amount of dollars, held as whole cents so that sums do not depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money {
    cents: i64,
}

impl Money {
    /// An amount in cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self { cents }
    }

    /// An amount in dollars, rounded to the nearest cent; `None` when it is not finite or beyond 90 trillion dollars.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let cents = (dollars * 100.0).round();
        // 2^53, up to which every whole number is a float.
        (cents.abs() <= 9_007_199_254_740_992.0).then_some(Self { cents: cents as i64 })
    }

    /// The amount in cents.
    pub const fn cents(self) -> i64 {
        self.cents
    }

    /// The amount in dollars.
    pub fn dollars(self) -> f64 {
        self.cents as f64 / 100.0
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let cents = self.cents.unsigned_abs();
        write!(f, "{sign}${}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_rounded_to_cents_and_refused_when_too_many() {
        assert_eq!(Money::from_dollars(12.345), Some(Money::from_cents(1235)));
        assert_eq!(Money::from_dollars(-0.01), Some(Money::from_cents(-1)));
        assert_eq!(Money::from_dollars(f64::NAN), None);
        assert_eq!(Money::from_dollars(1e15), None);
        assert_eq!(Money::from_cents(-1205).to_string(), "-$12.05");
    }
}
