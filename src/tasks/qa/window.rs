//! Windows: a long passage → overlapping slices of its tokens, and which slice sees a token best.
//!
//! Reproduces the reference's sliding window (the start advances by `doc_stride`) and its "max
//! context" rule, by which each token is predicted from only one window.

use std::num::NonZeroUsize;

/// A slice of a passage's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First token.
    pub start: usize,
    /// Number of tokens.
    pub length: usize,
}

impl Window {
    /// Returns one past the last token.
    pub fn end(self) -> usize {
        self.start + self.length
    }
}

/// Returns the number of windows that [`windows`] returns.
pub fn window_count(tokens: usize, size: NonZeroUsize, stride: NonZeroUsize) -> usize {
    if tokens == 0 {
        0
    } else {
        1 + tokens
            .saturating_sub(size.get())
            .div_ceil(stride.min(size).get())
    }
}

/// Returns windows of at most `size` tokens, each `stride` (but never more than a window) after the
/// previous one, up to the first that reaches the end. An empty passage has none.
pub fn windows(tokens: usize, size: NonZeroUsize, stride: NonZeroUsize) -> Vec<Window> {
    let step = stride.min(size).get();
    (0..window_count(tokens, size, stride))
        .map(|number| {
            let start = number * step;
            Window {
                start,
                length: size.get().min(tokens - start),
            }
        })
        .collect()
}

/// Returns, for each window, which of its tokens it sees with more context than any other window.
///
/// A token's context is min(left, right) + 0.01 · window length; the first of equal windows wins.
/// The sum is computed in f64 as in the reference, since its rounding decides some ties.
pub fn max_context(windows: &[Window]) -> Vec<Vec<bool>> {
    if let [only] = windows {
        return vec![vec![true; only.length]];
    }
    let tokens = windows.iter().map(|window| window.end()).max().unwrap_or(0);
    // No score is negative, so any window beats the initial value.
    let mut best = vec![(-1.0f64, 0usize); tokens];
    for (number, window) in windows.iter().enumerate() {
        for offset in 0..window.length {
            let least = offset.min(window.length - 1 - offset);
            let score = least as f64 + 0.01 * window.length as f64;
            let token = &mut best[window.start + offset];
            if score > token.0 {
                *token = (score, number);
            }
        }
    }
    windows
        .iter()
        .enumerate()
        .map(|(number, window)| {
            best[window.start..window.end()]
                .iter()
                .map(|&(_, winner)| winner == number)
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(tokens: usize, size: usize, stride: usize) -> Vec<(usize, usize)> {
        windows(
            tokens,
            NonZeroUsize::new(size).unwrap(),
            NonZeroUsize::new(stride).unwrap(),
        )
        .into_iter()
        .map(|window| (window.start, window.length))
        .collect()
    }

    #[test]
    fn windows_stop_at_the_first_that_reaches_the_end() {
        assert_eq!(cut(0, 5, 2), []);
        assert_eq!(cut(3, 5, 2), [(0, 3)]);
        assert_eq!(cut(5, 5, 2), [(0, 5)]);
        assert_eq!(cut(6, 5, 2), [(0, 5), (2, 4)]);
        assert_eq!(cut(10, 5, 2), [(0, 5), (2, 5), (4, 5), (6, 4)]);
        // A stride beyond the window would skip tokens, so the window's length is used instead.
        assert_eq!(cut(7, 3, 128), [(0, 3), (3, 3), (6, 1)]);
    }

    #[test]
    fn best_context_as_in_the_example_of_the_bert_papers_code() {
        // "bought" (7) has 4 left and 0 right in the second window, 1 and 3 in the third.
        let windows = [(0, 5), (3, 5), (6, 5)].map(|(start, length)| Window { start, length });
        let best = max_context(&windows);
        assert!(!best[1][4] && best[2][1]);
        // Token 4: right context 0 in the first window, left context 1 in the second.
        assert!(!best[0][4] && best[1][1]);
        // Token 3: right context 1 in the first window, left context 0 in the second.
        assert!(best[0][3] && !best[1][0]);
    }

    #[test]
    fn the_first_of_equal_windows_wins() {
        let windows = [(0, 4), (3, 4)].map(|(start, length)| Window { start, length });
        assert_eq!(
            max_context(&windows),
            [[true; 4].to_vec(), vec![false, true, true, true]]
        );
    }

    #[test]
    fn a_longer_window_wins_between_equal_contexts() {
        let windows = [(0, 4), (3, 5)].map(|(start, length)| Window { start, length });
        assert!(!max_context(&windows)[0][3] && max_context(&windows)[1][0]);
    }

    proptest! {
        #[test]
        fn windows_cover_the_document_and_one_sees_each_token_best(
            tokens in 0usize..400, size in 1usize..120, stride in 1usize..150,
        ) {
            let (size, stride) = (NonZeroUsize::new(size).unwrap(), NonZeroUsize::new(stride).unwrap());
            let windows = windows(tokens, size, stride);
            prop_assert_eq!(windows.len(), window_count(tokens, size, stride));
            let mut covered = 0;
            for (number, window) in windows.iter().enumerate() {
                prop_assert!(window.length >= 1 && window.length <= size.get());
                prop_assert!(window.start <= covered, "a gap before window {}", number);
                prop_assert!(window.end() > covered, "window {} adds nothing", number);
                covered = window.end();
            }
            prop_assert_eq!(covered, tokens);

            let best = max_context(&windows);
            let mut winners = vec![0; tokens];
            for (window, best) in windows.iter().zip(&best) {
                prop_assert_eq!(window.length, best.len());
                for (offset, &wins) in best.iter().enumerate() {
                    winners[window.start + offset] += usize::from(wins);
                }
            }
            prop_assert!(winners.iter().all(|&count| count == 1));
        }
    }
}
