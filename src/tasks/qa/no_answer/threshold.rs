//! The threshold on no-answer scores, as users write and read it.

use std::str::FromStr;

use crate::eval::figures::with_minus;

/// The threshold above which answers are held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdChoice {
    At(f64),
    /// The one with the best F1 on the file that is scored.
    Best,
}

/// How messages name a threshold given to a command.
pub const OPTION: &str = "threshold (--threshold)";

/// Text that is neither a number nor a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct ParseError {
    expected: &'static str,
}

impl FromStr for ThresholdChoice {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "best" {
            return Ok(ThresholdChoice::Best);
        }
        let expected = "a number such as -2.75, or best";
        parse(text)
            .map(ThresholdChoice::At)
            .map_err(|_| ParseError { expected })
    }
}

/// Parses a threshold. Also accepts the minus sign that [`signed`] prints, so that the output of
/// one command can be pasted into the next.
///
/// # Errors
/// If the text is not a number, or is infinite.
pub fn parse(text: &str) -> Result<f64, ParseError> {
    let number = text.trim().replace('\u{2212}', "-").parse::<f64>();
    match number {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(ParseError {
            expected: "a number such as -2.75",
        }),
    }
}

/// Formats a score or a threshold for a sentence: two decimals and a real minus sign.
pub fn signed(value: f64) -> String {
    with_minus(&format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_given() {
        assert_eq!(signed(-0.541), "−0.54");
        assert_eq!(parse("−0.54"), Ok(-0.54));
        assert_eq!("-2.75".parse(), Ok(ThresholdChoice::At(-2.75)));
        assert_eq!("best".parse(), Ok(ThresholdChoice::Best));
        for wrong in ["", "low", "inf", "NaN"] {
            let message = parse(wrong).unwrap_err().to_string();
            assert!(message.contains("such as -2.75"), "{message}");
            let message = wrong.parse::<ThresholdChoice>().unwrap_err().to_string();
            assert!(message.contains("or best"), "{message}");
        }
    }
}
