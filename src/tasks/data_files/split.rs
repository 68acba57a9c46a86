//! Splits one file in two and holds out the second: no passage, or no text, is in both.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    error::Error,
    item_file,
    new_file::{expect_free, is_same_place, write_both},
    question_items::QuestionItems,
    row_items::RowItems,
};
use crate::tasks::{
    data_check::{Options, rows::rows},
    held_out::{NoneHeld, held_out},
};

/// What is kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The questions of an article, and of every other article that shares a passage with it.
    Article,
    /// The questions on a passage.
    Passage,
    /// Only the question, whose passage may then be in both files; for texts, the rows that share a
    /// text.
    Row,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::Article => "article",
            By::Passage => "passage",
            By::Row => "row",
        }
    }
}

/// What to split, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub file: PathBuf,
    /// By default the passage; for texts and words, the row.
    pub by: Option<By>,
    /// The share to hold out, from 0 to 1.
    pub share: f64,
    pub seed: u64,
    pub train: PathBuf,
    pub dev: PathBuf,
    /// The task of a file of texts or words.
    pub task: Options,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parted {
    pub file: PathBuf,
    pub by: By,
    pub seed: u64,
    pub train: Part,
    pub dev: Part,
    /// Number of passages in both files; nonzero only when splitting by row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passages_in_both: Option<usize>,
}

/// A file and its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    pub file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passages: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

/// Splits a file, keeping its form.
///
/// # Errors
/// If the file cannot be read or split, an output exists, or it cannot be written.
pub fn split(request: &Request) -> Result<Parted, Error> {
    for output in [&request.train, &request.dev] {
        expect_free(output)?;
    }
    if is_same_place(&request.train, &request.dev) {
        return Err(Error::SameOutput {
            path: request.dev.clone(),
        });
    }
    match rows(&request.file, &request.task)? {
        None => questions(request),
        Some(of_task) => {
            let file = RowItems::read(&request.file, of_task)?;
            texts(request, &file)
        }
    }
}

fn questions(request: &Request) -> Result<Parted, Error> {
    let file = QuestionItems::read(&request.file)?;
    if file.count() == 0 {
        return Err(Error::Empty {
            file: file.set.file,
            noun: "question",
            advice: "give a file that has some",
        });
    }
    let by = request.by.unwrap_or(By::Passage);
    let articles = match by {
        By::Article => Some(file.articles().ok_or_else(|| Error::NoArticles {
            file: file.set.file.clone(),
        })?),
        By::Passage | By::Row => None,
    };
    let passages: Vec<&str> = file.all().map(|(_, one)| one.context.as_str()).collect();
    let together = |number: usize| {
        let article = articles.as_ref().map(|all| (0, &*all[number]));
        let passage = (by != By::Row).then(|| (1, passages[number]));
        [article, passage].into_iter().flatten().collect()
    };
    let held = places_held_out(request, file.count(), |number| (together(number), ()));
    let held = held.map_err(|source| Error::Share {
        share: request.share,
        source: source.of_questions(),
    })?;
    let (kept, out) = (|number: usize| !held[number], |number: usize| held[number]);
    let part = |path: &Path, keep: &dyn Fn(usize) -> bool| Part {
        file: path.to_owned(),
        questions: Some((0..file.count()).filter(|number| keep(*number)).count()),
        passages: Some(file.passages_of(keep).len()),
        rows: None,
    };
    let (train, dev) = (part(&request.train, &kept), part(&request.dev, &out));
    let of_dev = file.passages_of(&out);
    let both = file.passages_of(&kept).intersection(&of_dev).count();
    write_both(
        (&request.train, &|to| {
            item_file::write(&file.frame, file.kept(&kept, true), to)
        }),
        (&request.dev, &|to| {
            item_file::write(&file.frame, file.kept(&out, false), to)
        }),
    )?;
    Ok(Parted {
        file: request.file.clone(),
        by,
        seed: request.seed,
        train,
        dev,
        passages_in_both: Some(both),
    })
}

fn texts(request: &Request, file: &RowItems) -> Result<Parted, Error> {
    if request.by.is_some_and(|by| by != By::Row) {
        return Err(Error::NoPassages {
            file: file.file.clone(),
        });
    }
    if file.count() == 0 {
        return Err(Error::Empty {
            file: file.file.clone(),
            noun: file.noun(),
            advice: "give a file that has some",
        });
    }
    // Items that are not rows of the task stay in place.
    let places: Vec<usize> = (0..file.items.len())
        .filter(|item| !file.rows[*item].is_empty())
        .collect();
    let held_places = places_held_out(request, places.len(), |number| {
        let rows = &file.rows[places[number]];
        let texts = rows.iter().flat_map(|row| row.texts.iter().cloned());
        let label = rows.first().and_then(|row| row.label.clone());
        (texts.collect(), label)
    });
    let held_places = held_places.map_err(|source| Error::Share {
        share: request.share,
        source,
    })?;
    let mut held = vec![false; file.items.len()];
    for (place, out) in places.into_iter().zip(held_places) {
        held[place] = out;
    }
    let (kept, out) = (|number: usize| !held[number], |number: usize| held[number]);
    let part = |path: &Path, keep: &dyn Fn(usize) -> bool| {
        let rows = file.rows.iter().enumerate();
        let rows = rows.filter(|(number, _)| keep(*number));
        Part {
            file: path.to_owned(),
            questions: None,
            passages: None,
            rows: Some(rows.map(|(_, rows)| rows.len()).sum()),
        }
    };
    write_both(
        (&request.train, &|to| {
            item_file::write(&file.frame, file.kept(&kept), to)
        }),
        (&request.dev, &|to| {
            item_file::write(&file.frame, file.kept(&out), to)
        }),
    )?;
    Ok(Parted {
        file: request.file.clone(),
        by: By::Row,
        seed: request.seed,
        train: part(&request.train, &kept),
        dev: part(&request.dev, &out),
        passages_in_both: None,
    })
}

/// Returns which of `count` items are held out.
fn places_held_out<K: std::hash::Hash + Eq, L: Ord>(
    request: &Request,
    count: usize,
    together: impl Fn(usize) -> (Vec<K>, L),
) -> Result<Vec<bool>, NoneHeld> {
    let (share, seed) = (request.share, request.seed);
    let mut places: Vec<usize> = (0..count).collect();
    let out = held_out(&mut places, share, seed, |place| together(*place))?;
    let mut held = vec![false; count];
    out.into_iter().for_each(|place| held[place] = true);
    Ok(held)
}
