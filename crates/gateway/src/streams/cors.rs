//! What a browser lets pages of other origins do here.

use http::{
    HeaderMap, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
    },
};

use crate::origin;

/// For how many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// A page of this origin may not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forbidden;

/// What every answer says to a browser, if the page may come.
pub(super) fn allow(asked: &HeaderMap, listed: &[String]) -> Result<HeaderMap, Forbidden> {
    if !origin::is_allowed(asked, listed) {
        return Err(Forbidden);
    }
    let mut answered = HeaderMap::new();
    if let Some(origin) = asked.get(ORIGIN) {
        answered.insert(VARY, HeaderValue::from_static("Origin"));
        answered.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // What the operator has not listed by its name gets no answer that was given to the user's cookies.
        let without_any: Vec<String> = listed.iter().filter(|listed| *listed != "*").cloned().collect();
        if origin::is_allowed(asked, &without_any) {
            answered.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
    Ok(answered)
}

/// What is said beside that to a browser that asks before it sends a request.
pub(super) fn preflight(asked: &HeaderMap, methods: &'static str, answered: &mut HeaderMap) {
    answered.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    answered.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    // They are the client's own: none of them means anything here but the type of what is posted.
    if let Some(headers) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answered.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn asked(origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("chat.example"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn allowed(origin: Option<&str>, listed: &[&str]) -> Result<(Option<String>, bool), Forbidden> {
        let listed: Vec<String> = listed.iter().map(|&listed| listed.to_owned()).collect();
        let answered = allow(&asked(origin), &listed)?;
        let origin = answered.get(ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(origin.is_some(), answered.get(VARY).is_some());
        let origin = origin.map(|origin| origin.to_str().unwrap().to_owned());
        Ok((origin, answered.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)))
    }

    #[test]
    fn pages_of_listed_origins_come_with_their_cookies_and_others_not_at_all() {
        let app = "https://app.example";
        assert_eq!(allowed(Some(app), &[app]), Ok((Some(app.into()), true)));
        assert_eq!(allowed(Some("http://chat.example"), &[]), Ok((Some("http://chat.example".into()), true)));
        assert_eq!(allowed(Some("https://evil.example"), &[app]), Err(Forbidden));
        assert_eq!(allowed(None, &[app]), Ok((None, false)));
    }

    #[test]
    fn any_origin_is_an_origin_without_cookies() {
        assert_eq!(
            allowed(Some("https://any.example"), &["*"]),
            Ok((Some("https://any.example".into()), false))
        );
        assert_eq!(allowed(Some("https://a.example"), &["*", "https://a.example"]).map(|it| it.1), Ok(true));
    }
}
