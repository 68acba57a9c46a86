//! A request's body → an input or a list of inputs for a task, or why it is invalid.

use axum::http::StatusCode;
use serde::{
    Deserialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use super::{
    items::Items,
    offer::{Kind, Offer},
    refusal::Refusal,
};
use crate::{
    counted::counted,
    tasks::{
        asked::Asked,
        qa::no_answer::null_odds::{gives_null_odds, needs_null_odds},
    },
};

/// A body as parsed from JSON.
#[derive(Debug)]
pub struct Posted {
    /// The task that it names; if absent, the first of its kind.
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
    #[serde(alias = "context")]
    passage: String,
    /// Null odds above this mean no answer; overrides the server's threshold.
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

impl From<Question> for Posted {
    fn from(mut asked: Question) -> Self {
        Posted {
            task: asked.task.take(),
            texts: Texts::Question(asked),
        }
    }
}

impl From<OneOrTwo> for Posted {
    fn from(OneOrTwo { text, text_b, task }: OneOrTwo) -> Self {
        Posted {
            task,
            texts: Texts::Text { text, text_b },
        }
    }
}

impl From<One> for Posted {
    fn from(One { text, task }: One) -> Self {
        Posted {
            task,
            texts: Texts::Text { text, text_b: None },
        }
    }
}

/// Describes what a body of this kind looks like, for messages.
fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::QuestionAnswering => r#"{"question": "…", "passage": "…"}"#,
        Kind::Classification | Kind::Regression => {
            r#"{"text": "…"}, for a pair with "text_b": "…""#
        }
        Kind::Tagging => r#"{"text": "…"}"#,
    }
}

/// Parses a body that asks a task of this kind.
///
/// # Errors
/// If it does not have that form.
pub fn read(kind: Kind, body: &[u8]) -> Result<Posted, Refusal> {
    let expected = expected(kind);
    Ok(match kind {
        Kind::QuestionAnswering => object::<Question>(body, expected)?.into(),
        Kind::Classification | Kind::Regression => object::<OneOrTwo>(body, expected)?.into(),
        Kind::Tagging => object::<One>(body, expected)?.into(),
    })
}

/// Parses a list of at most `most` such bodies.
///
/// # Errors
/// If it is not a list, is too long, or an item does not have that form; the first such item is
/// named.
pub fn read_list(kind: Kind, body: &[u8], most: usize) -> Result<Vec<Posted>, Refusal> {
    match kind {
        Kind::QuestionAnswering => list::<Question>(kind, body, most),
        Kind::Classification | Kind::Regression => list::<OneOrTwo>(kind, body, most),
        Kind::Tagging => list::<One>(kind, body, most),
    }
}

fn list<T: DeserializeOwned + Into<Posted>>(
    kind: Kind,
    body: &[u8],
    most: usize,
) -> Result<Vec<Posted>, Refusal> {
    let expected = expected(kind);
    if !body.trim_ascii_start().starts_with(b"[") {
        let found = match body.trim_ascii_start().first() {
            Some(b'{') => format!("an object: one alone is asked at {}", kind.endpoint()),
            Some(_) => "something else".to_owned(),
            None => "nothing".to_owned(),
        };
        let message = format!("expected a list, [{expected}, …], found {found}");
        return Err(Refusal::bad(message));
    }
    let mut items = Items::new(most);
    let mut json = serde_json::Deserializer::from_slice(body);
    if let Err(error) = DeserializeSeed::deserialize(&mut items, &mut json) {
        if items.over {
            let most = counted(most, "item");
            let message = format!("a list may have at most {most}; ask in several requests");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        let refusal = Refusal::bad(format!("expected {expected}: {error}"));
        return Err(refusal.of_item(items.all.len()));
    }
    let ended = json.end();
    ended.map_err(|error| Refusal::bad(format!("expected one list: {error}")))?;
    Ok(items.all.into_iter().map(T::into).collect())
}

/// Parses an object; rejects a list, whose items would be taken for the object's values.
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

/// Checks the number and sizes of the texts and returns what is asked of the task.
///
/// # Errors
/// If they do not match, or if a threshold is given that the task cannot use.
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

/// Rejects a threshold if the model has no scores to compare it with.
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
    fn a_passage_may_be_called_context_but_not_both() {
        let questions = offer(
            Kind::QuestionAnswering,
            &[("question", true), ("passage", true)],
        );
        let expected = Ok(Asked::question("Why?", "oak"));
        for body in [
            r#"{"question": "Why?", "passage": "oak"}"#,
            r#"{"context": "oak", "question": "Why?"}"#,
        ] {
            assert_eq!(asked(&questions, body), expected, "{body}");
        }
        let both = r#"{"question": "Why?", "passage": "oak", "context": "elm"}"#;
        let refused = asked(&questions, both).unwrap_err();
        assert!(refused.contains("duplicate field `passage`"), "{refused}");
    }

    #[test]
    fn the_first_item_that_is_wrong_is_named() {
        let good = r#"{"question": "Why?", "context": "oak"}"#;
        let read = |body: &str| {
            let list = read_list(Kind::QuestionAnswering, body.as_bytes(), 3);
            list.map(|posted| posted.len())
                .map_err(|refusal| (refusal.status.as_u16(), refusal.item, refusal.message))
        };
        for (body, count) in [
            ("[]".to_owned(), 0),
            (format!("\n[{good}]\n"), 1),
            (format!("[{good}, {good},{good}]"), 3),
        ] {
            assert_eq!(read(&body), Ok(count), "{body}");
        }
        for (body, status, item, part) in [
            (
                format!("[{good}, {{\"question\": \"Why?\"}}, 3]"),
                400,
                Some(1),
                "item 1: expected {\"question\": \"…\", \"passage\": \"…\"}: missing field `passage`",
            ),
            (
                format!("[{good}, [\"Why?\", \"oak\", null, null]]"),
                400,
                Some(1),
                "invalid type: sequence, expected an object",
            ),
            (
                format!("[{good}, null]"),
                400,
                Some(1),
                "expected an object",
            ),
            (format!("[{good} {good}]"), 400, Some(1), "expected `,`"),
            (
                r#"[{"question": "Why?", "top": 3}]"#.to_owned(),
                400,
                Some(0),
                "item 0: expected {\"question\": \"…\", \"passage\": \"…\"}: unknown field `top`",
            ),
            (format!("[{good}"), 400, Some(1), "EOF"),
            (format!("[{good}] x"), 400, None, "trailing characters"),
            (
                format!("[{good}, {good}, {good}, {good}]"),
                413,
                None,
                "a list may have at most 3 items; ask in several requests",
            ),
            (
                good.to_owned(),
                400,
                None,
                "found an object: one alone is asked at /api/answer",
            ),
            ("3".to_owned(), 400, None, "found something else"),
            (" ".to_owned(), 400, None, "found nothing"),
        ] {
            let (status_, item_, message) = read(&body).unwrap_err();
            assert_eq!((status_, item_), (status, item), "{body}: {message}");
            assert!(message.contains(part), "{body}: {message}");
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
        // A text that is present must not be blank, and each has its own limit.
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
