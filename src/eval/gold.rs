//! Data files → the gold answers that predictions are marked against.

use std::path::Path;

use super::error::Error;
use super::question_map::QuestionMap;
use crate::data::mrqa::{Entry, parse_mrqa_file};
use crate::data::squad::{SquadFile, parse_squad_file};

/// A question and its gold answers; none where it has no answer in its passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldQuestion {
    pub id: String,
    pub answers: Vec<String>,
}

/// The gold answers of a SQuAD file, in its order.
pub fn squad_gold(file: SquadFile) -> Vec<GoldQuestion> {
    file.data
        .into_iter()
        .flat_map(|article| article.paragraphs)
        .flat_map(|paragraph| paragraph.qas)
        .map(|question| GoldQuestion {
            id: question.id,
            answers: question
                .answers
                .into_iter()
                .map(|answer| answer.text)
                .collect(),
        })
        .collect()
}

/// The gold answers of an MRQA file, in its order.
pub fn mrqa_gold(entries: Vec<Entry>) -> Vec<GoldQuestion> {
    entries
        .into_iter()
        .flat_map(|entry| entry.qas)
        .map(|question| GoldQuestion {
            id: question.qid,
            answers: question.answers,
        })
        .collect()
}

/// Reads the gold answers of a SQuAD file.
///
/// # Errors
/// When the file cannot be read or is malformed.
pub fn read_squad_gold(path: &Path) -> Result<Vec<GoldQuestion>, Error> {
    let text = read_text(path)?;
    let file = parse_squad_file(&text, &path.display().to_string())?;
    Ok(squad_gold(file))
}

/// Reads the gold answers of an MRQA file.
///
/// # Errors
/// When the file cannot be read or is malformed.
pub fn read_mrqa_gold(path: &Path) -> Result<Vec<GoldQuestion>, Error> {
    let text = read_text(path)?;
    Ok(mrqa_gold(parse_mrqa_file(
        &text,
        &path.display().to_string(),
    )?))
}

/// Each id once, as the scripts that gather answers in a dict see them: at its first place, with
/// its last answers.
pub(super) fn distinct(gold: &[GoldQuestion]) -> QuestionMap<&[String]> {
    gold.iter()
        .map(|question| (question.id.clone(), question.answers.as_slice()))
        .collect()
}

/// The text of a file of data or predictions.
pub(super) fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}
