//! Building blocks of schemas.

use serde_json::{Map, Value, json};

/// Schemas by name.
pub(super) type Schemas = Map<String, Value>;

pub(super) fn counted(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

pub(super) fn probability(description: &str) -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1, "description": description})
}

pub(super) fn schemas<const N: usize>(named: [(&str, Value); N]) -> Schemas {
    let named = named.into_iter();
    named
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

pub(super) fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Describes an object with these keys and no others.
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

pub(super) fn text(shortest: usize, longest: usize) -> Value {
    json!({"type": "string", "minLength": shortest, "maxLength": longest})
}

/// Describes a position, counted in Unicode code points.
pub(super) fn place(description: &str) -> Value {
    json!({
        "type": ["integer", "null"],
        "minimum": 0,
        "description": format!("{description}, in code points from 0; null without a place"),
    })
}

pub(super) fn response(description: &str, name: &str) -> Value {
    json!({
        "description": description,
        "content": {"application/json": {"schema": schema(name)}},
    })
}

pub(super) fn busy() -> Value {
    let mut busy = response("Too many requests wait, or too long ones", "Error");
    busy["headers"] = json!({"Retry-After": {
        "description": "Seconds after which to ask again",
        "schema": {"type": "integer", "minimum": 1},
    }});
    busy
}
