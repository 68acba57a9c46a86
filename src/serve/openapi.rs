//! What the API takes and gives, as an OpenAPI document that other programs read.

use serde_json::{Value, json};

use super::limits::Limits;

/// The document of a server with these limits.
pub fn document(limits: &Limits) -> Value {
    let seconds = limits.answer.as_secs();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "electra serve",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Answers to questions on passages, from a fine-tuned ELECTRA model.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/api/answer": {"post": {
                "operationId": "answer",
                "summary": "Answer one question on one passage",
                "requestBody": {
                    "required": true,
                    "content": {"application/json": {"schema": schema("Question")}},
                },
                "responses": {
                    "200": response("The answer, or that there is none", "Answer"),
                    "400": response("Not a question and a passage of the expected sizes, or a threshold that \
                                     the model has no use for", "Error"),
                    "408": response("The request did not arrive whole in time", "Error"),
                    "413": response("The request's body is too long", "Error"),
                    "415": response("The request's body is not application/json", "Error"),
                    "500": response("The model or its device failed", "Error"),
                    "503": busy(),
                    "504": response(&format!("No answer within {seconds} s"), "Error"),
                },
            }},
            "/health": {"get": {
                "operationId": "health",
                "summary": "Which model answers, where, and how many wait",
                "responses": {"200": response("The server answers", "Health")},
            }},
            "/openapi.json": {"get": {
                "operationId": "openapi",
                "summary": "This document",
                "responses": {"200": {
                    "description": "An OpenAPI document",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }},
            }},
        },
        "components": {"schemas": {
            "Question": question(limits),
            "Answer": answer(),
            "Alternative": alternative(),
            "Health": health(limits),
            "Error": object(&["error"], json!({
                "error": object(&["message"], json!({"message": {"type": "string"}})),
            })),
        }},
    })
}

fn question(limits: &Limits) -> Value {
    object(
        &["question", "passage"],
        json!({
            "question": text(1, limits.question_characters),
            "passage": text(1, limits.passage_characters),
            "threshold": {"type": ["number", "null"], "description":
                "Null odds above this mean no answer; without it the server's threshold counts. \
                 Refused if the model gives no null odds"},
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
        &["status", "model", "device", "queue", "version"],
        json!({
            "status": {"type": "string", "const": "ok"},
            "model": {"type": "string"},
            "device": {"type": "string"},
            "queue": {
                "type": "integer", "minimum": 0, "maximum": limits.queue,
                "description": "Questions that wait or are being answered",
            },
            "version": {"type": "string"},
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
    let mut busy = response("Too many questions wait, or too long ones", "Error");
    busy["headers"] = json!({"Retry-After": {
        "description": "Seconds after which to ask again",
        "schema": {"type": "integer", "minimum": 1},
    }});
    busy
}
