//! Sentences with gold and predicted spans: mistakes first, most confident first.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{
    Sentence, TagReport,
    marked_sentence::marked,
    span_error::{SpanError, SpanPair, pairs},
};
use crate::{
    counted::counted,
    report::{
        Limits,
        example_list::{Candidate, Filter, Group, chosen, list},
    },
    tasks::tagging::{sentence::Sentence as Words, span::Span},
};

/// A sentence and its errors.
struct Shown<'a> {
    words: &'a Words,
    /// Number of words that were predicted.
    kept: usize,
    sentence: &'a Sentence,
    pairs: Vec<SpanPair<'a>>,
}

impl Shown<'_> {
    fn errors(&self) -> BTreeSet<SpanError> {
        self.pairs.iter().filter_map(SpanPair::error).collect()
    }
}

pub(super) fn section(report: &TagReport, limits: Limits) -> Markup {
    let data = report.data;
    let kinds: Vec<&str> = report.figures.kinds.keys().map(AsRef::as_ref).collect();
    let places: BTreeMap<&str, usize> = kinds.iter().copied().zip(0..).collect();
    let sentences = data.sentences.sentences.iter().zip(&data.features);
    let mut shown: Vec<Shown> = sentences
        .zip(&report.sentences)
        .map(|((words, feature), sentence)| Shown {
            words,
            kept: feature.kept(),
            sentence,
            pairs: pairs(&sentence.gold, &sentence.predicted),
        })
        .collect();
    let surest = |shown: &Shown| shown.sentence.surest_mistake.unwrap_or(0.0);
    shown.sort_by(|a, b| surest(b).total_cmp(&surest(a)));
    let candidates: Vec<Candidate<Shown>> = shown
        .into_iter()
        .map(|example| {
            let errors = example.errors();
            Candidate {
                group: usize::from(errors.is_empty()),
                // The rarest kind of mistake should also be seen.
                class: errors.last().map_or(0, |error| place(*error)),
                example,
            }
        })
        .collect();
    let names = [
        (
            "wrong",
            "Sentences with a wrong span, the most confident mistake first",
        ),
        ("right", "Sentences whose spans are all right"),
    ];
    let articles = chosen(&candidates, names.len(), limits, |shown| {
        article(shown, &places)
    });
    let count = |group| candidates.iter().filter(|c| c.group == group).count();
    let groups: Vec<Group> = names
        .iter()
        .zip(articles)
        .enumerate()
        .map(|(number, ((name, meaning), shown))| Group {
            name,
            meaning,
            count: count(number),
            shown,
        })
        .collect();
    let filters = [
        Filter {
            key: "error",
            name: "Error",
            choices: SpanError::ALL.map(SpanError::name).into(),
        },
        Filter {
            key: "gold",
            name: "Gold type",
            choices: kinds.clone(),
        },
        Filter {
            key: "predicted",
            name: "Predicted type",
            choices: kinds,
        },
    ];
    html! {
        p.note {
            "Marked in the sentences: " mark.both { "right" } " " mark.gold { "gold, not predicted so" } " "
            mark.predicted { "predicted, not gold" } "."
        }
        (list(&groups, &filters))
    }
}

fn article(shown: &Shown, places: &BTreeMap<&str, usize>) -> Markup {
    let Shown {
        words,
        kept,
        sentence,
        ..
    } = shown;
    let (gold, predicted) = (&sentence.gold, &sentence.predicted);
    let all = &words.words;
    let kept_words = &all[..(*kept).min(all.len())];
    let kinds = |spans: &[Span]| {
        let kinds: BTreeSet<usize> = spans
            .iter()
            .filter_map(|span| places.get(span.kind.as_ref()).copied())
            .collect();
        numbers(kinds)
    };
    let errors = shown.errors();
    let right = shown
        .pairs
        .iter()
        .filter(|pair| pair.error().is_none())
        .count();
    html! {
        article data-error=(numbers(errors.iter().map(|error| place(*error))))
            data-gold=(kinds(gold)) data-predicted=(kinds(predicted)) {
            dl.sentence {
                dt { "gold" }
                dd { (marked(kept_words, gold, predicted, "gold")) }
                @if !errors.is_empty() {
                    dt { "predicted" }
                    dd { (marked(kept_words, predicted, gold, "predicted")) }
                }
            }
            p.meta {
                "line " (words.line) " · " (right) " of " (counted(gold.len(), "span")) " right"
                @for error in &errors { " · " (error.name()) }
                @if let Some(share) = sentence.surest_mistake { " · most confident mistake " (format!("{:.1} %", 100.0 * share)) }
                @if let cut @ 1.. = all.len() - kept_words.len() { " · " (counted(cut, "word")) " cut" }
            }
        }
    }
}

fn place(error: SpanError) -> usize {
    let errors = SpanError::ALL;
    errors.iter().position(|&one| one == error).unwrap_or(0)
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> String {
    let texts: Vec<String> = numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    texts.join(" ")
}
