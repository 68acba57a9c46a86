//! Renders a comparison of runs with the first of them as one HTML file, in the style of a report.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::{
    EXAMPLE_BYTES, Error, Limits, Made, Sections,
    chart::Charts,
    example_list::{Candidate, Group, chosen, list, short},
    origin_section::row,
    page,
};
use crate::{
    counted::{counted, plural},
    eval::{
        bootstrap::Bootstrap,
        comparison::{ComparedFigure, TaskComparison},
        figures::{is_loss, with_minus},
        json_file::write_text,
    },
};

/// A run compared with the first.
pub struct Against<'a> {
    /// Its position among the runs, from 1; the first run is 1.
    pub run: usize,
    /// With the answers of the first run and of this one.
    pub tasks: Vec<(&'a TaskComparison, [&'a dyn Sections; 2])>,
    /// Tasks that only one of the two has.
    pub left_out: &'a [String],
}

/// The contents of the page.
pub struct ComparisonPage<'a> {
    pub title: String,
    /// Names of facts and settings, and each run's values.
    pub runs: Vec<(String, Vec<String>)>,
    pub comparisons: Vec<Against<'a>>,
    pub bootstrap: Bootstrap,
    /// Most examples gained or lost that are shown per task.
    pub examples: usize,
    pub made: Made,
}

impl ComparisonPage<'_> {
    /// Writes the page, completely or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_text(path, &self.html().into_string())?)
    }

    fn html(&self) -> Markup {
        let menu = [
            ("runs", "Runs"),
            ("scores", "Scores"),
            ("examples", "Examples"),
            ("origin", "Origin"),
        ];
        let main = html! {
            section #runs { h2 { "Runs" } (self.runs()) }
            section #scores { h2 { "Scores" } (self.scores()) }
            section #examples { h2 { "Examples" } (self.examples()) }
            section #origin { h2 { "Where this comes from" } (self.origin()) }
        };
        page::around(&self.title, menu.into_iter(), &main, &Charts::default())
    }

    fn runs(&self) -> Markup {
        let runs = self.runs.first().map_or(0, |(_, values)| values.len());
        html! {
            div.scroll { table.fit.stack {
                thead { tr { th {} @for run in 1..=runs { th { "run " (run) } } } }
                tbody { @for (name, values) in &self.runs { tr {
                    td { code { (name) } }
                    @for (run, value) in (1..).zip(values) {
                        td.told data-label={ "run " (run) } { (value) }
                    }
                } } }
            } }
            p.note { "Settings that are the same in all runs are left out." }
        }
    }

    fn scores(&self) -> Markup {
        let Bootstrap {
            resamples,
            seed,
            confidence,
        } = self.bootstrap;
        html! {
            p.note {
                "The interval contains the middle " (percent(confidence)) " of the differences in " (resamples)
                " samples of the examples, drawn with replacement (seed " (seed) ") and the same for both \
                                                                                 runs. It shows "
                "how much the difference depends on these examples, not how much on the training seed. A \
                difference "
                "whose interval excludes 0 is bold."
            }
            @for against in &self.comparisons {
                @for (task, _) in &against.tasks {
                    h3 { (task.task) ": run " (against.run) " against run 1, " (examples(task)) }
                    (table(task, against.run, confidence))
                }
                @for task in against.left_out {
                    p.note { "Not compared, because only one of run 1 and run " (against.run) " has it: " (task) "." }
                }
            }
        }
    }

    fn examples(&self) -> Markup {
        let tasks: usize = self
            .comparisons
            .iter()
            .map(|against| against.tasks.len())
            .sum();
        let limits = Limits {
            examples: self.examples,
            bytes: EXAMPLE_BYTES / tasks.max(1),
        };
        html! {
            @for against in &self.comparisons {
                @for (task, sections) in &against.tasks {
                    h3 { (task.task) ": run " (against.run) " against run 1" }
                    (gained_and_lost(task, *sections, against.run, limits))
                }
            }
        }
    }

    fn origin(&self) -> Markup {
        let sections = self.comparisons.iter().flat_map(|against| &against.tasks);
        let mut data: Vec<Markup> = Vec::new();
        let mut seen = Vec::new();
        for (_, [section, _]) in sections {
            if !seen.contains(&section.data()) {
                seen.push(section.data());
                data.push(super::origin_section::file(section.data()));
            }
        }
        html! {
            table.origin { tbody {
                @for file in data { (row("data", file)) }
                (row("page made", html! { (self.made.date) " by electra " (env!("CARGO_PKG_VERSION")) }))
                (row("command", html! { code { (self.made.command) } }))
            } }
        }
    }
}

fn table(task: &TaskComparison, run: usize, confidence: f64) -> Markup {
    html! {
        div.scroll { table.fit.stack {
            thead { tr {
                th { "figure" } th.n { "run 1" } th.n { "run " (run) } th.n { "difference" }
                th.n { (percent(confidence)) " interval" }
            } }
            tbody { @for figure in &task.figures { tr {
                td { code { (figure.key) } (remark(figure)) }
                @for (run, value) in [1, run].into_iter().zip(figure.values) {
                    td.n data-label={ "run " (run) } { (shown(figure, value)) }
                }
                td.n data-label="difference" {
                    @if figure.interval.is_some_and(|interval| interval.excludes_zero()) {
                        b { (signed(figure, figure.difference())) }
                    } @else { (signed(figure, figure.difference())) }
                }
                td.n data-label={ (percent(confidence)) " interval" } { (interval(figure)) }
            } } }
        } }
        @for figure in &task.figures {
            @if let Some(undefined) = figure.interval.map(|i| i.undefined).filter(|&count| count > 0) {
                p.note {
                    (figure.key) ": undefined for " (counted(undefined, "sample")) "; "
                    @if undefined == 1 { "it is left out." } @else { "they are left out." }
                }
            }
        }
    }
}

fn gained_and_lost(
    task: &TaskComparison,
    sections: [&dyn Sections; 2],
    run: usize,
    limits: Limits,
) -> Markup {
    let of_group = |group: usize, places: &[usize]| -> Vec<Candidate<usize>> {
        let places = places.iter();
        let candidates = places.map(|&example| Candidate {
            group,
            class: 0,
            example,
        });
        candidates.collect()
    };
    let mut candidates = of_group(0, &task.gained);
    candidates.extend(of_group(1, &task.lost));
    if candidates.is_empty() {
        return html! { p.note { "No answer of one run is better than the other's." } };
    }
    let article = |&example: &usize| {
        let [first, other] = sections.map(|section| section.told(example));
        html! {
            article {
                h5 { (short(&first.text)) }
                dl {
                    dt { "gold" } dd { (short(&first.gold)) }
                    dt { "run 1" } dd { (short(&first.answer)) }
                    dt { "run " (run) } dd { (short(&other.answer)) }
                }
                (contexts(sections, run, example))
                p.meta { code { (short(&first.id)) } }
            }
        }
    };
    let mut shown = chosen(&candidates, 2, limits, article).into_iter();
    let meanings = [run, 1].map(|run| {
        let (noun, better) = (plural(2, task.noun), task.better);
        format!("{}, {better} in run {run}", capital(&noun))
    });
    let counts = [("gained", task.gained.len()), ("lost", task.lost.len())];
    let groups: Vec<Group> = counts
        .into_iter()
        .zip(&meanings)
        .map(|((name, count), meaning)| Group {
            name,
            meaning,
            count,
            shown: shown.next().unwrap_or_default(),
        })
        .collect();
    html! {
        @if sections[0].context(candidates[0].example).is_some() {
            p.note {
                "Marked in the passages, which are shown for each run: " mark.gold { "gold answers" } " "
                mark.predicted { "the prediction of the run" } " " mark.both { "both" } "."
            }
        }
        (list(&groups, &[]))
    }
}

/// Renders the context of an example for each run, with its answer marked; once if they are alike.
fn contexts(sections: [&dyn Sections; 2], run: usize, example: usize) -> Markup {
    let contexts = sections.map(|section| section.context(example));
    let shown = contexts.iter().flatten().map(|context| &context.0);
    match shown.collect::<Vec<_>>()[..] {
        [first, other] if first != other => html! {
            div.columns { @for (run, context) in [1, run].into_iter().zip(contexts.iter().flatten()) {
                div { p.meta { "run " (run) } (context) }
            } }
        },
        _ => html! { @if let Some(context) = &contexts[1] { (context) } },
    }
}

fn examples(task: &TaskComparison) -> String {
    crate::counted::grouped(task.examples, task.noun)
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), characters.as_str())
}

/// Shortens the paths of runs to what distinguishes them, for a heading: the folders that all begin
/// or end with are left out.
pub fn distinct(paths: &[&Path]) -> Vec<String> {
    let parts = paths.iter().map(|path| {
        let parts = path.components();
        let parts = parts.map(|part| part.as_os_str().to_string_lossy().into_owned());
        parts.collect::<Vec<String>>()
    });
    let parts: Vec<Vec<String>> = parts.collect();
    let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
    let alike = |of: &dyn Fn(&[String]) -> Option<String>| {
        parts.windows(2).all(|pair| of(&pair[0]) == of(&pair[1]))
    };
    // Something of each is left.
    let most = shortest.saturating_sub(1);
    let before = (0..most).take_while(|&place| alike(&|own| own.get(place).cloned()));
    let before = before.count();
    let after =
        (1..=most - before).take_while(|&place| alike(&|own| own.get(own.len() - place).cloned()));
    let after = after.count();
    let left = parts.iter().map(|own| {
        let left = own.get(before..own.len() - after).unwrap_or(own);
        left.iter().collect::<PathBuf>().display().to_string()
    });
    left.collect()
}

/// Formats a fraction as a percentage with at most one decimal.
pub fn percent(share: f64) -> String {
    format!("{} %", (1000.0 * share).round() / 10.0)
}

/// Formats a metric's value: with more digits if all are small, as losses are.
pub fn shown(figure: &ComparedFigure, value: f64) -> String {
    with_minus(&format!("{value:.*}", digits(figure)))
}

/// Formats a difference of values with its sign.
pub fn signed(figure: &ComparedFigure, value: f64) -> String {
    let text = format!("{value:+.*}", digits(figure));
    // A difference that rounds to zero has no sign.
    match text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) || !value.is_finite() {
        true => with_minus(&text),
        false => text.replace(['+', '-'], ""),
    }
}

/// Formats the interval of a metric's difference.
pub fn interval(figure: &ComparedFigure) -> String {
    match figure.interval {
        Some(interval) => {
            let ends = [interval.low, interval.high].map(|end| signed(figure, end));
            format!("{} … {}", ends[0], ends[1])
        }
        None => "–".to_owned(),
    }
}

/// Formats a metric's key; says of a loss that less of it is better.
pub fn named(figure: &ComparedFigure) -> String {
    format!("{}{}", figure.key, remark(figure))
}

/// What is said behind a metric's key.
fn remark(figure: &ComparedFigure) -> &'static str {
    match is_loss(&figure.key) {
        true => ", lower is better",
        false => "",
    }
}

/// Returns the number of decimals: two for percentages, more for losses.
fn digits(figure: &ComparedFigure) -> usize {
    match is_loss(&figure.key) {
        true => 4,
        false => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_minus_sign_in_every_column() {
        let figure = ComparedFigure {
            key: "mcc".to_owned(),
            values: [-13.3333, -0.001],
            interval: None,
        };
        assert_eq!(shown(&figure, figure.values[0]), "−13.33");
        assert_eq!(signed(&figure, -13.3333), "−13.33");
        assert_eq!(signed(&figure, figure.difference()), "+13.33");
        assert_eq!(signed(&figure, figure.values[1]), "0.00");
        assert_eq!(shown(&figure, f64::NAN), "NaN");
    }

    #[test]
    fn of_a_loss_alone_less_is_better() {
        let named = |key: &str| {
            named(&ComparedFigure {
                key: key.to_owned(),
                values: [1.0, 2.0],
                interval: None,
            })
        };
        assert_eq!(named("loss"), "loss, lower is better");
        assert_eq!(named("accuracy"), "accuracy");
    }

    #[test]
    fn a_heading_has_of_paths_what_distinguishes_them() {
        for (paths, expected) in [
            (
                &["m/tuned/rte_model_1", "m/tuned/rte_model_2"][..],
                &["rte_model_1", "rte_model_2"][..],
            ),
            (
                &["d/small/tuned/rte_model", "d/base/tuned/rte_model"],
                &["small", "base"],
            ),
            (&["a/x/rte", "a/b/y/rte"], &["x", "b/y"]),
            (&["tries", "tries/first"], &["tries", "tries/first"]),
            (&["/a/x/b", "/a/y/c", "/a/y/b"], &["x/b", "y/c", "y/b"]),
            (&["a/b/c", "b/c"], &["a/b", "b"]),
            (&["a/b", "a/b/b"], &["b", "b/b"]),
            (&["/", "/a"], &["/", "/a"]),
        ] {
            let paths: Vec<&Path> = paths.iter().map(Path::new).collect();
            assert_eq!(distinct(&paths), expected, "{paths:?}");
        }
    }
}
