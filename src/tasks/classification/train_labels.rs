//! The labels in the train file of a user-defined task.

use std::{collections::BTreeSet, path::Path};

use super::{
    advice::Advice,
    error::Error,
    labels::{Labels, written},
    rows::{Cells, Rows},
};
use crate::{
    data::split::Split,
    tasks::description::{Description, Kind},
};

/// Most classes in a label column if nobody names them; a column with more most likely holds texts
/// or numbers.
const MOST_CLASSES: usize = 1000;

/// Returns the labels of a train file: its classes, sorted, by value if all are integers; or its
/// smallest and largest number.
///
/// # Errors
/// If the file cannot be read or has fewer than two labels.
pub(super) fn labels(train: &Path, description: &Description) -> Result<Labels, Error> {
    let rows = Rows::of(train, Split::Train, description)?;
    match description.kind {
        Kind::Regression => range(rows),
        Kind::Classification | Kind::Tagging => classes(rows),
    }
}

/// Returns whether a train file has a column for a second text.
///
/// # Errors
/// If it cannot be read or lacks a column.
pub(super) fn has_pairs(train: &Path, description: &Description) -> Result<bool, Error> {
    let chosen = Rows::of(train, Split::Train, description)?.chosen()?;
    Ok(chosen.is_some_and(|(columns, _)| columns.text_b.is_some()))
}

fn classes(mut rows: Rows<'_>) -> Result<Labels, Error> {
    let mut names = BTreeSet::new();
    rows.read(&mut |cells| {
        names.insert(cells.label()?);
        if names.len() <= MOST_CLASSES {
            return Ok(());
        }
        Err(Error::Table {
            file: cells.file.to_owned(),
            expected: format!("at most {MOST_CLASSES} different labels"),
            found: "more".to_owned(),
            advice: Advice::of_description(
                "check which column is the label; if it is the right one, list its \"labels\" in task.json, or \
                 make the kind regression",
                "check which column is the label (--label); if it is the right one, list the labels \
                 (--labels), or make it --kind regression",
            ),
        })
    })?;
    let mut names: Vec<String> = names.into_iter().collect();
    if names.len() < 2 {
        let only = |name: &String| format!("only {name:?}");
        return Err(Error::Table {
            file: rows.file,
            expected: "at least two different labels to tell apart".to_owned(),
            found: names.first().map_or_else(|| "no row".to_owned(), only),
            advice: Advice::of_description(
                "give another file, or check which column is the label",
                "give another file, or check which column is the label (--label)",
            ),
        });
    }
    let whole = |name: &String| name.parse::<i64>().ok();
    if names.iter().all(|name| whole(name).is_some()) {
        names.sort_by_key(whole);
    }
    Ok(Labels::Classes(names))
}

fn range(mut rows: Rows<'_>) -> Result<Labels, Error> {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    rows.read(&mut |cells| {
        let number = number(&cells)?;
        (min, max) = (min.min(number), max.max(number));
        Ok(())
    })?;
    // A model learns (number − min) / (max − min).
    if min < max && (max - min).is_finite() {
        return Ok(Labels::Range { min, max });
    }
    Err(Error::Table {
        file: rows.file,
        expected: "different numbers to learn from".to_owned(),
        found: match (min.is_finite(), min < max) {
            (false, _) => "no row".to_owned(),
            (true, false) => format!("only {}", written(min)),
            (true, true) => {
                let [min, max] = [min, max].map(written);
                format!("{min} and {max}, whose difference is too large for a number")
            }
        },
        advice: Advice::of_description(
            "give another file, or the \"range\" of the numbers in task.json",
            "give another file, or check which column is the label (--label)",
        ),
    })
}

fn number(cells: &Cells<'_>) -> Result<f64, Error> {
    let label = cells.label()?;
    let number = label.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| {
        let advice = Advice::of_description(
            "correct it, or make the kind in task.json classification",
            "correct it, or make it --kind classification",
        );
        cells.wrong("label", "a number", &format!("{label:?}"), advice)
    })
}
