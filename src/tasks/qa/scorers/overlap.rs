//! Two normalised answers → F1 of their words.
//!
//! The scorers agree on the formula and differ only if an answer has no words left: SQuAD 2.0 gives
//! such a pair 1 if both are empty; SQuAD 1.1 and MRQA give it 0.

use std::cmp::Ordering;

/// Returns F1 as SQuAD 1.1 and MRQA count it.
pub fn f1(gold: &[String], predicted: &[String]) -> f64 {
    let shared = shared_words(gold, predicted);
    if shared == 0 {
        return 0.0;
    }
    // In the scripts' order of operations, so that the last bit agrees too.
    let precision = shared as f64 / predicted.len() as f64;
    let recall = shared as f64 / gold.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

/// Returns F1 as SQuAD 2.0 counts it: no answer matches no answer.
pub fn f1_or_no_answer(gold: &[String], predicted: &[String]) -> f64 {
    if gold.is_empty() && predicted.is_empty() {
        return 1.0;
    }
    f1(gold, predicted)
}

/// Returns the size of the intersection of two bags of words.
fn shared_words(a: &[String], b: &[String]) -> usize {
    let mut a: Vec<&str> = a.iter().map(String::as_str).collect();
    let mut b: Vec<&str> = b.iter().map(String::as_str).collect();
    a.sort_unstable();
    b.sort_unstable();
    let mut a = a.into_iter().peekable();
    let mut b = b.into_iter().peekable();
    let mut shared = 0;
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        match x.cmp(y) {
            Ordering::Less => {
                a.next();
            }
            Ordering::Greater => {
                b.next();
            }
            Ordering::Equal => {
                shared += 1;
                a.next();
                b.next();
            }
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn repeated_words_count_as_often_as_both_have_them() {
        // Shared: x, x and z. Precision 3/4, recall 3/5.
        let f = f1(&words("x x x y z"), &words("z x w x"));
        assert_eq!(f, 2.0 * 0.75 * 0.6 / (0.75 + 0.6));
        assert_eq!(f1(&words("x"), &words("y")), 0.0);
        assert_eq!(f1(&words("x y"), &words("y x")), 1.0);
    }

    #[test]
    fn empty_answers_part_the_scorers() {
        assert_eq!(f1(&[], &[]), 0.0);
        assert_eq!(f1_or_no_answer(&[], &[]), 1.0);
        assert_eq!(f1_or_no_answer(&[], &words("x")), 0.0);
        assert_eq!(f1_or_no_answer(&words("x"), &[]), 0.0);
        assert_eq!(f1_or_no_answer(&words("x y"), &words("x")), 2.0 / 3.0);
    }
}
