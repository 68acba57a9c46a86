//! The splits of a data set.

use std::str::FromStr;

use super::error::Error;

/// The split of a data set that a file holds. Only `Train` files teach answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    Train,
    Dev,
    Test,
}

impl Split {
    /// Returns the name used in files: `train`, `dev` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "train" => Ok(Split::Train),
            "dev" => Ok(Split::Dev),
            "test" => Ok(Split::Test),
            _ => Err(Error::UnknownSplit {
                split: name.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_named_in_lower_case() {
        assert_eq!("dev".parse::<Split>().unwrap(), Split::Dev);
        let message = "Train".parse::<Split>().unwrap_err().to_string();
        assert!(
            message.contains("\"Train\"") && message.contains("train, dev or test"),
            "{message}"
        );
    }
}
