//! Values that a shell completes although other values are accepted too.

use std::ffi::OsStr;

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, TypedValueParser},
};

/// A parser that also suggests values.
#[derive(Clone)]
pub(super) struct Suggested<P> {
    parser: P,
    values: Vec<&'static str>,
}

/// Suggests `values` for the argument that `parser` parses.
pub(super) fn suggested<P: TypedValueParser>(
    parser: P,
    values: impl IntoIterator<Item = &'static str>,
) -> Suggested<P> {
    Suggested {
        parser,
        values: values.into_iter().collect(),
    }
}

impl<P: TypedValueParser> TypedValueParser for Suggested<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            self.values.iter().copied().map(PossibleValue::new),
        ))
    }
}
