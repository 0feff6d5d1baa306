//! Solving with a small symmetric positive definite matrix, whole and by rows.
//!
//! Products are not fused: without that in the instruction set, each would be a call, and steps that are repeated until
//! they no longer move need no last digit.

/// The Cholesky factor, in the lower triangle of `matrix`. `false` if the matrix is not positive definite to rounding: a
/// diagonal entry has lost all but `tolerance` of itself.
pub(crate) fn factorise(matrix: &mut [f64], width: usize, tolerance: f64) -> bool {
    for i in 0..width {
        for j in 0..=i {
            let (before, own) = matrix.split_at(i * width);
            let row_j = if j == i { &own[..j] } else { &before[j * width..j * width + j] };
            let left = own[..j].iter().zip(row_j).fold(own[j], |left, (a, b)| left - a * b);
            if j < i {
                matrix[i * width + j] = left / matrix[j * width + j];
            } else {
                if left.is_nan() || left <= tolerance * own[j] {
                    return false;
                }
                matrix[i * width + i] = left.sqrt();
            }
        }
    }
    true
}

/// Solves in place with the factor that [`factorise`] left.
pub(crate) fn solve(factor: &[f64], width: usize, b: &mut [f64]) {
    for i in 0..width {
        let row = &factor[i * width..i * width + i];
        let left = row.iter().zip(&*b).fold(b[i], |left, (l, s)| left - l * s);
        b[i] = left / factor[i * width + i];
    }
    for i in (0..width).rev() {
        b[i] /= factor[i * width + i];
        let solved = b[i];
        for (value, l) in b[..i].iter_mut().zip(&factor[i * width..i * width + i]) {
            *value -= l * solved;
        }
    }
}

/// The inverse, whole and by rows, from the factor that [`factorise`] left.
pub(crate) fn inverse(factor: &[f64], width: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; width * width];
    for (unit, row) in inverse.chunks_exact_mut(width.max(1)).enumerate() {
        row[unit] = 1.0;
        solve(factor, width, row);
    }
    inverse
}
