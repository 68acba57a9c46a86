//! A file of sentences in which a fine-tuned model is asked for spans: with or without tags, or
//! plain text.

use std::{io, path::Path, sync::Arc};

use serde::Serialize;

use super::{
    ask::WordAsking,
    error::Error,
    feature::{Feature, FeatureOptions, featurize_words},
    options::{Form, ReadOptions},
    prediction::Prediction,
    reader::{form_of, read},
    rules::Rules,
    sentence::Sentences,
    task_data::TaskData,
    text::{Splitting, places, words},
};
use crate::{
    batch::Row,
    config::Config,
    counted::{counted, grouped},
    data::{existing_file::existing, line_reader::LineReader, source::Source},
    durable_file::write_whole,
    eval,
    tasks::{
        classification::{
            example_loss::{cross_entropy, softmax},
            table::Format,
        },
        description::{Description, Kind},
    },
    text::tokenizer::Tokenizer,
};

/// The featurised sentences of a file.
pub struct WordFile {
    asking: WordAsking,
    file: String,
    sentences: Vec<Sentence>,
    /// Whether the tags were read, in which case the sentences are truncated as in an evaluation.
    labelled: bool,
    form: &'static str,
    passed_over: String,
}

/// A sentence and the rows in which the model reads it.
struct Sentence {
    words: Vec<String>,
    /// A text that its file does not split into words, with the code point range of each word.
    text: Option<(String, Vec<(usize, usize)>)>,
    rows: Vec<Feature>,
}

impl Sentence {
    fn kept(&self) -> usize {
        self.rows.iter().map(Feature::kept).sum()
    }
}

impl WordFile {
    /// Reads a file for a task whose data are in `folder`. If it has tags that the model knows, it
    /// is read as in an evaluation; otherwise every word is kept, and a long sentence has several
    /// rows.
    ///
    /// # Errors
    /// If it cannot be read or contains no word.
    pub fn read(
        asking: &WordAsking,
        file: &Path,
        folder: &Path,
        tokenizer: &Tokenizer,
        config: &Config,
    ) -> Result<Self, Error> {
        check_form(file)?;
        let reading = Reading {
            asking,
            file,
            options: options(asking, file, folder)?,
            tokenizer,
            max_seq_length: config.max_seq_length,
        };
        let read = match reading.tagged() {
            Ok(read) => read,
            Err(Error::Data(error)) => return Err(Error::Data(error)),
            Err(error) => {
                if reading.has_tags(&error)? {
                    let name = file.display();
                    log::warn!(
                        "{name} is read as a file without tags, and no word is left out: {error}"
                    );
                }
                reading.untagged()?
            }
        };
        if read.sentences.is_empty() {
            return Err(Error::NoSentence {
                file: file.display().to_string(),
                passed_over: read.passed_over,
                advice: "write one word per line and a blank line after each sentence, or one text per line",
            });
        }
        Ok(read)
    }

    /// Iterates over the rows of the sentences, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let rows = self.sentences.iter().flat_map(|sentence| &sentence.rows);
        rows.map(|feature| feature.row(self.asking.segment))
    }

    /// Describes the file's content on one line.
    pub fn line(&self) -> String {
        let words: usize = self.sentences.iter().map(|s| s.words.len()).sum();
        let cut = match self.left_out() {
            0 => String::new(),
            words => format!(", {} cut off at max_seq_length", counted(words, "word")),
        };
        format!(
            "{}: {}, {}, {}{cut}{}",
            self.file,
            self.form,
            grouped(self.sentences.len(), "sentence"),
            grouped(words, "word"),
            self.passed_over
        )
    }

    pub fn examples(&self) -> usize {
        self.sentences.len()
    }

    /// Returns the number of words cut off.
    pub fn left_out(&self) -> usize {
        let sentences = self.sentences.iter();
        sentences.map(|s| s.words.len() - s.kept()).sum()
    }

    /// Writes the predictions for the sentences, given the logits of each row,
    /// `[rows][words · tags]`.
    ///
    /// # Errors
    /// If there are too many or too few logits or they are not finite, or if the file cannot be
    /// written.
    pub fn write(&self, logits: Vec<Vec<f32>>, path: &Path) -> Result<(), Error> {
        let mut logits = logits.into_iter();
        let mut lines = Vec::new();
        for (eid, sentence) in self.sentences.iter().enumerate() {
            let own: Vec<Vec<f32>> = logits.by_ref().take(sentence.rows.len()).collect();
            let own = own.concat();
            let line = self.line_of(eid, sentence, &own)?;
            lines.push(serde_json::to_string(&line).map_err(io::Error::from));
        }
        let written = write_whole(path, |out| {
            lines
                .into_iter()
                .try_for_each(|line| writeln!(out, "{}", line?))
        });
        let failed = |source| eval::Error::Write {
            path: path.to_owned(),
            source,
        };
        Ok(written.map_err(failed)?)
    }

    fn line_of<'a>(
        &self,
        eid: usize,
        sentence: &'a Sentence,
        logits: &'a [f32],
    ) -> Result<Line<'a>, Error> {
        let labels = &self.asking.labels;
        let gold: Vec<u32> = sentence
            .rows
            .iter()
            .flat_map(|row| row.kept_labels().iter().copied())
            .collect();
        let whole = Feature {
            eid,
            input_ids: Vec::new(),
            labeled_positions: vec![0; sentence.kept()],
            labels: gold,
            words: sentence.words.len(),
        };
        let of_words = || logits.chunks(labels.len());
        let losses = of_words().zip(whole.kept_labels());
        let loss: f64 = losses.map(|(word, &tag)| cross_entropy(word, tag)).sum();
        let said = Prediction::new(&whole, logits.to_vec(), loss as f32, labels)?;
        let sure = |word: usize| {
            let tag = said.predictions[word] as usize;
            softmax(&logits[word * labels.len()..][..labels.len()])[tag]
        };
        let spans = labels.spans(&said.predictions, eid)?.into_iter();
        let spans = spans.map(|span| {
            let place = sentence.text.as_ref().map(|(text, places)| {
                let (start, end) = (places[span.start].0, places[span.end].1);
                let shown: String = text.chars().skip(start).take(end - start).collect();
                (start, end, shown)
            });
            let joined = || sentence.words[span.start..=span.end].join(" ");
            SpanLine {
                kind: span.kind.clone(),
                text: place.as_ref().map_or_else(joined, |place| place.2.clone()),
                first_word: span.start,
                last_word: span.end,
                start: place.as_ref().map(|place| place.0),
                end: place.as_ref().map(|place| place.1),
                probability: (span.start..=span.end).map(sure).fold(1.0, f64::min),
            }
        });
        let tag = |id: &u32| labels.tag(*id).map_or(String::new(), ToString::to_string);
        Ok(Line {
            eid,
            labels: self.labelled.then_some(said.labels),
            spans: spans.collect(),
            tags: said.predictions.iter().map(tag).collect(),
            predictions: said.predictions,
            logits: of_words().collect(),
            loss: self.labelled.then_some(said.loss),
            words: &sentence.words,
            left_out_words: sentence.words.len() - sentence.kept(),
            parts: sentence.rows.len(),
            text: sentence.text.as_ref().map(|(text, _)| text.as_str()),
        })
    }
}

/// The keys in the order of a line, those of an evaluation first.
#[derive(Serialize)]
struct Line<'a> {
    eid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<u32>>,
    predictions: Vec<u32>,
    logits: Vec<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f32>,
    tags: Vec<String>,
    spans: Vec<SpanLine>,
    words: &'a [String],
    left_out_words: usize,
    /// Number of rows in which the model read it.
    parts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct SpanLine {
    #[serde(rename = "type")]
    kind: Arc<str>,
    text: String,
    first_word: usize,
    last_word: usize,
    /// Code points in a text that its file does not split into words.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<usize>,
    /// The lowest among its words.
    probability: f64,
}

/// Returns how the files of the task are read.
fn options(asking: &WordAsking, file: &Path, folder: &Path) -> Result<ReadOptions, Error> {
    if asking.labels.rules() == Rules::Reference {
        return Ok(ReadOptions {
            form: None,
            ..ReadOptions::chunk(false)
        });
    }
    let beside = Description::beside(file, folder)?.map(|(_, description)| description);
    let described = match (beside, &asking.columns) {
        (None, Some(columns)) => Some(Description::of_columns(
            Kind::Tagging,
            columns,
            &asking.task,
        )?),
        (beside, _) => beside,
    };
    let options = described.as_ref().map(ReadOptions::of_description);
    Ok(options.unwrap_or_default())
}

/// Rejects a table: its header would be read as a sentence, and its cells as parts of one.
fn check_form(file: &Path) -> Result<(), Error> {
    if !matches!(Format::of(file), Ok(Format::Csv)) {
        return Ok(());
    }
    Err(Error::NotWords {
        file: file.display().to_string(),
        found: "a table, by its ending .csv",
    })
}

/// A file that is being read.
struct Reading<'a> {
    asking: &'a WordAsking,
    file: &'a Path,
    options: ReadOptions,
    tokenizer: &'a Tokenizer,
    max_seq_length: usize,
}

impl Reading<'_> {
    /// Reads it as in an evaluation.
    fn tagged(&self) -> Result<WordFile, Error> {
        let data = TaskData::read(
            &self.asking.task,
            self.file,
            Arc::new(self.asking.labels.clone()),
            self.tokenizer,
            &self.options,
            self.max_seq_length,
        )?;
        let passed_over = data.sentences.passed_over();
        let sentences = data.sentences.sentences.into_iter().zip(data.features);
        let sentences = sentences.map(|(sentence, feature)| Sentence {
            words: sentence.words,
            text: None,
            rows: vec![feature],
        });
        Ok(WordFile {
            asking: self.asking.clone(),
            file: self.file.display().to_string(),
            sentences: sentences.collect(),
            labelled: true,
            form: "words with tags",
            passed_over,
        })
    }

    /// Reads every word, ignoring anything beside it.
    fn untagged(&self) -> Result<WordFile, Error> {
        let plain = self.form() == Form::Conll && self.is_plain()?;
        if plain && matches!(Format::of(self.file), Ok(Format::Tsv)) {
            return Err(Error::NotWords {
                file: self.file.display().to_string(),
                found: "lines of several words in a table, by its ending .tsv",
            });
        }
        let (sentences, passed_over) = match plain {
            true => (self.lines()?, String::new()),
            false => {
                let options = ReadOptions {
                    rules: Rules::Usual,
                    labelled: false,
                    limit: None,
                    ..self.options.clone()
                };
                let read: Sentences = read(self.file, &options)?;
                let passed_over = read.passed_over();
                let sentences = read.sentences.into_iter();
                let sentences = sentences.map(|sentence| self.sentence(sentence.words, None));
                (sentences.collect::<Result<_, _>>()?, passed_over)
            }
        };
        Ok(WordFile {
            asking: self.asking.clone(),
            file: self.file.display().to_string(),
            sentences,
            labelled: false,
            form: if plain {
                "plain text, one text per line"
            } else {
                "words without tags"
            },
            passed_over,
        })
    }

    /// Reads one text per line.
    fn lines(&self) -> Result<Vec<Sentence>, Error> {
        let mut sentences = Vec::new();
        self.each_line(|text| {
            let words = words(text, Splitting::Punctuation);
            let places = places(text, &words);
            let words = words.iter().map(|word| word.text.to_owned()).collect();
            sentences.push(self.sentence(words, Some((text.to_owned(), places)))?);
            Ok(())
        })?;
        Ok(sentences)
    }

    fn sentence(
        &self,
        words: Vec<String>,
        text: Option<(String, Vec<(usize, usize)>)>,
    ) -> Result<Sentence, Error> {
        let options = FeatureOptions {
            max_seq_length: self.max_seq_length,
            rules: self.asking.labels.rules(),
        };
        Ok(Sentence {
            rows: featurize_words(&words, self.tokenizer, &options)?,
            words,
            text,
        })
    }

    fn form(&self) -> Form {
        let by_name = || form_of(&existing(self.file));
        self.options.form.unwrap_or_else(by_name)
    }

    /// Returns whether a file contains texts rather than words: several words on a line, and no
    /// tabs between columns.
    fn is_plain(&self) -> Result<bool, Error> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(".conll") {
            return Ok(false);
        }
        let (mut several, mut tabs) = (false, false);
        self.each_line(|line| {
            several |= line.split_whitespace().nth(1).is_some();
            tabs |= line.contains('\t');
            Ok(())
        })?;
        Ok(several && !tabs)
    }

    /// Returns whether an error was caused by tags rather than by their absence.
    fn has_tags(&self, error: &Error) -> Result<bool, Error> {
        let Error::Line { line, .. } = error else {
            return Ok(true);
        };
        let mut lines = LineReader::new(Source::open(self.file)?);
        while let Some((number, text)) = lines.next_line()? {
            if !text.trim().is_empty() {
                return Ok(number < *line);
            }
        }
        Ok(false)
    }

    /// Passes on the non-blank lines, trimmed.
    fn each_line(&self, mut take: impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        let mut lines = LineReader::new(Source::open(self.file)?);
        while let Some((_, line)) = lines.next_line()? {
            match line.trim() {
                "" => {}
                line => take(line)?,
            }
        }
        Ok(())
    }
}
