//! A row of a table, as every format gives it.

use serde_json::Value;

use crate::tasks::classification::error::{Error, Place};

/// The cells of a row that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub place: Place,
    /// In the order in which they were asked for; text in TSV and csv, null where JSON has no such
    /// key.
    pub cells: Vec<Value>,
}

/// Chooses columns by the names of all.
pub type Choose<'a> = dyn FnMut(&[String]) -> Result<Vec<usize>, Error> + 'a;

/// Names of columns without a header.
pub(super) fn numbers(columns: usize) -> Vec<String> {
    (0..columns).map(|number| number.to_string()).collect()
}
