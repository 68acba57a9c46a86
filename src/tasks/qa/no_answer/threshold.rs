//! The threshold on no-answer scores, as people give it and as they read it.

use std::str::FromStr;

/// Which threshold answers are held back above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdChoice {
    At(f64),
    /// The one that does best by F1 on the file that is scored.
    Best,
}

/// A threshold as commands call it where they refuse one.
pub const OPTION: &str = "threshold (--threshold)";

/// What is neither a number nor a choice.
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

/// Reads a threshold. The minus sign that [`signed`] prints is taken too, so that what a command
/// says can be pasted into the next.
///
/// # Errors
/// When the text is no number, or an infinite one.
pub fn parse(text: &str) -> Result<f64, ParseError> {
    let number = text.trim().replace('\u{2212}', "-").parse::<f64>();
    match number {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(ParseError {
            expected: "a number such as -2.75",
        }),
    }
}

/// A score or a threshold in a sentence: two decimals and a minus sign that is no hyphen.
pub fn signed(value: f64) -> String {
    format!("{value:.2}").replace('-', "\u{2212}")
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
