//! How a fine-tuned model is asked, by the kind of its task.

use super::{
    asked::{Asked, Form, Refused},
    classification::{ask::TextAsking, labels::Labels},
    error::Error,
    featurized::Featurized,
    head::{HeadConfig, TaskHead},
    output::Output,
    qa::{ask::QuestionAsking, beam::WindowOutput},
    reply::Reply,
    tagging::ask::WordAsking,
};
use crate::{config::Config, text::tokenizer::Tokenizer};

/// A task, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Asking {
    Questions(QuestionAsking),
    /// Predicts a class or a value for a text or a pair of texts.
    Texts(TextAsking),
    /// Predicts a tag for each word of a text.
    Words(WordAsking),
}

impl Asking {
    /// Returns the task of a head.
    ///
    /// # Errors
    /// If its tags are invalid.
    pub fn of(head: &TaskHead) -> Result<Self, Error> {
        let task = head.task.as_str();
        Ok(match &head.config {
            HeadConfig::Span(_) => Self::Questions(QuestionAsking::new(task)),
            HeadConfig::Classes {
                labels,
                texts,
                columns,
                ..
            } => Self::Texts(TextAsking {
                columns: columns.clone(),
                ..TextAsking::of_classes(task, labels, *texts)
            }),
            HeadConfig::Value {
                range,
                texts,
                columns,
                hidden_layer,
            } => {
                let asking = TextAsking {
                    columns: columns.clone(),
                    ..TextAsking::of_value(task, *range, *texts)
                };
                Self::Texts(match hidden_layer {
                    true => asking.with_its_own_scale(),
                    false => asking,
                })
            }
            HeadConfig::Tags {
                tags,
                segment,
                columns,
            } => Self::Words(WordAsking {
                columns: columns.clone(),
                ..WordAsking::new(task, tags, *segment)?
            }),
        })
    }

    pub fn task(&self) -> &str {
        match self {
            Self::Questions(asking) => &asking.task,
            Self::Texts(asking) => &asking.task,
            Self::Words(asking) => &asking.task,
        }
    }

    /// Returns the head's name in messages.
    pub fn head(&self) -> &'static str {
        match self {
            Self::Questions(_) => "question-answering",
            Self::Texts(asking) => match asking.labels {
                Labels::Classes(_) => "classification",
                Labels::Range { .. } => "regression",
            },
            Self::Words(_) => "tagging",
        }
    }

    /// Returns the form of input that it takes.
    pub fn form(&self) -> Form {
        match self {
            Self::Questions(_) => Form::Question,
            Self::Texts(asking) => asking.form(),
            Self::Words(_) => Form::Text,
        }
    }

    /// Returns the task's name and the form of input that it takes.
    pub fn takes(&self) -> (String, Form) {
        (self.task().to_owned(), self.form())
    }

    /// Tokenises an input as training did.
    ///
    /// # Errors
    /// If the task takes something else, a text is blank, or a text leaves no room in
    /// `max_seq_length`.
    pub fn featurize(
        &self,
        asked: &Asked,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Featurized, Error> {
        let (expected, found) = (self.form(), asked.form());
        let refused = || Refused::Form {
            task: self.task().to_owned(),
            expected,
            found,
        };
        if !expected.takes(found) {
            return Err(refused().into());
        }
        asked.check()?;
        Ok(match (self, asked) {
            (
                Self::Questions(asking),
                Asked::Question {
                    question,
                    passage,
                    threshold,
                },
            ) => Featurized::Questions(
                asking.of_one(question, passage, *threshold, tokenizer, config)?,
            ),
            (Self::Texts(asking), Asked::Text { a, b }) => {
                Featurized::Text(asking.featurize(a, b.as_deref(), tokenizer, config)?)
            }
            (Self::Words(asking), Asked::Text { a, b: None }) => {
                Featurized::Words(asking.featurize(a, tokenizer, config)?)
            }
            _ => return Err(refused().into()),
        })
    }

    /// Builds the reply from the model's outputs for all rows, in order.
    ///
    /// # Errors
    /// If the outputs do not belong to the rows or are not finite.
    pub fn reply(
        &self,
        asked: &Featurized,
        outputs: Vec<Output>,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Reply, Error> {
        let defect = || Error::OtherOutputs {
            task: self.task().to_owned(),
        };
        Ok(match (self, asked) {
            (Self::Questions(asking), Featurized::Questions(asked)) => {
                let windows = outputs.into_iter().enumerate();
                let windows = windows.map(|(feature, output)| match output {
                    Output::Span(window) => Ok(WindowOutput { feature, ..window }),
                    Output::Logits(_) => Err(defect()),
                });
                let windows = windows.collect::<Result<Vec<_>, _>>()?;
                Reply::Question(asking.reply(asked, &windows, tokenizer, config)?)
            }
            (Self::Texts(asking), Featurized::Text(asked)) => {
                let mut logits = self.logits(outputs)?;
                asking.reply(asked, logits.pop().ok_or_else(defect)?)?
            }
            (Self::Words(asking), Featurized::Words(asked)) => {
                Reply::Tags(asking.reply(asked, &self.logits(outputs)?)?)
            }
            _ => return Err(defect()),
        })
    }
}

impl Asking {
    /// Returns the logits of rows that are not windows of questions.
    fn logits(&self, outputs: Vec<Output>) -> Result<Vec<Vec<f32>>, Error> {
        let logits = outputs.into_iter().map(|output| match output {
            Output::Logits(logits) => Ok(logits),
            Output::Span(_) => Err(Error::OtherOutputs {
                task: self.task().to_owned(),
            }),
        });
        logits.collect()
    }
}
