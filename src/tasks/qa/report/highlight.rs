//! A passage with its gold answers and the predicted answer marked.

use std::ops::Range;

use maud::{Markup, html};

use crate::tasks::qa::raw::paragraph::Answer;

/// Most characters of a passage shown.
const LONGEST: usize = 3000;

/// Characters shown before the first mark of a longer passage.
const BEFORE: usize = 600;

/// What a stretch of a passage is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    pub gold: bool,
    pub predicted: bool,
}

impl Marks {
    fn class(self) -> Option<&'static str> {
        match (self.gold, self.predicted) {
            (true, true) => Some("both"),
            (true, false) => Some("gold"),
            (false, true) => Some("predicted"),
            (false, false) => None,
        }
    }
}

/// Splits the passage into stretches with the same marks, in order.
///
/// Gold answers are marked where the data say, or else where their text first occurs; the predicted
/// one, of which only the text is known, at its occurrence nearest to a gold answer.
pub fn stretches<'a>(passage: &'a str, gold: &[Answer], predicted: &str) -> Vec<(&'a str, Marks)> {
    let gold: Vec<Range<usize>> = gold
        .iter()
        .filter_map(|answer| place(passage, answer))
        .collect();
    let near = gold.first().map_or(0, |first| first.start);
    let places = passage
        .match_indices(predicted)
        .filter(|_| !predicted.is_empty());
    let predicted = places
        .map(|(start, text)| start..start + text.len())
        .min_by_key(|place| {
            let overlaps = gold
                .iter()
                .any(|gold| gold.start < place.end && place.start < gold.end);
            (!overlaps, place.start.abs_diff(near))
        });
    let mut edges: Vec<usize> = gold
        .iter()
        .chain(&predicted)
        .flat_map(|place| [place.start, place.end])
        .chain([0, passage.len()])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let marks = |start: usize, end: usize| {
        let inside = |place: &Range<usize>| place.start <= start && end <= place.end;
        Marks {
            gold: gold.iter().any(inside),
            predicted: predicted.as_ref().is_some_and(inside),
        }
    };
    let mut joined: Vec<(Range<usize>, Marks)> = Vec::new();
    for (&start, &end) in edges.iter().zip(edges.iter().skip(1)) {
        let marks = marks(start, end);
        match joined.last_mut() {
            Some((before, same)) if *same == marks => before.end = end,
            _ => joined.push((start..end, marks)),
        }
    }
    joined
        .into_iter()
        .filter_map(|(place, marks)| Some((passage.get(place)?, marks)))
        .collect()
}

/// Returns the bytes of an answer in its passage.
fn place(passage: &str, answer: &Answer) -> Option<Range<usize>> {
    if answer.text.is_empty() {
        return None;
    }
    let told = answer.start.and_then(|start| {
        let (byte, _) = passage.char_indices().nth(start)?;
        passage
            .get(byte..)?
            .starts_with(&answer.text)
            .then_some(byte)
    });
    let start = told.or_else(|| passage.find(&answer.text))?;
    Some(start..start + answer.text.len())
}

/// Renders the passage with its marks; a long one is cut around the first of them.
pub(super) fn passage(passage: &str, gold: &[Answer], predicted: &str) -> Markup {
    let stretches = stretches(passage, gold, predicted);
    let first_mark: usize = stretches
        .iter()
        .take_while(|(_, marks)| marks.class().is_none())
        .map(|(text, _)| text.chars().count())
        .sum();
    let length = passage.chars().count();
    let start = if length <= LONGEST {
        0
    } else {
        // Without a mark, the whole passage precedes it.
        let marked = if first_mark == length { 0 } else { first_mark };
        marked.saturating_sub(BEFORE)
    };
    let end = start + LONGEST;
    let mut at = 0;
    let mut shown = Vec::new();
    for (text, marks) in stretches {
        let count = text.chars().count();
        let from = start.saturating_sub(at).min(count);
        let to = end.saturating_sub(at).min(count);
        at += count;
        if from < to {
            shown.push((cut(text, from, to), marks));
        }
    }
    html! {
        @if start > 0 { "… " }
        @for (text, marks) in shown {
            @match marks.class() {
                Some(class) => mark class=(class) { (text) },
                None => (text),
            }
        }
        @if end < length { " …" }
    }
}

/// Returns the characters `from` up to `to` of a text.
fn cut(text: &str, from: usize, to: usize) -> &str {
    let byte = |place: usize| {
        let mut places = text.char_indices().map(|(byte, _)| byte);
        places.nth(place).unwrap_or(text.len())
    };
    text.get(byte(from)..byte(to)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gold(text: &str, start: Option<usize>) -> Answer {
        Answer {
            text: text.to_owned(),
            start,
        }
    }

    fn marked(text: &str, answers: &[Answer], predicted: &str) -> String {
        passage(text, answers, predicted).into_string()
    }

    #[test]
    fn answers_and_prediction_are_marked_where_they_stand() {
        let text = "Élan: an oak, an old oak.";
        assert_eq!(
            marked(text, &[gold("old oak", Some(17))], "oak"),
            "Élan: an oak, an <mark class=\"gold\">old </mark><mark class=\"both\">oak</mark>."
        );
        assert_eq!(
            marked(text, &[gold("Élan", Some(0))], "old oak"),
            "<mark class=\"gold\">Élan</mark>: an oak, an <mark class=\"predicted\">old oak</mark>."
        );
        assert_eq!(
            marked(
                text,
                &[gold("old", Some(17)), gold("old oak", Some(17))],
                ""
            ),
            "Élan: an oak, an <mark class=\"gold\">old oak</mark>."
        );
        // A wrong start, and a prediction that does not occur.
        assert_eq!(
            marked(
                text,
                &[gold("oak", Some(1)), gold("", Some(0)), gold("elm", None)],
                "ash"
            ),
            "Élan: an <mark class=\"gold\">oak</mark>, an old oak."
        );
        assert_eq!(marked(text, &[], ""), text);
        assert_eq!(marked("", &[gold("a", Some(9))], "b"), "");
    }

    #[test]
    fn of_several_places_the_one_that_overlaps_counts() {
        let text = "oak oak oak";
        assert_eq!(
            marked(text, &[gold("oak", Some(8))], "oak"),
            "oak oak <mark class=\"both\">oak</mark>"
        );
    }

    #[test]
    fn texts_are_escaped() {
        let text = "<script>alert(1)</script> & oak";
        assert_eq!(
            marked(text, &[gold("oak", None)], "alert(1)"),
            "&lt;script&gt;<mark class=\"predicted\">alert(1)</mark>&lt;/script&gt; &amp; <mark class=\"gold\">oak</mark>"
        );
    }

    #[test]
    fn long_passages_are_cut_around_the_first_mark() {
        let text = format!("{}oak{}", "é".repeat(5000), "à".repeat(5000));
        let shown = marked(&text, &[gold("oak", None)], "");
        assert!(
            shown.starts_with("… é") && shown.ends_with("à …"),
            "{shown}"
        );
        assert_eq!(shown.matches('é').count(), BEFORE);
        assert_eq!(shown.matches('à').count(), LONGEST - BEFORE - 3);
        let unmarked = marked(&text, &[], "");
        assert!(unmarked.starts_with('é') && unmarked.ends_with(" …"));
    }
}
