//! A run's folder as one HTML page: its progress, its curves, its warnings, its provenance.

mod curves;
mod warned;

use std::path::{Path, PathBuf};

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use self::{curves::curves, warned::Warned};
use super::{
    probe,
    run_origin::RunOrigin,
    step_log::{self, StepRecord},
    symptoms::STRETCH,
};
use crate::{
    counted::counted,
    eval::{
        self,
        dev_record::{DevLine, DevRecord},
        json_file::write_text,
    },
    report::{
        self, Made,
        chart::Charts,
        origin_section::{row, settings},
        page::around,
        training_curve::read_lines,
    },
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{}: expected the folder of a pre-training run, with {}, found none; for a run of electra finetune, \
         give --data-dir and --model-name instead",
        path.display(),
        step_log::FILE
    )]
    NoRun { path: PathBuf },
    #[error("{}: expected the log of a run, found no step in it; wait for the first one", path.display())]
    NoStep { path: PathBuf },
    #[error(transparent)]
    Log(#[from] report::Error),
    #[error(transparent)]
    Write(#[from] eval::Error),
}

/// A run as recorded in its folder, finished or not.
#[derive(Debug)]
pub struct PretrainingReport {
    pub title: String,
    /// At least one.
    steps: Vec<StepRecord>,
    /// Scores of the probes.
    probes: Vec<DevRecord>,
    origin: Option<RunOrigin>,
    /// The metrics written by an evaluation.
    evaluation: Map<String, Value>,
    made: Made,
}

impl PretrainingReport {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// If there is no run, or its log cannot be read.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let log = folder.join(step_log::FILE);
        if !log.is_file() {
            return Err(Error::NoRun {
                path: folder.into(),
            });
        }
        let steps: Vec<StepRecord> = read_lines(&log, step_log::FILE)?;
        if steps.is_empty() {
            return Err(Error::NoStep { path: log });
        }
        let probe_log = folder.join(probe::FILE);
        let probes = match probe_log.is_file() {
            true => read_lines::<DevLine>(&probe_log, probe::FILE)?,
            false => Vec::new(),
        };
        let results = std::fs::read(folder.join("results/unsup_results.json"));
        let named = folder.canonicalize().unwrap_or_else(|_| folder.into());
        let name = named.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            title: format!("{name}: pre-training"),
            steps,
            probes: DevRecord::of_lines(probes),
            origin: RunOrigin::read(folder),
            evaluation: results
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default(),
            made: Made::now(),
        })
    }

    /// The files that the page must not replace.
    pub fn inputs(folder: &Path) -> Vec<PathBuf> {
        let names = [
            step_log::FILE,
            super::run_origin::FILE,
            super::hours::FILE,
            probe::FILE,
            super::model_files::GENERATOR_FILE,
            "results/unsup_results.json",
            "model.bpk",
            "config.json",
            "vocab.txt",
        ];
        names.map(|name| folder.join(name)).into()
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        Ok(write_text(path, &self.html())?)
    }

    /// The main figures, for programs: means over the last stretch of steps.
    pub fn told(&self) -> Value {
        let mut told = json!({
            "steps": self.done(), "of": self.all(), "hours": self.hours(),
            "seconds_left": self.seconds_left(), "tokens_per_s": self.tokens_a_second(),
            "warnings": Warned::all(&self.steps).len(),
        });
        for (key, value) in self.figures() {
            told[key] = value.into();
        }
        told
    }

    /// The means over the last stretch of steps, under the log's names.
    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        type Read = fn(&StepRecord) -> Option<f64>;
        let figures: [(&str, Read); 7] = [
            ("loss", |it| Some(it.loss)),
            ("masked_lm_accuracy", |it| Some(it.masked_lm_accuracy)),
            ("replaced", |it| Some(it.replaced)),
            ("disc_auc", |it| it.disc_auc),
            ("disc_precision", |it| it.disc_precision),
            ("disc_recall", |it| it.disc_recall),
            ("share_of_peak", |it| it.share_of_peak),
        ];
        let means = figures.into_iter().filter_map(|(name, value)| {
            let values = self.last().iter().filter_map(value);
            let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
            let mean = finite.iter().sum::<f64>() / finite.len() as f64;
            (!finite.is_empty()).then_some((name, mean))
        });
        means.collect()
    }

    fn last(&self) -> &[StepRecord] {
        let from = self.steps.len().saturating_sub(STRETCH as usize);
        &self.steps[from..]
    }

    /// Completed steps.
    fn done(&self) -> u64 {
        self.steps.last().map_or(0, |last| last.step + 1)
    }

    /// Steps of the whole run, if recorded.
    fn all(&self) -> Option<u64> {
        self.origin.as_ref().map(|origin| origin.steps)
    }

    fn hours(&self) -> f64 {
        self.steps.iter().map(|step| step.seconds).sum::<f64>() / 3600.0
    }

    fn seconds_left(&self) -> Option<f64> {
        let left = self.all()?.saturating_sub(self.done()) as f64;
        let last = self.last();
        let seconds: f64 = last.iter().map(|step| step.seconds).sum();
        Some(left * seconds / last.len() as f64)
    }

    fn tokens_a_second(&self) -> f64 {
        let last = self.last();
        let tokens: usize = last.iter().map(|step| step.tokens).sum();
        tokens as f64 / last.iter().map(|step| step.seconds).sum::<f64>()
    }

    /// The page.
    pub fn html(&self) -> String {
        let mut charts = Charts::default();
        let warnings = Warned::all(&self.steps);
        let main = html! {
            section #figures { h2 { "Figures" } (self.cards()) (self.evaluated()) }
            section #warnings {
                h2 { "Warnings" }
                @if warnings.is_empty() && (self.steps.len() as u64) < STRETCH {
                    p.note { "Not checked yet: the figures are judged every " (STRETCH) " steps." }
                } @else if warnings.is_empty() {
                    p.note { "None: the figures show none of the usual failures." }
                } @else {
                    (warned::table(&warnings))
                }
            }
            section #training { h2 { "Training" } div.charts { (curves(&self.steps, &self.probes, &mut charts)) } }
            section #origin { h2 { "Where this comes from" } (self.origin()) }
        };
        let menu = [
            ("figures", "Figures"),
            ("warnings", "Warnings"),
            ("training", "Training"),
            ("origin", "Origin"),
        ];
        around(&self.title, menu.into_iter(), &main, &charts).into_string()
    }

    fn cards(&self) -> Markup {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        let done = match self.all() {
            Some(all) => format!("{} of {all}", self.done()),
            None => self.done().to_string(),
        };
        let mut cards = vec![(done, "steps")];
        for (name, value) in self.figures() {
            cards.push(match name {
                "loss" => (format!("{value:.3}"), "loss"),
                "masked_lm_accuracy" => (percent(value), "MLM accuracy"),
                "replaced" => (percent(value), "replaced, of masked tokens"),
                "disc_auc" => (format!("{value:.3}"), "AUC of the discriminator"),
                "disc_precision" => (percent(value), "precision"),
                "disc_recall" => (percent(value), "recall"),
                _ => (percent(value), "of the device's peak"),
            });
        }
        cards.push((format!("{:.0}", self.tokens_a_second()), "tokens a second"));
        cards.push((format!("{:.2}", self.hours()), "hours so far"));
        if let Some(seconds) = self.seconds_left().filter(|&seconds| seconds > 0.0) {
            cards.push((format!("{:.2}", seconds / 3600.0), "hours left"));
        }
        html! {
            div.cards { @for (value, name) in &cards {
                div.card { b { (value) } span { (name) } }
            } }
            p.note {
                "Means over the last " (counted(self.last().len(), "step")) ", as training saw them: with dropout, "
                "and without padding."
            }
        }
    }

    fn evaluated(&self) -> Markup {
        html! {
            @if !self.evaluation.is_empty() {
                h3 { "As evaluated" }
                table.fit { tbody { @for (name, value) in &self.evaluation {
                    tr { th scope="row" { (name) } td.n { (value) } }
                } } }
            }
        }
    }

    fn origin(&self) -> Markup {
        html! {
            table.origin { tbody {
                @if let Some(RunOrigin { origin, .. }) = &self.origin {
                    (row("folder", html! { code { (origin.checkpoint.display()) } }))
                    (row("trained", html! { (origin.date) " by electra " (origin.version) }))
                    (row("device", html! { (origin.device) ", " (origin.precision) }))
                    @if let Some(seed) = origin.seed { (row("seed", html! { (seed) })) }
                    (row("settings", settings(origin)))
                    (row("command", html! { code { (origin.command) } }))
                }
                (row("page made", html! { (self.made.date) " by electra " (env!("CARGO_PKG_VERSION")) }))
                (row("page's command", html! { code { (self.made.command) } }))
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> StepRecord {
        StepRecord {
            step,
            loss: 20.0,
            masked_lm_accuracy: 0.25,
            replaced: 0.5,
            disc_auc: Some(0.75),
            disc_precision: Some(0.5),
            disc_recall: Some(0.125),
            grad_norm: 1.0,
            examples: 4,
            tokens: 100,
            seconds: 0.5,
            ..StepRecord::default()
        }
    }

    fn folder(steps: &[StepRecord]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let lines = steps
            .iter()
            .map(|it| serde_json::to_string(it).unwrap() + "\n");
        std::fs::write(
            folder.path().join(step_log::FILE),
            lines.collect::<String>(),
        )
        .unwrap();
        folder
    }

    #[test]
    fn a_run_that_is_not_finished_tells_how_far_it_is() {
        let mut steps: Vec<StepRecord> = (0..1_000).map(step).collect();
        // Old values have no effect: the figures are those of the last 500 steps.
        steps[0].loss = 1e6;
        steps[499].warnings = vec!["the loss scale keeps falling: it is 32".to_owned()];
        steps[999].warnings = vec!["the loss scale keeps falling: it is 16".to_owned()];
        let folder = folder(&steps);
        let origin = RunOrigin {
            steps: 8_200,
            origin: eval::origin::Origin {
                device: "Test & Card".to_owned(),
                settings: [("hours".to_owned(), Value::from(2))].into_iter().collect(),
                ..Default::default()
            },
        };
        origin.write(folder.path()).unwrap();
        let report = PretrainingReport::read(folder.path()).unwrap();
        let told = report.told();
        assert_eq!(told["steps"], 1_000);
        assert_eq!((&told["of"], &told["loss"]), (&json!(8_200), &json!(20.0)));
        assert_eq!(
            (&told["disc_recall"], &told["tokens_per_s"]),
            (&json!(0.125), &json!(200.0))
        );
        // 7,200 steps of half a second.
        assert_eq!(
            (&told["seconds_left"], &told["warnings"]),
            (&json!(3600.0), &json!(1))
        );
        assert_eq!(told.get("share_of_peak"), None);
        let html = report.html();
        for part in [
            "<b>1000 of 8200</b>",
            "<b>25.0 %</b><span>MLM accuracy</span>",
            "<b>0.750</b><span>AUC of the discriminator</span>",
            "<b>12.5 %</b><span>recall</span>",
            "<b>200</b><span>tokens a second</span>",
            "<b>1.00</b><span>hours left</span>",
            "<td>499 to 999</td><td class=\"n\">2</td>",
            "it is 16",
            "Test &amp; Card",
            "<code>hours = 2</code>",
            "\"name\":\"precision\"",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("it is 32") && !html.contains("\"name\":\"loss scale\""));
    }

    #[test]
    fn a_masked_language_model_alone_has_no_discriminator_on_its_page() {
        let alone = StepRecord {
            disc_auc: None,
            disc_precision: None,
            disc_recall: None,
            ..step(0)
        };
        let folder = folder(&[alone]);
        let html = PretrainingReport::read(folder.path()).unwrap().html();
        assert!(html.contains("Not checked yet: the figures are judged every 500 steps."));
        assert!(!html.contains("is chance") && !html.contains("hours left"));
    }

    #[test]
    fn a_folder_without_a_run_is_told() {
        let empty = tempfile::tempdir().unwrap();
        let message = PretrainingReport::read(empty.path())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("expected the folder of a pre-training run"),
            "{message}"
        );
        let message = PretrainingReport::read(folder(&[]).path())
            .unwrap_err()
            .to_string();
        assert!(message.contains("found no step"), "{message}");
        let strange = folder(&[]);
        std::fs::write(strange.path().join(step_log::FILE), "{\"step\": 0}\n").unwrap();
        let message = PretrainingReport::read(strange.path())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("expected a line of pretrain_log.jsonl"),
            "{message}"
        );
    }
}
