//! A row of a table, in the same form for every format.

use serde_json::Value;

use crate::tasks::classification::error::{Error, Place};

/// The requested cells of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub place: Place,
    /// In the order of the request; text in TSV and csv, null if JSON has no such key.
    pub cells: Vec<Value>,
}

/// Chooses columns by name, given all names.
pub type Choose<'a> = dyn FnMut(&[String]) -> Result<Vec<usize>, Error> + 'a;

/// Returns the names of columns without a header.
pub(super) fn numbers(columns: usize) -> Vec<String> {
    (0..columns).map(|number| number.to_string()).collect()
}
