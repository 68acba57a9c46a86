//! Correlations of numbers, as computed by SciPy's `pearsonr` and `spearmanr`.

/// Returns Pearson's correlation coefficient, from −1 to 1; NaN if all numbers on one side are
/// equal, or if there are fewer than two.
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
    // Rounding may push it beyond ±1.
    (both / (square_a.sqrt() * square_b.sqrt())).clamp(-1.0, 1.0)
}

/// Returns Spearman's correlation: Pearson's of the ranks.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    pearson(&ranks(a), &ranks(b))
}

/// Returns Pearson's correlation from sums over pairs: their number, the sums of both numbers, of
/// their squares and of their products. NaN if a side varies by no more than rounding error.
pub fn pearson_of_sums([pairs, a, b, aa, bb, ab]: [f64; 6]) -> f64 {
    let variance = |squares: f64, sum: f64| {
        let variance = squares - sum * sum / pairs;
        if variance > ROUNDING * squares {
            variance
        } else {
            f64::NAN
        }
    };
    let both = ab - a * b / pairs;
    // Rounding may push it beyond ±1.
    (both / (variance(aa, a) * variance(bb, b)).sqrt()).clamp(-1.0, 1.0)
}

/// Relative rounding error when a sum of squares is cancelled by an equal amount.
const ROUNDING: f64 = 1e-12;

/// Pairs ranked on both sides, so that Spearman's correlation of a resample needs no sorting.
pub struct RankedPairs {
    /// Index of each number among the distinct numbers of its side, `[pairs]`.
    places: [Vec<usize>; 2],
}

impl RankedPairs {
    pub fn new(a: &[f64], b: &[f64]) -> Self {
        Self {
            places: [a, b].map(|numbers| {
                let mut order: Vec<usize> = (0..numbers.len()).collect();
                order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
                let mut places = vec![0; numbers.len()];
                let equal = order.chunk_by(|&a, &b| numbers[a] == numbers[b]);
                for (place, indices) in equal.enumerate() {
                    indices.iter().for_each(|&index| places[index] = place);
                }
                places
            }),
        }
    }

    /// Returns Spearman's correlation of the sample that contains each pair `counts` times,
    /// `[pairs]`.
    pub fn spearman(&self, counts: &[u32]) -> f64 {
        let [a, b] = [0, 1].map(|side| ranks_in(&self.places[side], counts));
        let mut sums = [0.0; 6];
        let pairs: f64 = counts.iter().map(|&count| f64::from(count)).sum();
        let mean = (pairs + 1.0) / 2.0;
        for ((&in_a, &in_b), &count) in self.places[0].iter().zip(&self.places[1]).zip(counts) {
            let (a, b) = (a[in_a] - mean, b[in_b] - mean);
            let addends = [1.0, a, b, a * a, b * b, a * b];
            for (sum, addend) in sums.iter_mut().zip(addends) {
                *sum += f64::from(count) * addend;
            }
        }
        pearson_of_sums(sums)
    }
}

/// Returns the rank in a sample of each distinct number; equal numbers share the mean of their
/// ranks.
fn ranks_in(places: &[usize], counts: &[u32]) -> Vec<f64> {
    let mut ranks = vec![0.0; places.iter().max().map_or(0, |last| last + 1)];
    for (&place, &count) in places.iter().zip(counts) {
        ranks[place] += f64::from(count);
    }
    let mut before = 0.0;
    for rank in &mut ranks {
        let count = *rank;
        *rank = before + (count + 1.0) / 2.0;
        before += count;
    }
    ranks
}

/// Returns the mean of the squared differences.
pub fn mean_squared_error(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>() / a.len() as f64
}

/// Compares the numbers directly, since the mean of equal numbers may differ from them by rounding.
fn is_constant(numbers: &[f64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] == pair[1])
}

/// Returns the rank of each number, from 1; equal numbers share the mean of their ranks.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut begun = 0;
    // −0 and 0 are equal, and adjacent in the total order.
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
        // SciPy's pearsonr of the same numbers.
        assert!((pearson(&a, &b) - 0.984_374_038_697_697_4).abs() < 1e-15);
        assert!((pearson(&a, &a.map(|number| -number)) + 1.0).abs() < 1e-15);
        assert_eq!(mean_squared_error(&a, &b), (4.0 + 36.0 + 144.0) / 4.0);
    }

    #[test]
    fn those_of_samples_need_no_copies() {
        let (a, b) = ([3.0, 1.0, 3.0, 2.0, -0.5], [0.25, 2.0, 1.0, 0.0, -0.0]);
        let ranked = RankedPairs::new(&a, &b);
        for counts in [[1, 1, 1, 1, 1], [0, 2, 3, 0, 1], [4, 1, 0, 0, 0]] {
            let copies = |numbers: &[f64]| -> Vec<f64> {
                let copies = numbers.iter().zip(counts);
                copies
                    .flat_map(|(&number, count)| vec![number; count as usize])
                    .collect()
            };
            let (a, b) = (copies(&a), copies(&b));
            assert!(
                (ranked.spearman(&counts) - spearman(&a, &b)).abs() < 1e-12,
                "{counts:?}"
            );
            let mut sums = [0.0; 6];
            for (a, b) in a.iter().zip(&b) {
                let addends = [1.0, *a, *b, a * a, b * b, a * b];
                sums.iter_mut()
                    .zip(addends)
                    .for_each(|(sum, addend)| *sum += addend);
            }
            assert!(
                (pearson_of_sums(sums) - pearson(&a, &b)).abs() < 1e-12,
                "{counts:?}"
            );
        }
        // One pair alone, several times.
        assert!(ranked.spearman(&[0, 0, 0, 5, 0]).is_nan());
        assert!(pearson_of_sums([5.0, 0.5, 1.0, 0.05, 0.2, 0.1]).is_nan());
    }

    #[test]
    fn of_constant_numbers_there_is_none() {
        assert!(pearson(&[0.1, 0.5, 0.9], &[0.3; 3]).is_nan());
        assert!(spearman(&[0.3; 3], &[0.1, 0.5, 0.9]).is_nan());
        assert!(pearson(&[1.0], &[2.0]).is_nan() && pearson(&[], &[]).is_nan());
    }
}
