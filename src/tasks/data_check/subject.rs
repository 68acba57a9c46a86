//! What is checked: the files of a task, by the task, by its description or by their contents.

use std::path::{Path, PathBuf};

use super::{
    contents::{Contents, split_of},
    error::Error,
    options::Options,
};
use crate::{
    data::{self, existing_file::existing, split::Split},
    durable_file::folder_of,
    tasks::{
        classification::{glue, labels::Labels, layout::Layout, table, table_kind::kind_of},
        description::{self, Description},
        registry,
        tagging::{
            options::{self as tagging, ReadOptions},
            rules::Rules,
        },
    },
};

/// Files of texts or words.
pub(super) struct Subject {
    pub name: Option<String>,
    pub task: TaskOf,
    pub files: Vec<Part>,
    /// A folder without a dev file.
    pub lacks_dev: Option<PathBuf>,
}

pub(super) enum TaskOf {
    Glue(&'static glue::GlueTask),
    Chunk,
    Own(Box<Description>),
}

impl TaskOf {
    pub fn kind(&self) -> description::Kind {
        match self {
            Self::Glue(task) => match task.labels() {
                Labels::Classes(_) => description::Kind::Classification,
                Labels::Range { .. } => description::Kind::Regression,
            },
            Self::Chunk => description::Kind::Tagging,
            Self::Own(description) => description.kind,
        }
    }

    /// How one of its files is laid out.
    pub fn form(&self, part: &Part) -> Form<'_> {
        match self {
            Self::Glue(task) => {
                let mut splits = task.splits.iter();
                let split = splits.find(|split| split.name == part.name);
                Form::Texts(Layout::Glue(task, split.unwrap_or(&task.splits[0])))
            }
            Self::Chunk => Form::Words(ReadOptions::chunk(false)),
            Self::Own(own) if own.kind == description::Kind::Tagging => {
                Form::Words(ReadOptions::of_description(own))
            }
            Self::Own(own) => Form::Texts(Layout::Own(own)),
        }
    }

    /// The labels that it tells, of texts.
    pub fn labels(&self) -> Option<Labels> {
        match self {
            Self::Glue(task) => Some(task.labels()),
            Self::Chunk => None,
            Self::Own(description) => Labels::of_description(description),
        }
    }

    /// The rules of its words.
    pub fn rules(&self) -> Rules {
        match self {
            Self::Chunk => Rules::Reference,
            Self::Glue(_) | Self::Own(_) => Rules::Usual,
        }
    }
}

/// How a file is laid out.
pub(super) enum Form<'a> {
    Texts(Layout<'a>),
    Words(ReadOptions),
}

/// A file of a task.
pub(super) struct Part {
    pub path: PathBuf,
    pub split: Split,
    pub name: &'static str,
}

impl Part {
    fn new(path: PathBuf, split: Split) -> Self {
        Self {
            path,
            split,
            name: split.name(),
        }
    }
}

/// Determines what is to be checked; `None` for questions.
pub(super) fn subject(path: &Path, options: &Options) -> Result<Option<Subject>, Error> {
    // A file is read several times, and a pipe is empty after the first.
    if is_pipe(path) {
        return Err(Error::Data(data::Error::NotAFile {
            path: path.to_owned(),
            found: "a pipe, which can be read only once",
        }));
    }
    let folder = path.is_dir();
    if let Some(file) = &options.description {
        let description = Description::read_file(file)?;
        let name = folder.then(|| name_of(path));
        return own(path, name.flatten(), description, options).map(Some);
    }
    if let Some(task) = &options.task {
        return of_registry(path, registry::expect(task)?, options);
    }
    let home = if folder { path } else { folder_of(path) };
    let split = options.split.or_else(|| split_of(path));
    let split = split.unwrap_or(Split::Train);
    let contents = match folder {
        true => Contents::Unknown,
        false => Contents::of(path, split),
    };
    if contents == Contents::Questions {
        return Ok(None);
    }
    if home.join(description::FILE).is_file() {
        let description = Description::read(home)?;
        return own(path, name_of(home), description, options).map(Some);
    }
    if let Some(entry) = name_of(home).and_then(|name| registry::find(&name))
        && (folder || is_part(path, entry))
    {
        return of_registry(path, entry, options);
    }
    if folder {
        return Err(Error::NoTask {
            path: path.to_owned(),
            names: registry::names(),
        });
    }
    let description = match contents {
        // The reader of questions reports what it expects.
        Contents::Questions | Contents::Unknown => return Ok(None),
        Contents::Words => Description::of(description::Kind::Tagging),
        Contents::Texts => {
            let texts = Description::of(description::Kind::Classification);
            let kind = kind_of(path, split, &texts)?;
            Description { kind, ..texts }
        }
    };
    own(path, None, description, options).map(Some)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata()
        .is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Checks files of a built-in task.
fn of_registry(
    path: &Path,
    entry: &'static registry::Entry,
    options: &Options,
) -> Result<Option<Subject>, Error> {
    let task = match entry.kind {
        registry::Kind::Questions(_) if path.is_dir() => {
            return Err(Error::FolderOfQuestions {
                path: path.to_owned(),
            });
        }
        registry::Kind::Questions(_) => return Ok(None),
        registry::Kind::Tagging => TaskOf::Chunk,
        registry::Kind::Classification | registry::Kind::Regression => {
            match glue::find(entry.name) {
                Some(task) => TaskOf::Glue(task),
                None => return Ok(None),
            }
        }
    };
    let parts = parts_of(&task, entry);
    let there = |part: &Part| existing(&part.path).is_file();
    let files: Vec<Part> = match path.is_dir() {
        true => {
            let parts = parts.into_iter().map(|part| Part {
                path: path.join(part.path),
                ..part
            });
            parts.filter(there).collect()
        }
        false => {
            let stem = stem_of(path);
            let named = parts
                .iter()
                .find(|part| stem_of(&part.path) == stem || part.name == stem);
            let given = options.split;
            let of_split = parts
                .iter()
                .find(|part| Some(part.split) == given)
                .or(named)
                // Train and dev files have the same layout.
                .or(parts.first());
            let (split, name) =
                of_split.map_or((Split::Dev, "dev"), |part| (part.split, part.name));
            vec![Part {
                path: path.to_owned(),
                split,
                name,
            }]
        }
    };
    if files.is_empty() {
        return Err(Error::NoFile {
            path: path.to_owned(),
            task: entry.name,
        });
    }
    Ok(Some(Subject {
        name: Some(entry.name.to_owned()),
        task,
        lacks_dev: lacks_dev(path, &files),
        files,
    }))
}

/// Returns the files of a task, by their names.
fn parts_of(task: &TaskOf, entry: &registry::Entry) -> Vec<Part> {
    match task {
        TaskOf::Glue(task) => {
            let splits = task.splits.iter();
            let part = |split: &glue::GlueSplit| Part {
                path: PathBuf::from(split.file_name()),
                split: split.split,
                name: split.name,
            };
            splits.map(part).collect()
        }
        _ => {
            let splits = [Split::Train, Split::Dev, Split::Test];
            let file = |split: Split| format!("{}.{}", split.name(), entry.kind.extension());
            splits
                .map(|split| Part::new(file(split).into(), split))
                .into()
        }
    }
}

/// Returns whether a file has the name of one of the task's files.
fn is_part(path: &Path, entry: &'static registry::Entry) -> bool {
    let task = match glue::find(entry.name) {
        Some(task) => TaskOf::Glue(task),
        None if entry.kind == registry::Kind::Tagging => TaskOf::Chunk,
        None => return false,
    };
    let parts = parts_of(&task, entry);
    parts
        .iter()
        .any(|part| stem_of(&part.path) == stem_of(path))
}

/// Checks files of a user-defined task.
fn own(
    path: &Path,
    name: Option<String>,
    description: Description,
    options: &Options,
) -> Result<Subject, Error> {
    let extensions = match description.kind {
        description::Kind::Tagging => tagging::EXTENSIONS,
        _ => table::EXTENSIONS,
    };
    let files = match path.is_dir() {
        false => {
            let split = options.split.or_else(|| description.split_of(path));
            let split = split.or_else(|| split_of(path)).unwrap_or(Split::Train);
            vec![Part::new(path.to_owned(), split)]
        }
        true => {
            let mut files = vec![Part::new(
                description.file(path, Split::Train, extensions)?,
                Split::Train,
            )];
            for split in [Split::Dev, Split::Test] {
                match description.file(path, split, extensions) {
                    Ok(file) => files.push(Part::new(file, split)),
                    Err(description::Error::NoFile { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            files
        }
    };
    Ok(Subject {
        name,
        task: TaskOf::Own(Box::new(description)),
        lacks_dev: lacks_dev(path, &files),
        files,
    })
}

fn lacks_dev(path: &Path, files: &[Part]) -> Option<PathBuf> {
    let dev = files.iter().any(|part| part.split == Split::Dev);
    (path.is_dir() && !dev).then(|| path.to_owned())
}

/// The name of a folder, `.` included.
fn name_of(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().ok()?;
    Some(whole.file_name()?.to_string_lossy().into_owned())
}

/// Returns a file's name up to its first dot.
fn stem_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}
