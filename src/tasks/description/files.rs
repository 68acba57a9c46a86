//! The files of a described task.

use std::path::{Path, PathBuf};

use super::{Description, Error, FILE};
use crate::data::split::Split;

/// Names that other collections use for the dev split.
pub const OTHER_NAMES_OF_DEV: [&str; 5] = ["validation", "valid", "val", "devel", "development"];

impl Description {
    /// Returns the file of a split in the task's folder: the one that `files` names, or the only
    /// file with the split's name and one of `extensions`, plain or gzip-compressed.
    ///
    /// # Errors
    /// If there is none or more than one.
    pub fn file(
        &self,
        folder: &Path,
        split: Split,
        extensions: &'static [&'static str],
    ) -> Result<PathBuf, Error> {
        let named = self.files.as_ref().and_then(|files| match split {
            Split::Train => files.train.as_ref(),
            Split::Dev => files.dev.as_ref(),
            Split::Test => files.test.as_ref(),
        });
        if let Some(name) = named {
            return Ok(folder.join(name));
        }
        let found = files_of(folder, split.name(), extensions);
        match found.as_slice() {
            [one] => Ok(folder.join(one)),
            [] => {
                let (found, advice) = instead(folder, split, extensions);
                Err(Error::NoFile {
                    folder: folder.to_owned(),
                    split: split.name(),
                    extensions,
                    found,
                    advice,
                })
            }
            [first, ..] => Err(Error::SeveralFiles {
                folder: folder.to_owned(),
                split: split.name(),
                found: found.join(" and "),
                first: first.clone(),
            }),
        }
    }
}

impl Description {
    /// Returns the split for which `files` names this file.
    pub fn split_of(&self, path: &Path) -> Option<Split> {
        let files = self.files.as_ref()?;
        let name = path.file_name()?.to_str()?;
        let named = [
            (&files.train, Split::Train),
            (&files.dev, Split::Dev),
            (&files.test, Split::Test),
        ];
        let found = named
            .into_iter()
            .find(|(file, _)| file.as_deref() == Some(name));
        found.map(|(_, split)| split)
    }
}

/// Returns the files in a folder that have this stem.
fn files_of(folder: &Path, stem: &str, extensions: &[&str]) -> Vec<String> {
    let names = extensions.iter().flat_map(|extension| {
        let plain = format!("{stem}.{extension}");
        let packed = format!("{plain}.gz");
        [plain, packed]
    });
    names.filter(|name| folder.join(name).is_file()).collect()
}

/// Describes what the folder has in place of a split's file, and what to do.
fn instead(folder: &Path, split: Split, extensions: &[&str]) -> (String, String) {
    if split == Split::Dev {
        let other = OTHER_NAMES_OF_DEV
            .iter()
            .find_map(|name| files_of(folder, name, extensions).into_iter().next());
        if let Some(name) = other {
            let advice =
                format!("rename it, or name it in {FILE}: \"files\": {{\"dev\": {name:?}}}");
            return (name, advice);
        }
    }
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.path().is_dir() {
                true => format!("the folder {name}"),
                false => name,
            }
        })
        .filter(|name| name != FILE)
        .collect();
    names.sort_unstable();
    names.truncate(5);
    let found = match names.is_empty() {
        true => "no file but the description".to_owned(),
        false => names.join(", "),
    };
    let advice = format!(
        "put it there, or name it in {FILE}: \"files\": {{\"{}\": NAME}}",
        split.name()
    );
    (found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_file_of_a_split_is_found() {
        const EXTENSIONS: &[&str] = &["tsv", "csv"];
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(folder.path().join(name), "x").unwrap();
        let text = r#"{"kind": "classification", "files": {"test": "t.tsv"}}"#;
        let description = Description::parse(text, "task.json").unwrap();
        let file = |split| {
            let found = description.file(folder.path(), split, EXTENSIONS);
            found.map_err(|error| error.to_string())
        };
        let message = file(Split::Train).unwrap_err();
        assert!(message.contains("train.tsv, train.csv"), "{message}");
        std::fs::create_dir(folder.path().join("train.csv")).unwrap();
        let message = file(Split::Train).unwrap_err();
        assert!(message.contains("found the folder train.csv"), "{message}");
        std::fs::remove_dir(folder.path().join("train.csv")).unwrap();
        put("train.csv.gz");
        let train = file(Split::Train).unwrap();
        assert_eq!(train, folder.path().join("train.csv.gz"));
        put("train.tsv");
        let message = file(Split::Train).unwrap_err();
        assert!(
            message.contains("train.tsv and train.csv.gz") && message.contains("\"files\""),
            "{message}"
        );
        put("validation.csv");
        let message = file(Split::Dev).unwrap_err();
        assert!(message.contains("\"dev\": \"validation.csv\""), "{message}");
        assert_eq!(file(Split::Test).unwrap(), folder.path().join("t.tsv"));
    }
}
