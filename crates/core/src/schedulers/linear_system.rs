//! Small dense systems of linear equations.

/// Solves A·x = b by Gaussian elimination with partial pivoting; each row is one of A followed by its b.
pub fn solve(mut rows: Vec<Vec<f32>>) -> Vec<f32> {
    let size = rows.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        rows.swap(column, pivot.unwrap_or(column));
        let pivot_row = rows[column].clone();
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / pivot_row[column];
            row.iter_mut().zip(&pivot_row).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    let mut solution = vec![0.0; size];
    for index in (0..size).rev() {
        let known: f32 = (index + 1..size).map(|j| rows[index][j] * solution[j]).sum();
        solution[index] = (rows[index][size] - known) / rows[index][index];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::solve;

    #[test]
    fn a_system_that_needs_pivoting() {
        let rows = vec![vec![0.0, 2.0, 1.0, 7.0], vec![1.0, 1.0, 1.0, 6.0], vec![2.0, 1.0, -1.0, 1.0]];
        for (got, want) in solve(rows).into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((got - want).abs() < 1e-6, "got {got}, want {want}");
        }
    }
}
