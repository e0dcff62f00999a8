//! Systems of linear equations with a symmetric positive definite matrix.

use ndarray::{Array1, Array2, s};

/// Solves `matrix x = right`, or returns `None` where the matrix is not safely positive definite.
///
/// Only the lower triangle of the matrix is read.
///
/// # Cost
/// O(n^3 / 3) in the number of rows.
pub(crate) fn solve(matrix: &Array2<f64>, right: &Array1<f64>) -> Option<Array1<f64>> {
    let n = right.len();
    let mut factor: Array2<f64> = Array2::zeros((n, n));
    let mut solution = right.clone();
    for row in 0..n {
        for column in 0..=row {
            let (above, beside) = (factor.slice(s![column, ..column]), factor.slice(s![row, ..column]));
            let rest = matrix[[row, column]] - above.dot(&beside);
            if column < row {
                factor[[row, column]] = rest / factor[[column, column]];
            } else if rest > LEAST_PIVOT * matrix[[row, row]] {
                factor[[row, row]] = rest.sqrt();
            } else {
                return None;
            }
        }
        // Forward substitution keeps pace with the rows.
        let known = factor.slice(s![row, ..row]).dot(&solution.slice(s![..row]));
        solution[row] = (solution[row] - known) / factor[[row, row]];
    }
    for row in (0..n).rev() {
        let value = solution[row] / factor[[row, row]];
        solution[row] = value;
        let (mut before, column) = (solution.slice_mut(s![..row]), factor.slice(s![row, ..row]));
        before.scaled_add(-value, &column);
    }
    Some(solution)
}

/// Share of a diagonal entry that has to be left of it; below, the columns before it say all it says but for rounding.
const LEAST_PIVOT: f64 = 1e-13;

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_solution_fits_the_equations() {
        let root = Array2::from_shape_fn((6, 6), |(i, j)| ((i * 7 + j * 3) % 11) as f64 - 4.0);
        let matrix = root.dot(&root.t()) + Array2::<f64>::eye(6);
        let right = Array1::from_shape_fn(6, |i| i as f64 - 2.5);
        let solution = solve(&matrix, &right).expect("positive definite");
        assert!((matrix.dot(&solution) - right).iter().all(|difference| difference.abs() < 1e-11));
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        assert_eq!(solve(&array![[1.0, 2.0], [2.0, 4.0]], &array![1.0, 1.0]), None);
        assert_eq!(solve(&array![[-1.0]], &array![1.0]), None);
        assert_eq!(solve(&array![[0.0]], &array![1.0]), None);
        assert_eq!(solve(&array![[f64::NAN]], &array![1.0]), None);
    }
}
