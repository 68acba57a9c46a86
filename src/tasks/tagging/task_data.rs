//! A featurised file of a tagging task: everything that a run knows about it without a model.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::Error,
    feature::{Feature, FeatureOptions, featurize_and_count},
    labels::Labels,
    options::ReadOptions,
    prediction::Prediction,
    reader::read,
    rules::Rules,
    scorer::{TagFigures, score},
    sentence::Sentences,
};
use crate::{
    counted::{counted, grouped},
    data::{existing_file::existing, split::Split},
    eval::taken::Taken,
    tasks::{prediction_record::TextSum, qa::token_counts::TokenCounts},
    text::tokenizer::Tokenizer,
};

/// A featurised file of one task.
#[derive(Debug, Clone)]
pub struct TaskData {
    pub task: String,
    /// The file that was read, which may be an archive.
    pub file: PathBuf,
    pub sentences: Sentences,
    pub labels: Arc<Labels>,
    /// One per sentence, in order.
    pub features: Vec<Feature>,
    /// Token counts without `[CLS]` and `[SEP]`.
    pub tokens: TokenCounts,
    /// Number of words of which the tokenizer leaves nothing.
    pub without_token: usize,
}

impl TaskData {
    /// Reads and featurises a file.
    ///
    /// # Errors
    /// As for [`read`] and [`TaskData::new`].
    pub fn read(
        task: &str,
        file: &Path,
        labels: Arc<Labels>,
        tokenizer: &Tokenizer,
        options: &ReadOptions,
        max_seq_length: usize,
    ) -> Result<Self, Error> {
        Self::read_first(task, file, labels, tokenizer, options, max_seq_length, None)
    }

    /// Same as [`read`](Self::read), for at most the first `most` sentences.
    ///
    /// # Errors
    /// As for [`TaskData::read`].
    pub fn read_first(
        task: &str,
        file: &Path,
        labels: Arc<Labels>,
        tokenizer: &Tokenizer,
        options: &ReadOptions,
        max_seq_length: usize,
        most: Option<usize>,
    ) -> Result<Self, Error> {
        let mut sentences = read(file, options)?;
        sentences.taken = Taken::keep(most, &mut sentences.sentences);
        Self::new(task, file, sentences, labels, tokenizer, max_seq_length)
    }

    /// Featurises the sentences of `file`. Warns about what reading skipped, a vocabulary that
    /// hardly knows the words, words without tokens, and words that are cut.
    ///
    /// # Errors
    /// As [`featurize`](super::feature::featurize).
    pub fn new(
        task: &str,
        file: &Path,
        sentences: Sentences,
        labels: Arc<Labels>,
        tokenizer: &Tokenizer,
        max_seq_length: usize,
    ) -> Result<Self, Error> {
        let options = FeatureOptions {
            max_seq_length,
            rules: labels.rules(),
        };
        let (features, without_token) =
            featurize_and_count(&sentences, &labels, tokenizer, &options)?;
        let tokens = tokens(&features, tokenizer);
        let data = Self {
            task: task.to_owned(),
            file: existing(file),
            sentences,
            labels,
            features,
            tokens,
            without_token,
        };
        for warning in data.warnings(max_seq_length) {
            log::warn!("{}: {warning}", data.sentences.file);
        }
        Ok(data)
    }

    /// Returns at most the first `most` sentences.
    pub fn first(&self, most: usize, tokenizer: &Tokenizer) -> Self {
        let all = &self.sentences;
        let features: Vec<Feature> = self.features.iter().take(most).cloned().collect();
        Self {
            task: self.task.clone(),
            file: self.file.clone(),
            sentences: Sentences {
                sentences: all.sentences.iter().take(most).cloned().collect(),
                taken: Taken::again(all.taken, most, all.sentences.len()),
                ..all.clone()
            },
            labels: Arc::clone(&self.labels),
            tokens: tokens(&features, tokenizer),
            without_token: self.without_token,
            features,
        }
    }

    fn warnings(&self, max_seq_length: usize) -> Vec<String> {
        let mut warnings = self.sentences.warnings();
        warnings.extend(self.tokens.warning());
        if self.without_token > 0 {
            let read = match self.labels.rules() {
                Rules::Usual => "read as [UNK]",
                Rules::Reference => "read by the next token, as the reference does",
            };
            warnings.push(format!(
                "{read}: {} with nothing but characters that the tokenizer drops (zero-width spaces, \
                 control characters); take such words out",
                counted(self.without_token, "word")
            ));
        }
        if let (cut @ 1.., words) = self.cut() {
            let sentences = counted(self.features.len(), "sentence");
            let are = if cut == 1 { "is" } else { "are" };
            warnings.push(format!(
                "{cut} of {sentences} {are} cut at max_seq_length {max_seq_length}: {} neither trained on \
                 nor scored; raise max_seq_length, or split the sentences",
                counted(words, "word")
            ));
        }
        warnings
    }

    /// Returns the number of truncated sentences, and of their words that are lost.
    pub fn cut(&self) -> (usize, usize) {
        let lost = self
            .features
            .iter()
            .map(|feature| feature.words - feature.kept());
        let lost: Vec<usize> = lost.filter(|&words| words > 0).collect();
        (lost.len(), lost.iter().sum())
    }

    /// Describes the file's content on one line.
    pub fn line(&self, split: Split) -> String {
        let cut = match self.cut() {
            (0, _) => String::new(),
            (sentences, words) => {
                let (sentences, words) = (counted(sentences, "sentence"), counted(words, "word"));
                format!(", {sentences} cut ({words} lost)")
            }
        };
        format!(
            "{} {}: {}, {}, {}, {:.2} % [UNK]{cut}{}",
            self.task,
            split.name(),
            match self.sentences.taken {
                None => grouped(self.features.len(), "sentence"),
                Some(taken) => format!("{taken} sentences"),
            },
            grouped(self.sentences.words(), "word"),
            counted(self.labels.len(), "label"),
            100.0 * self.tokens.unknown_share(),
            self.sentences.passed_over(),
        )
    }

    /// Rejects a file without sentences.
    ///
    /// # Errors
    /// If it has none.
    pub fn check_not_empty(&self) -> Result<(), Error> {
        if !self.features.is_empty() {
            return Ok(());
        }
        Err(Error::NoSentence {
            file: self.file.display().to_string(),
            passed_over: self.sentences.passed_over(),
            advice: "write one word with its tag per line, and a blank line after each sentence",
        })
    }

    /// Rejects a file without tags to score predictions against.
    ///
    /// # Errors
    /// If it was read without tags.
    pub fn check_markable(&self) -> Result<(), Error> {
        if self.sentences.labelled {
            return Ok(());
        }
        Err(Error::NotLabelled {
            file: self.file.display().to_string(),
        })
    }

    /// Returns the number and checksum of the sentences' words.
    pub fn texts_digest(&self) -> String {
        let mut sum = TextSum::default();
        for sentence in &self.sentences.sentences {
            for word in &sentence.words {
                sum.add(Some(word));
            }
            sum.add(None);
        }
        sum.told(self.sentences.sentences.len())
    }

    /// Formats the first features: what the model reads, and its target.
    pub fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String> {
        let shown = self
            .features
            .iter()
            .zip(&self.sentences.sentences)
            .take(count);
        shown
            .map(|(feature, sentence)| {
                let tags = sentence.tags();
                let words = sentence.words.iter().zip(&tags).take(feature.kept());
                let words: Vec<String> = words.map(|(word, tag)| format!("{word}/{tag}")).collect();
                format!(
                    "{} example {}: line {}, {}: {}; {}",
                    self.task,
                    feature.eid + 1,
                    sentence.line,
                    counted(feature.input_ids.len(), "token"),
                    tokenizer.tokens(&feature.input_ids).join(" "),
                    words.join(" "),
                )
            })
            .collect()
    }

    /// Returns the number and checksum of the sentences and tags that predictions are scored
    /// against.
    pub fn gold_digest(&self) -> String {
        let mut sum = 0;
        for sentence in &self.sentences.sentences {
            for (word, tag) in sentence.words.iter().zip(sentence.tags()) {
                for text in [word, &tag.to_string()] {
                    sum = crc32c::crc32c_append(sum, text.as_bytes());
                    sum = crc32c::crc32c_append(sum, &[0]);
                }
            }
            sum = crc32c::crc32c_append(sum, b"\n");
        }
        format!("{} sentences, crc32c {sum:08x}", self.features.len())
    }

    /// Scores predictions for the file.
    ///
    /// # Errors
    /// As for [`score`], and if there is not one prediction per sentence, in order.
    pub fn mark(&self, predictions: &[Prediction]) -> Result<TagFigures, Error> {
        let eids = predictions.iter().map(|prediction| prediction.eid);
        if !eids.eq(self.features.iter().map(|feature| feature.eid)) {
            return Err(Error::Shape {
                eid: 0,
                array: "sentences in order",
                expected: self.features.len(),
                found: predictions.len(),
            });
        }
        score(predictions.iter().map(Prediction::as_answer), &self.labels)
    }
}

/// Counts the tokens of features without `[CLS]` and `[SEP]`.
fn tokens(features: &[Feature], tokenizer: &Tokenizer) -> TokenCounts {
    let mut tokens = TokenCounts::default();
    for feature in features {
        let words = &feature.input_ids[1..feature.input_ids.len() - 1];
        tokens += TokenCounts::of_ids(words, tokenizer.vocab().unk_id());
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::vocab::Vocab;

    fn data(text: &str, options: &ReadOptions) -> Result<TaskData, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dev.txt");
        std::fs::write(&file, text).unwrap();
        let labels = Labels::of_names(["B-A", "E-A", "I-A", "O", "S-A"], options.rules)?;
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        TaskData::read("mine", &file, Arc::new(labels), &tokenizer, options, 5)
    }

    #[test]
    fn a_file_is_told_in_a_line() {
        let text = "a B-A\nb I-A\n\na O\nb O\na O\na O\nc S-A\n";
        let read = data(text, &ReadOptions::default()).unwrap();
        assert_eq!(
            read.line(Split::Dev),
            "mine dev: 2 sentences, 7 words, 5 labels, 0.00 % [UNK], 1 sentence cut (2 words lost)"
        );
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb", "v").unwrap();
        assert_eq!(
            read.examples(1, &Tokenizer::new(vocab, true)),
            ["mine example 1: line 1, 4 tokens: [CLS] a b [SEP]; a/B-A b/E-A"]
        );
        assert!(read.gold_digest().starts_with("2 sentences, crc32c "));
        read.check_not_empty().unwrap();
        read.check_markable().unwrap();
        assert!(read.mark(&[]).is_err());
        let warnings = read.warnings(5);
        assert!(
            warnings.len() == 1
                && warnings[0].contains("1 of 2 sentences is cut")
                && warnings[0].contains("2 words"),
            "{warnings:?}"
        );

        let text = "\u{200B} B-A\n\n\u{AD} O\n\na O\n\n";
        for (options, read_as) in [
            (ReadOptions::default(), "read as [UNK]: 2 words"),
            (
                ReadOptions::chunk(false),
                "read by the next token, as the reference does: 2 words",
            ),
        ] {
            let warnings = data(text, &options).unwrap().warnings(5);
            let told = warnings.iter().any(|warning| warning.starts_with(read_as));
            assert!(told, "{warnings:?}");
        }

        let read = data("a S-A", &ReadOptions::chunk(false)).unwrap();
        assert!(read.warnings(5)[0].contains("add one to use it"));
        let message = read.check_not_empty().unwrap_err().to_string();
        assert!(
            message.contains("line 1, 1 word)") && message.contains("blank line"),
            "{message}"
        );
        let untagged = ReadOptions {
            labelled: false,
            ..ReadOptions::default()
        };
        let read = data("a\nb\n", &untagged).unwrap();
        let message = read.check_markable().unwrap_err().to_string();
        assert!(message.contains("no tags"), "{message}");
    }
}
