use std::{sync::atomic::Ordering, time::Duration};

use http::Response;
use http_body_util::Full;

use super::{testing::Elsewhere, *};

const PATIENCE: Duration = Duration::from_secs(20);

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(url, PATIENCE, 1000).unwrap()
}

async fn echo() -> Elsewhere {
    Elsewhere::start(async |request: http::Request<hyper::body::Incoming>| {
        let path = request.uri().path().to_owned();
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        match path.as_str() {
            "/large" => Response::new(Full::new(Bytes::from(vec![b'x'; 1001]))),
            "/never" => std::future::pending().await,
            "/elsewhere" => {
                let mut moved = Response::new(Full::default());
                *moved.status_mut() = StatusCode::FOUND;
                moved.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/large"));
                moved
            }
            _ => {
                // What was heard, one in a line.
                let heard =
                    [head.headers["x-ask"].as_bytes(), head.headers[header::USER_AGENT].as_bytes(), &body];
                Response::new(Full::new(heard.join(&b'\n').into()))
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_asked_arrives_and_connections_are_kept() {
    let elsewhere = echo().await;
    let outbound = Outbound::start(None).unwrap();
    for turn in 0..5 {
        let headers = HeaderMap::from_iter([("x-ask".parse().unwrap(), HeaderValue::from(turn))]);
        let request = Request { method: Method::POST, headers, body: Bytes::from_static(b"body") };
        let answer = outbound.call(&endpoint(&elsewhere.url("/")), request).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        let heard = str::from_utf8(&answer.body).unwrap().split('\n').collect::<Vec<_>>();
        assert_eq!((heard[0], heard[2]), (&*turn.to_string(), "body"));
        assert!(heard[1].starts_with("naru/"), "{heard:?}");
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = echo().await;
    let outbound = Outbound::start(None).unwrap();
    let answer = outbound.call(&endpoint(&elsewhere.url("/elsewhere")), Request::get()).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(elsewhere.requests(), 1);
}

#[tokio::test]
async fn an_answer_over_its_bound_is_none() {
    let elsewhere = echo().await;
    let outbound = Outbound::start(None).unwrap();
    let failed = outbound.call(&endpoint(&elsewhere.url("/large")), Request::get()).await.unwrap_err();
    assert!(matches!(failed, NoAnswer::TooLarge(1000)), "{failed}");
}

#[tokio::test]
async fn who_does_not_answer_in_time_or_is_not_there_is_said_to_be_so() {
    let elsewhere = echo().await;
    let outbound = Outbound::start(None).unwrap();
    let hurried = Endpoint::parse(&elsewhere.url("/never"), Duration::from_millis(50), 1000).unwrap();
    let failed = outbound.call(&hurried, Request::get()).await.unwrap_err();
    assert!(matches!(failed, NoAnswer::Late), "{failed}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failed = outbound.call(&endpoint(&format!("http://{nobody}/")), Request::get()).await.unwrap_err();
    assert!(matches!(failed, NoAnswer::Unreachable(_)), "{failed}");
    assert!(failed.to_string().contains("refused"), "{failed}");
}

#[tokio::test]
async fn without_authorities_no_server_is_believed() {
    let elsewhere = echo().await;
    let outbound = Outbound::start(None).unwrap();
    let url = elsewhere.url("/").replace("http:", "https:");
    let failed = outbound.call(&endpoint(&url), Request::get()).await.unwrap_err();
    assert!(matches!(failed, NoAnswer::Unreachable(_)), "{failed}");
}

#[tokio::test]
async fn calls_over_the_bound_fail_at_once_and_those_given_up_make_room() {
    let elsewhere = echo().await;
    let outbound = Outbound::start(None).unwrap();
    let never = endpoint(&elsewhere.url("/never"));
    let mut waiting = Vec::new();
    let refused = loop {
        let mut call = Box::pin(outbound.call(&never, Request::get()));
        match (&mut call).now_or_never() {
            Some(answer) => break answer.unwrap_err(),
            None => waiting.push(call),
        }
        assert!(waiting.len() <= 3 * OUTBOUND_CALLS_MAX, "they are not bounded");
    };
    assert!(matches!(refused, NoAnswer::Busy), "{refused}");
    assert!(waiting.len() >= OUTBOUND_CALLS_MAX);
    waiting.clear();
    let begun = std::time::Instant::now();
    while outbound.call(&endpoint(&elsewhere.url("/elsewhere")), Request::get()).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "given up calls keep their place");
        tokio::task::yield_now().await;
    }
}
