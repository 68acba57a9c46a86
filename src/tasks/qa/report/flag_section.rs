//! Report section on QuAC's flags: how often each value occurs, in every part and class, and
//! correct and wrong by type.

use maud::{Markup, html};

use super::type_section::{bar, sorted, table};
use crate::tasks::qa::analysis::flags::{Flag, FlagCounts, ValueCounts};

pub(super) fn section(flags: &FlagCounts) -> Markup {
    let values = flags.flag.values();
    html! {
        h3 { "By " (flags.flag.name()) " flag" }
        p.note {
            @for (place, (value, meaning)) in values.iter().enumerate() {
                span class={ "key " (colour(place)) } {} " " code { (value) } " " (meaning) " "
            }
        }
        div.scroll { table {
            thead { tr {
                th { "questions" }
                @for (value, _) in values { th.n { (value) } }
                th.n { "none" } th.wide { "" }
            } }
            tbody {
                @for part in &flags.parts {
                    (row(part.part.name(), flags.flag, &part.all))
                    (row(&format!("{}, right", part.part.name()), flags.flag, &part.right))
                    (row(&format!("{}, wrong", part.part.name()), flags.flag, &part.wrong))
                }
                @for (class, counts) in &flags.classes {
                    (row(&format!("{} {}", class.letter(), class.name()), flags.flag, counts))
                }
            }
        } }
        @for (value, meaning) in values {
            @if let Some(types) = flags.types.get(value).filter(|types| !types.is_empty()) {
                h4 { "Question types where " (flags.flag.name()) " is " code { (value) } " (" (meaning) ")" }
                (table("type", sorted(types), None))
            }
        }
    }
}

fn row(name: &str, flag: Flag, counts: &ValueCounts) -> Markup {
    let values = flag.values();
    let count = |value: &str| counts.get(value).copied().unwrap_or(0);
    let known: usize = values.iter().map(|(value, _)| count(value)).sum();
    let none = counts.values().sum::<usize>() - known;
    let parts: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(place, (value, meaning))| (colour(place), count(value), *meaning))
        .collect();
    html! { tr {
        td { (name) }
        @for (value, _) in values { td.n { (count(value)) } }
        td.n { (none) }
        td.wide { (bar(&parts)) }
    } }
}

fn colour(place: usize) -> &'static str {
    ["t0", "t3", "t1"].get(place).copied().unwrap_or("t9")
}
