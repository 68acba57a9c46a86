//! Why a task's folder could not be written.

use std::path::PathBuf;

use crate::{
    eval,
    tasks::{classification, held_out::NoneHeld, tagging},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Texts(#[from] classification::error::Error),
    #[error(transparent)]
    Words(#[from] tagging::error::Error),
    #[error(transparent)]
    File(#[from] eval::Error),

    #[error("{}: exists, and is not replaced; give another folder, or move the file away", file.display())]
    Exists { file: PathBuf },

    #[error("{}: is the input, and would be replaced; give another folder", file.display())]
    IsInput { file: PathBuf },

    #[error("{}: expected a folder whose name, which becomes the task's, has no comma and no dot at its beginning", folder.display())]
    NoName { folder: PathBuf },

    #[error(
        "{name} is the name of a built-in task, whose files have their own format; give the folder another \
         name"
    )]
    NameOfOurs { name: String },

    #[error("--dev-share {share}: {source}, or a --dev file")]
    Share { share: f64, source: NoneHeld },
}

impl Error {
    /// Rewords an error about a table to name flags instead of a description that does not exist
    /// yet.
    pub(super) fn by_flags(error: classification::error::Error) -> Self {
        use classification::error::Error as Texts;
        Self::Texts(match error {
            Texts::Table {
                file,
                expected,
                found,
                advice,
            } if advice.contains("task.json") => Texts::Table {
                file,
                expected,
                found,
                advice:
                    "say which columns hold what (--text, --text-b, --label, --id, --no-header), \
                         or what is learnt (--kind)"
                        .to_owned(),
            },
            Texts::Row {
                file,
                place,
                expected,
                found,
                advice,
            } => Texts::Row {
                file,
                place,
                expected,
                found,
                advice: advice.replace("the kind in task.json", "it --kind"),
            },
            other => other,
        })
    }
}
