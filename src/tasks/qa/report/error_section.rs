//! Report section on classes of errors: how many, and in which types of questions.

use maud::{Markup, html};

use super::type_section::bar;
use crate::{
    counted::counted,
    tasks::qa::analysis::{Analysis, question_type::QuestionType, tally::percent},
};

pub(super) fn section(analysis: &Analysis) -> Markup {
    let classes = &analysis.classes;
    let wrong: usize = classes.iter().map(|class| class.count).sum();
    let all: usize = analysis.judgements.len();
    let types = types(analysis);
    html! {
        h3 { "What is wrong" }
        p.note {
            (wrong) " of " (counted(all, "prediction")) @if wrong == 1 { " is" } @else { " are" } " wrong. Answers are compared normalised as the scorers do, character by "
            "character. Bars show the question types: "
            @for (place, name) in types.iter().enumerate() {
                span class={ "key " (colour(place)) } {} " " (name) " "
            }
        }
        div.scroll { table.stack {
            thead { tr {
                th { "class" } th { "the prediction …" } th.n { "count" } th.n { "of wrong" } th.wide { "" }
            } }
            tbody {
                @for class in classes { tr {
                    td { b { (class.letter) } " " (class.class.name()) }
                    td { (class.class.meaning()) }
                    td.n data-label="count" { (class.count) }
                    td.n data-label="of wrong" { (format!("{:.1} %", percent(class.count as f64, wrong))) }
                    td.wide { (bar(&types.iter().enumerate().map(|(place, name)| {
                        (colour(place), class.types.get(name).copied().unwrap_or(0), name.name())
                    }).collect::<Vec<_>>())) }
                } }
            }
        } }
    }
}

/// Returns the types in the data, in order.
fn types(analysis: &Analysis) -> Vec<QuestionType> {
    let whole = analysis.parts.first();
    whole
        .map(|part| part.types.keys().copied().collect())
        .unwrap_or_default()
}

fn colour(place: usize) -> &'static str {
    ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"]
        .get(place)
        .copied()
        .unwrap_or("t9")
}
