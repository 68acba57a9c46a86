//! A task of labelled texts: its splits and their files, its labels and its metric.

use std::path::{Path, PathBuf};

use super::{
    error::Error,
    example::Examples,
    glue::{self, GlueSplit, GlueTask},
    glue_reader,
    labels::Labels,
    metric::Metric,
    read_options::ReadOptions,
    rows::Rows,
    table::{EXTENSIONS, Format},
    table_reader, train_labels,
};
use crate::{
    data::split::Split,
    tasks::description::{self, Columns, Description, Kind},
};

/// GLUE tasks whose F1 the leaderboard shows but the reference does not print.
const WITH_F1: [&str; 2] = ["mrpc", "qqp"];

/// A task with known labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationTask {
    pub name: String,
    pub labels: Labels,
    form: Form,
}

/// What determines the layout of a task's files.
#[derive(Debug, Clone, PartialEq)]
enum Form {
    Glue(&'static GlueTask),
    Own(Box<Description>),
}

/// A file of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskSplit {
    /// The name in commands and files, such as `dev_mismatched`.
    pub name: &'static str,
    /// What its examples are for.
    pub split: Split,
    glue: Option<&'static GlueSplit>,
}

impl ClassificationTask {
    /// Returns the GLUE task of this name, if there is one.
    pub fn glue(name: &str) -> Option<Self> {
        let task = glue::find(name)?;
        Some(Self {
            name: name.to_owned(),
            labels: task.labels(),
            form: Form::Glue(task),
        })
    }

    /// Opens a user-defined task whose files are in `folder`. `known` are the labels of a model
    /// that was trained for it; otherwise they are the description's or, failing that, those of the
    /// train file.
    ///
    /// # Errors
    /// If the description is of a tagging task, or if the train file is needed and cannot be read
    /// or does not have at least two labels.
    pub fn own(
        name: &str,
        description: Description,
        folder: &Path,
        known: Option<Labels>,
    ) -> Result<Self, Error> {
        if description.kind == Kind::Tagging {
            return Err(Error::Table {
                file: folder.join(description::FILE).display().to_string(),
                expected: "a task of classification or regression".to_owned(),
                found: "one of tagging".to_owned(),
                advice: "its labels stand at words; correct \"kind\", or name another task".into(),
            });
        }
        let labels = match known.or_else(|| Labels::of_description(&description)) {
            Some(known) => known,
            None => {
                let train = description.file(folder, Split::Train, EXTENSIONS)?;
                train_labels::labels(&train, &description)?
            }
        };
        Ok(Self {
            name: name.to_owned(),
            labels,
            form: Form::Own(Box::new(description)),
        })
    }

    /// Opens a task by name: GLUE's, or the one that `task.json` in its data folder describes.
    ///
    /// # Errors
    /// As for [`Description::read`] and [`ClassificationTask::own`].
    pub fn open(name: &str, folder: &Path, known: Option<Labels>) -> Result<Self, Error> {
        match Self::glue(name) {
            Some(task) => Ok(task),
            None => Self::own(name, Description::read(folder)?, folder, known),
        }
    }

    /// Returns whether it is one of GLUE's, which has a leaderboard.
    pub fn is_glue(&self) -> bool {
        matches!(self.form, Form::Glue(_))
    }

    /// Returns the number of texts per example: 1, or 2 for pairs. For a user-defined task this
    /// depends on the columns of its train file in `folder`; `None` if they do not tell.
    pub fn texts(&self, folder: &Path) -> Option<u8> {
        let pair = match &self.form {
            Form::Glue(task) => task.is_pair(),
            Form::Own(description) if description.text_b.is_some() => true,
            Form::Own(description) => {
                let train = description.file(folder, Split::Train, EXTENSIONS).ok()?;
                train_labels::has_pairs(&train, description).ok()?
            }
        };
        Some(1 + u8::from(pair))
    }

    /// Returns the columns that a user-defined task's description names, if any.
    pub fn columns(&self) -> Option<Columns> {
        match &self.form {
            Form::Glue(_) => None,
            Form::Own(description) => description.columns(),
        }
    }

    /// Returns the metric of its predictions.
    pub fn metric(&self) -> Metric {
        match (&self.form, &self.labels) {
            (Form::Glue(task), _) => task.metric,
            (Form::Own(_), Labels::Classes(_)) => Metric::Accuracy,
            (Form::Own(_), Labels::Range { .. }) => Metric::Correlation,
        }
    }

    /// Returns whether metrics beyond the reference's are shown: F1 if GLUE or a user-defined task
    /// calls for it.
    pub fn shows_own_scores(&self) -> bool {
        !self.is_glue() || WITH_F1.contains(&self.name.as_str())
    }

    /// Returns its splits, train first. A user-defined task may lack a dev or test file.
    pub fn splits(&self) -> Vec<TaskSplit> {
        match &self.form {
            Form::Glue(task) => {
                let splits = task.splits.iter();
                splits
                    .map(|glue| TaskSplit {
                        name: glue.name,
                        split: glue.split,
                        glue: Some(glue),
                    })
                    .collect()
            }
            Form::Own(_) => [Split::Train, Split::Dev, Split::Test]
                .map(|split| TaskSplit {
                    name: split.name(),
                    split,
                    glue: None,
                })
                .into(),
        }
    }

    /// Returns the split of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn split(&self, name: &str) -> Result<TaskSplit, Error> {
        let splits = self.splits();
        let found = splits.iter().find(|split| split.name == name);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = splits.iter().map(|split| split.name).collect();
            Error::UnknownSplit {
                task: self.name.clone(),
                split: name.to_owned(),
                known: names.join(", "),
            }
        })
    }

    /// Returns the splits for a purpose, the default first. For mnli, dev means `dev_matched`, and
    /// test means `test_matched`, `test_mismatched` and `diagnostic`.
    pub fn splits_of(&self, split: Split) -> Vec<TaskSplit> {
        let splits = self.splits().into_iter();
        splits.filter(|found| found.split == split).collect()
    }

    /// Returns the file of a split in the folder of the task's data.
    ///
    /// # Errors
    /// If a user-defined task has none or several.
    pub fn file(&self, folder: &Path, split: TaskSplit) -> Result<PathBuf, Error> {
        match (&self.form, split.glue) {
            (Form::Own(description), _) => Ok(description.file(folder, split.split, EXTENSIONS)?),
            (Form::Glue(_), glue) => {
                let stem = glue.map_or(split.name, |glue| glue.file);
                Ok(folder.join(format!("{stem}.tsv")))
            }
        }
    }

    /// Returns the GLUE split whose file has this name.
    pub(super) fn split_of_file(&self, file: &Path) -> Option<TaskSplit> {
        let name = file.file_name()?.to_str()?;
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let stem = name.strip_suffix(".tsv")?;
        let mut splits = self.splits().into_iter();
        splits.find(|split| split.glue.is_some_and(|glue| glue.file == stem))
    }

    /// Reads the examples of a table whose first row has the usual column names; `None` if it does
    /// not.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read_by_name(
        &self,
        file: &Path,
        options: ReadOptions,
    ) -> Result<Option<Examples>, Error> {
        let (split, description) = (Split::Test, self.labels.description());
        match Rows::of(file, split, &description)?.chosen() {
            Ok(_) => table_reader::read(file, split, &description, &self.labels, options).map(Some),
            Err(Error::Table { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the corresponding file in a submission to gluebenchmark.com, if there is one.
    pub fn submission(&self, split: TaskSplit) -> Option<&'static str> {
        split.glue?.submission
    }

    /// Reads the examples of a file, laid out as a split of the task. For a GLUE task, a csv or
    /// JSON file is read by its column names, like users' own tables.
    ///
    /// # Errors
    /// If the file cannot be read, or a row has a label that the task lacks.
    ///
    /// # Panics
    /// If the split belongs to another task.
    pub fn read(
        &self,
        file: &Path,
        split: TaskSplit,
        options: ReadOptions,
    ) -> Result<Examples, Error> {
        let by_name =
            |description| table_reader::read(file, split.split, description, &self.labels, options);
        match (&self.form, split.glue) {
            (Form::Own(description), _) => by_name(description),
            (Form::Glue(_), _) if matches!(Format::of(file), Ok(Format::Csv | Format::Json)) => {
                by_name(&self.labels.description())
            }
            (Form::Glue(task), Some(glue)) => {
                glue_reader::read(file, task, glue, &self.labels, options)
            }
            (Form::Glue(_), None) => panic!("{} is no split of {}", split.name, self.name),
        }
    }
}

impl Labels {
    /// Returns the labels that a description determines.
    pub fn of_description(description: &Description) -> Option<Self> {
        let classes = description.labels.clone().map(Self::Classes);
        let range = || {
            let [min, max] = description.range?;
            Some(Self::Range { min, max })
        };
        classes.or_else(range)
    }

    /// Describes a table with these labels, by the usual column names.
    pub(super) fn description(&self) -> Description {
        match self {
            Self::Classes(names) => Description {
                labels: Some(names.clone()),
                ..Description::of(Kind::Classification)
            },
            Self::Range { min, max } => Description {
                range: Some([*min, *max]),
                ..Description::of(Kind::Regression)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::labels::Gold;

    #[test]
    fn splits_have_their_files() {
        let folder = Path::new("d");
        let mnli = ClassificationTask::glue("mnli").unwrap();
        let files: Vec<String> = mnli
            .splits()
            .into_iter()
            .map(|split| mnli.file(folder, split).unwrap().display().to_string())
            .collect();
        assert_eq!(
            files,
            [
                "d/train.tsv",
                "d/dev_matched.tsv",
                "d/dev_mismatched.tsv",
                "d/test_matched.tsv",
                "d/test_mismatched.tsv",
                "d/diagnostic.tsv"
            ]
        );
        let names = |split| -> Vec<&str> {
            let splits = mnli.splits_of(split);
            splits.iter().map(|split| split.name).collect()
        };
        assert_eq!(names(Split::Dev), ["dev", "dev_mismatched"]);
        assert_eq!(
            names(Split::Test),
            ["test_matched", "test_mismatched", "diagnostic"]
        );
        let message = mnli.split("test").unwrap_err().to_string();
        assert!(
            message.contains("test_matched, test_mismatched"),
            "{message}"
        );
        assert_eq!(ClassificationTask::glue("squad"), None);
    }

    #[test]
    fn an_own_task_takes_its_labels_where_they_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let own = |description: &str, known| {
            let description = Description::parse(description, "task.json").unwrap();
            ClassificationTask::own("mine", description, folder.path(), known)
        };
        let given = own(r#"{"kind": "classification", "labels": ["z", "a"]}"#, None).unwrap();
        let classes = |names: [&str; 2]| Labels::Classes(names.map(str::to_owned).into());
        assert_eq!(given.labels, classes(["z", "a"]));
        assert_eq!(given.metric(), Metric::Accuracy);
        let known = own(r#"{"kind": "classification"}"#, Some(classes(["b", "c"]))).unwrap();
        assert_eq!(known.labels, classes(["b", "c"]));
        let ranged = own(r#"{"kind": "regression", "range": [1, 3]}"#, None).unwrap();
        assert_eq!(ranged.labels, Labels::Range { min: 1.0, max: 3.0 });
        assert_eq!(ranged.metric(), Metric::Correlation);
        let message = own(r#"{"kind": "tagging"}"#, None).unwrap_err().to_string();
        assert!(
            message.contains("task.json") && message.contains("tagging"),
            "{message}"
        );
        let train = folder.path().join("train.csv");
        std::fs::write(&train, "text,label\nx,10\ny,9\nz,10\n").unwrap();
        let found = own(r#"{"kind": "classification"}"#, None).unwrap();
        assert_eq!(found.labels, classes(["9", "10"]));
        assert!(!found.is_glue() && found.submission(found.splits()[2]).is_none());
        let found = own(r#"{"kind": "regression"}"#, None).unwrap();
        assert_eq!(
            found.labels,
            Labels::Range {
                min: 9.0,
                max: 10.0
            }
        );
    }

    #[test]
    fn a_glue_task_takes_tables_by_the_names_of_their_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.csv");
        let read = |task: &str, text: &str| {
            std::fs::write(&path, text).unwrap();
            let task = ClassificationTask::glue(task).unwrap();
            let read = task.read(&path, task.split("dev").unwrap(), ReadOptions::default());
            read.map_err(|error| error.to_string())
        };
        let rte = read("rte", "label,sentence1,sentence2\nnot_entailment,A,B\n").unwrap();
        assert_eq!(rte.examples[0].gold, Gold::Class(1));
        assert_eq!(rte.examples[0].text_b.as_deref(), Some("B"));
        let sts = read("sts", "sentence1,sentence2,score\nA,B,2.5\n").unwrap();
        assert_eq!(sts.examples[0].gold, Gold::Value(0.5));
        let message = read("sts", "sentence1,sentence2,score\nA,B,6\n").unwrap_err();
        assert!(
            message.contains("line 2") && message.contains("from 0 to 5"),
            "{message}"
        );
    }
}
