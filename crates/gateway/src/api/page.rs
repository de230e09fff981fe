//! The page that people read: the description as HTML, whole in itself.

use std::{fmt::Write, sync::LazyLock};

use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::openapi::DOCUMENT;

const STYLE: &str = include_str!("page.css");

struct Page {
    html: String,
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    Page {
        html: html(&DOCUMENT),
        // Nothing from elsewhere, no script, this style alone.
        policy: format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }
});

pub(super) async fn page() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, &PAGE.policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE.html.as_str())
}

/// Appends to the page; a `String` takes everything.
macro_rules! put {
    ($html:expr, $($what:tt)*) => {
        let _ = write!($html, $($what)*);
    };
}

fn html(document: &Value) -> String {
    let mut html = String::new();
    let title = text(&document["info"]["title"]);
    put!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width, \
         initial-scale=1\"><title>{title}</title><style>{STYLE}</style>"
    );
    put!(html, "<header><h1>{title}</h1><p>Naru {} · ", text(&document["info"]["version"]));
    put!(
        html,
        "<a href=\"openapi.json\">OpenAPI 3.1</a></p><p>{}</p>",
        prose(&document["info"]["description"])
    );
    put!(
        html,
        "<pre>curl -H 'X-API-Key: KEY' http://HOST:PORT/api/publish \\\n     -d '{}'</pre></header>",
        "{\"channel\": \"public:news\", \"data\": {\"text\": \"hi\"}}"
    );
    let operations: Vec<(&String, &Value)> =
        members(&document["paths"]).map(|(path, item)| (path, &item["post"])).collect();
    let groups = || document["tags"].as_array().into_iter().flatten().map(|tag| text(&tag["name"]));
    let of = |group: &str| {
        let group = group.to_owned();
        operations.iter().filter(move |(_, operation)| text(&operation["tags"][0]) == group)
    };
    put!(html, "<nav>");
    for group in groups() {
        put!(html, "<h2>{group}</h2><ul>");
        for (_, operation) in of(&group) {
            let name = text(&operation["operationId"]);
            put!(html, "<li><a href=\"#{name}\"><code>{name}</code></a> {}", prose(&operation["summary"]));
        }
        put!(html, "</ul>");
    }
    put!(html, "</nav><main>");
    for group in groups() {
        for (path, operation) in of(&group) {
            let name = text(&operation["operationId"]);
            put!(html, "<section id=\"{name}\"><h2><code>POST {}</code></h2>", escaped(path));
            put!(html, "<p>{}</p>", prose(&operation["summary"]));
            let request = &operation["requestBody"]["content"]["application/json"]["schema"];
            put!(html, "<h3{}>Request</h3>", anchor(request));
            object(&mut html, resolved(document, request));
            let done = &operation["responses"]["200"]["content"]["application/json"]["schema"]["oneOf"][0];
            let (title, result) = match &done["properties"]["result"] {
                Value::Null => ("Answer", done),
                result => ("<code>result</code>", result),
            };
            put!(html, "<h3{}>{title}</h3>", anchor(result));
            object(&mut html, resolved(document, result));
            put!(html, "</section>");
        }
    }
    put!(html, "<h2>Types</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        if is_shown_with_its_method(name) {
            continue;
        }
        put!(html, "<section id=\"type-{0}\"><h3>{0}</h3>", escaped(name));
        object(&mut html, schema);
        put!(html, "</section>");
    }
    put!(html, "</main></html>\n");
    html
}

fn is_shown_with_its_method(name: &str) -> bool {
    name.ends_with("Request") || name.ends_with("Result")
}

/// Where links to a type lead that is shown with its method.
fn anchor(schema: &Value) -> String {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let name = name.filter(|name| is_shown_with_its_method(name));
    name.map_or_else(String::new, |name| format!(" id=\"type-{}\"", escaped(name)))
}

/// What an object is for, and its members.
fn object(html: &mut String, schema: &Value) {
    if schema["description"].is_string() {
        put!(html, "<p>{}</p>", prose(&schema["description"]));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        choices.iter().for_each(|choice| object(html, choice));
        return;
    }
    if members(&schema["properties"]).next().is_none() {
        put!(html, "<p><code>{{}}</code></p>");
        return;
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    put!(html, "<table>");
    for (name, property) in members(&schema["properties"]) {
        let must = if required.contains(&name.as_str()) { " class=must" } else { "" };
        put!(html, "<tr><th{must}><code>{}</code><td>{}", escaped(name), kind(property));
        put!(html, "<td>{}", prose(&property["description"]));
    }
    put!(html, "</table>");
}

/// A type, in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#type-{0}\">{0}</a>", escaped(name));
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(choices) = choices {
        let kinds = choices.iter().filter(|choice| choice["type"] != "null").map(kind);
        return kinds.collect::<Vec<_>>().join(" or ");
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        _ => Vec::new(),
    };
    match names.as_slice() {
        ["array"] => format!("list of {}", kind(&schema["items"])),
        ["object"] if schema["additionalProperties"].is_object() => {
            format!("map of names to {}", kind(&schema["additionalProperties"]))
        }
        [] => "any JSON".into(),
        names => escaped(&names.join(" or ")),
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let path = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(schema)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

/// Text in which what stands between two backticks is code.
fn prose(value: &Value) -> String {
    let mut prose = String::new();
    for (number, part) in text(value).split('`').enumerate() {
        match number % 2 {
            0 => prose.push_str(part),
            _ => prose.extend(["<code>", part, "</code>"]),
        }
    }
    prose
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::method::METHODS;

    #[test]
    fn every_method_and_type_is_on_the_page_and_nothing_comes_from_elsewhere() {
        let html = &PAGE.html;
        for method in &METHODS {
            assert!(html.contains(&format!("<section id=\"{}\">", method.name)), "{}", method.name);
        }
        for link in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(html.contains(&format!("id=\"{link}\"")), "{link} is nowhere");
        }
        for outside in ["<script", "src=", "http://www", "https://", " style=", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_is_shown_is_text() {
        assert_eq!(
            prose(&Value::from("a <b> `c & d` \"e\"")),
            "a &lt;b&gt; <code>c &amp; d</code> &quot;e&quot;"
        );
    }
}
