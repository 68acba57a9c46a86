//! Report section on spans by type: how many are correct, and the errors of the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use maud::{Markup, html};

use super::span_error::{SpanError, SpanPair};
use crate::{
    counted::{counted, counted_with},
    tasks::tagging::scorer::{SpanCounts, TagFigures},
};

/// Most confusions of types listed.
const CONFUSIONS: usize = 20;

/// Number of occurrences of each error, by the type of the gold span or, for spurious ones, of the
/// predicted span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    pub by_type: BTreeMap<Arc<str>, BTreeMap<SpanError, usize>>,
    /// By gold and predicted type, for overlapping spans.
    pub confusions: BTreeMap<(Arc<str>, Arc<str>), usize>,
}

impl ErrorCounts {
    pub fn add(&mut self, pair: &SpanPair) {
        let Some((span, error)) = pair.gold.or(pair.predicted).zip(pair.error()) else {
            return;
        };
        let errors = self.by_type.entry(span.kind.clone()).or_default();
        *errors.entry(error).or_default() += 1;
        if let (Some(gold), Some(predicted)) = (pair.gold, pair.predicted)
            && gold.kind != predicted.kind
        {
            let confusion = (gold.kind.clone(), predicted.kind.clone());
            *self.confusions.entry(confusion).or_default() += 1;
        }
    }

    fn of(&self, kind: &str, error: SpanError) -> usize {
        let errors = self.by_type.get(kind);
        errors
            .and_then(|errors| errors.get(&error))
            .copied()
            .unwrap_or(0)
    }

    pub fn total(&self, error: SpanError) -> usize {
        let errors = self.by_type.values();
        errors.filter_map(|errors| errors.get(&error)).sum()
    }
}

pub(super) fn section(figures: &TagFigures, errors: &ErrorCounts) -> Markup {
    let wrong: usize = SpanError::ALL
        .iter()
        .map(|&error| errors.total(error))
        .sum();
    html! {
        h3 { "By type" }
        p.note {
            "In percent, over spans: the words and the type must be right. By type they are ours, beyond the "
            "reference; the macro average is the mean of the types with gold spans."
        }
        (by_type(figures))
        h3 { "What is wrong" }
        p.note {
            "Each gold span is matched with at most one predicted span: one of the same words, or one "
            "that overlaps it. " (counted(wrong, "error")) "."
        }
        div.scroll { table.fit.stack {
            thead { tr { th { "error" } th { "meaning" } th.n { "count" } th.n { "of all errors" } } }
            tbody {
                @for error in SpanError::ALL { tr {
                    td { (error.name()) }
                    td.told { (error.meaning()) }
                    td.n data-label="count" { (errors.total(error)) }
                    td.n data-label="of all errors" { (percent(100.0 * errors.total(error) as f64 / wrong.max(1) as f64)) " %" }
                } }
            }
        } }
        h3 { "Errors by type" }
        p.note { "By the type of the gold span; of a spurious one, by its own." }
        (errors_by_type(figures, errors))
        @if !errors.confusions.is_empty() {
            h3 { "Confused types" }
            (confusions(errors))
        }
    }
}

fn by_type(figures: &TagFigures) -> Markup {
    let kinds = figures.kinds.values();
    let gold: Vec<&SpanCounts> = kinds.filter(|counts| counts.gold > 0).collect();
    let mean = |of: fn(&SpanCounts) -> f64| {
        gold.iter().map(|counts| of(counts)).sum::<f64>() / gold.len().max(1) as f64
    };
    let macros = [SpanCounts::precision, SpanCounts::recall, SpanCounts::f1].map(mean);
    let row = |name: &str, shares: [f64; 3], counts: &SpanCounts| {
        html! { tr {
            th scope="row" { (name) }
            @for share in shares { td.n { (percent(share)) } }
            td.n { (counts.gold) }
            td.n { (counts.predicted) }
            td.n { (counts.correct) }
        } }
    };
    let shares = |counts: &SpanCounts| [counts.precision(), counts.recall(), counts.f1()];
    html! {
        div.scroll { table.fit {
            thead { tr {
                th { "type" } th.n { "precision" } th.n { "recall" } th.n { "F1" } th.n { "gold" }
                th.n { "predicted" } th.n { "right" }
            } }
            tbody {
                @for (kind, counts) in &figures.kinds { (row(kind, shares(counts), counts)) }
                (row("macro average", macros, &figures.spans))
                (row("all spans", shares(&figures.spans), &figures.spans))
            }
        } }
    }
}

fn errors_by_type(figures: &TagFigures, errors: &ErrorCounts) -> Markup {
    let kinds: BTreeSet<&Arc<str>> = figures.kinds.keys().collect();
    html! {
        div.scroll { table.fit {
            thead { tr {
                th { "type" } th.n { "right" }
                @for error in SpanError::ALL { th.n { (error.name()) } }
            } }
            tbody {
                @for kind in kinds { tr {
                    th scope="row" { (kind) }
                    td.n { (figures.kinds[kind].correct) }
                    @for error in SpanError::ALL { td.n { (errors.of(kind, error)) } }
                } }
            }
        } }
    }
}

fn confusions(errors: &ErrorCounts) -> Markup {
    let mut confusions: Vec<_> = errors.confusions.iter().collect();
    confusions.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let more = confusions.len().saturating_sub(CONFUSIONS);
    html! {
        div.scroll { table.fit {
            thead { tr { th { "gold" } th { "predicted" } th.n { "count" } } }
            tbody {
                @for ((gold, predicted), count) in confusions.iter().take(CONFUSIONS) { tr {
                    td { (gold) } td { (predicted) } td.n { (count) }
                } }
            }
        } }
        @if more > 0 { p.note { (counted_with(more, "rarer one", ["is", "are"])) " left out." } }
    }
}

fn percent(value: f64) -> String {
    format!("{value:.1}")
}
