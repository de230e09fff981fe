//! The web client, as it is in `web/`, embedded in the binary.

use axum::{
    Router,
    http::{HeaderName, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use include_dir::{Dir, include_dir};
use serde::Serialize;

static WEB: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../web");

/// Nothing from elsewhere, nothing inline, and no page of another site around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page asks about the server it came from.
#[derive(Clone, Serialize)]
pub(crate) struct About {
    /// Its name.
    pub(crate) server: String,
    /// Whether a name is enough to sign in.
    pub(crate) demo: bool,
    /// All servers of the demo.
    pub(crate) peers: Vec<Peer>,
}

/// One server of the demo.
#[derive(Clone, Serialize)]
pub(crate) struct Peer {
    pub(crate) server: String,
    pub(crate) url: String,
}

/// The routes of the web client.
pub(crate) fn router(about: About) -> Router {
    Router::new().route("/server.json", get(async move || axum::Json(about))).fallback(file)
}

async fn file(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let found = WEB.get_file(path).and_then(|file| Some((kind(path)?, file.contents())));
    let Some((kind, contents)) = found else { return (StatusCode::NOT_FOUND, "not found\n").into_response() };
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, kind),
        // Every start of the server may bring another version.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, contents).into_response()
}

/// The content type of what is served; none for what is not for browsers.
fn kind(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_is_served_and_its_notes_are_not() {
        let status = async |path: &'static str| file(Method::GET, Uri::from_static(path)).await.status();
        assert_eq!(status("/").await, StatusCode::OK);
        assert_eq!(status("/app.js").await, StatusCode::OK);
        assert_eq!(status("/README.md").await, StatusCode::NOT_FOUND);
        assert_eq!(status("/../Cargo.toml").await, StatusCode::NOT_FOUND);
    }
}
