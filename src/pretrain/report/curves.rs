//! The curves of a run: losses, accuracies and speed.

use maud::{Markup, html};

use crate::{
    eval::dev_record::DevRecord,
    pretrain::step_log::StepRecord,
    report::{
        chart::{Charts, Line, Lines, Style},
        training_curve::{STRETCHES, extremes, memory, smoothed},
    },
};

/// The charts of all steps, and of the probes between them.
pub fn curves(steps: &[StepRecord], probes: &[DevRecord], charts: &mut Charts) -> Markup {
    let one = |name: &str, style: Style, value: fn(&StepRecord) -> Option<f64>| {
        let smooth = !matches!(style, Style::Faint(_));
        line(steps, name, style, smooth, value)
    };
    let chart = |y: &str, lines: Vec<Option<Line>>| Lines {
        x: "step".into(),
        y: y.into(),
        log: false,
        lines: lines.into_iter().flatten().collect(),
        mark: None,
        line: None,
    };
    let loss = vec![
        one("loss", Style::Faint(0), |it| Some(it.loss)),
        one("smoothed loss", Style::Bold(0), |it| Some(it.loss)),
    ];
    let parts = vec![
        one("generator", Style::Bold(1), |it| {
            it.cloze_loss.or(Some(it.masked_lm_loss))
        }),
        one("discriminator", Style::Bold(2), |it| it.disc_loss),
    ];
    let generator = vec![
        one("MLM accuracy", Style::Bold(1), |it| {
            Some(it.masked_lm_accuracy)
        }),
        one("replaced", Style::Bold(3), |it| Some(it.replaced)),
    ];
    let discriminator = vec![
        one("AUC", Style::Bold(0), |it| it.disc_auc),
        one("precision", Style::Bold(2), |it| it.disc_precision),
        one("recall", Style::Bold(3), |it| it.disc_recall),
    ];
    let learning = vec![line(steps, "learning rate", Style::Thin(0), false, |it| {
        Some(it.learning_rate)
    })];
    let norm = vec![line(steps, "gradient norm", Style::Thin(0), false, |it| {
        Some(it.grad_norm)
    })];
    let scale = vec![line(steps, "loss scale", Style::Thin(0), false, |it| {
        it.loss_scale
    })];
    let peak = vec![one("share of peak", Style::Bold(0), |it| it.share_of_peak)];
    let smoothing = format!("Smoothed over the last {} steps.", memory(steps.len()));
    let is_there = |lines: &[Option<Line>]| lines.iter().any(Option::is_some);
    html! {
        (charts.figure("Loss", &smoothing, chart("loss", loss)))
        (charts.figure("Losses", "Its terms, before weighting.", chart("loss", parts)))
        (charts.figure("Generator", "Of the masked tokens.", chart("share", generator)))
        @if is_there(&discriminator) {
            (charts.figure("Discriminator", "An AUC of 0.5 is chance.", chart("share", discriminator)))
        }
        @if !probes.is_empty() {
            (charts.figure("Probe", PROBES, chart("score", probed(probes))))
        }
        (charts.figure("Tokens a second", "Without padding.", chart("tokens/s", vec![rate(steps)])))
        @if is_there(&peak) {
            (charts.figure("Share of peak", "By peak_tflops.", chart("share", peak)))
        }
        (charts.figure("Learning rate", "", chart("learning rate", learning)))
        (charts.figure("Gradient norm", "Before clipping.", Lines { log: true, ..chart("norm", norm) }))
        @if is_there(&scale) {
            (charts.figure("Loss scale", "", Lines { log: true, ..chart("factor", scale) }))
        }
    }
}

/// One figure over all steps; none if no step has it.
fn line(
    steps: &[StepRecord],
    name: &str,
    style: Style,
    smooth: bool,
    value: fn(&StepRecord) -> Option<f64>,
) -> Option<Line> {
    let values: Vec<f64> = steps
        .iter()
        .map(|step| value(step).unwrap_or(f64::NAN))
        .collect();
    if values.iter().all(|value| value.is_nan()) {
        return None;
    }
    let values = if smooth { smoothed(&values) } else { values };
    let places = extremes(&values).into_iter();
    Some(Line {
        name: name.to_owned(),
        style,
        points: places
            .map(|place| (steps[place].step as f64, values[place]))
            .collect(),
    })
}

/// Caption of the probes' chart.
const PROBES: &str =
    "A copy of the discriminator, fine-tuned on the first examples of a task, on its dev file.";

/// Every figure of the probes except the loss.
fn probed(probes: &[DevRecord]) -> Vec<Option<Line>> {
    let first = probes.first().map(|first| &first.tasks);
    let figures = first.into_iter().flatten().flat_map(|(task, figures)| {
        let keys = figures.keys().filter(|key| *key != "loss");
        keys.map(move |key| (task, key))
    });
    let lines = figures.enumerate().map(|(colour, (task, key))| {
        let value = |record: &DevRecord| record.tasks.get(task)?.get(key).copied()?;
        let points = probes.iter();
        let points = points.map(|record| (record.step as f64, value(record).unwrap_or(f64::NAN)));
        Some(Line {
            name: format!("{task}: {key}"),
            style: Style::Dotted(colour),
            points: points.collect(),
        })
    });
    lines.collect()
}

/// Tokens a second over each stretch of the chart.
fn rate(steps: &[StepRecord]) -> Option<Line> {
    let stretch = steps.len().div_ceil(STRETCHES).max(1);
    let points = steps.chunks(stretch).map(|steps| {
        let seconds: f64 = steps.iter().map(|step| step.seconds).sum();
        let tokens: usize = steps.iter().map(|step| step.tokens).sum();
        (steps[0].step as f64, tokens as f64 / seconds)
    });
    Some(Line {
        name: "tokens a second".to_owned(),
        style: Style::Thin(0),
        points: points.collect(),
    })
}
