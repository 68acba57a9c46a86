//! The GLUE tasks by name: their splits, columns, labels and metrics.
//!
//! As in the reference's `finetune/classification/classification_tasks.py`. The only addition is
//! the split `dev_mismatched` of mnli, which the reference never evaluates.

use super::{labels::Labels, metric::Metric};
use crate::data::split::Split;

/// A column of a row, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    FromFront(usize),
    /// Counted from the end; 0 is the last.
    FromBack(usize),
}

impl Cell {
    /// Returns the cell of a row, if the row is long enough.
    pub fn of<'a>(self, row: &[&'a str]) -> Option<&'a str> {
        let place = match self {
            Self::FromFront(place) => place,
            Self::FromBack(place) => row.len().checked_sub(place + 1)?,
        };
        row.get(place).copied()
    }

    /// Returns the fewest columns that a row needs.
    pub fn columns(self) -> usize {
        match self {
            Self::FromFront(place) | Self::FromBack(place) => place + 1,
        }
    }
}

/// A file of a task.
#[derive(Debug, PartialEq, Eq)]
pub struct GlueSplit {
    pub name: &'static str,
    pub split: Split,
    /// Its name without `.tsv`.
    pub(super) file: &'static str,
    pub(super) header: bool,
    pub(super) text_a: Cell,
    pub(super) text_b: Option<Cell>,
    /// `None` for a test file.
    pub(super) label: Option<Cell>,
    /// The corresponding file in a submission to gluebenchmark.com.
    pub(super) submission: Option<&'static str>,
}

/// A task of GLUE.
#[derive(Debug, PartialEq, Eq)]
pub struct GlueTask {
    pub name: &'static str,
    /// In the order of their ids; empty for sts, whose scores are numbers.
    pub(super) classes: &'static [&'static str],
    pub metric: Metric,
    /// Whether the order of the texts is irrelevant, so that the training examples can be doubled
    /// by swapping them (`double_unordered`).
    pub(super) unordered: bool,
    pub splits: &'static [GlueSplit],
}

impl GlueTask {
    /// Returns whether its examples are pairs of texts.
    pub fn is_pair(&self) -> bool {
        self.splits.iter().any(|split| split.text_b.is_some())
    }

    pub fn labels(&self) -> Labels {
        if self.classes.is_empty() {
            return Labels::Range { min: 0.0, max: 5.0 };
        }
        Labels::Classes(self.classes.iter().map(|&name| name.to_owned()).collect())
    }
}

/// Finds a task by name.
pub fn find(name: &str) -> Option<&'static GlueTask> {
    TASKS.iter().find(|task| task.name == name)
}

pub const TASKS: &[GlueTask] = &[
    GlueTask {
        name: "cola",
        classes: &["0", "1"],
        metric: Metric::Matthews,
        unordered: false,
        splits: &[
            single("train", Split::Train, false, 3).labelled(Cell::FromFront(1)),
            single("dev", Split::Dev, false, 3).labelled(Cell::FromFront(1)),
            single("test", Split::Test, true, 1).submitted("CoLA.tsv"),
        ],
    },
    GlueTask {
        name: "mrpc",
        classes: &["0", "1"],
        metric: Metric::Accuracy,
        unordered: true,
        splits: &[
            pair("train", Split::Train, 3, 4).labelled(Cell::FromFront(0)),
            pair("dev", Split::Dev, 3, 4).labelled(Cell::FromFront(0)),
            pair("test", Split::Test, 3, 4).submitted("MRPC.tsv"),
        ],
    },
    GlueTask {
        name: "mnli",
        classes: &["contradiction", "entailment", "neutral"],
        metric: Metric::Accuracy,
        unordered: false,
        splits: &[
            pair("train", Split::Train, 8, 9).labelled(Cell::FromBack(0)),
            pair("dev", Split::Dev, 8, 9)
                .labelled(Cell::FromBack(0))
                .in_file("dev_matched"),
            pair("dev_mismatched", Split::Dev, 8, 9).labelled(Cell::FromBack(0)),
            pair("test_matched", Split::Test, 8, 9).submitted("MNLI-m.tsv"),
            pair("test_mismatched", Split::Test, 8, 9).submitted("MNLI-mm.tsv"),
            pair("diagnostic", Split::Test, 1, 2).submitted("AX.tsv"),
        ],
    },
    GlueTask {
        name: "sst",
        classes: &["0", "1"],
        metric: Metric::Accuracy,
        unordered: false,
        splits: &[
            single("train", Split::Train, true, 0).labelled(Cell::FromFront(1)),
            single("dev", Split::Dev, true, 0).labelled(Cell::FromFront(1)),
            single("test", Split::Test, true, 1).submitted("SST-2.tsv"),
        ],
    },
    GlueTask {
        name: "rte",
        classes: &["entailment", "not_entailment"],
        metric: Metric::Accuracy,
        unordered: false,
        splits: &[
            pair("train", Split::Train, 1, 2).labelled(Cell::FromFront(3)),
            pair("dev", Split::Dev, 1, 2).labelled(Cell::FromFront(3)),
            pair("test", Split::Test, 1, 2).submitted("RTE.tsv"),
        ],
    },
    GlueTask {
        name: "qnli",
        classes: &["entailment", "not_entailment"],
        metric: Metric::Accuracy,
        unordered: false,
        splits: &[
            pair("train", Split::Train, 1, 2).labelled(Cell::FromFront(3)),
            pair("dev", Split::Dev, 1, 2).labelled(Cell::FromFront(3)),
            pair("test", Split::Test, 1, 2).submitted("QNLI.tsv"),
        ],
    },
    GlueTask {
        name: "qqp",
        classes: &["0", "1"],
        metric: Metric::Accuracy,
        unordered: false,
        splits: &[
            pair("train", Split::Train, 3, 4).labelled(Cell::FromFront(5)),
            pair("dev", Split::Dev, 3, 4).labelled(Cell::FromFront(5)),
            pair("test", Split::Test, 1, 2).submitted("QQP.tsv"),
        ],
    },
    GlueTask {
        name: "sts",
        classes: &[],
        metric: Metric::Correlation,
        unordered: true,
        splits: &[
            from_back("train", Split::Train, 2, 1).labelled(Cell::FromBack(0)),
            from_back("dev", Split::Dev, 2, 1).labelled(Cell::FromBack(0)),
            from_back("test", Split::Test, 1, 0).submitted("STS-B.tsv"),
        ],
    },
];

const fn single(name: &'static str, split: Split, header: bool, text: usize) -> GlueSplit {
    GlueSplit {
        name,
        split,
        file: name,
        header,
        text_a: Cell::FromFront(text),
        text_b: None,
        label: None,
        submission: None,
    }
}

/// All files of pairs have a header.
const fn pair(name: &'static str, split: Split, a: usize, b: usize) -> GlueSplit {
    GlueSplit {
        text_b: Some(Cell::FromFront(b)),
        ..single(name, split, true, a)
    }
}

const fn from_back(name: &'static str, split: Split, a: usize, b: usize) -> GlueSplit {
    GlueSplit {
        text_a: Cell::FromBack(a),
        text_b: Some(Cell::FromBack(b)),
        ..single(name, split, true, 0)
    }
}

impl GlueSplit {
    const fn labelled(self, label: Cell) -> Self {
        Self {
            label: Some(label),
            ..self
        }
    }

    const fn in_file(self, file: &'static str) -> Self {
        Self { file, ..self }
    }

    const fn submitted(self, file: &'static str) -> Self {
        Self {
            submission: Some(file),
            ..self
        }
    }

    /// Returns its file name.
    pub fn file_name(&self) -> String {
        format!("{}.tsv", self.file)
    }

    /// Returns the number of columns that a row needs.
    pub(super) fn columns(&self) -> usize {
        let cells = [Some(self.text_a), self.text_b, self.label];
        let needed = cells.into_iter().flatten().map(Cell::columns);
        needed.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_its_splits_and_labels() {
        let names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        assert_eq!(
            names,
            ["cola", "mrpc", "mnli", "sst", "rte", "qnli", "qqp", "sts"]
        );
        for task in TASKS {
            let labelled = task.splits.iter().filter(|split| split.label.is_some());
            assert!(labelled.clone().all(|split| split.split != Split::Test));
            let submitted = task
                .splits
                .iter()
                .filter(|split| split.submission.is_some());
            assert!(submitted.clone().all(|split| split.split == Split::Test));
            assert_eq!(labelled.count() + submitted.count(), task.splits.len());
            assert_eq!(task.splits[0].name, "train");
        }
        let mnli = find("mnli").unwrap();
        assert_eq!(mnli.splits[1].file, "dev_matched");
        assert_eq!(mnli.labels().outputs(), 3);
        assert_eq!(find("sts").unwrap().labels().outputs(), 1);
        assert_eq!(find("squad"), None);
    }

    #[test]
    fn columns_count_from_the_front_or_the_back() {
        let row = ["a", "b", "c"];
        assert_eq!(Cell::FromFront(2).of(&row), Some("c"));
        assert_eq!(Cell::FromFront(3).of(&row), None);
        assert_eq!(Cell::FromBack(2).of(&row), Some("a"));
        assert_eq!(Cell::FromBack(3).of(&row), None);
        let columns = |task: &str| find(task).unwrap().splits[0].columns();
        assert_eq!((columns("rte"), columns("sts"), columns("qqp")), (4, 3, 6));
    }
}
