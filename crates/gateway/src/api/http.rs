//! Requests and answers over HTTP.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    Api, ErrorMode,
    keys::Scope,
    lines,
    method::{Entry, Fault},
    openapi, page,
    refusal::Refusal,
};
use crate::limits::API_BODY_PATIENCE;

/// What is served beside the clients' protocol, or on a port of its own.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new().route("/api", any(many)).route("/api/{method}", any(one));
    if api.has_docs {
        let json = async || ([(header::CONTENT_TYPE, "application/json")], openapi::TEXT.as_str());
        router = router.route("/openapi.json", get(json)).route("/docs", get(page::page));
    }
    router.with_state(api.clone())
}

/// What is answered with status 200.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answered {
    Result(Box<RawValue>),
    Error(Refusal),
}

async fn one(State(api): State<Arc<Api>>, Path(method): Path<String>, request: Request) -> Response {
    let mode = api.mode(request.headers());
    let (scope, body) = match api.admit(request).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let Some(entry) = Entry::find(&method) else {
        return (StatusCode::NOT_FOUND, format!("{method:?} is no method: see /docs\n")).into_response();
    };
    match entry.call(&api, &scope, &body).await {
        Ok(result) if entry.is_bare => json(StatusCode::OK, &result),
        Ok(result) => json(StatusCode::OK, &Answered::Result(result)),
        Err(Fault::Malformed(error)) => {
            (StatusCode::BAD_REQUEST, format!("{method}: {error}\n")).into_response()
        }
        // A batch says it of each command.
        Err(Fault::Refused(refusal)) if mode == ErrorMode::Transport && !entry.is_bare => {
            json(refusal.status(), &refusal)
        }
        Err(Fault::Refused(refusal)) => json(StatusCode::OK, &Answered::Error(refusal)),
    }
}

/// The old form.
async fn many(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (scope, body) = match api.admit(request).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    match lines::call(&api, &scope, &body).await {
        Ok(answers) => ([(header::CONTENT_TYPE, "application/json")], answers).into_response(),
        Err(error) => {
            let hint = format!("each command is a JSON object with a method and its params: {error}\n");
            (StatusCode::BAD_REQUEST, hint).into_response()
        }
    }
}

#[derive(Deserialize)]
struct InQuery {
    api_key: Option<String>,
}

impl Api {
    fn mode(&self, headers: &HeaderMap) -> ErrorMode {
        match headers.get("x-centrifugo-error-mode").map(|mode| mode.as_bytes()) {
            Some(b"transport") => ErrorMode::Transport,
            _ => self.error_mode,
        }
    }

    /// Who may go on, and what they say. Nothing is read of those who may not.
    async fn admit(&self, request: Request) -> Result<(Arc<Scope>, Bytes), Response> {
        if request.method() != Method::POST {
            let allow = [(header::ALLOW, "POST")];
            return Err((StatusCode::METHOD_NOT_ALLOWED, allow).into_response());
        }
        let key = given_key(request.headers(), request.uri());
        let scope = self.keys.find(key.as_deref()).ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())?;
        match timeout(API_BODY_PATIENCE, self.read(request.into_body())).await {
            Ok(body) => Ok((scope, body?)),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT.into_response()),
        }
    }

    async fn read(&self, body: Body) -> Result<Bytes, Response> {
        match Limited::new(body, self.body_bytes_max).collect().await {
            Ok(read) => Ok(read.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                let hint = format!("a request has at most {} bytes\n", self.body_bytes_max);
                Err((StatusCode::PAYLOAD_TOO_LARGE, hint).into_response())
            }
            Err(_) => Err(StatusCode::BAD_REQUEST.into_response()),
        }
    }
}

/// The key that comes with a request, wherever it is.
fn given_key(headers: &HeaderMap, uri: &Uri) -> Option<Vec<u8>> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes().to_vec());
    }
    if let Some(key) = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("apikey ".len())?;
        scheme.eq_ignore_ascii_case(b"apikey ").then_some(key)
    }) {
        return Some(key.to_vec());
    }
    let Query(InQuery { api_key }) = Query::try_from_uri(uri).ok()?;
    api_key.map(String::into_bytes)
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("answers have text keys and no failing parts");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_comes_in_one_of_three_places() {
        let found = |name: Option<(&'static str, &'static str)>, uri: &'static str| {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = name {
                headers.insert(name, HeaderValue::from_static(value));
            }
            given_key(&headers, &Uri::from_static(uri)).map(|key| String::from_utf8(key).unwrap())
        };
        let api = "/api/info";
        assert_eq!(found(Some(("x-api-key", "k 1")), api).as_deref(), Some("k 1"));
        assert_eq!(found(Some(("authorization", "apikey k")), api).as_deref(), Some("k"));
        assert_eq!(found(Some(("authorization", "ApiKey k")), api).as_deref(), Some("k"));
        assert_eq!(found(None, "/api/info?a=1&api_key=k%2B1").as_deref(), Some("k+1"));
        assert_eq!(found(Some(("authorization", "Bearer k")), api), None);
        assert_eq!(found(Some(("authorization", "apikey")), api), None);
        assert_eq!(found(None, "/api/info?apikey=k"), None);
    }
}
