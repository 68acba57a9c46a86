//! Compares gold spans with predicted ones: the error of each.

use crate::tasks::tagging::span::Span;

/// The error of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpanError {
    Type,
    Boundaries,
    Both,
    Missed,
    Spurious,
}

impl SpanError {
    pub const ALL: [Self; 5] = [
        Self::Type,
        Self::Boundaries,
        Self::Both,
        Self::Missed,
        Self::Spurious,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "wrong type",
            Self::Boundaries => "wrong boundaries",
            Self::Both => "wrong type and boundaries",
            Self::Missed => "missed",
            Self::Spurious => "spurious",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::Type => "the right words, of another type",
            Self::Boundaries => "the right type, of words that overlap the right ones",
            Self::Both => "another type, of words that overlap the right ones",
            Self::Missed => "no predicted span matches the gold one",
            Self::Spurious => "the predicted span matches no gold one",
        }
    }
}

/// A gold span and the predicted one matched with it; one of them may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanPair<'a> {
    pub gold: Option<&'a Span>,
    pub predicted: Option<&'a Span>,
}

impl SpanPair<'_> {
    /// Returns the error; `None` if the two are equal.
    pub fn error(&self) -> Option<SpanError> {
        match (self.gold, self.predicted) {
            (Some(gold), Some(predicted)) => {
                let same_words = (gold.start, gold.end) == (predicted.start, predicted.end);
                match (gold.kind == predicted.kind, same_words) {
                    (true, true) => None,
                    (false, true) => Some(SpanError::Type),
                    (true, false) => Some(SpanError::Boundaries),
                    (false, false) => Some(SpanError::Both),
                }
            }
            (Some(_), None) => Some(SpanError::Missed),
            (None, Some(_)) => Some(SpanError::Spurious),
            (None, None) => None,
        }
    }
}

/// Matches each gold span with at most one predicted span: equal ones first, then those over the
/// same words, then overlapping ones of the same type, then other overlapping ones. Of several
/// candidates, a gold span takes the one that shares most words with it, the first of equals.
pub fn pairs<'a>(gold: &'a [Span], predicted: &'a [Span]) -> Vec<SpanPair<'a>> {
    let mut partner: Vec<Option<usize>> = vec![None; gold.len()];
    let mut taken = vec![false; predicted.len()];
    let fits: [fn(&Span, &Span) -> bool; 4] = [
        |a, b| a == b,
        |a, b| (a.start, a.end) == (b.start, b.end),
        |a, b| a.kind == b.kind,
        |_, _| true,
    ];
    for fits in fits {
        for (gold, partner) in gold.iter().zip(&mut partner) {
            if partner.is_some() {
                continue;
            }
            let mut best = None;
            for (place, predicted) in predicted.iter().enumerate() {
                let shared = shared_words(gold, predicted);
                let is_better = best.is_none_or(|(most, _)| shared > most);
                if !taken[place] && shared > 0 && is_better && fits(gold, predicted) {
                    best = Some((shared, place));
                }
            }
            if let Some((_, place)) = best {
                taken[place] = true;
                *partner = Some(place);
            }
        }
    }
    let of_gold = gold.iter().zip(partner).map(|(gold, partner)| SpanPair {
        gold: Some(gold),
        predicted: partner.map(|place| &predicted[place]),
    });
    let spurious = predicted.iter().zip(taken).filter(|(_, taken)| !taken);
    let spurious = spurious.map(|(predicted, _)| SpanPair {
        gold: None,
        predicted: Some(predicted),
    });
    of_gold.chain(spurious).collect()
}

fn shared_words(a: &Span, b: &Span) -> usize {
    (a.end.min(b.end) + 1).saturating_sub(a.start.max(b.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(told: &[(usize, usize, &str)]) -> Vec<Span> {
        let spans = told.iter().map(|&(start, end, kind)| Span {
            start,
            end,
            kind: kind.into(),
        });
        spans.collect()
    }

    fn errors(gold: &[(usize, usize, &str)], predicted: &[(usize, usize, &str)]) -> Vec<String> {
        let (gold, predicted) = (spans(gold), spans(predicted));
        let pairs = pairs(&gold, &predicted);
        let told = |span: Option<&Span>| {
            span.map_or("-".to_owned(), |span| {
                format!("{}-{} {}", span.start, span.end, span.kind)
            })
        };
        let shown = pairs.iter().map(|pair| {
            let error = pair.error().map_or("right", SpanError::name);
            format!("{} | {}: {error}", told(pair.gold), told(pair.predicted))
        });
        shown.collect()
    }

    #[test]
    fn each_span_is_counted_once() {
        assert_eq!(
            errors(
                &[
                    (0, 1, "A"),
                    (3, 3, "A"),
                    (5, 7, "B"),
                    (9, 9, "B"),
                    (11, 12, "A")
                ],
                &[
                    (0, 1, "A"),
                    (3, 3, "B"),
                    (6, 7, "B"),
                    (10, 10, "A"),
                    (12, 13, "B")
                ],
            ),
            [
                "0-1 A | 0-1 A: right",
                "3-3 A | 3-3 B: wrong type",
                "5-7 B | 6-7 B: wrong boundaries",
                "9-9 B | -: missed",
                "11-12 A | 12-13 B: wrong type and boundaries",
                "- | 10-10 A: spurious",
            ]
        );
        assert_eq!(errors(&[], &[]), [""; 0]);
    }

    #[test]
    fn the_one_that_fits_best_is_the_partner() {
        // One predicted span over two gold ones, and one gold span cut into three.
        assert_eq!(
            errors(&[(0, 0, "A"), (1, 3, "A")], &[(0, 3, "A")]),
            ["0-0 A | 0-3 A: wrong boundaries", "1-3 A | -: missed"]
        );
        assert_eq!(
            errors(&[(0, 5, "A")], &[(0, 0, "A"), (1, 4, "B"), (5, 5, "A")]),
            [
                "0-5 A | 0-0 A: wrong boundaries",
                "- | 1-4 B: spurious",
                "- | 5-5 A: spurious"
            ]
        );
        // A correct span is not matched with another.
        assert_eq!(
            errors(&[(0, 2, "B"), (3, 3, "B")], &[(0, 1, "A"), (3, 3, "B")]),
            [
                "0-2 B | 0-1 A: wrong type and boundaries",
                "3-3 B | 3-3 B: right"
            ]
        );
    }
}
