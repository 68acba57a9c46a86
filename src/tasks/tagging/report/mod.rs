//! Report on predicted tags: spans by type, their errors, and sentences.

mod example_list;
mod judged;
mod marked_sentence;
mod prediction_reader;
pub mod span_error;
pub mod type_section;

use std::path::Path;

use maud::{Markup, html};

use super::{
    scorer::{Answer, TagFigures, score, scored_loss},
    span::Span,
    task_data::TaskData,
};
use crate::{
    counted::{counted, counted_with},
    eval::{
        figures::Scores,
        file_digest::FileDigest,
        judged::{Judged, Told},
        origin::Origin,
    },
    report::{Heading, Limits, Part, Sections, chart::Charts, origin_section::file},
    tasks::{
        error::Error, prediction_record::PredictionRecord, tagging::error::Error as TaggingError,
    },
};
use prediction_reader::Predicted;
use span_error::pairs;
use type_section::ErrorCounts;

/// A file of tagged words and a model's predictions for them.
pub struct TagReport<'a> {
    data: &'a TaskData,
    /// One for each sentence, in order.
    sentences: Vec<Sentence>,
    figures: TagFigures,
    errors: ErrorCounts,
    /// The data and the predictions.
    files: [FileDigest; 2],
    record: Option<PredictionRecord>,
}

/// The spans of a sentence's kept words.
struct Sentence {
    gold: Vec<Span>,
    predicted: Vec<Span>,
    surest_mistake: Option<f64>,
    /// Number of words that were predicted.
    words: usize,
    /// As added by the scorer.
    loss: f64,
}

impl<'a> TagReport<'a> {
    /// Reads back the predictions for a file's sentences.
    ///
    /// # Errors
    /// If they cannot be read or do not belong to the sentences.
    pub fn read(data: &'a TaskData, path: &Path) -> Result<Self, Error> {
        let predicted = prediction_reader::read(path, data)?;
        let record = PredictionRecord::of_texts(path, &data.file, &data.texts_digest())?;
        let answers = data.features.iter().zip(&predicted);
        let answers = answers.map(|(feature, predicted)| Answer {
            eid: feature.eid,
            labels: feature.kept_labels(),
            predictions: &predicted.tags,
            loss: predicted.loss,
        });
        let figures = score(answers, &data.labels)?;
        let sentences = data.features.iter().zip(&predicted);
        let sentences = sentences.map(|(feature, predicted)| {
            let Predicted { tags, .. } = predicted;
            Ok(Sentence {
                gold: data.labels.spans(feature.kept_labels(), feature.eid)?,
                predicted: data.labels.spans(tags, feature.eid)?,
                surest_mistake: predicted.surest_mistake,
                words: tags.len(),
                loss: scored_loss(predicted.loss, data.labels.rules()),
            })
        });
        let sentences: Vec<Sentence> = sentences.collect::<Result<_, TaggingError>>()?;
        let mut errors = ErrorCounts::default();
        for sentence in &sentences {
            for pair in pairs(&sentence.gold, &sentence.predicted) {
                errors.add(&pair);
            }
        }
        let digest = |path| FileDigest::of(path).map_err(Error::Files);
        Ok(Self {
            data,
            sentences,
            figures,
            errors,
            files: [digest(&data.file)?, digest(path)?],
            record,
        })
    }
}

impl Sections for TagReport<'_> {
    fn name(&self) -> &str {
        &self.data.task
    }

    fn scores(&self) -> &Scores {
        &self.figures.scores
    }

    fn cards(&self) -> Markup {
        let spans = &self.figures.spans;
        let shares = [
            ("F1 over spans", spans.f1()),
            ("precision", spans.precision()),
            ("recall", spans.recall()),
            ("words correct", self.figures.token_accuracy()),
        ];
        let name = self
            .data
            .file
            .file_name()
            .unwrap_or(self.data.file.as_os_str());
        html! {
            div.cards {
                @for (name, share) in shares {
                    div.card { b { (format!("{share:.2}")) } span { (name) } }
                }
                div.card { b { (spans.gold) } span { "gold spans" } }
                div.card { b { (self.sentences.len()) } span { "sentences" } }
            }
            p.note {
                (name.to_string_lossy()) ", in percent. The share of right words "
                "is ours, beyond the reference."
                @if let (sentences @ 1.., words) = self.data.cut() {
                    " Cut at max_seq_length: " (counted(sentences, "sentence")) ", of which "
                    (counted_with(words, "word", ["is", "are"])) " neither predicted nor scored."
                }
            }
        }
    }

    fn parts(&self, limits: Limits, _: &mut Charts) -> Vec<Part> {
        vec![
            Heading::ERRORS.over(type_section::section(&self.figures, &self.errors)),
            Heading::EXAMPLES.over(example_list::section(self, limits)),
        ]
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
        judged::judged(&self.sentences)
    }

    fn told(&self, example: usize) -> Told {
        let words = &self.data.sentences.sentences[example];
        judged::told(words, &self.sentences[example])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        tasks::tagging::{labels::Labels, options::ReadOptions, rules::Rules},
        text::{tokenizer::Tokenizer, vocab::Vocab},
    };

    pub(super) fn data(text: &str) -> TaskData {
        data_in(tempfile::tempdir().unwrap().path(), text)
    }

    pub(super) fn data_in(folder: &Path, text: &str) -> TaskData {
        let file = folder.join("dev.txt");
        std::fs::write(&file, text).unwrap();
        let labels = Labels::of_names(["B-A", "E-A", "I-A", "O", "S-A"], Rules::Usual).unwrap();
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let options = ReadOptions::default();
        TaskData::read("names", &file, Arc::new(labels), &tokenizer, &options, 16).unwrap()
    }
}
