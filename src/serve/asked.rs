//! A request's body → what is asked of a task, or why it cannot be.

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    offer::{Kind, Offer},
    refusal::Refusal,
};
use crate::tasks::{
    asked::Asked,
    qa::no_answer::null_odds::{gives_null_odds, needs_null_odds},
};

/// A body as JSON has it.
#[derive(Debug)]
pub struct Posted {
    /// The task that it names; without it the first of its kind.
    pub task: Option<String>,
    pub texts: Texts,
}

/// What is to be answered.
#[derive(Debug)]
pub enum Texts {
    Question(Question),
    Text {
        text: String,
        text_b: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    question: String,
    passage: String,
    /// Null odds above this mean no answer, in place of the server's threshold.
    threshold: Option<f64>,
    task: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneOrTwo {
    text: String,
    text_b: Option<String>,
    task: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    text: String,
    task: Option<String>,
}

/// Reads a body that asks for a task of this kind.
///
/// # Errors
/// When it is not of that form.
pub fn read(kind: Kind, body: &[u8]) -> Result<Posted, Refusal> {
    Ok(match kind {
        Kind::QuestionAnswering => {
            let mut asked: Question = object(body, r#"{"question": "…", "passage": "…"}"#)?;
            Posted {
                task: asked.task.take(),
                texts: Texts::Question(asked),
            }
        }
        Kind::Classification | Kind::Regression => {
            let OneOrTwo { text, text_b, task } =
                object(body, r#"{"text": "…"}, for a pair with "text_b": "…""#)?;
            Posted {
                task,
                texts: Texts::Text { text, text_b },
            }
        }
        Kind::Tagging => {
            let One { text, task } = object(body, r#"{"text": "…"}"#)?;
            Posted {
                task,
                texts: Texts::Text { text, text_b: None },
            }
        }
    })
}

/// The same, of which a list is none: its items would be taken for the values.
fn object<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Refusal> {
    match body.trim_ascii_start().first() {
        Some(b'[') => Err(Refusal::bad(format!("expected {expected}, found a list"))),
        _ => json(body, expected),
    }
}

fn json<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("expected {expected}: {error}")))
}

/// What is asked of the task, once its texts are of the expected number and sizes.
///
/// # Errors
/// When they are not, or when a threshold is given that the task has no use for.
pub fn check(texts: Texts, offer: &Offer) -> Result<Asked, Refusal> {
    match texts {
        Texts::Question(asked) => {
            expect(offer, "question", Some(&asked.question))?;
            expect(offer, "passage", Some(&asked.passage))?;
            if asked.threshold.is_some() {
                check_threshold(&offer.name)?;
            }
            Ok(Asked::Question {
                question: asked.question,
                passage: asked.passage,
                threshold: asked.threshold,
            })
        }
        Texts::Text { text, text_b } => {
            expect(offer, "text", Some(&text))?;
            expect(offer, "text_b", text_b.as_deref())?;
            Ok(Asked::Text { a: text, b: text_b })
        }
    }
}

fn expect(offer: &Offer, name: &str, text: Option<&str>) -> Result<(), Refusal> {
    let field = offer.fields.iter().find(|field| field.name == name);
    let wrong = match (field, text) {
        (None, None) => return Ok(()),
        (None, Some(_)) => format!("{} takes one text, found two; leave it out", offer.name),
        (Some(field), None) if field.required => format!(
            "{} takes two texts: expected a second one ({}), found none",
            offer.name, field.title
        ),
        (Some(_), None) => return Ok(()),
        (Some(_), Some(text)) if text.trim().is_empty() => "expected text, found none".to_owned(),
        (Some(field), Some(text)) => match (text.chars().count(), field.max_characters) {
            (characters, most) if characters > most => {
                format!("expected at most {most} characters, found {characters}")
            }
            _ => return Ok(()),
        },
    };
    Err(Refusal::bad(format!("{name}: {wrong}")))
}

/// Refuses a threshold where the model has no scores to hold against it.
fn check_threshold(task: &str) -> Result<(), Refusal> {
    match gives_null_odds(task) {
        true => Ok(()),
        false => Err(Refusal::bad(needs_null_odds(
            "threshold:",
            "this model",
            task,
        ))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::serve::offer::Field;

    fn offer(kind: Kind, fields: &[(&'static str, bool)]) -> Offer {
        let fields = fields.iter().map(|&(name, required)| Field {
            name,
            title: "Text".to_owned(),
            required,
            max_characters: 5,
        });
        Offer {
            name: "films".to_owned(),
            kind,
            endpoint: kind.endpoint(),
            fields: fields.collect(),
            classes: None,
            range: None,
            types: None,
        }
    }

    fn asked(offer: &Offer, body: &str) -> Result<Asked, String> {
        let posted = read(offer.kind, body.as_bytes());
        let asked = posted.and_then(|posted| check(posted.texts, offer));
        asked.map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_list_is_no_question() {
        for body in ["[]", r#" ["oak", "an oak", null, null]"#] {
            let refused = read(Kind::QuestionAnswering, body.as_bytes());
            assert_eq!(
                refused.unwrap_err().message,
                r#"expected {"question": "…", "passage": "…"}, found a list"#
            );
        }
    }

    #[test]
    fn a_second_text_is_needed_taken_or_refused() {
        let one = r#"{"text": "oak"}"#;
        let two = r#"{"text": "oak", "text_b": "é𝒜é𝒜é"}"#;
        let single = offer(Kind::Regression, &[("text", true)]);
        let either = offer(Kind::Classification, &[("text", true), ("text_b", false)]);
        let pair = offer(Kind::Classification, &[("text", true), ("text_b", true)]);
        let text = Ok(Asked::text("oak", None));
        let both = Ok(Asked::text("oak", Some("é𝒜é𝒜é")));
        assert_eq!(asked(&single, one), text);
        assert_eq!(
            asked(&single, two).unwrap_err(),
            "text_b: films takes one text, found two; leave it out"
        );
        assert_eq!(
            (asked(&either, one), asked(&either, two)),
            (text, both.clone())
        );
        assert_eq!(asked(&pair, two), both);
        assert_eq!(
            asked(&pair, one).unwrap_err(),
            "text_b: films takes two texts: expected a second one (Text), found none"
        );
        // One that is there must not be blank, and each has its limit.
        assert_eq!(
            asked(&either, r#"{"text": "oak", "text_b": " "}"#).unwrap_err(),
            "text_b: expected text, found none"
        );
        assert_eq!(
            asked(&single, r#"{"text": "é𝒜é𝒜é𝒜"}"#).unwrap_err(),
            "text: expected at most 5 characters, found 6"
        );
    }

    #[test]
    fn a_text_to_tag_stands_alone() {
        let words = offer(Kind::Tagging, &[("text", true)]);
        assert_eq!(
            asked(&words, r#"{"text": "oak", "task": null}"#),
            Ok(Asked::text("oak", None))
        );
        let refused = asked(&words, r#"{"text": "oak", "text_b": "elm"}"#).unwrap_err();
        assert!(
            refused.starts_with("expected {\"text\": \"…\"}: unknown field `text_b`"),
            "{refused}"
        );
    }

    #[test]
    fn a_threshold_is_taken_where_the_model_has_scores_for_it() {
        assert_eq!(check_threshold("squad"), Ok(()));
        let refused = check_threshold("newsqa").unwrap_err();
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(
            refused
                .message
                .starts_with("threshold: needs no-answer scores"),
            "{}",
            refused.message
        );
    }
}
