//! Correlations of numbers, as SciPy's `pearsonr` and `spearmanr` compute them.

/// Pearson's correlation coefficient, from −1 to 1; NaN if all numbers of one side are equal, or if
/// there are fewer than two.
pub fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    if is_constant(a) || is_constant(b) {
        return f64::NAN;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        square_a += a * a;
        square_b += b * b;
    }
    // Rounding may carry it beyond.
    (both / (square_a.sqrt() * square_b.sqrt())).clamp(-1.0, 1.0)
}

/// Spearman's: Pearson's of the ranks.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    pearson(&ranks(a), &ranks(b))
}

/// The mean of the squared differences.
pub fn mean_squared_error(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>() / a.len() as f64
}

/// The mean of equal numbers may differ from them by rounding, so that they are compared.
fn is_constant(numbers: &[f64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] == pair[1])
}

/// The place of each number among all, from 1; equal numbers share the mean of their places.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut begun = 0;
    // −0 and 0 are equal, and stand side by side in the total order.
    for equal in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let rank = begun as f64 + (equal.len() + 1) as f64 / 2.0;
        for &index in equal {
            ranks[index] = rank;
        }
        begun += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5]);
        assert!(ranks(&[]).is_empty());
    }

    #[test]
    fn correlations_of_simple_numbers() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 9.0, 16.0]);
        assert!((spearman(&a, &b) - 1.0).abs() < 1e-15);
        // SciPy's pearsonr of the same.
        assert!((pearson(&a, &b) - 0.984_374_038_697_697_4).abs() < 1e-15);
        assert!((pearson(&a, &a.map(|number| -number)) + 1.0).abs() < 1e-15);
        assert_eq!(mean_squared_error(&a, &b), (4.0 + 36.0 + 144.0) / 4.0);
    }

    #[test]
    fn of_constant_numbers_there_is_none() {
        assert!(pearson(&[0.1, 0.5, 0.9], &[0.3; 3]).is_nan());
        assert!(spearman(&[0.3; 3], &[0.1, 0.5, 0.9]).is_nan());
        assert!(pearson(&[1.0], &[2.0]).is_nan() && pearson(&[], &[]).is_nan());
    }
}
