//! Merges several files of one form into one, in order.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    error::Error,
    item_file::{self, Body, Frame},
    new_file::{expect_free, write},
    question_items::QuestionItems,
    row_items::RowItems,
};
use crate::{
    counted::counted,
    tasks::{
        data_check::{Options, rows::rows},
        qa::raw::{
            paragraph::Family,
            summary::{Form, Summary},
        },
    },
};

/// Most collisions shown in a message or report.
const SHOWN: usize = 5;

/// What to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub files: Vec<PathBuf>,
    pub output: PathBuf,
    /// Whether questions with an id already in use are renamed.
    pub rename: bool,
    /// The task of files of texts or words.
    pub task: Options,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    pub output: PathBuf,
    pub files: Vec<Merge>,
    /// Total number of questions, rows or sentences.
    pub count: usize,
    /// What they are called.
    pub noun: &'static str,
    /// How many repeat an earlier one: the same question on the same passage, or the same text.
    pub doubles: usize,
    /// Questions that were given a new id.
    pub renamed: Vec<Renamed>,
}

/// A merged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merge {
    pub file: PathBuf,
    pub count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    pub file: String,
    pub place: String,
    pub id: String,
    pub new_id: String,
}

/// Merges files.
///
/// # Errors
/// If a file cannot be read, the forms differ, ids collide without permission to rename, the output
/// exists, or it cannot be written.
pub fn merge(request: &Request) -> Result<Merged, Error> {
    expect_free(&request.output)?;
    let (mut questions, mut texts) = (Vec::new(), Vec::new());
    for path in &request.files {
        match rows(path, &request.task)? {
            None => questions.push(QuestionItems::read(path)?),
            Some(of_task) => {
                let columns = of_task.columns.clone();
                texts.push((columns, RowItems::read(path, of_task)?));
            }
        }
    }
    let empty = |file: &str, noun| Error::Empty {
        file: file.to_owned(),
        noun,
        advice: "leave the file out",
    };
    if let Some(file) = questions.iter().find(|file| file.count() == 0) {
        return Err(empty(&file.set.file, "question"));
    }
    if let Some((_, file)) = texts.iter().find(|(_, file)| file.count() == 0) {
        return Err(empty(&file.file, file.noun()));
    }
    match (questions.first(), texts.first()) {
        (Some(first), Some((_, other))) => Err(Error::Differs {
            file: other.file.clone(),
            first: first.set.file.clone(),
            expected: "questions".to_owned(),
            found: "texts or words".to_owned(),
            advice: "merge files of one task",
        }),
        (_, None) => merge_questions(request, questions),
        (None, Some((_, first))) if request.rename => Err(Error::NoIds {
            file: first.file.clone(),
        }),
        (None, Some(_)) => merge_rows(request, &texts),
    }
}

const CONVERT: &str = "`electra data squad`, `quac` or `mrqa` makes SQuAD 2.0 of each";

fn merge_questions(request: &Request, mut files: Vec<QuestionItems>) -> Result<Merged, Error> {
    for other in files.iter().skip(1) {
        expect_like(&files[0], other)?;
    }
    let doubles = {
        let mut seen = HashSet::new();
        let all = files.iter().flat_map(QuestionItems::all);
        let said =
            all.map(|(question, passage)| (question.text.as_str(), passage.context.as_str()));
        said.filter(|said| !seen.insert(*said)).count()
    };
    let renamed = give_ids(request, &mut files)?;
    let frame = frame_of(&files);
    write(&request.output, &|out| {
        let items = files.iter().enumerate().flat_map(|(number, file)| {
            // MRQA's header is written only once.
            let header = usize::from(number > 0 && file.header.is_some());
            file.kept(&|_| true, true).skip(header)
        });
        item_file::write(&frame, items, out)
    })?;
    let of_files = request.files.iter().zip(&files);
    Ok(Merged {
        output: request.output.clone(),
        files: of_files
            .map(|(path, file)| Merge {
                file: path.clone(),
                count: file.count(),
            })
            .collect(),
        count: files.iter().map(QuestionItems::count).sum(),
        noun: "question",
        doubles,
        renamed,
    })
}

/// Rejects a file whose questions would be read differently next to those of the first.
fn expect_like(first: &QuestionItems, other: &QuestionItems) -> Result<(), Error> {
    let of = |file: &QuestionItems| {
        let Summary {
            family, form, quac, ..
        } = &file.set.summary;
        let form = match form {
            Form::Document => "articles",
            Form::Passages => "passages",
            Form::Rows => "rows",
        };
        let set = match (quac, family) {
            (true, _) => "QuAC's own ",
            (false, Family::Mrqa) => "MRQA's ",
            (false, _) => "",
        };
        let csv = match &file.frame {
            Frame::Csv(Some(names)) => format!(" of csv with the columns {}", names.join(",")),
            _ => String::new(),
        };
        format!("{set}{form}{csv}")
    };
    let differs = |expected: String, found: String, advice| {
        Err(Error::Differs {
            file: other.set.file.clone(),
            first: first.set.file.clone(),
            expected,
            found,
            advice,
        })
    };
    let (expected, found) = (of(first), of(other));
    if expected != found {
        return differs(expected, found, CONVERT);
    }
    let labelled = |file: &QuestionItems| file.set.questions().any(|one| one.labelled);
    let named = |has: bool| if has { "answers" } else { "no answers" }.to_owned();
    if labelled(first) != labelled(other) {
        let (expected, found) = (named(labelled(first)), named(labelled(other)));
        return differs(expected, found, "a test file stands alone");
    }
    let ids = |has: bool| if has { "ids" } else { "rows without ids" }.to_owned();
    if first.has_ids() != other.has_ids() {
        let (expected, found) = (ids(first.has_ids()), ids(other.has_ids()));
        return differs(expected, found, "give all rows ids, or none");
    }
    Ok(())
}

/// Returns the form of the first file, with the version of the first file that declares SQuAD 2.0.
fn frame_of(files: &[QuestionItems]) -> Frame {
    let mut frame = files[0].frame.clone();
    let mut all = files.iter();
    let two = all.find(|file| file.set.summary.says_two());
    let version = two.and_then(|file| file.set.summary.version.clone());
    if let (Frame::Document(outer), Some(version)) = (&mut frame, version)
        && !files[0].set.summary.says_two()
    {
        outer.insert("version".to_owned(), Value::from(version));
    }
    frame
}

/// Ensures that all question ids are distinct.
fn give_ids(request: &Request, files: &mut [QuestionItems]) -> Result<Vec<Renamed>, Error> {
    if !files[0].has_ids() {
        return Ok(Vec::new());
    }
    let collisions = collisions(files);
    if collisions.is_empty() {
        return Ok(Vec::new());
    }
    if !request.rename {
        let examples = collisions.iter().take(SHOWN).map(|one| {
            let of = |at: &At| format!("{}, {}", files[at.file].set.file, place(files, at));
            format!("{} ({}; {})", one.id, of(&one.first), of(&one.at))
        });
        let more = if collisions.len() > SHOWN {
            ", …"
        } else {
            ""
        };
        let examples = examples.collect::<Vec<_>>().join(", ") + more;
        return Err(Error::Collisions {
            count: collisions.len(),
            doubles: collisions.iter().filter(|one| one.double).count(),
            examples,
        });
    }
    let mut taken: HashSet<String> = files
        .iter()
        .flat_map(|file| file.all().map(|(question, _)| question.id.clone()))
        .collect();
    let mut renamed = Vec::with_capacity(collisions.len());
    for Collision { id, at, .. } in collisions {
        let new_id = (2..)
            .map(|number| format!("{id}-{number}"))
            .find(|new_id| taken.insert(new_id.clone()))
            .unwrap_or_default();
        renamed.push(Renamed {
            file: files[at.file].set.file.clone(),
            place: place(files, &at),
            id,
            new_id: new_id.clone(),
        });
        files[at.file].rename(at.question, &new_id);
    }
    Ok(renamed)
}

/// A question, by file and index within it.
#[derive(Debug, Clone, Copy)]
struct At {
    file: usize,
    question: usize,
}

/// A question whose id is already used by an earlier one.
struct Collision {
    id: String,
    first: At,
    at: At,
    /// Whether both ask the same question on the same passage.
    double: bool,
}

fn collisions(files: &[QuestionItems]) -> Vec<Collision> {
    let mut seen = HashMap::new();
    let mut all = Vec::new();
    for (number, file) in files.iter().enumerate() {
        for (place, (question, passage)) in file.all().enumerate() {
            let at = At {
                file: number,
                question: place,
            };
            let said = (question.text.as_str(), passage.context.as_str());
            if let Some((first, earlier)) = seen.get(question.id.as_str()) {
                all.push(Collision {
                    id: question.id.clone(),
                    first: *first,
                    at,
                    double: *earlier == said,
                });
            } else {
                seen.insert(question.id.as_str(), (at, said));
            }
        }
    }
    all
}

/// Returns where a question is in its file.
fn place(files: &[QuestionItems], at: &At) -> String {
    let found = files[at.file].all().nth(at.question);
    found.map_or_else(String::new, |(_, passage)| passage.place.to_string())
}

fn merge_rows(request: &Request, files: &[(Option<String>, RowItems)]) -> Result<Merged, Error> {
    let (columns, first) = &files[0];
    for (other_columns, other) in files.iter().skip(1) {
        let of = |columns: &Option<String>, file: &RowItems| {
            let head = file.head.iter().map(|item| match &item.body {
                Body::Text(text) => text.replace('\t', ","),
                _ => String::new(),
            });
            let names = match &file.frame {
                Frame::Csv(Some(names)) => names.join(","),
                _ => head.collect::<Vec<_>>().join("; "),
            };
            let names = match names.is_empty() {
                true => String::new(),
                false => format!(" with the first row {names}"),
            };
            let columns = columns
                .as_ref()
                .map_or(String::new(), |line| format!(" ({line})"));
            let cells = file.columns().map_or(String::new(), |count| {
                format!(" with {}", counted(count, "column"))
            });
            let frame = file.frame.name();
            format!("{:?} in {frame}{cells}{names}{columns}", file.kind).to_lowercase()
        };
        let (expected, found) = (of(columns, first), of(other_columns, other));
        if expected != found {
            return Err(Error::Differs {
                file: other.file.clone(),
                first: first.file.clone(),
                expected,
                found,
                advice: "save both in one form, with the same columns in one order",
            });
        }
    }
    let mut seen = HashSet::new();
    let all = files
        .iter()
        .flat_map(|(_, file)| file.rows.iter().flatten());
    let doubles = all.filter(|row| !seen.insert(&row.texts)).count();
    write(&request.output, &|out| {
        let items = files.iter().enumerate().flat_map(|(number, (_, file))| {
            let head = if number > 0 { file.head.len() } else { 0 };
            file.kept(&|_| true).skip(head)
        });
        item_file::write(&first.frame, items, out)
    })?;
    let count = |file: &RowItems| file.count();
    let paths = request.files.iter().zip(files);
    Ok(Merged {
        output: request.output.clone(),
        files: paths
            .map(|(path, (_, file))| Merge {
                file: path.clone(),
                count: count(file),
            })
            .collect(),
        count: files.iter().map(|(_, file)| count(file)).sum(),
        noun: first.noun(),
        doubles,
        renamed: Vec::new(),
    })
}
