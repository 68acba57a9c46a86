//! The questions of a file as a run reads them, trains on them and answers them.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use super::{
    error::Error as QaError,
    evaluate::{self, TaskData},
    feature::{Feature, MAX_WINDOWS},
    feature_file::write_lines,
    no_answer::{calibration::Calibration, threshold_effect::ThresholdEffect},
    question_answers::QuestionAnswers,
    report::TaskReport,
    scorers::gold::gold,
    token_counts::TokenCounts,
};
use crate::{
    batch::{AsRow, Row},
    config::Paths,
    counted::{counted, grouped},
    data::split::Split,
    eval::{figures::Scores, file_digest::FileDigest, taken::Taken},
    report::Sections,
    tasks::{
        error::Error,
        task::{Answerer, Answers, TaskFile},
    },
    text::tokenizer::Tokenizer,
};

impl TaskFile for TaskData {
    fn task(&self) -> &str {
        &self.task
    }

    fn path(&self) -> &Path {
        &self.file
    }

    fn feature_count(&self) -> usize {
        self.features.len()
    }

    fn rows_are(&self) -> &'static str {
        "windows"
    }

    fn feature_ids(&self) -> Vec<u64> {
        let features = self.features.iter();
        features.map(|feature| feature.feature_id).collect()
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Row<'_>> + '_> {
        Box::new(self.features.iter().map(AsRow::as_row))
    }

    /// Its questions, their windows, the share of questions whose passage takes more than one, that
    /// of tokens that the vocabulary does not know, and what is left out.
    fn line(&self, split: Split) -> String {
        let questions = self.examples.examples.len();
        let told = match self.taken {
            None => grouped(questions, "question"),
            Some(taken) => format!("{taken} questions"),
        };
        let window = |feature: &Feature| feature.feature_id % MAX_WINDOWS as u64;
        let second = self.features.iter().filter(|feature| window(feature) == 1);
        let lost = match self.answers_in_no_window() {
            0 => String::new(),
            lost => format!(", {} in no window", counted(lost, "answer")),
        };
        format!(
            "{} {}: {told}, {}, {:.1} % cut, {:.2} % [UNK]{lost}{}",
            self.task,
            split.name(),
            grouped(self.features.len(), "window"),
            100.0 * second.count() as f64 / questions.max(1) as f64,
            100.0 * self.tokens.unknown_share(),
            left_out(self),
        )
    }

    fn taken(&self) -> Option<Taken> {
        self.taken
    }

    fn first(&self, most: usize, tokenizer: &Tokenizer) -> Box<dyn TaskFile> {
        Box::new(TaskData::first(self, most, tokenizer))
    }

    fn check_not_empty(&self) -> Result<(), Error> {
        if !self.features.is_empty() {
            return Ok(());
        }
        let (path, left_out) = (self.file.clone(), left_out(self));
        Err(QaError::NoQuestion { path, left_out }.into())
    }

    fn examples(&self, count: usize, tokenizer: &Tokenizer) -> Vec<String> {
        let shown = self.features.iter().take(count).enumerate();
        shown
            .map(|(index, feature)| {
                format!(
                    "{} example {}: {}, {}: {}; {}",
                    self.task,
                    index + 1,
                    feature.qas_id,
                    counted(feature.input_ids.len(), "token"),
                    tokenizer.tokens(&feature.input_ids).join(" "),
                    answer(feature, tokenizer),
                )
            })
            .collect()
    }

    fn tokens(&self) -> TokenCounts {
        self.tokens
    }

    fn left_out(&self) -> Vec<String> {
        let skipped = self.examples.skipped.iter();
        skipped
            .map(|skipped| format!("{}: left out: {}", skipped.qas_id, skipped.reason))
            .collect()
    }

    fn write_features(&self, mut out: &mut (dyn Write + Send)) -> io::Result<()> {
        let split = match self.questions {
            None => Split::Train,
            Some(_) => Split::Dev,
        };
        write_lines(&mut out, &self.features, split)
    }

    fn check_markable(&self) -> Result<(), Error> {
        Ok(TaskData::check_markable(self)?)
    }

    fn gold_digest(&self) -> String {
        let gold = self.questions.as_deref().map(gold).unwrap_or_default();
        let mut sum = 0;
        for question in &gold {
            let answers = question.answers.iter().map(String::as_str);
            for text in [question.id.as_str()].into_iter().chain(answers) {
                sum = crc32c::crc32c_append(sum, text.as_bytes());
                sum = crc32c::crc32c_append(sum, &[0]);
            }
        }
        format!("{} questions, crc32c {sum:08x}", gold.len())
    }

    fn answer<'a>(
        &'a self,
        by: &Answerer<'a>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Box<dyn Answers + 'a>, Error> {
        let targets = self.targets.as_deref().filter(|_| by.losses);
        let (predictions, loss) = evaluate::answer_with_loss(
            (by.model, by.head, by.device, by.at_once),
            self,
            targets.unwrap_or_default(),
            by.tokenizer,
            by.config,
            progress,
        )?;
        Ok(Box::new(QuestionAnswers {
            data: self,
            predictions,
            loss,
            config: by.config,
        }))
    }

    fn sections(
        &self,
        paths: Paths<'_>,
        trial: Option<usize>,
    ) -> Result<Vec<Box<dyn Sections + '_>>, Error> {
        let report = TaskReport::of_run(self, paths, trial)?;
        Ok(report
            .into_iter()
            .map(|report| Box::new(report) as Box<dyn Sections>)
            .collect())
    }

    fn calibrate(&self, folder: &Path, scores: &Scores) -> Option<Result<String, Error>> {
        let effect = ThresholdEffect::of(scores)?;
        let store = || -> Result<Option<Calibration>, QaError> {
            let chosen = Calibration::new(&effect, FileDigest::of(&self.file)?)?;
            if let Some(chosen) = chosen.as_ref().filter(|chosen| chosen.changes()) {
                chosen.store(folder)?;
            }
            Ok(chosen)
        };
        Some(match store() {
            Ok(Some(chosen)) => Ok(chosen.line()),
            Ok(None) => Ok(
                "no threshold does better than answering nothing; the model keeps its own"
                    .to_owned(),
            ),
            Err(error) => Err(error.into()),
        })
    }
}

/// What reading has left out, as a line goes on with it.
fn left_out(data: &TaskData) -> String {
    match data.examples.skipped.len() {
        0 => String::new(),
        skipped => format!(
            ", {} left out: answer not found",
            counted(skipped, "question")
        ),
    }
}

fn answer(feature: &Feature, tokenizer: &Tokenizer) -> String {
    let (start, end) = (feature.start, feature.end);
    match feature.input_ids.get(start..=end) {
        // [CLS] stands for an answer outside the window.
        Some(ids) if start > 0 && !feature.is_impossible => {
            let words = tokenizer.tokens(ids).join(" ");
            format!("answer: tokens {start} to {end}, {words}")
        }
        _ if feature.is_impossible => "no answer".to_owned(),
        _ => "the answer lies in another window".to_owned(),
    }
}
