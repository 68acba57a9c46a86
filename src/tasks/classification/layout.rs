//! How a file of texts is laid out: as a task of GLUE has it, or as a person's description says.

use super::glue::{GlueSplit, GlueTask};
use crate::tasks::description::Description;

/// How a file is laid out.
#[derive(Debug, Clone, Copy)]
pub enum Layout<'a> {
    Glue(&'static GlueTask, &'static GlueSplit),
    Own(&'a Description),
}
