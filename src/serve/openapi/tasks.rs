//! The schemas of what each kind of task takes and returns.

use serde_json::{Value, json};

use super::schema::{Schemas, counted, object, place, probability, schema, schemas, text};
use crate::serve::{limits::Limits, offer::Offer};

pub(super) fn of_questions(tasks: &[&Offer], limits: &Limits) -> Schemas {
    schemas([
        ("Question", question(tasks, limits)),
        ("Answer", answer()),
        ("Alternative", alternative()),
    ])
}

pub(super) fn of_classes(tasks: &[&Offer], limits: &Limits) -> Schemas {
    let classes = tasks.iter().flat_map(|task| task.classes.iter().flatten());
    let label = json!({"type": "string", "enum": distinct(classes)});
    let reply = object(
        &["label", "probability", "labels", "logits", "cut_tokens"],
        json!({
            "label": label,
            "probability": probability("That of the label"),
            "labels": {
                "type": "array", "items": schema("Label"), "minItems": 1,
                "description": "All classes, the likeliest first",
            },
            "logits": {
                "type": "array", "items": {"type": "number"},
                "description": "Those of the classes in the order that /health tells",
            },
            "cut_tokens": cut_tokens(),
        }),
    );
    let one = object(
        &["label", "probability"],
        json!({"label": label, "probability": probability("How likely it is")}),
    );
    schemas([
        ("ClassifiedText", one_or_two(tasks, limits)),
        ("Classification", reply),
        ("Label", one),
    ])
}

pub(super) fn of_values(tasks: &[&Offer], limits: &Limits) -> Schemas {
    let reply = object(
        &["value", "range", "prediction", "cut_tokens"],
        json!({
            "value": {"type": "number", "description":
                "On the scale of the labels, which it may leave; without a range as `prediction`"},
            "range": {
                "type": ["array", "null"], "items": {"type": "number"}, "description":
                "The least and the greatest label of training; null if the model does not tell them",
            },
            "prediction": {"type": "number", "description":
                "As the model gives it: 0 is the least label, 1 the greatest, unless own_scale is true"},
            "own_scale": {"type": "boolean", "description":
                "Whether the model gives the labels themselves, which may be any numbers; absent if not"},
            "cut_tokens": cut_tokens(),
        }),
    );
    schemas([("RatedText", one_or_two(tasks, limits)), ("Value", reply)])
}

pub(super) fn of_tags(tasks: &[&Offer], limits: &Limits) -> Schemas {
    let text = object(
        &["text"],
        json!({"text": text(1, limits.text_characters), "task": named(tasks)}),
    );
    let types = distinct(tasks.iter().flat_map(|task| task.types.iter().flatten()));
    let reply = object(
        &["spans", "words", "cut_tokens", "parts"],
        json!({
            "spans": {"type": "array", "items": schema("Span")},
            "words": {"type": "array", "items": schema("Word")},
            "cut_tokens": {"type": "integer", "minimum": 0, "description":
                "Tokens that the model did not read: those of words that alone are longer than what it \
                 reads at once"},
            "parts": {"type": "integer", "minimum": 0, "description":
                "In how many parts a text was read that is longer than what the model reads at once, none \
                 of which is seen with another"},
        }),
    );
    let span = placed(
        "type",
        json!({"type": "string", "enum": types}),
        "The least of its words' tags",
    );
    let tag = json!({"type": "string", "description": "In BIOES: B-NP, or O"});
    let word = placed("tag", tag, "That of its tag");
    schemas([
        ("TaggedText", text),
        ("Tags", reply),
        ("Span", span),
        ("Word", word),
    ])
}

/// Describes a part of a text.
fn placed(key: &str, what: Value, probable: &str) -> Value {
    let mut placed = object(
        &[
            key,
            "text",
            "start",
            "end",
            "start_byte",
            "end_byte",
            "probability",
        ],
        json!({
            "text": {"type": "string"},
            "start": counted("Its first character in the text, in code points from 0"),
            "end": counted("One past its last character"),
            "start_byte": counted("Its first byte in the text, in UTF-8"),
            "end_byte": counted("One past its last byte"),
            "probability": probability(probable),
        }),
    );
    placed["properties"][key] = what;
    placed
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// Describes the field that names the task.
fn named(tasks: &[&Offer]) -> Value {
    let names: Vec<Option<&str>> = tasks
        .iter()
        .map(|task| Some(task.name.as_str()))
        .chain([None])
        .collect();
    json!({
        "type": ["string", "null"], "enum": names,
        "description": "Which of the tasks is asked, by default the first",
    })
}

fn one_or_two(tasks: &[&Offer], limits: &Limits) -> Value {
    let all = |number: usize| {
        let needed = |task: &&Offer| task.fields.get(number).is_some_and(|field| field.required);
        tasks.iter().all(needed)
    };
    let any = tasks.iter().any(|task| task.fields.len() > 1);
    let mut properties = json!({"text": text(1, limits.text_characters), "task": named(tasks)});
    if any {
        let mut second = text(1, limits.text_characters);
        if !all(1) {
            second["type"] = json!(["string", "null"]);
        }
        second["description"] = "The second text of a pair, of the tasks that take one".into();
        properties["text_b"] = second;
    }
    let required: &[&str] = if all(1) {
        &["text", "text_b"]
    } else {
        &["text"]
    };
    object(required, properties)
}

fn question(tasks: &[&Offer], limits: &Limits) -> Value {
    let mut context = text(1, limits.passage_characters);
    context["description"] = "The passage, by the name that SQuAD gives it".into();
    let mut question = object(
        &["question"],
        json!({
            "question": text(1, limits.question_characters),
            "passage": text(1, limits.passage_characters),
            "context": context,
            "threshold": {"type": ["number", "null"], "description":
                "Null odds above this mean no answer; without it the server's threshold counts. \
                 Refused if the model gives no null odds"},
            "task": named(tasks),
        }),
    );
    question["oneOf"] = json!([{"required": ["passage"]}, {"required": ["context"]}]);
    question
}

fn answer() -> Value {
    object(
        &[
            "answer",
            "start",
            "end",
            "null_odds",
            "no_answer_probability",
            "threshold",
            "nbest",
        ],
        json!({
            "answer": {"type": "string", "description":
                "Words of the passage; empty where it is taken not to hold the answer"},
            "start": place("The answer's first character in the passage"),
            "end": place("One past the answer's last character"),
            "null_odds": {"type": ["number", "null"], "description":
                "How much speaks against any answer; null if the model was not trained to tell"},
            "no_answer_probability": {
                "type": ["number", "null"], "minimum": 0, "maximum": 1, "description":
                "The classifier's probability that the passage does not hold the answer",
            },
            "threshold": {"type": "number", "description":
                "Null odds above this mean that there is no answer"},
            "nbest": {
                "type": "array",
                "items": schema("Alternative"),
                "minItems": 1,
                "description": "Possible answers, best first, whether or not one stands",
            },
        }),
    )
}

fn alternative() -> Value {
    object(
        &[
            "text",
            "probability",
            "start_logit",
            "end_logit",
            "start",
            "end",
        ],
        json!({
            "text": {"type": "string"},
            "probability": {"type": "number", "minimum": 0, "maximum": 1, "description":
                "Probability among the candidates, assuming that the question is answerable"},
            "start_logit": {"type": "number"},
            "end_logit": {"type": "number"},
            "start": place("Its first character in the passage"),
            "end": place("One past its last character"),
        }),
    )
}

fn cut_tokens() -> Value {
    counted(
        "Tokens that were cut off, so that the model did not read them: the texts are longer than it reads",
    )
}
