//! What to do about a table that does not suit its task, in the terms in which the task is described.

use std::fmt;

/// What to do, in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    told: Box<str>,
    /// The same for a task that flags describe, not yet `task.json`, if `told` names that file.
    by_flags: Option<&'static str>,
}

impl Advice {
    /// Advice on `task.json`, and the same on the flags of `electra data classification`.
    pub fn of_description(told: impl Into<String>, by_flags: &'static str) -> Self {
        Self {
            told: told.into().into(),
            by_flags: Some(by_flags),
        }
    }

    /// Advice on the columns that `task.json` gives to texts, labels and ids.
    pub fn of_columns(told: impl Into<String>) -> Self {
        Self::of_description(
            told,
            "say which columns hold what (--text, --text-b, --label, --id, --no-header), or what is learnt \
             (--kind)",
        )
    }

    /// Whether it is about the task's description.
    pub fn is_on_description(&self) -> bool {
        self.by_flags.is_some()
    }

    /// The advice for a task that flags describe.
    pub fn by_flags(self) -> Self {
        match self.by_flags {
            Some(told) => told.into(),
            None => self,
        }
    }
}

impl From<String> for Advice {
    fn from(told: String) -> Self {
        Self {
            told: told.into(),
            by_flags: None,
        }
    }
}

impl From<&str> for Advice {
    fn from(told: &str) -> Self {
        Self::from(told.to_owned())
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}
