//! Report on predictions of texts: for classes, their confusions and calibration; for numbers,
//! their errors; and examples.

pub mod calibration;
mod class_section;
mod example_list;
mod judged;
mod prediction_reader;
pub mod residuals;
mod value_section;

use std::path::Path;

use maud::{Markup, html};

use super::{
    data::ClassificationData,
    example::Example,
    example_loss::softmax,
    labels::{Gold, Labels},
    prediction::Prediction,
    scorers::{confusion::Confusion, score},
};
use crate::{
    eval::{
        figures::{Scores, with_minus},
        file_digest::FileDigest,
        judged::{Judged, Told},
        origin::Origin,
    },
    report::{Heading, Limits, Part, Sections, chart::Charts, origin_section::file},
    tasks::{prediction_lines::Error, prediction_record::PredictionRecord},
};
use calibration::Calibration;
use residuals::Residuals;

const CONFIDENCE: Heading = Heading::new("confidence", "Confidence", "Confidence");

/// A file of texts and a model's predictions for them.
pub struct TextReport<'a> {
    name: String,
    data: &'a ClassificationData,
    /// One for each example, in order.
    predictions: Vec<Prediction>,
    scores: Scores,
    analysis: Analysis,
    /// The data and the predictions.
    files: [FileDigest; 2],
    record: Option<PredictionRecord>,
}

/// Analysis of the predictions.
enum Analysis {
    Classes(Confusion, Box<Calibration>),
    Values(Residuals),
}

impl<'a> TextReport<'a> {
    /// Reads back the predictions for a file's examples; `name` is what the page calls the file.
    ///
    /// # Errors
    /// If they cannot be read or do not belong to the examples.
    pub fn read(name: String, data: &'a ClassificationData, path: &Path) -> Result<Self, Error> {
        let predictions = prediction_reader::read(path, data)?;
        let texts = data.texts_digest();
        let record = PredictionRecord::of_texts(path, &data.file, &texts)?;
        let labels = &data.task.labels;
        let marked: Vec<_> = predictions.iter().filter_map(Prediction::marked).collect();
        let analysis = match labels {
            Labels::Classes(names) => {
                let judged = predictions.iter();
                let judged =
                    judged.map(|prediction| (confidence(prediction), is_right(prediction)));
                Analysis::Classes(
                    score::confusion(names.len(), &marked),
                    Box::new(Calibration::of(judged)),
                )
            }
            Labels::Range { .. } => Analysis::Values(Residuals::of(labels, &marked)),
        };
        Ok(Self {
            name,
            data,
            scores: data.task.metric().scores(&marked),
            analysis,
            files: [FileDigest::of(&data.file)?, FileDigest::of(path)?],
            predictions,
            record,
        })
    }

    fn examples(&self) -> impl Iterator<Item = (&Example, &Prediction)> {
        self.data.examples.examples.iter().zip(&self.predictions)
    }
}

impl Sections for TextReport<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self) -> &Scores {
        &self.scores
    }

    fn cards(&self) -> Markup {
        let percent = |key: &str| Some(with_minus(&format!("{:.2}", self.scores.get(key)?)));
        let figures: Vec<(&str, Option<String>)> = match &self.analysis {
            Analysis::Classes(confusion, calibration) => vec![
                (
                    "accuracy",
                    Some(format!("{:.2}", 100.0 * confusion.accuracy())),
                ),
                ("Matthews' correlation", percent("mcc")),
                (
                    "macro F1",
                    Some(format!("{:.2}", 100.0 * confusion.macro_f1())),
                ),
                (
                    "calibration error",
                    Some(format!("{:.2}", 100.0 * calibration.error())),
                ),
            ],
            Analysis::Values(residuals) => vec![
                ("Pearson", percent("pearson")),
                ("Spearman", percent("spearman")),
                (
                    "mean absolute error",
                    Some(format!("{:.3}", residuals.mean_absolute())),
                ),
            ],
        };
        html! {
            div.cards {
                @for (name, value) in figures {
                    @if let Some(value) = value { div.card { b { (value) } span { (name) } } }
                }
                div.card { b { (self.predictions.len()) } span { "examples" } }
            }
            p.note {
                (file_name(&self.data.file)) ". "
                @match &self.analysis {
                    Analysis::Classes(..) => {
                        "Macro F1 and the calibration error (ECE) are ours, beyond the reference."
                    }
                    Analysis::Values(_) => {
                        "The mean absolute error is ours, beyond the reference, on the scale of the labels."
                    }
                }
                @match self.data.examples.skipped.len() {
                    0 => {}
                    1 => " 1 row has too few columns and is left out.",
                    skipped => { " " (skipped) " rows have too few columns and are left out." }
                }
            }
        }
    }

    fn parts(&self, limits: Limits, charts: &mut Charts) -> Vec<Part> {
        let labels = &self.data.task.labels;
        match (&self.analysis, labels) {
            (Analysis::Classes(confusion, calibration), Labels::Classes(names)) => vec![
                Heading::ERRORS.over(class_section::section(confusion, names)),
                CONFIDENCE.over(calibration.section(charts)),
                Heading::EXAMPLES.over(example_list::of_classes(self.examples(), names, limits)),
            ],
            (Analysis::Values(residuals), _) => vec![
                Heading::ERRORS.over(value_section::section(residuals, &self.scores, charts)),
                Heading::EXAMPLES.over(example_list::of_values(self.examples(), labels, limits)),
            ],
            (Analysis::Classes(..), Labels::Range { .. }) => Vec::new(),
        }
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.record.as_ref()?.origin)
    }

    fn files(&self) -> Vec<(&'static str, Markup)> {
        let [data, predictions] = &self.files;
        vec![("data", file(data)), ("predictions", file(predictions))]
    }

    fn data(&self) -> &FileDigest {
        &self.files[0]
    }

    fn judged(&self) -> Judged {
        judged::judged(&self.data.task, &self.predictions)
    }

    fn told(&self, example: usize) -> Told {
        let labels = &self.data.task.labels;
        let own = &self.data.examples.examples[example];
        judged::told(own, &self.predictions[example], labels)
    }
}

/// Returns the probability of the predicted class, from 0 to 1; 1 for a number.
fn confidence(prediction: &Prediction) -> f64 {
    match prediction.predicted {
        Gold::Class(class) => softmax(&prediction.logits)[class as usize],
        Gold::Value(_) => 1.0,
    }
}

fn is_right(prediction: &Prediction) -> bool {
    prediction.gold == Some(prediction.predicted)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
