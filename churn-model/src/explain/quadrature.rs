//! Gauss-Legendre quadrature: integrals of polynomials over `[0, 1]` as sums of a few of their values.

/// Nodes and weights that integrate polynomials of degree up to `2 n - 1` over `[0, 1]` exactly, for `n` nodes.
///
/// All nodes lie inside the interval and all weights are positive, so that sums of positive values stay accurate.
///
/// # Source
/// Newton's method on the Legendre polynomials from the classical starting points; Press et al., Numerical Recipes,
/// section 4.6.
pub(super) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    const ROUNDS: usize = 20; // it takes 5 or 6 to converge
    let count = n as f64;
    let node = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (count + 0.5)).cos();
        for _ in 0..ROUNDS {
            let (value, slope) = legendre(n, x);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        let (_, slope) = legendre(n, x);
        (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(node).collect()
}

/// The Legendre polynomial of degree `n` at `x`, and its slope there.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::gauss_legendre;

    #[test]
    fn powers_up_to_twice_the_nodes_are_integrated_exactly() {
        for n in [1, 2, 4, 8, 16, 24, 64, 256] {
            let rule = gauss_legendre(n);
            for power in [0, 1, n / 2, n, 2 * n - 1] {
                let sum: f64 = rule.iter().map(|(node, weight)| weight * node.powi(power as i32)).sum();
                let exact = 1.0 / (power as f64 + 1.0);
                assert!((sum - exact).abs() < 1e-14, "{n} nodes, power {power}: {sum} for {exact}");
            }
            assert!(rule.iter().all(|&(node, weight)| node > 0.0 && node < 1.0 && weight > 0.0));
        }
    }
}
