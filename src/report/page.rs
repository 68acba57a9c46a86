//! The frame of the page: title, menu, style, script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, chart::Charts, joined, origin_section, score_table, training_section};

const STYLE: &str = include_str!("../../assets/report/page.css");
const SCRIPT: &str = include_str!("../../assets/report/page.js");
const PLOT_STYLE: &str = include_str!("../../assets/report/uPlot.min.css");
const PLOT_SCRIPT: &str = include_str!("../../assets/report/uPlot.iife.min.js");

/// Forbids loading anything from elsewhere, whatever the data contain.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

pub(super) fn page(report: &Report) -> Markup {
    let mut charts = Charts::default();
    let scores = (!report.tasks.is_empty() || !report.trials.is_empty())
        .then(|| score_table::section(report));
    let training = (!report.training.is_empty())
        .then(|| training_section::section(&report.training, &mut charts));
    let limits = report.limits();
    let of_tasks = report.tasks.iter();
    let of_tasks = of_tasks.map(|task| (task.name(), task.parts(limits, &mut charts)));
    let parts = joined::join(of_tasks.collect());
    let own = [
        scores.is_some().then_some(("scores", "Scores")),
        training.is_some().then_some(("training", "Training")),
    ];
    let of_tasks = parts.iter().filter_map(|part| part.heading);
    let menu = own
        .into_iter()
        .flatten()
        .chain(of_tasks.map(|heading| (heading.id, heading.menu)))
        .chain([("origin", "Origin")]);
    let main = html! {
        @if let Some(scores) = scores { (scores) }
        @if let Some(training) = training { (training) }
        @for part in &parts { (part.section(report.tasks.len() > 1)) }
        (origin_section::section(report))
    };
    around(&report.title, menu, &main, &charts)
}

/// The page around its sections; `menu` has the id and the name of each.
pub(crate) fn around<'a>(
    title: &str,
    menu: impl Iterator<Item = (&'a str, &'a str)>,
    main: &Markup,
    charts: &Charts,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="generator" content=(concat!("electra ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                style { (PreEscaped(PLOT_STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    nav {
                        @for (id, name) in menu { a href={ "#" (id) } { (name) } }
                        button #theme type="button" title="Light or dark" aria-label="Light or dark colours" hidden { "◐" }
                    }
                }
                main {
                    noscript { p.note { "The curves and the selectors need JavaScript; all tables and examples are here." } }
                    (main)
                }
                footer { "electra " (env!("CARGO_PKG_VERSION")) }
                script #charts type="application/json" { (PreEscaped(charts.json())) }
                script { (PreEscaped(PLOT_SCRIPT)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}
