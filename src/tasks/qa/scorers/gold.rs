//! Data files → the gold answers against which predictions are scored.

use std::path::Path;

use super::metric::Metric;
use crate::tasks::qa::{
    answers::question_map::QuestionMap,
    error::Error,
    raw::{
        paragraph::{Family, Question},
        question_set::QuestionSet,
    },
};

/// A question and its gold answers; none if the passage does not answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldQuestion {
    pub id: String,
    pub answers: Vec<String>,
}

impl From<&Question> for GoldQuestion {
    fn from(question: &Question) -> Self {
        let answers = question.answers.iter();
        GoldQuestion {
            id: question.id.clone(),
            answers: answers.map(|answer| answer.text.clone()).collect(),
        }
    }
}

/// Returns the gold answers of a file, in its order.
pub fn gold(questions: &QuestionSet) -> Vec<GoldQuestion> {
    questions.questions().map(GoldQuestion::from).collect()
}

/// Reads a data file; the metric is derived from it if none is named.
///
/// # Errors
/// If the file cannot be read, is malformed, marks unanswerable questions by a word (QuAC's own),
/// or has no answers at all, like a test file: all its questions would count as unanswerable.
pub fn read_data(path: &Path, metric: Option<Metric>) -> Result<(Metric, QuestionSet), Error> {
    let family = metric.map(|metric| match metric {
        Metric::Mrqa => Family::Mrqa,
        Metric::Squad1 | Metric::Squad2 => Family::Squad,
    });
    let questions = QuestionSet::read(path, family)?;
    questions.check_answers()?;
    check_told(&questions)?;
    Ok((metric.unwrap_or_else(|| metric_of(&questions)), questions))
}

/// Returns MRQA's metric if the ids are MRQA's; SQuAD 2.0 if the file says so or mentions
/// impossible questions, otherwise SQuAD 1.1.
pub fn metric_of(questions: &QuestionSet) -> Metric {
    let summary = &questions.summary;
    if summary.family == Family::Mrqa {
        Metric::Mrqa
    } else if summary.says_two()
        || summary.flagged
        || questions.questions().any(|question| question.is_impossible)
    {
        Metric::Squad2
    } else {
        Metric::Squad1
    }
}

/// Checks that a metric can score a file, before anything is computed for it.
///
/// # Errors
/// If there is no question, if one that must have a gold answer has none, or if the file has no
/// answers at all, like a test file.
pub fn check_markable(questions: &QuestionSet, metric: Metric) -> Result<(), Error> {
    questions.check_answers()?;
    let gold = gold(questions);
    if gold.is_empty() {
        return Err(Error::NoQuestions);
    }
    check_told(questions)?;
    let unanswered = match metric {
        Metric::Squad2 => None,
        Metric::Squad1 => gold.iter().find(|question| question.answers.is_empty()),
        // Of a repeated question the last answers count.
        Metric::Mrqa => {
            let distinct = distinct(&gold);
            let id = distinct.iter().find(|(_, answers)| answers.is_empty());
            let id = id.map(|(id, _)| id.to_owned());
            id.and_then(|id| gold.iter().find(|question| question.id == id))
        }
    };
    match unanswered {
        None => Ok(()),
        Some(question) => Err(Error::NoGoldAnswer {
            question: question.id.clone(),
            metric: metric.name(),
        }),
    }
}

/// Rejects a file that has questions but no answers for any of them.
fn check_told(questions: &QuestionSet) -> Result<(), Error> {
    let mut all = questions.questions().peekable();
    if all.peek().is_some() && !all.any(|question| question.labelled) {
        return Err(Error::NoAnswers {
            file: questions.file.clone(),
        });
    }
    Ok(())
}

/// Returns each id once, as scripts that collect answers in a dict see them: at its first position,
/// with its last answers.
pub(super) fn distinct(gold: &[GoldQuestion]) -> QuestionMap<&[String]> {
    gold.iter()
        .map(|question| (question.id.clone(), question.answers.as_slice()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squad(qas: &str) -> QuestionSet {
        let text = format!(
            r#"{{"data": [{{"paragraphs": [{{"context": "An oak.", "qas": [{qas}]}}]}}]}}"#
        );
        QuestionSet::parse(text, "dev.json", None).unwrap()
    }

    const ANSWERED: &str = r#"{"id": "a", "question": "?", "answers": [{"text": "oak"}]}"#;
    const EMPTY: &str = r#"{"id": "b", "question": "?", "answers": []}"#;
    const MUTE: &str = r#"{"id": "c", "question": "?"}"#;

    #[test]
    fn a_file_that_tells_no_answer_is_not_read_as_one_without_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.json");
        let read = |qas: &[&str]| {
            let qas = qas.join(",");
            let text = format!(
                r#"{{"version": "v2.0", "data": [{{"paragraphs": [{{"context": "An oak.", "qas": [{qas}]}}]}}]}}"#
            );
            std::fs::write(&path, text).unwrap();
            read_data(&path, None).map(|(metric, _)| metric)
        };
        let message = read(&[MUTE]).unwrap_err().to_string();
        assert!(
            message.contains("test.json: expected questions with their gold answers"),
            "{message}"
        );
        // One question with answers is enough, and a file without questions has another problem.
        for qas in [&[MUTE, EMPTY][..], &[ANSWERED], &[]] {
            assert_eq!(read(qas).unwrap(), Metric::Squad2);
        }
    }

    #[test]
    fn what_a_metric_cannot_mark_is_known_from_the_file() {
        let both = squad(&[ANSWERED, EMPTY].join(","));
        assert!(check_markable(&both, Metric::Squad2).is_ok());
        let message = check_markable(&both, Metric::Squad1)
            .unwrap_err()
            .to_string();
        assert!(message.contains("question b"), "{message}");
        assert!(check_markable(&squad(ANSWERED), Metric::Squad1).is_ok());
        let message = check_markable(&squad(MUTE), Metric::Squad2).unwrap_err();
        assert!(message.to_string().contains("dev.json"), "{message}");
        assert!(check_markable(&squad(""), Metric::Squad2).is_err());

        let line = |answers: &str| {
            let text = format!(
                r#"{{"context": "An oak.", "qas": [{{"qid": "m", "question": "?", "answers": {answers}}}]}}"#
            );
            QuestionSet::parse(text, "dev.jsonl", Some(Family::Mrqa)).unwrap()
        };
        assert!(check_markable(&line(r#"["oak"]"#), Metric::Mrqa).is_ok());
        let message = check_markable(&line("[]"), Metric::Mrqa).unwrap_err();
        assert!(message.to_string().contains("question m"), "{message}");
    }
}
