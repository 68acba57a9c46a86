//! Renders a sentence with its spans marked.

use maud::{Markup, html};

use crate::{counted::counted, tasks::tagging::span::Span};

/// Most words of a sentence shown.
const LONGEST: usize = 200;

/// Renders the words with `spans` marked, which are sorted and do not overlap: spans that are also
/// in `others` as correct, the rest in the colour of `class`.
pub(super) fn marked(
    words: &[String],
    spans: &[Span],
    others: &[Span],
    class: &'static str,
) -> Markup {
    let mut pieces = Vec::new();
    let mut next = 0;
    for span in spans
        .iter()
        .filter(|span| span.end < LONGEST.min(words.len()))
    {
        pieces.push(html! { (words[next..span.start].join(" ")) " " });
        let class = if others.contains(span) { "both" } else { class };
        pieces.push(html! {
            mark class=(class) { (words[span.start..=span.end].join(" ")) " " small { (span.kind) } } " "
        });
        next = span.end + 1;
    }
    let end = words.len().min(LONGEST).max(next);
    html! {
        @for piece in pieces { (piece) }
        (words[next..end].join(" "))
        @if end < words.len() { " … " (counted(words.len() - end, "more word")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize, kind: &str) -> Span {
        Span {
            start,
            end,
            kind: kind.into(),
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn right_spans_and_wrong_ones_are_told_apart() {
        let words = words("Ada Lovelace met <b> & Co");
        let gold = [span(0, 1, "PER"), span(3, 3, "<LOC>")];
        let html = marked(&words, &gold, &[span(0, 1, "PER")], "gold").into_string();
        assert_eq!(
            html,
            " <mark class=\"both\">Ada Lovelace <small>PER</small></mark> met \
             <mark class=\"gold\">&lt;b&gt; <small>&lt;LOC&gt;</small></mark> &amp; Co"
        );
    }

    #[test]
    fn long_sentences_are_cut() {
        let words = vec!["a".to_owned(); 300];
        let spans = [span(0, 0, "X"), span(199, 201, "X"), span(250, 250, "X")];
        let html = marked(&words, &spans, &[], "gold").into_string();
        assert_eq!(html.matches("<mark").count(), 1);
        assert!(html.ends_with(" … 100 more words"), "{html}");
    }
}
