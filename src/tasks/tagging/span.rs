//! Spans of words, and the tags that encode them.

use std::sync::Arc;

use super::{
    rules::Rules,
    tag::{Mark, Tag},
};

/// Consecutive words of one type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first word.
    pub start: usize,
    /// The last word, inclusive.
    pub end: usize,
    pub kind: Arc<str>,
}

/// Decodes the spans of a tag sequence, whether a person or a model wrote it.
///
/// Under the reference's rules (`get_span_labels` in `finetune/tagging/tagging_utils.py`) only `O`,
/// `B` and `S` end a span, and its last tag determines the type; under the usual rules a change of
/// type, and anything after an `E` or `S`, begins a new one.
pub fn spans<'a>(tags: impl IntoIterator<Item = &'a Tag>, rules: Rules) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut last = None;
    for (place, tag) in tags.into_iter().enumerate() {
        let Tag::In(mark, kind) = tag else {
            last = None;
            continue;
        };
        let begins = match (last, rules) {
            (None, _) => true,
            (Some(_), Rules::Reference) => matches!(mark, Mark::Begin | Mark::Single),
            (Some((last_mark, last_kind)), Rules::Usual) => {
                matches!(mark, Mark::Begin | Mark::Single)
                    || matches!(last_mark, Mark::End | Mark::Single)
                    || last_kind != kind
            }
        };
        match spans.last_mut() {
            Some(span) if !begins => {
                span.end = place;
                span.kind = kind.clone();
            }
            _ => spans.push(Span {
                start: place,
                end: place,
                kind: kind.clone(),
            }),
        }
        last = Some((*mark, kind));
    }
    spans
}

/// Encodes the spans over `words` words as BIOES tags.
pub fn bioes(spans: &[Span], words: usize) -> Vec<Tag> {
    let mut tags = vec![Tag::Outside; words];
    for Span { start, end, kind } in spans {
        for (place, tag) in tags.iter_mut().enumerate().take(end + 1).skip(*start) {
            let mark = match (place == *start, place == *end) {
                (true, true) => Mark::Single,
                (true, false) => Mark::Begin,
                (false, true) => Mark::End,
                (false, false) => Mark::Inside,
            };
            *tag = Tag::In(mark, kind.clone());
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &str, rules: Rules) -> (String, String) {
        let tags: Vec<Tag> = tags
            .split(' ')
            .map(|tag| Tag::parse(tag, rules).unwrap())
            .collect();
        let spans = spans(&tags, rules);
        let shown = spans
            .iter()
            .map(|span| format!("{}-{} {}", span.start, span.end, span.kind));
        let bioes = bioes(&spans, tags.len());
        let bioes: Vec<String> = bioes.iter().map(Tag::to_string).collect();
        (shown.collect::<Vec<_>>().join(", "), bioes.join(" "))
    }

    #[test]
    fn the_last_tag_gives_the_type_in_the_reference() {
        for (tags, spans, bioes) in [
            ("B-NP I-VP I-VP O", "0-2 VP", "B-VP I-VP E-VP O"),
            ("S-NP E-NP O I-NP", "0-1 NP, 3-3 NP", "B-NP E-NP O S-NP"),
            ("B-NP E-NP I-NP", "0-2 NP", "B-NP I-NP E-NP"),
            ("E-NP E-NP", "0-1 NP", "B-NP E-NP"),
            ("O O", "", "O O"),
        ] {
            let expected = (spans.to_owned(), bioes.to_owned());
            assert_eq!(read(tags, Rules::Reference), expected, "{tags}");
        }
    }

    #[test]
    fn by_the_usual_rules_another_type_begins_a_span() {
        for (tags, spans, bioes) in [
            // IOB1: B only after a span of the same type.
            (
                "I-PER I-LOC I-LOC B-LOC O",
                "0-0 PER, 1-2 LOC, 3-3 LOC",
                "S-PER B-LOC E-LOC S-LOC O",
            ),
            (
                "B-PER I-PER O B-LOC",
                "0-1 PER, 3-3 LOC",
                "B-PER E-PER O S-LOC",
            ),
            // Ill-formed BIOES and BILOU, as a model may produce.
            ("S-A E-A I-A", "0-0 A, 1-1 A, 2-2 A", "S-A S-A S-A"),
            (
                "B-A M-A L-A U-A B-B E-B",
                "0-2 A, 3-3 A, 4-5 B",
                "B-A I-A E-A S-A B-B E-B",
            ),
        ] {
            let expected = (spans.to_owned(), bioes.to_owned());
            assert_eq!(read(tags, Rules::Usual), expected, "{tags}");
        }
    }
}
