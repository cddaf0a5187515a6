//! The document at `/v1/openapi.json` says what the service does.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Map, Value};

use truycap::domain::site::Rules;

use super::server::{Answer, Options, Server, start};

fn document() -> Value {
    let server = start(Options::default());
    let answer = server.get("/v1/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// What a `$ref` leads to; anything else is what it is.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value.get("$ref") else { return value };
    let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
    document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in the document"))
}

/// Fails where a value is not as its schema says. It knows those words of JSON Schema that the document uses.
fn validate(document: &Value, schema: &Value, value: &Value) {
    let schema = resolve(document, schema);
    for (word, says) in schema.as_object().unwrap() {
        let right = match word.as_str() {
            "description" | "pattern" | "format" | "examples" => true,
            "type" => match says.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => panic!("unknown type {other}"),
            },
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value.as_u64() >= says.as_u64(),
            "maximum" => value.as_u64() <= says.as_u64(),
            "minLength" => value.as_str().unwrap().len() as u64 >= says.as_u64().unwrap(),
            "maxLength" => value.as_str().unwrap().len() as u64 <= says.as_u64().unwrap(),
            "maxItems" => value.as_array().unwrap().len() as u64 <= says.as_u64().unwrap(),
            "required" => says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => {
                value.as_array().unwrap().iter().map(|item| validate(document, says, item)).count() > 0 || value == &Value::Array(vec![])
            }
            "properties" | "additionalProperties" => true,
            "oneOf" => {
                let null = says.as_array().unwrap().iter().any(|schema| schema["type"] == "null");
                null && value.is_null() || {
                    validate(document, &says[0], value);
                    true
                }
            }
            other => panic!("unknown word {other}"),
        };
        assert!(right, "{value} is not {word} {says}");
    }
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, value) in value.as_object().unwrap_or(&none) {
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(schema), _) => validate(document, schema, value),
            (None, None) => {}
            (None, Some(schema)) if schema.is_object() => validate(document, schema, value),
            (None, Some(_)) => panic!("{name} is not in the schema {schema}"),
        }
    }
}

/// Fails where an answer is not one that the document knows.
fn is_described(document: &Value, path: &str, method: &str, answer: &Answer) {
    let operation = &document["paths"][path][method];
    let response = operation["responses"].get(answer.status.to_string());
    let response = resolve(document, response.unwrap_or_else(|| panic!("{method} {path} has no {}", answer.status)));
    for name in response.get("headers").and_then(Value::as_object).unwrap_or(&Map::new()).keys() {
        // This one depends on who asks.
        let told = name == "Access-Control-Allow-Origin" || answer.header(&name.to_ascii_lowercase()).is_some();
        assert!(told, "{method} {path} {}: no {name}", answer.status);
    }
    let Some(content) = response.get("content").and_then(Value::as_object) else { return };
    let kind = answer.header("content-type").unwrap();
    let content = content.get(kind).unwrap_or_else(|| panic!("{method} {path} {}: {kind}", answer.status));
    if kind.ends_with("json") {
        validate(document, &content["schema"], &answer.json());
    }
}

/// All references of a value, at any depth.
fn references(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            if members.contains_key("$ref") {
                found.push(value.clone());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_of_this_version_and_complete_in_itself() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in &found {
        resolve(&document, reference);
    }
    for (kind, of) in document["components"].as_object().unwrap() {
        for name in of.as_object().unwrap().keys() {
            let used = found.iter().any(|reference| reference["$ref"] == format!("#/components/{kind}/{name}"));
            assert!(used, "{kind} {name} is not used");
        }
    }
}

#[test]
fn every_route_and_every_method_is_in_the_document() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let routes = include_str!("../../../src/http/router.rs").split("\"/v1/sites/{site}/").skip(1);
    let names: Vec<_> = routes.filter_map(|route| Some(route.split_once('"')?.0)).filter(|name| !name.is_empty()).collect();
    assert!(names.contains(&"figures"), "{names:?}");
    for name in &names {
        assert!(paths.contains_key(&format!("/v1/sites/{{site}}/{name}")), "{name} is not in web/openapi.json");
    }
    assert_eq!(paths.len(), names.len() + 1);
    let server = start(Options::default());
    for (path, operations) in paths {
        let answer = server.ask("OPTIONS", &path.replace("{site}", "portal"), &[], "");
        let allowed: Vec<_> = answer.header("allow").unwrap().split(", ").map(str::to_ascii_lowercase).collect();
        let mut told: Vec<_> = operations.as_object().unwrap().keys().filter(|name| *name != "parameters").collect();
        told.sort();
        let mut allowed: Vec<_> = allowed.iter().collect();
        allowed.sort();
        assert_eq!(told, allowed, "{path}");
        is_described(&document, path, "options", &answer);
    }
}

#[test]
fn real_answers_are_as_the_document_says() {
    let document = document();
    let server = start(Options { rules: Rules { visitors: true, ..Rules::default() }, ..Options::default() });
    let is = |path: &str, query: &str, status: u16| {
        let target = path.replace("{site}", "portal") + query;
        for (method, name) in [("GET", "get"), ("HEAD", "head")] {
            let answer = server.ask(method, &target, &[], "");
            assert_eq!(answer.status, status, "{method} {target}");
            is_described(&document, path, name, &answer);
        }
    };
    counts_as_described(&document, &server);
    let site = |name: &str| format!("/v1/sites/{{site}}/{name}");
    for (name, query, status) in [
        ("figures", "?article=/1&article=/2", 200),
        ("figures", "?article=", 400),
        ("views.gif", "?article=/1", 200),
        ("views.gif", "?article=%00", 400),
        ("top", "?period=today&limit=1", 200),
        ("top", "?period=now", 400),
        ("history", "?by=week&from=2026-W40&to=2026-11-23", 200),
        ("history", "?by=day", 400),
    ] {
        is(&site(name), query, status);
    }
    is("/v1/openapi.json", "", 200);
    let unknown = server.get("/v1/sites/nope/top");
    is_described(&document, &site("top"), "get", &unknown);
    let long = server.ask("GET", "/v1/sites/portal/top", &[&format!("X-Long: {}", "x".repeat(17_000))], "");
    is_described(&document, &site("top"), "get", &long);
    server.faults.away.store(true, SeqCst);
    is(&site("top"), "?period=today", 503);
}

/// The answers to views, refusals included.
fn counts_as_described(document: &Value, server: &Server) {
    let json = "Content-Type: application/json";
    let long = "x".repeat(5000);
    for (headers, body, status) in [
        (vec![json], r#"{"article":"/1"}"#, 200),
        (vec![], "", 200),
        (vec!["User-Agent: bot"], "", 200),
        (vec![json], "[]", 400),
        (vec!["Origin: https://la.example.vn"], "", 403),
        (vec![json], &*long, 413),
        (vec!["Content-Type: text/html"], "{}", 415),
    ] {
        let answer = server.ask("POST", "/v1/sites/portal/views", &headers, body);
        assert_eq!(answer.status, status, "{headers:?} {body}");
        is_described(document, "/v1/sites/{site}/views", "post", &answer);
    }
    server.faults.full.store(true, SeqCst);
    let full = server.view("/1");
    assert_eq!(full.status, 503);
    is_described(document, "/v1/sites/{site}/views", "post", &full);
    server.faults.full.store(false, SeqCst);
    // As long as it is not known again whether there is room, a view may be refused.
    crate::http::server::wait_for("room", || server.view("/1").status == 200);
}
