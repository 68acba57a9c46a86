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
    pub(super) fn by_flags(mut error: classification::error::Error) -> Self {
        use classification::error::Error as Texts;
        if let Texts::Table { advice, .. } | Texts::Row { advice, .. } = &mut error {
            *advice = advice.clone().by_flags();
        }
        Self::Texts(error)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        data::split::Split,
        tasks::{
            classification::own_rows::{labels_of, read_rows},
            description::{Column, Description, Kind},
        },
    };

    /// The advice on a table of JSON lines, as `task.json` and as flags describe the task.
    fn advice(text: &str, kind: Kind, change: impl Fn(&mut Description)) -> [String; 2] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.jsonl");
        fs::write(&file, text).unwrap();
        let mut description = Description {
            kind,
            ..Description::parse(r#"{"kind": "classification"}"#, "task.json").unwrap()
        };
        change(&mut description);
        let read = |file: &Path| {
            let labels = labels_of(file, &description)?;
            read_rows(file, Split::Train, &description, &labels)
        };
        let refused = || read(&file).err().unwrap();
        [
            refused().to_string(),
            Error::by_flags(refused()).to_string(),
        ]
        .map(|told| {
            let (_, advice) = told.split_once("; ").unwrap();
            advice.to_owned()
        })
    }

    #[test]
    fn advice_names_the_flags_where_there_is_no_description_yet() {
        let number = advice(
            r#"{"text": "a", "label": 1.5}"#,
            Kind::Classification,
            |_| {},
        );
        assert_eq!(
            number,
            [
                "write labels as texts, or make the kind in task.json regression",
                "write labels as texts, or make it --kind regression"
            ]
        );
        let text = advice(r#"{"text": "a", "label": "x"}"#, Kind::Regression, |_| {});
        assert_eq!(
            text,
            [
                "correct it, or make the kind in task.json classification",
                "correct it, or make it --kind classification"
            ]
        );
        let rows = concat!(
            r#"{"text": "a", "label": "x", "key": 1.5}"#,
            "\n",
            r#"{"text": "b", "label": "y", "key": 2}"#
        );
        let id = advice(rows, Kind::Classification, |description| {
            description.id = Some(Column::Name("key".to_owned()));
        });
        assert_eq!(
            id,
            [
                "write ids as texts, or take \"id\" out of task.json",
                "write ids as texts, or leave --id out"
            ]
        );
        let column = advice(rows, Kind::Classification, |description| {
            description.text = Some(Column::Name("txt".to_owned()));
        });
        assert_eq!(
            column,
            [
                "did you mean \"text\"? Correct text in task.json",
                "say which columns hold what (--text, --text-b, --label, --id, --no-header), or what is \
                 learnt (--kind)"
            ]
        );
        let label = advice(
            r#"{"text": "a", "label": "y"}"#,
            Kind::Classification,
            |description| {
                description.labels = Some(["x", "z"].map(str::to_owned).into());
            },
        );
        assert_eq!(
            label,
            [
                "correct it, or the labels of the task",
                "correct it, or add the label to --labels"
            ]
        );
        // Neither names a description.
        let none = advice(
            r#"{"text": "a", "label": null}"#,
            Kind::Classification,
            |_| {},
        );
        assert_eq!(none, ["give every row a label, or remove the row"; 2]);
    }
}
