//! How often a run scores its model on the dev files during training.

use serde_json::Value;

use super::value::HparamValue;

/// The interval between two evaluations of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalEvery {
    /// A number of training steps, at least 1.
    Steps(u64),
    /// One pass over the training features.
    Epoch,
}

impl EvalEvery {
    /// Returns the interval in steps.
    pub fn steps(self, steps_per_epoch: usize) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Epoch => steps_per_epoch as u64,
        }
    }
}

impl HparamValue for EvalEvery {
    fn expected() -> String {
        "a number of steps, at least 1, or \"epoch\"".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        match value.as_str() {
            Some("epoch") => Some(Self::Epoch),
            Some(_) => None,
            None => u64::convert(value)
                .filter(|&steps| steps > 0)
                .map(Self::Steps),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Steps(steps) => (*steps).into(),
            Self::Epoch => "epoch".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_or_epochs() {
        for (value, expected) in [
            (json!(50), Some(EvalEvery::Steps(50))),
            (json!("epoch"), Some(EvalEvery::Epoch)),
            (json!(0), None),
            (json!(-1), None),
            (json!("epochs"), None),
            (json!(1.5), None),
        ] {
            let found = EvalEvery::convert(&value);
            assert_eq!(found, expected, "{value}");
            if let Some(found) = found {
                assert_eq!(found.to_value(), value);
            }
        }
        assert_eq!(EvalEvery::Epoch.steps(7), 7);
        assert_eq!(EvalEvery::Steps(3).steps(7), 3);
    }
}
