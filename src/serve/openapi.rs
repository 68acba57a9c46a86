//! What the API takes and gives, as an OpenAPI document that other programs read.

use serde_json::{Map, Value, json};

use super::{
    limits::Limits,
    offer::{Kind, Offer},
};

/// The document of a server with these limits, which offers these tasks.
pub fn document(offers: &[Offer], limits: &Limits) -> Value {
    let offered = |kind: &&Kind| offers.iter().any(|offer| offer.kind == **kind);
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for &kind in Kind::ALL.iter().filter(offered) {
        let of_kind = offers.iter().filter(|offer| offer.kind == kind);
        let tasks: Vec<&Offer> = of_kind.collect();
        let endpoint = Endpoint::of(kind);
        paths.insert(kind.endpoint().to_owned(), endpoint.path(&tasks, limits));
        schemas.extend((endpoint.schemas)(&tasks, limits));
    }
    paths.insert("/health".to_owned(), json!({"get": {
        "operationId": "health",
        "summary": "Which model answers, what it is asked, where it computes, and how many wait",
        "responses": {"200": response("The server answers", "Health")},
    }}));
    paths.insert(
        "/openapi.json".to_owned(),
        json!({"get": {
            "operationId": "openapi",
            "summary": "This document",
            "responses": {"200": {
                "description": "An OpenAPI document",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }},
        }}),
    );
    let error = object(&["message"], json!({"message": {"type": "string"}}));
    schemas.insert("Health".to_owned(), health(limits));
    schemas.insert("Task".to_owned(), task());
    schemas.insert("Field".to_owned(), field());
    schemas.insert(
        "Error".to_owned(),
        object(&["error"], json!({"error": error})),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "electra serve",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Answers of a fine-tuned ELECTRA model.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// Schemas by their names.
type Schemas = Map<String, Value>;

/// Where the tasks of a kind are asked.
struct Endpoint {
    id: &'static str,
    summary: &'static str,
    takes: &'static str,
    gives: &'static str,
    answered: &'static str,
    refused: &'static str,
    schemas: fn(&[&Offer], &Limits) -> Schemas,
}

impl Endpoint {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::QuestionAnswering => Endpoint {
                id: "answer",
                summary: "Answer one question on one passage",
                takes: "Question",
                gives: "Answer",
                answered: "The answer, or that there is none",
                refused: "Not a question and a passage of the expected sizes, or a threshold that the \
                          model has no use for",
                schemas: of_questions,
            },
            Kind::Classification => Endpoint {
                id: "classify",
                summary: "Say which class a text, or a pair of texts, is of",
                takes: "ClassifiedText",
                gives: "Classification",
                answered: "The class, with the probability of every one",
                refused: "Not the texts that the task takes, of the expected sizes",
                schemas: of_classes,
            },
            Kind::Regression => Endpoint {
                id: "regress",
                summary: "Give a text, or a pair of texts, a value",
                takes: "RatedText",
                gives: "Value",
                answered: "The value",
                refused: "Not the texts that the task takes, of the expected sizes",
                schemas: of_values,
            },
            Kind::Tagging => Endpoint {
                id: "tag",
                summary: "Find the spans in a text",
                takes: "TaggedText",
                gives: "Tags",
                answered: "The spans, and a tag for each word",
                refused: "Not a text of the expected size",
                schemas: of_tags,
            },
        }
    }

    fn path(&self, tasks: &[&Offer], limits: &Limits) -> Value {
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let late = format!("No answer within {} s", limits.answer.as_secs());
        json!({"post": {
            "operationId": self.id,
            "summary": self.summary,
            "description": format!("Tasks: {}", names.join(", ")),
            "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": schema(self.takes)}},
            },
            "responses": {
                "200": response(self.answered, self.gives),
                "400": response(self.refused, "Error"),
                "408": response("The request did not arrive whole in time", "Error"),
                "413": response("The request's body is too long", "Error"),
                "415": response("The request's body is not application/json", "Error"),
                "500": response("The model or its device failed", "Error"),
                "503": busy(),
                "504": response(&late, "Error"),
            },
        }})
    }
}

fn of_questions(tasks: &[&Offer], limits: &Limits) -> Schemas {
    schemas([
        ("Question", question(tasks, limits)),
        ("Answer", answer()),
        ("Alternative", alternative()),
    ])
}

fn of_classes(tasks: &[&Offer], limits: &Limits) -> Schemas {
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

fn of_values(tasks: &[&Offer], limits: &Limits) -> Schemas {
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

fn of_tags(tasks: &[&Offer], limits: &Limits) -> Schemas {
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

/// A part of a text.
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

fn counted(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

fn probability(description: &str) -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1, "description": description})
}

fn cut_tokens() -> Value {
    counted(
        "Tokens that were cut off, so that the model did not read them: the texts are longer than it reads",
    )
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

/// Which task a request is for.
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

fn schemas<const N: usize>(named: [(&str, Value); N]) -> Schemas {
    let named = named.into_iter();
    named
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

fn question(tasks: &[&Offer], limits: &Limits) -> Value {
    object(
        &["question", "passage"],
        json!({
            "question": text(1, limits.question_characters),
            "passage": text(1, limits.passage_characters),
            "threshold": {"type": ["number", "null"], "description":
                "Null odds above this mean no answer; without it the server's threshold counts. \
                 Refused if the model gives no null odds"},
            "task": named(tasks),
        }),
    )
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

fn health(limits: &Limits) -> Value {
    object(
        &["status", "model", "device", "queue", "version", "tasks"],
        json!({
            "status": {"type": "string", "const": "ok"},
            "model": {"type": "string"},
            "device": {"type": "string"},
            "queue": {
                "type": "integer", "minimum": 0, "maximum": limits.queue,
                "description": "Requests that wait or are being answered",
            },
            "version": {"type": "string"},
            "tasks": {"type": "array", "items": schema("Task"), "minItems": 1},
        }),
    )
}

/// A task as /health tells it.
fn task() -> Value {
    let kinds = Kind::ALL.map(|kind| json!(kind));
    let names = json!({"type": "array", "items": {"type": "string"}});
    let mut types = names.clone();
    let mut classes = names;
    classes["description"] = "The classes in the order of their logits".into();
    types["description"] = "The types of spans that are found".into();
    object(
        &["name", "kind", "endpoint", "fields"],
        json!({
            "name": {"type": "string"},
            "kind": {"type": "string", "enum": kinds},
            "endpoint": {"type": "string", "description": "Where it is asked"},
            "fields": {"type": "array", "items": schema("Field"), "minItems": 1},
            "classes": classes,
            "range": {"type": "array", "items": {"type": "number"}, "description":
                "The least and the greatest label of a regression, if the model tells them"},
            "types": types,
        }),
    )
}

/// A text of a request.
fn field() -> Value {
    object(
        &["name", "title", "required", "max_characters"],
        json!({
            "name": {"type": "string", "description": "Its key in a request"},
            "title": {"type": "string", "description": "What people call it"},
            "required": {"type": "boolean"},
            "max_characters": {"type": "integer", "minimum": 1},
        }),
    )
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// An object with these keys and no others.
fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn text(shortest: usize, longest: usize) -> Value {
    json!({"type": "string", "minLength": shortest, "maxLength": longest})
}

/// A position, counted in Unicode code points.
fn place(description: &str) -> Value {
    json!({
        "type": ["integer", "null"],
        "minimum": 0,
        "description": format!("{description}, in code points from 0; null without a place"),
    })
}

fn response(description: &str, name: &str) -> Value {
    json!({
        "description": description,
        "content": {"application/json": {"schema": schema(name)}},
    })
}

fn busy() -> Value {
    let mut busy = response("Too many requests wait, or too long ones", "Error");
    busy["headers"] = json!({"Retry-After": {
        "description": "Seconds after which to ask again",
        "schema": {"type": "integer", "minimum": 1},
    }});
    busy
}
