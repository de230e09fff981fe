//! Answers that end here. SDKs go by the status; the text is for whoever tries a path by hand.

use axum::body::Body;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};

/// What a path takes.
#[derive(Clone, Copy)]
pub(super) struct Takes {
    pub(super) methods: &'static str,
    /// In words.
    pub(super) what: &'static str,
}

impl Takes {
    /// An answer of this status, which says what is wrong and what to do.
    pub(super) fn answer(self, status: StatusCode, headers: HeaderMap) -> Response<Body> {
        let text = self.explained(status);
        let mut response = Response::new(if text.is_empty() { Body::empty() } else { Body::from(text) });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if !response.status().is_success() {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, plain);
        }
        response
    }

    pub(super) fn not_allowed(self, mut headers: HeaderMap) -> Response<Body> {
        headers.insert(ALLOW, HeaderValue::from_static(self.methods));
        self.answer(StatusCode::METHOD_NOT_ALLOWED, headers)
    }

    fn explained(self, status: StatusCode) -> String {
        let why = match status {
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => {
                return format!("this takes {}: {}\n", self.methods, self.what);
            }
            StatusCode::FORBIDDEN => {
                "pages of this origin may not connect; --origin, or server.origins, names those that may\n"
            }
            StatusCode::NOT_FOUND => "no server of that name is there any more: connect again\n",
            StatusCode::REQUEST_TIMEOUT => "the body did not come in time: send it at once\n",
            StatusCode::PAYLOAD_TOO_LARGE => {
                "this is more than limits.message_size_limit lets pass, or than 128 KiB: send less at once\n"
            }
            StatusCode::SERVICE_UNAVAILABLE => "the broker is away, or slow: try again\n",
            _ => "",
        };
        why.to_owned()
    }
}
