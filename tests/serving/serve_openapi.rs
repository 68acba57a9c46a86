//! Tests the OpenAPI document of `electra serve` against the server's actual responses.
#![cfg(unix)]

use crate::{
    learned::{Learned, pair, sentences},
    support::served::{Model, Response, Server, agent, get, questions},
};
use serde_json::{Value, json};

/// Returns the faults of `value` under `schema`; supports only the keywords that the document uses.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(format!("{place}: {text}"));
    let number = |key: &str| schema[key].as_f64();
    for (keyword, wanted) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let target = document.pointer(pointer);
                let target = target.unwrap_or_else(|| panic!("{pointer} leads nowhere"));
                return self::faults(document, target, value, place);
            }
            "type" => {
                let one = [wanted.clone()];
                let types = wanted.as_array().map_or(&one[..], Vec::as_slice);
                let fits = types.iter().any(|name| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("unknown type {other}"),
                });
                if !fits {
                    fault(format!("{value} is not {wanted}"));
                }
            }
            "enum" if !wanted.as_array().unwrap().contains(value) => {
                fault(format!("{value} is none of {wanted}"));
            }
            "const" if value != wanted => fault(format!("{value} is not {wanted}")),
            "minimum" if value.as_f64() < number(keyword) && value.is_number() => {
                fault(format!("{value} is below {wanted}"));
            }
            "maximum" if value.as_f64() > number(keyword) && value.is_number() => {
                fault(format!("{value} is above {wanted}"));
            }
            "minItems"
                if (value.as_array().map_or(0, Vec::len) as f64) < wanted.as_f64().unwrap() =>
            {
                fault(format!("fewer than {wanted} items"));
            }
            "maxItems"
                if (value.as_array().map_or(0, Vec::len) as f64) > wanted.as_f64().unwrap() =>
            {
                fault(format!("more than {wanted} items"));
            }
            "oneOf" => {
                let branches = wanted.as_array().unwrap().iter();
                let fits = branches
                    .filter(|branch| self::faults(document, branch, value, place).is_empty())
                    .count();
                if fits != 1 {
                    fault(format!("{fits} of {wanted} fit"));
                }
            }
            "minLength"
                if value.as_str().unwrap_or("").chars().count()
                    < wanted.as_u64().unwrap() as usize =>
            {
                fault(format!("shorter than {wanted}"));
            }
            "maxLength"
                if value.as_str().unwrap_or("").chars().count()
                    > wanted.as_u64().unwrap() as usize =>
            {
                fault(format!("longer than {wanted}"));
            }
            "required" => {
                for key in wanted.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        fault(format!("{key} is missing"));
                    }
                }
            }
            "properties" | "additionalProperties" | "items" | "description" => {}
            "enum" | "const" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
            "minLength" | "maxLength" => {}
            other => panic!("the document uses {other}, which this test does not know"),
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(property) => {
                faults.extend(self::faults(
                    document,
                    property,
                    inner,
                    &format!("{place}/{key}"),
                ));
            }
            None if schema["additionalProperties"] == json!(false) => {
                faults.push(format!("{place}: {key} is not in the document"));
            }
            None => {}
        }
    }
    if let Some(items) = schema.get("items") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            faults.extend(self::faults(
                document,
                items,
                item,
                &format!("{place}/{index}"),
            ));
        }
    }
    faults
}

/// Returns the schema of an operation's response.
fn response_schema<'a>(document: &'a Value, operation: &str, status: u16) -> &'a Value {
    let pointer = format!("{operation}/responses/{status}/content/application~1json/schema");
    let schema = document.pointer(&format!("/paths/{pointer}"));
    schema.unwrap_or_else(|| panic!("{pointer} is not in the document"))
}

#[test]
fn real_answers_are_as_the_document_says() {
    let model = Model::new(&json!({"qa_na_threshold": 0.065}));
    let server = Server::start(model.path(), &[]);
    let document = get(&format!("{}/openapi.json", server.url)).json;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let holds = |operation: &str, status: u16, value: &Value| {
        let schema = response_schema(&document, operation, status);
        assert_eq!(faults(&document, schema, value, ""), [""; 0], "{value}");
    };
    let ask = "~1api~1answer/post";
    let (mut found, mut none) = (0, 0);
    for (question, passage) in questions().into_iter().step_by(4) {
        let response = server.ask(&question, &passage);
        holds(ask, 200, &response.json);
        *(if response.json["start"].is_null() {
            &mut none
        } else {
            &mut found
        }) += 1;
        let asked = json!({"question": question, "passage": passage});
        let schema = json!({"$ref": "#/components/schemas/Question"});
        assert_eq!(faults(&document, &schema, &asked, ""), [""; 0]);
        let mut both = asked.clone();
        both["context"] = both["passage"].clone();
        assert_eq!(faults(&document, &schema, &both, "").len(), 1);
        let listed = server.ask_list(&json!([asked, asked]));
        assert_eq!(listed.status, 200, "{}", listed.body);
        holds("~1v1~1answers/post", 200, &listed.json);
    }
    let refused = server.ask_list(&json!([{"question": "Who?"}]));
    assert_eq!(refused.json["error"]["item"], 0);
    holds("~1v1~1answers/post", 400, &refused.json);
    let list = &document["paths"]["/v1/answers"]["post"]["requestBody"]["content"];
    assert_eq!(list["application/json"]["schema"]["maxItems"], 256);
    let metrics = get(&format!("{}/metrics", server.url));
    let told = &document["paths"]["/metrics"]["get"]["responses"]["200"]["content"];
    assert!(told.get(metrics.header("content-type")).is_some(), "{told}");
    assert!(found > 0 && none > 0, "{found}, {none}");
    for (content_type, body, status) in [
        ("application/json", "{}", 400),
        ("application/json", &"x".repeat(2 << 20), 413),
        ("text/plain", "{}", 415),
    ] {
        let response = server.post(content_type, body);
        assert_eq!(response.status, status);
        holds(ask, status, &response.json);
    }
    let health = get(&format!("{}/health", server.url));
    holds("~1health/get", 200, &health.json);
    assert_eq!(health.json["model"], "electra_tiny_projected");
    assert!(
        health.json["device"].as_str().unwrap().ends_with("(cpu)"),
        "{}",
        health.body
    );
    holds("~1openapi.json/get", 200, &document);

    // The check detects a value that does not conform.
    let mut wrong = server.ask("Who?", "Ada.").json;
    wrong["nbest"][0]["probability"] = 1.5.into();
    wrong["more"] = 1.into();
    wrong.as_object_mut().unwrap().remove("end");
    let schema = response_schema(&document, ask, 200);
    let found = faults(&document, schema, &wrong, "");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn every_question_key_is_one_that_the_server_takes() {
    let model = Model::new(&json!({}));
    let server = Server::start(model.path(), &[]);
    let document = get(&format!("{}/openapi.json", server.url)).json;
    let question = &document["components"]["schemas"]["Question"];
    for (key, property) in question["properties"].as_object().unwrap() {
        let mut asked = json!({"question": "Who?", "passage": "Ada wrote it."});
        if key == "threshold" {
            assert_eq!(property["type"], json!(["number", "null"]));
            for (given, status) in [(json!(-2.5), 200), (json!(null), 200), (json!("0"), 400)] {
                asked[key] = given;
                let response = server.post("application/json", &asked.to_string());
                assert_eq!(response.status, status, "{}", response.body);
            }
            continue;
        }
        if key == "context" {
            asked.as_object_mut().unwrap().remove("passage");
        }
        if key == "task" {
            assert_eq!(property["enum"], json!(["squad", null]));
            for (given, status) in [
                (json!("squad"), 200),
                (json!(null), 200),
                (json!("rte"), 400),
            ] {
                asked[key] = given;
                let response = server.post("application/json", &asked.to_string());
                assert_eq!(response.status, status, "{}", response.body);
            }
            continue;
        }
        let longest = property["maxLength"].as_u64().unwrap() as usize;
        asked[key] = "é".repeat(longest).into();
        let fits = server.post("application/json", &asked.to_string());
        assert_eq!(fits.status, 200, "{}", fits.body);
        asked[key] = "é".repeat(longest + 1).into();
        let refused = server.post("application/json", &asked.to_string());
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
}

#[test]
fn every_kind_of_task_is_as_its_document_says() {
    let learned = Learned::of(&["rte", "sts", "chunk"]);
    let server = Server::start(&learned.model(), &[]);
    let document = get(&format!("{}/openapi.json", server.url)).json;
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let expected = [
        "/api/classify",
        "/api/regress",
        "/api/tag",
        "/health",
        "/metrics",
        "/openapi.json",
        "/v1/classifications",
        "/v1/tags",
        "/v1/values",
    ];
    let mut paths = paths;
    paths.sort_unstable();
    assert_eq!(paths, expected, "no task answers questions");
    let holds = |schema: &Value, value: &Value| {
        assert_eq!(faults(&document, schema, value, ""), [""; 0], "{value}");
    };
    let post = |endpoint: &str, body: &Value| {
        let url = format!("{}{endpoint}", server.url);
        Response::read(agent().post(url).send_json(body))
    };
    let pairs_of = |task: &str| -> Vec<Value> {
        let evaluated = learned.evaluated(task).into_iter().take(5);
        let pairs = evaluated.map(|line| pair(task, &line["eid"]));
        pairs
            .map(|[text, text_b]| json!({"text": text, "text_b": text_b}))
            .collect()
    };
    let mut tagged: Vec<Value> = sentences()
        .iter()
        .take(5)
        .map(|words| json!({"text": words.join(" ")}))
        .collect();
    // A text of more than one row, and one without any token.
    tagged.push(json!({"text": "The keeper wrote a letter. ".repeat(100)}));
    tagged.push(json!({"text": "\u{200b}"}));
    for (endpoint, of_list, name, bodies) in [
        (
            "/api/classify",
            "/v1/classifications",
            "ClassifiedText",
            pairs_of("rte"),
        ),
        ("/api/regress", "/v1/values", "RatedText", pairs_of("sts")),
        ("/api/tag", "/v1/tags", "TaggedText", tagged),
    ] {
        let operation = format!("{}/post", endpoint.replace('/', "~1"));
        let asked = json!({"$ref": format!("#/components/schemas/{name}")});
        for body in &bodies {
            holds(&asked, body);
            let response = post(endpoint, body);
            assert_eq!(response.status, 200, "{body}: {}", response.body);
            holds(response_schema(&document, &operation, 200), &response.json);
        }
        let listed = post(of_list, &json!(bodies));
        assert_eq!(listed.status, 200, "{of_list}: {}", listed.body);
        let operation_of_list = format!("{}/post", of_list.replace('/', "~1"));
        let schema = response_schema(&document, &operation_of_list, 200);
        holds(schema, &listed.json);
        let replies = listed.json.as_array().unwrap();
        assert_eq!(replies.len(), bodies.len());
        for (reply, body) in replies.iter().zip(&bodies) {
            let alone = post(endpoint, body).json;
            assert_like(reply, &alone);
        }
        let mut longest = bodies[0].clone();
        longest["text"] = "é".repeat(100_001).into();
        for body in [json!({}), json!({"text": ""}), longest] {
            assert_ne!(faults(&document, &asked, &body, ""), [""; 0], "{body}");
            let response = post(endpoint, &body);
            assert_eq!(response.status, 400, "{}", response.body);
            holds(response_schema(&document, &operation, 400), &response.json);
        }
    }
    let health = get(&format!("{}/health", server.url)).json;
    holds(response_schema(&document, "~1health/get", 200), &health);
}

/// Asserts equality except for rounding that depends on the batch.
#[track_caller]
fn assert_like(ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{ours} {theirs}");
            a.values()
                .zip(b.values())
                .for_each(|(a, b)| assert_like(a, b));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{ours} {theirs}");
            a.iter().zip(b).for_each(|(a, b)| assert_like(a, b));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() < 1e-3, "{ours} {theirs}");
        }
        _ => assert_eq!(ours, theirs),
    }
}
