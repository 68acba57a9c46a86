//! Describes the API as a machine-readable OpenAPI document.

mod schema;
mod tasks;

use serde_json::{Map, Value, json};

use self::{
    schema::{Schemas, busy, object, response, schema},
    tasks::{of_classes, of_questions, of_tags, of_values},
};
use super::{
    limits::Limits,
    metrics,
    offer::{Kind, Offer},
};

/// Returns the document of a server with these limits that offers these tasks.
pub fn document(offers: &[Offer], limits: &Limits) -> Value {
    let offered = |kind: &&Kind| offers.iter().any(|offer| offer.kind == **kind);
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for &kind in Kind::ALL.iter().filter(offered) {
        let of_kind = offers.iter().filter(|offer| offer.kind == kind);
        let tasks: Vec<&Offer> = of_kind.collect();
        let endpoint = Endpoint::of(kind);
        paths.insert(kind.endpoint().to_owned(), endpoint.path(&tasks, limits));
        let of_list = endpoint.list_path(&tasks, limits);
        paths.insert(kind.list_endpoint().to_owned(), of_list);
        schemas.extend((endpoint.schemas)(&tasks, limits));
    }
    paths.insert("/health".to_owned(), json!({"get": {
        "operationId": "health",
        "summary": "Which model answers, what it is asked, where it computes, and how many wait",
        "responses": {"200": response("The server answers", "Health")},
    }}));
    paths.insert(
        "/metrics".to_owned(),
        json!({"get": {
            "operationId": "metrics",
            "summary": "Requests, seconds, windows, batches and the queue, for Prometheus",
            "responses": {"200": {
                "description": "Figures since the server began",
                "content": {metrics::CONTENT_TYPE: {"schema": {"type": "string"}}},
            }},
        }}),
    );
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
    let error = object(
        &["message"],
        json!({
            "message": {"type": "string"},
            "item": {"type": "integer", "minimum": 0, "description":
                "Which item of a list is to blame, from 0; absent if none is"},
        }),
    );
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

/// The endpoint for tasks of one kind.
struct Endpoint {
    id: &'static str,
    /// Operation id of the list endpoint.
    list_id: &'static str,
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
                list_id: "answers",
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
                list_id: "classifications",
                summary: "Say which class a text, or a pair of texts, is of",
                takes: "ClassifiedText",
                gives: "Classification",
                answered: "The class, with the probability of every one",
                refused: "Not the texts that the task takes, of the expected sizes",
                schemas: of_classes,
            },
            Kind::Regression => Endpoint {
                id: "regress",
                list_id: "values",
                summary: "Give a text, or a pair of texts, a value",
                takes: "RatedText",
                gives: "Value",
                answered: "The value",
                refused: "Not the texts that the task takes, of the expected sizes",
                schemas: of_values,
            },
            Kind::Tagging => Endpoint {
                id: "tag",
                list_id: "tags",
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
        self.operation(tasks, limits, self.id, self.summary, schema)
    }

    /// Describes the endpoint that takes a list in one request.
    fn list_path(&self, tasks: &[&Offer], limits: &Limits) -> Value {
        let summary = format!(
            "{}: a list in one request, answered in its order; one that is wrong is named by its \
             number, and then none is answered",
            self.summary
        );
        let list = |name: &str| json!({"type": "array", "items": schema(name)});
        let mut path = self.operation(tasks, limits, self.list_id, &summary, list);
        let takes = &mut path["post"]["requestBody"]["content"]["application/json"]["schema"];
        takes["maxItems"] = limits.items().into();
        let too_long = "The request's body is too long, has too many items, or more tokens than the \
                        server holds";
        path["post"]["responses"]["413"] = response(too_long, "Error");
        path
    }

    /// Describes an operation; `of` turns the schema of a single input or output into that of this
    /// endpoint.
    fn operation(
        &self,
        tasks: &[&Offer],
        limits: &Limits,
        id: &str,
        summary: &str,
        of: impl Fn(&str) -> Value,
    ) -> Value {
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let late = format!("No answer within {} s", limits.answer.as_secs());
        json!({"post": {
            "operationId": id,
            "summary": summary,
            "description": format!("Tasks: {}", names.join(", ")),
            "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": of(self.takes)}},
            },
            "responses": {
                "200": {
                    "description": self.answered,
                    "content": {"application/json": {"schema": of(self.gives)}},
                },
                "400": response(self.refused, "Error"),
                "408": response("The request did not arrive whole in time", "Error"),
                "413": response("The request's body is too long", "Error"),
                "415": response("The request's body is not application/json, or is compressed", "Error"),
                "500": response("The model or its device failed", "Error"),
                "503": busy(),
                "504": response(&late, "Error"),
            },
        }})
    }
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
                "description": "Requests that wait or are being answered, each item of a list counted",
            },
            "version": {"type": "string"},
            "tasks": {"type": "array", "items": schema("Task"), "minItems": 1},
        }),
    )
}

/// The schema of a task in /health.
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

/// The schema of a request's text.
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
