//! Converts a hyper-parameter's value between JSON and its Rust type.
//!
//! As lenient as Python if nothing is lost (an integer for a float, `1e6` for an integer), and
//! strict otherwise: the reference accepts any type and fails later.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    choice::{
        GradientCheckpointing, GradientExchange, LrDecayVariant, LrSchedule, ModelSize,
        OptimizerMoments, Precision,
    },
    error::Error,
};

/// Above this, a JSON number written as a float can no longer represent every integer.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;

/// A type that a hyper-parameter can have.
pub trait HparamValue: Sized {
    /// Whether a bare word on the command line is text even if it parses as JSON.
    const TEXT: bool = false;

    /// Describes the expected value, for errors.
    fn expected() -> String;

    /// Reads the value of `key`.
    ///
    /// # Errors
    /// If the JSON value has another type.
    fn read(key: &str, value: &Value) -> Result<Self, Error> {
        Self::convert(value).ok_or_else(|| Error::wrong_type(key, value, Self::expected()))
    }

    /// Converts to the typed value; returns `None` if the JSON value has another type.
    fn convert(value: &Value) -> Option<Self>;

    /// Converts the value to JSON.
    fn to_value(&self) -> Value;
}

impl HparamValue for bool {
    fn expected() -> String {
        "true or false".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl HparamValue for u64 {
    fn expected() -> String {
        "a whole number, not negative".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        value.as_u64().or_else(|| {
            let number = value.as_f64()?;
            let whole = number.fract() == 0.0 && (0.0..EXACT_INTEGERS).contains(&number);
            whole.then_some(number as u64)
        })
    }

    fn to_value(&self) -> Value {
        (*self).into()
    }
}

impl HparamValue for usize {
    fn expected() -> String {
        u64::expected()
    }

    fn convert(value: &Value) -> Option<Self> {
        u64::convert(value)?.try_into().ok()
    }

    fn to_value(&self) -> Value {
        (*self).into()
    }
}

impl HparamValue for f64 {
    fn expected() -> String {
        "a number".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        value.as_f64()
    }

    fn to_value(&self) -> Value {
        (*self).into()
    }
}

impl HparamValue for String {
    const TEXT: bool = true;

    fn expected() -> String {
        "text".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn to_value(&self) -> Value {
        self.as_str().into()
    }
}

impl HparamValue for PathBuf {
    const TEXT: bool = true;

    fn expected() -> String {
        "a path as text".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        value.as_str().map(PathBuf::from)
    }

    fn to_value(&self) -> Value {
        // JSON has only Unicode text: a path that is not Unicode is shown, but not preserved.
        self.to_string_lossy().into()
    }
}

/// A list of names; one string with commas means the same, so that no shell has to quote brackets.
impl HparamValue for Vec<String> {
    const TEXT: bool = false;

    fn expected() -> String {
        "a list of names such as [\"squad\"]".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        match value {
            Value::Array(names) => names.iter().map(String::convert).collect(),
            Value::String(names) => Some(
                names
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            _ => None,
        }
    }

    fn to_value(&self) -> Value {
        self.as_slice().into()
    }
}

impl<T: HparamValue> HparamValue for Option<T> {
    const TEXT: bool = T::TEXT;

    fn expected() -> String {
        format!("{}, or null", T::expected())
    }

    fn convert(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            _ => T::convert(value).map(Some),
        }
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

macro_rules! choice_value {
    ($($choice:ty),+) => { $(
        impl HparamValue for $choice {
            fn expected() -> String {
                let words = <$choice>::WORDS.iter().map(|word| format!("{word:?}"));
                words.collect::<Vec<_>>().join(" or ")
            }

            fn convert(value: &Value) -> Option<Self> {
                value.as_str()?.parse().ok()
            }

            fn to_value(&self) -> Value {
                self.word().into()
            }
        }
    )+ };
}

choice_value!(
    ModelSize,
    Precision,
    LrDecayVariant,
    LrSchedule,
    OptimizerMoments,
    GradientExchange
);

/// `true` and `false` are accepted for `"on"` and `"off"`.
impl HparamValue for GradientCheckpointing {
    fn expected() -> String {
        "\"auto\" or \"on\" or \"off\"".to_owned()
    }

    fn convert(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(GradientCheckpointing::On),
            Value::Bool(false) => Some(GradientCheckpointing::Off),
            _ => value.as_str()?.parse().ok(),
        }
    }

    fn to_value(&self) -> Value {
        self.word().into()
    }
}
