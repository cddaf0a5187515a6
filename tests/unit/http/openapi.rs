//! The document at `/v1/openapi.json` describes what the service does.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::{Map, Value};

use truycap::domain::site::{ReportAccess, Rules};

use super::server::{Answer, Options, Server, start};

fn document() -> Value {
    let server = start(Options::default());
    let answer = server.get("/v1/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// Follows a `$ref`; returns anything else unchanged.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value.get("$ref") else { return value };
    let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
    document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in the document"))
}

/// Fails if a value does not match its schema. It knows the keywords of JSON Schema that the document uses.
fn validate(document: &Value, schema: &Value, value: &Value) {
    let schema = resolve(document, schema);
    for (keyword, expected) in schema.as_object().unwrap() {
        let valid = match keyword.as_str() {
            "description" | "pattern" | "format" | "examples" => true,
            "type" => match expected.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                other => panic!("unknown type {other}"),
            },
            "enum" => expected.as_array().unwrap().contains(value),
            "minimum" => value.as_u64() >= expected.as_u64(),
            "maximum" => value.as_u64() <= expected.as_u64(),
            "minLength" => value.as_str().unwrap().len() as u64 >= expected.as_u64().unwrap(),
            "maxLength" => value.as_str().unwrap().len() as u64 <= expected.as_u64().unwrap(),
            "maxItems" => value.as_array().unwrap().len() as u64 <= expected.as_u64().unwrap(),
            "required" => expected.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "items" => {
                value.as_array().unwrap().iter().map(|item| validate(document, expected, item)).count() > 0
                    || value == &Value::Array(vec![])
            }
            "properties" | "additionalProperties" => true,
            "oneOf" => {
                let null = expected.as_array().unwrap().iter().any(|schema| schema["type"] == "null");
                null && value.is_null() || {
                    validate(document, &expected[0], value);
                    true
                }
            }
            other => panic!("unknown keyword {other}"),
        };
        assert!(valid, "{value} is not {keyword} {expected}");
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

/// Fails if the document does not describe an answer.
fn is_described(document: &Value, path: &str, method: &str, answer: &Answer) {
    let operation = &document["paths"][path][method];
    let response = operation["responses"].get(answer.status.to_string());
    let response = resolve(document, response.unwrap_or_else(|| panic!("{method} {path} has no {}", answer.status)));
    for name in response.get("headers").and_then(Value::as_object).unwrap_or(&Map::new()).keys() {
        // This one depends on the request's origin.
        let present = name == "Access-Control-Allow-Origin" || answer.header(&name.to_ascii_lowercase()).is_some();
        assert!(present, "{method} {path} {}: no {name}", answer.status);
    }
    let Some(content) = response.get("content").and_then(Value::as_object) else { return };
    let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
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
fn the_document_has_this_version_and_no_missing_or_unused_part() {
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
        let mut documented: Vec<_> = operations.as_object().unwrap().keys().filter(|name| *name != "parameters").collect();
        documented.sort();
        let mut allowed: Vec<_> = allowed.iter().collect();
        allowed.sort();
        assert_eq!(documented, allowed, "{path}");
        is_described(&document, path, "options", &answer);
    }
}

#[test]
fn real_answers_match_the_document() {
    let document = document();
    let server = start(Options { rules: Rules { visitors: true, report: ReportAccess::Public, ..Rules::default() }, ..Options::default() });
    let is = |path: &str, query: &str, status: u16| {
        let target = path.replace("{site}", "portal") + query;
        for (method, name) in [("GET", "get"), ("HEAD", "head")] {
            let answer = server.ask(method, &target, &[], "");
            assert_eq!(answer.status, status, "{method} {target}");
            is_described(&document, path, name, &answer);
        }
    };
    views_are_described(&document, &server);
    let site = |name: &str| format!("/v1/sites/{{site}}/{name}");
    for (name, query, status) in [
        ("figures", "?article=/1&article=/2", 200),
        ("figures", "?article=", 400),
        ("views.gif", "?article=/1", 200),
        ("views.gif", "?article=%00", 400),
        ("top", "?period=today&limit=1", 200),
        ("top", "?period=today&prefix=/tin/", 200),
        ("top", "?period=now", 400),
        ("top", "?period=today&prefix=/", 400),
        ("history", "?by=week&from=2026-W40&to=2026-11-23", 200),
        ("history", "?by=week&from=2026-W40&to=2026-11-23&of=bot", 200),
        ("history", "?by=day", 400),
        ("report", "?quarter=2026-Q3", 200),
        ("report", "?quarter=3", 400),
        ("report.csv", "?month=2026-11&lang=en", 200),
        ("report.csv", "?by=hour", 400),
    ] {
        is(&site(name), query, status);
    }
    is("/v1/openapi.json", "", 200);
    for name in ["figures", "top", "history"] {
        for (method, operation) in [("GET", "get"), ("HEAD", "head")] {
            let foreign = server.ask(method, &format!("/v1/sites/portal/{name}"), &["Origin: https://la.example.vn"], "");
            assert_eq!(foreign.status, 403, "{method} {name}");
            is_described(&document, &site(name), operation, &foreign);
        }
    }
    let unknown = server.get("/v1/sites/nope/top");
    is_described(&document, &site("top"), "get", &unknown);
    let long = server.ask("GET", "/v1/sites/portal/top", &[&format!("X-Long: {}", "x".repeat(17_000))], "");
    is_described(&document, &site("top"), "get", &long);
    server.faults.unreachable.store(true, SeqCst);
    is(&site("top"), "?period=last_year", 503);
}

/// Checks the answers to views, including refusals.
fn views_are_described(document: &Value, server: &Server) {
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
    // Until the recorder knows that there is room again, a view can be refused.
    crate::http::server::wait_for("room", || server.view("/1").status == 200);
}
