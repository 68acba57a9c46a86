//! Median, 95th percentile and maximum of some lengths.

use std::fmt;

use serde::Serialize;

/// Median, 95th percentile and maximum of some lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The lower of the two middle values if their number is even.
    pub median: usize,
    /// The smallest length that 95 % do not exceed.
    pub p95: usize,
    pub max: usize,
}

impl Spread {
    pub fn of(mut lengths: Vec<usize>) -> Self {
        lengths.sort_unstable();
        let at = |place: usize| lengths.get(place).copied().unwrap_or(0);
        let count = lengths.len();
        Self {
            median: at(count.saturating_sub(1) / 2),
            p95: at((count * 95).div_ceil(100).saturating_sub(1)),
            max: at(count.saturating_sub(1)),
        }
    }
}

/// As shown in a table cell.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {} / {}", self.median, self.p95, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_nearest_ranks() {
        let spread = |lengths: &[usize]| {
            let Spread { median, p95, max } = Spread::of(lengths.to_vec());
            (median, p95, max)
        };
        assert_eq!(spread(&[]), (0, 0, 0));
        assert_eq!(spread(&[7]), (7, 7, 7));
        assert_eq!(spread(&[4, 1, 3, 2]), (2, 4, 4));
        assert_eq!(spread(&(1..=20).collect::<Vec<_>>()), (10, 19, 20));
        assert_eq!(spread(&(1..=100).collect::<Vec<_>>()), (50, 95, 100));
    }
}
