//! The OpenAPI 3.1 description, made from the methods and the types they are asked and answered with.

use std::{borrow::Cow, sync::LazyLock};

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};

use super::{
    method::{METHODS, Method},
    refusal::Refusal,
};

/// What the description says of one method.
pub(crate) struct Described {
    name: &'static str,
    is_bare: bool,
    summary: &'static str,
    group: &'static str,
    request: Cow<'static, str>,
    result: Cow<'static, str>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

pub(super) fn described<M: Method>() -> Described {
    let mut schemas = Vec::new();
    add::<M>(&mut schemas);
    add::<M::Done>(&mut schemas);
    Described {
        name: M::NAME,
        is_bare: M::IS_BARE,
        summary: M::SUMMARY,
        group: M::GROUP,
        request: M::name(),
        result: M::Done::name(),
        schemas,
    }
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// The description.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// The description as it is served.
pub(super) static TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string_pretty(&*DOCUMENT).expect("JSON can be written as JSON"));

const ABOUT: &str = "What an application's own servers publish and steer connections with. Every request is a POST with a JSON \
                     object as its body and a key. It is answered with status 200 and either a `result` or an `error`; in the \
                     error mode `transport`, chosen by the header `X-Centrifugo-Error-Mode` or by the configuration, with a \
                     status that is like the error and the error as body.";

fn document() -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    let mut groups: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    add::<Refusal>(&mut all);
    for described in METHODS.iter().map(|it| (it.describe)()) {
        if !groups.contains(&described.group) {
            groups.push(described.group);
        }
        paths.insert(format!("/api/{}", described.name), operation(&described));
        all.extend(described.schemas);
    }
    for (name, schema) in all {
        let schema = serde_json::to_value(schema).expect("a schema can be written as JSON");
        schemas.insert(name, schema);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Naru server API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "where this was served"}],
        "tags": groups.into_iter().map(|name| json!({"name": name})).collect::<Value>(),
        "security": [{"header": []}, {"authorization": []}, {"query": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {
                "ErrorMode": {
                    "name": "X-Centrifugo-Error-Mode",
                    "in": "header",
                    "description": "`transport`: an error is a status of HTTP.",
                    "schema": {"type": "string", "enum": ["transport"]},
                },
            },
            "responses": {
                "BadRequest": {
                    "description": "The body is no JSON, or does not have the method's form; or, in the error mode \
                                    `transport`, an error 107 or 108.",
                    "content": {
                        "text/plain": {"schema": {"type": "string"}},
                        "application/json": {"schema": reference("Error")},
                    },
                },
                "Unauthorized": {"description": "No key, or a wrong one."},
                "TooLarge": {"description": "The body has more bytes than are taken."},
                "Error": {
                    "description": "Any other error, in the error mode `transport`.",
                    "content": {"application/json": {"schema": reference("Error")}},
                },
            },
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "authorization": {
                    "type": "apiKey", "in": "header", "name": "Authorization", "description": "`apikey` and the key.",
                },
                "query": {"type": "apiKey", "in": "query", "name": "api_key"},
            },
        },
    })
}

fn operation(described: &Described) -> Value {
    let Described { name, is_bare, summary, group, request, result, .. } = described;
    let member = |member: &str, schema: &str| json!({"type": "object", "properties": {member: reference(schema)}, "required": [member]});
    let done = if *is_bare { reference(result) } else { member("result", result) };
    json!({
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": [group],
            "parameters": [{"$ref": "#/components/parameters/ErrorMode"}],
            "requestBody": {
                "required": true,
                "content": {"application/json": {"schema": reference(request)}},
            },
            "responses": {
                "200": {
                    "description": "Done, or refused.",
                    "content": {"application/json": {
                        "schema": {"oneOf": [done, member("error", "Error")]},
                    }},
                },
                "400": {"$ref": "#/components/responses/BadRequest"},
                "401": {"$ref": "#/components/responses/Unauthorized"},
                "413": {"$ref": "#/components/responses/TooLarge"},
                "default": {"$ref": "#/components/responses/Error"},
            },
        },
    })
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `$ref` in it.
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_method_is_described_and_every_reference_leads_somewhere() {
        for method in &METHODS {
            assert!(
                DOCUMENT["paths"][format!("/api/{}", method.name)]["post"].is_object(),
                "{}",
                method.name
            );
        }
        let mut found = BTreeSet::new();
        references(&DOCUMENT, &mut found);
        assert!(found.contains("#/components/schemas/StreamPosition"), "{found:?}");
        for reference in found {
            let path = reference.strip_prefix('#').unwrap();
            assert!(DOCUMENT.pointer(path).is_some(), "{reference}");
        }
    }

    #[test]
    fn what_is_described_says_what_it_is_for() {
        let publish = &DOCUMENT["components"]["schemas"]["PublishRequest"];
        assert_eq!(publish["properties"]["channel"]["description"], "The channel.");
        let subscribe = &DOCUMENT["components"]["schemas"]["SubscribeRequest"]["properties"];
        assert!(subscribe["override"].to_string().contains("schemas/SubscribeOverride"), "{subscribe}");
    }
}
