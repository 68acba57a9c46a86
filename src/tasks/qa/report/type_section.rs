//! Report section on question types: correct and wrong, the kinds of "how", and question words that
//! occur together.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::{
    counted::counted_with,
    tasks::qa::analysis::{
        Analysis, PartCounts,
        part::Part,
        question_type::QuestionType,
        tally::{Tally, percent},
    },
};

/// Most combinations of question words shown.
const COMBINATIONS: usize = 20;

pub(super) fn section(analysis: &Analysis) -> Markup {
    html! {
        h3 { "By question type" }
        p.note {
            "The type is the last of why, when, how, what, who, where, which that the question has as a word. "
            "Bars: " span.key.right {} " right, " span.key.relaxed {} " right in a relaxed sense (the answer holds a "
            "gold answer or lies in one), " span.key.wrong {} " wrong."
        }
        @if analysis.parts.len() > 1 {
            div.choices data-choices="part" {
                @for counts in &analysis.parts {
                    button type="button" value=(part_key(counts.part)) { (counts.part.name()) }
                }
            }
        }
        @for counts in &analysis.parts {
            div data-part=(part_key(counts.part)) { (part(counts)) }
        }
        div.columns {
            @if !analysis.how.is_empty() {
                div {
                    h3 { "Kinds of “how”" }
                    (table("how …", analysis.how.iter().map(|(how, tally)| (how.name().to_owned(), *tally)).collect(), None))
                }
            }
            @if !analysis.combinations.is_empty() {
                div {
                    h3 { "Question words that stand together" }
                    (table("words", analysis.combinations.iter().take(COMBINATIONS)
                        .map(|found| (found.words.join(" + "), found.tally)).collect(), None))
                    @if let Some(more @ 1..) = analysis.combinations.len().checked_sub(COMBINATIONS) {
                        p.note { (counted_with(more, "rarer combination", ["is", "are"])) " left out." }
                    }
                }
            }
        }
    }
}

pub(super) fn part_key(part: Part) -> &'static str {
    match part {
        Part::Whole => "whole",
        Part::Answerable => "answerable",
        Part::Unanswerable => "unanswerable",
    }
}

fn part(counts: &PartCounts) -> Markup {
    table("type", sorted(&counts.types), Some(counts.all))
}

/// Returns types with their tallies, the best first.
pub(super) fn sorted(types: &BTreeMap<QuestionType, Tally>) -> Vec<(String, Tally)> {
    let mut rows: Vec<(String, Tally)> = types
        .iter()
        .map(|(name, tally)| (name.to_string(), *tally))
        .collect();
    rows.sort_by(|a, b| b.1.exact_percent().total_cmp(&a.1.exact_percent()));
    rows
}

/// Renders a row of counts and a bar for each tally; also the shares of all, correct and wrong
/// questions if `all` holds their sums.
pub(super) fn table(head: &str, rows: Vec<(String, Tally)>, all: Option<Tally>) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { (head) } th.n { "questions" }
                @if all.is_some() { th.n { "share" } th.n { "of right" } th.n { "of wrong" } }
                th.n { "exact" } th.n { "relaxed" } th.n { "F1" } th.wide { "" }
            } }
            tbody {
                @for (name, tally) in &rows { (row(name, tally, all.as_ref())) }
                @if let Some(all) = &all { (row("all", all, Some(all))) }
            }
        } }
    }
}

fn row(name: &str, tally: &Tally, all: Option<&Tally>) -> Markup {
    let share = |part: usize, whole: usize| format!("{:.1} %", percent(part as f64, whole));
    html! { tr {
        td { (name) }
        td.n { (tally.total) }
        @if let Some(all) = all {
            td.n { (share(tally.total, all.total)) }
            td.n { (share(tally.right, all.right)) }
            td.n { (share(tally.wrong(), all.wrong())) }
        }
        td.n { (format!("{:.1}", tally.exact_percent())) }
        td.n { (format!("{:.1}", tally.relaxed_percent())) }
        td.n { (format!("{:.1}", tally.f1_percent())) }
        td.wide { (bar(&[
            ("right", tally.right, "right"),
            ("relaxed", tally.right_relaxed - tally.right, "right in a relaxed sense"),
            ("wrong", tally.total - tally.right_relaxed, "wrong"),
        ])) }
    } }
}

/// Renders a bar of parts: style class, count, meaning.
pub(super) fn bar(parts: &[(&str, usize, &str)]) -> Markup {
    let whole = parts.iter().map(|(_, count, _)| count).sum();
    html! {
        span.bar {
            @for (class, count, meaning) in parts {
                @if *count > 0 {
                    i class=(class) style=(format!("width:{:.2}%", percent(*count as f64, whole)))
                        title=(format!("{meaning}: {count} of {whole}")) {}
                }
            }
        }
    }
}
