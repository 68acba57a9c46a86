//! Training curves: loss, learning rate, gradient norm, throughput.

use maud::{Markup, html};

use super::{
    TrainingCurve,
    chart::{COLOURS, Charts, Line, Lines},
    training_curve::memory,
};

pub(super) fn section(curves: &[TrainingCurve], charts: &mut Charts) -> Markup {
    let alone = curves.len() == 1;
    let are_kept = curves.iter().any(|curve| curve.kept().is_some());
    // Of several runs each kept others: the table tells which.
    let kept = curves.iter().find_map(TrainingCurve::kept);
    let kept = kept.filter(|_| alone).map(|step| step as f64);
    let chart = |y: &str, lines: Vec<Line>| Lines {
        x: "step".into(),
        y: y.into(),
        log: false,
        lines,
        mark: None,
        line: None,
    };
    let each = |line: &dyn Fn(&TrainingCurve, usize) -> Line| {
        let numbered = curves.iter().enumerate();
        numbered
            .map(|(colour, curve)| line(curve, colour))
            .collect()
    };
    let loss = curves.iter().enumerate();
    let mut loss: Vec<Line> = loss
        .flat_map(|(colour, curve)| curve.loss(colour, alone))
        .collect();
    // Of several runs each has one colour in all charts, and each metric its own dashes. `before` is
    // how many lines of a run the chart already has.
    let dashes = curves.len().next_multiple_of(COLOURS);
    let dev = |losses: bool, before: usize| -> Vec<Line> {
        let numbered = curves.iter().enumerate();
        let lines = numbered.flat_map(|(run, curve)| match alone {
            true => curve.dev(losses, before, 1, alone),
            false => curve.dev(losses, run + before * dashes, dashes, alone),
        });
        lines.collect()
    };
    let mut taken: Vec<String> = curves.iter().flat_map(TrainingCurve::taken).collect();
    taken.sort_unstable();
    taken.dedup();
    let mut between = match taken.is_empty() {
        true => "Between training steps.".to_owned(),
        false => format!("Between training steps, of {}.", taken.join("; ")),
    };
    if let Some(step) = kept {
        between.push_str(&format!(
            " The vertical line: the weights that were kept, after step {step}."
        ));
    }
    let evaluated = curves.iter().any(|curve| !curve.dev.is_empty());
    let (dev_losses, dev_scores) = (dev(true, 1), dev(false, 0));
    let rate = each(&|curve, colour| {
        curve.figure("learning rate", colour, alone, |step| step.learning_rate)
    });
    let norm =
        each(&|curve, colour| curve.figure("gradient norm", colour, alone, |step| step.grad_norm));
    let features =
        each(&|curve, colour| curve.rate("features a second", colour, alone, |step| step.features));
    let tokens =
        each(&|curve, colour| curve.rate("tokens a second", colour, alone, |step| step.tokens));
    // Outliers of single batches are far larger than the rest.
    let norm = Lines {
        log: true,
        ..chart("norm", norm)
    };
    let longest = curves
        .iter()
        .map(|curve| curve.steps.len())
        .max()
        .unwrap_or(0);
    let caption = format!(
        "Per feature; smoothed over the last {} steps.{}",
        memory(longest),
        match dev_losses.is_empty() {
            true => String::new(),
            false => format!(" With dots: on the dev file. {between}"),
        }
    );
    // The caption explains the line only along with the evaluations.
    let kept_loss = kept.filter(|_| !dev_losses.is_empty());
    loss.extend(dev_losses);
    html! {
        section #training {
            h2 { "Training" }
            div.scroll { table {
                thead { tr {
                    th { "run" } th.n { "steps" } th.n { "features" } th.n { "time" }
                    th.n { "most memory" }
                    @if evaluated { th.n { "evaluations" } }
                    @if are_kept { th.n { "weights kept" } }
                } }
                tbody { @for curve in curves { (run(curve, evaluated, are_kept)) } }
            } }
            @if curves.iter().any(|curve| (curve.steps.len() as u64) < curve.done()) {
                p.note {
                    "Not every step has a line in the log (log_every): features and time are those of the \
                    logged steps."
                }
            }
            @if are_kept {
                p.note {
                    "The model has the weights of the evaluation that was best by the metric that keep_best "
                    "names; the first, if several are equal."
                }
            }
            div.charts {
                (charts.figure("Loss", &caption, Lines { line: kept_loss, ..chart("loss", loss) }))
                @if !dev_scores.is_empty() {
                    (charts.figure("Dev scores", &between, Lines { line: kept, ..chart("score", dev_scores) }))
                }
                (charts.figure("Learning rate", "Before the layer factor.", chart("learning rate", rate)))
                (charts.figure("Gradient norm", "Over all gradients, before clipping.", norm))
                (charts.figure("Features a second", "", chart("features/s", features)))
                (charts.figure("Tokens a second", "Without padding.", chart("tokens/s", tokens)))
            }
        }
    }
}

fn run(curve: &TrainingCurve, evaluated: bool, are_kept: bool) -> Markup {
    let features: usize = curve.steps.iter().map(|step| step.features).sum();
    let seconds: f64 = curve.steps.iter().map(|step| step.seconds).sum();
    let peak = curve.steps.iter().filter_map(|step| step.peak_bytes).max();
    html! { tr {
        td { (curve.name) }
        td.n { (curve.done()) }
        td.n { (features) }
        td.n { (lasting(seconds)) }
        td.n { @if let Some(bytes) = peak { (bytes / 1_000_000) " MB" } @else { "–" } }
        @if evaluated { td.n { (evaluations(curve)) } }
        @if are_kept { td.n { (kept_after(curve)) } }
    } }
}

/// Formats how many there were, and how long they took.
fn evaluations(curve: &TrainingCurve) -> String {
    let seconds: f64 = curve.dev.iter().map(|record| record.seconds).sum();
    format!("{} in {}", curve.dev.len(), lasting(seconds))
}

/// Formats after which of the steps the weights were kept.
fn kept_after(curve: &TrainingCurve) -> String {
    match curve.kept() {
        Some(step) => format!("after step {step} of {}", curve.done()),
        None => "the last".to_owned(),
    }
}

/// Formats a duration in the unit that suits it, with one decimal.
fn lasting(seconds: f64) -> String {
    let units = [(1.0, "s"), (60.0, "min"), (3600.0, "h")];
    // 59.96 s are a minute, not 60.0 s.
    let fitting = |&(unit, _): &(f64, &str)| seconds / unit < 59.95;
    let (unit, name) = units.into_iter().find(fitting).unwrap_or(units[2]);
    format!("{:.1} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{eval::dev_record::DevRecord, step_record::StepRecord};

    /// Returns a run of four steps that was evaluated after every other; `kept` are those of its
    /// evaluations that were the best so far.
    fn evaluated(name: &str, kept: &[u64]) -> TrainingCurve {
        let step = |step| StepRecord {
            step,
            loss: 2.0,
            task_losses: None,
            grad_norm: 1.0,
            learning_rate: 0.1,
            features: 4,
            tokens: 80,
            seconds: 0.5,
            peak_bytes: None,
            exchange: None,
        };
        let dev = [0, 2, 4].map(|step| {
            let figures = [("accuracy", 50.0), ("loss", 0.5)];
            let figures = figures.map(|(key, value)| (key.to_owned(), Some(value)));
            DevRecord {
                step,
                tasks: [("rte".to_owned(), figures.into())].into(),
                taken: Default::default(),
                seconds: 4.1,
                weights: kept.contains(&step).then_some((7, 8)),
            }
        });
        TrainingCurve {
            name: name.to_owned(),
            steps: (0..4).map(step).collect(),
            dev: dev.into(),
        }
    }

    /// Returns the section, and its charts as the page's script reads them.
    fn shown(curves: &[TrainingCurve]) -> (String, Value) {
        let mut charts = Charts::default();
        let html = section(curves, &mut charts).into_string();
        (html, serde_json::from_str(&charts.json()).unwrap())
    }

    #[test]
    fn the_step_whose_weights_were_kept_is_told_and_marked() {
        let (html, charts) = shown(&[evaluated("run", &[0, 2])]);
        for part in [
            "<td class=\"n\">after step 2 of 4</td>",
            "The vertical line: the weights that were kept, after step 2.",
            "<td class=\"n\">2.0 s</td>",
            "<td class=\"n\">3 in 12.3 s</td>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(charts[0]["line"], 2.0);
        assert_eq!(charts[1]["y"], "score");
        assert_eq!(charts[1]["line"], 2.0);
        assert!(charts[2].get("line").is_none());
        let (html, charts) = shown(&[evaluated("run", &[])]);
        assert!(!html.contains("kept"), "{html}");
        assert!(charts[1].get("line").is_none());
        let (html, charts) = shown(&[evaluated("trial 1", &[0, 4]), evaluated("trial 2", &[0])]);
        for step in [0, 4] {
            let part = format!("after step {step} of 4");
            assert!(html.contains(&part), "{part}: {html}");
        }
        assert!(!html.contains("vertical line") && charts[1].get("line").is_none());
    }

    #[test]
    fn steps_are_counted_where_not_each_has_a_line() {
        // Lines of the steps 0, 10, 20 and 30, and an evaluation after 32, as far as the run came.
        let mut curve = evaluated("run", &[20]);
        for step in &mut curve.steps {
            step.step *= 10;
        }
        for (record, step) in curve.dev.iter_mut().zip([0, 20, 32]) {
            record.step = step;
            record.weights = (step == 20).then_some((7, 8));
        }
        let steps = |curve: &TrainingCurve| {
            let (html, _) = shown(std::slice::from_ref(curve));
            let row = "<td>run</td><td class=\"n\">";
            let rest = html.split_once(row).unwrap().1;
            let steps = rest.split_once('<').unwrap().0;
            assert!(
                html.contains(&format!("<td class=\"n\">after step 20 of {steps}</td>")),
                "{html}"
            );
            assert!(html.contains("features and time are those of the logged steps"));
            steps.to_owned()
        };
        assert_eq!(steps(&curve), "32");
        // Without that evaluation, the last line is what is known.
        curve.dev.truncate(2);
        assert_eq!(steps(&curve), "31");
        let (html, _) = shown(&[evaluated("run", &[0, 2])]);
        assert!(
            html.contains("<td>run</td><td class=\"n\">4</td>"),
            "{html}"
        );
        assert!(!html.contains("log_every"), "{html}");
    }

    /// Returns the numbers of the colours of a chart's lines.
    fn numbers(chart: &Value) -> Vec<u64> {
        let lines = chart["lines"].as_array().unwrap().iter();
        let styles = lines.map(|line| line["style"].as_object().unwrap().values().next().unwrap());
        styles.map(|number| number.as_u64().unwrap()).collect()
    }

    #[test]
    fn no_two_lines_of_a_chart_look_alike() {
        let (_, charts) = shown(&[evaluated("run", &[])]);
        // The raw loss is a fainter line of the smoothed one's colour.
        assert_eq!(numbers(&charts[0]), [0, 0, 1]);
        assert_eq!(numbers(&charts[1]), [0]);
        for count in [3, 12] {
            let curves: Vec<_> = (0..count).map(|_| evaluated("trial", &[])).collect();
            let (_, charts) = shown(&curves);
            for chart in charts.as_array().unwrap() {
                let mut numbers = numbers(chart);
                let lines = numbers.len();
                numbers.sort_unstable();
                numbers.dedup();
                assert_eq!(numbers.len(), lines, "{chart}");
            }
            // The dev loss of a run has its colour, with other dashes.
            let loss = numbers(&charts[0]);
            let own = loss[count..].iter().map(|number| number % COLOURS as u64);
            let of_runs = (0..count).map(|run| (run % COLOURS) as u64);
            assert!(own.eq(of_runs), "{charts}");
        }
    }

    #[test]
    fn a_duration_has_the_unit_that_suits_it() {
        for (seconds, shown) in [
            (0.0, "0.0 s"),
            (16.3, "16.3 s"),
            (59.9, "59.9 s"),
            (59.96, "1.0 min"),
            (750.0, "12.5 min"),
            (3596.0, "59.9 min"),
            (3598.0, "1.0 h"),
            (5400.0, "1.5 h"),
            (360_000.0, "100.0 h"),
        ] {
            assert_eq!(lasting(seconds), shown);
        }
    }
}
