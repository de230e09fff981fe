//! What must hold for whatever comes where a WebSocket's handshake should: run by tests on made-up bytes and on the seeds, in
//! `fuzz/` on what libFuzzer finds.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use axum::body::Body;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    runtime::{Builder, Runtime},
    task::yield_now,
};
use tungstenite::handshake::derive_accept_key;

use super::{Handshake, VERSION};
use crate::{http::bounded, origin};

/// Reads bytes as what comes on a connection, cut as the first of them says: that ends, how it is cut changes nothing, and who
/// gets a WebSocket has asked for it by all that is needed, and gets nothing else. What comes behind the request is the session's,
/// as it is.
///
/// # Panics
///
/// If the law does not hold.
#[cfg_attr(not(feature = "laws"), expect(unreachable_pub, reason = "public for the fuzzer"))]
pub fn hold_handshakes(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = Served::of(bytes, usize::MAX);
    assert_eq!(Served::of(bytes, usize::from(*cut) + 1), whole);
    if let Some((behind, asked)) = &whole.upgraded {
        asked.hold(bytes, behind);
    }
}

/// In so many turns of the loop all is answered that can be.
const TURNS: usize = 20;

/// What became of a connection.
#[derive(Debug, Default, PartialEq)]
struct Served {
    /// The status of each answer that was made here, in their order.
    answers: Vec<StatusCode>,
    /// What came behind the request that became a WebSocket, and that request with its answer.
    upgraded: Option<(Vec<u8>, Asked)>,
}

#[derive(Debug, PartialEq)]
struct Asked {
    headers: HeaderMap,
    answer: HeaderMap,
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

impl Served {
    fn of(bytes: &[u8], piece: usize) -> Served {
        RUNTIME.with(|runtime| runtime.block_on(Served::by_hyper(bytes, piece)))
    }

    /// As a core serves it, but for waiting for a place.
    async fn by_hyper(bytes: &[u8], piece: usize) -> Served {
        let (mut client, server) = duplex(1 << 20);
        let served = Rc::new(RefCell::new(Served::default()));
        let upgrade = Rc::new(RefCell::new(None));
        let service = service_fn(|mut request: Request<Incoming>| {
            let (served, upgrade) = (served.clone(), upgrade.clone());
            async move {
                let handshake = super::read(&request);
                let is_allowed = origin::is_allowed(request.headers(), &[]);
                let response = match handshake {
                    Ok(Handshake { response, .. }) if is_allowed => {
                        let (headers, answer) = (request.headers().clone(), response.headers().clone());
                        *upgrade.borrow_mut() =
                            Some((hyper::upgrade::on(&mut request), Asked { headers, answer }));
                        response
                    }
                    other => {
                        let status = other.err().map_or(StatusCode::FORBIDDEN, super::Fault::status);
                        let mut response = Response::new(Body::empty());
                        *response.status_mut() = status;
                        response
                    }
                };
                // Where a body is not read, whether hyper goes on behind it depends on when that comes.
                let _ = request.into_body().collect().await;
                served.borrow_mut().answers.push(response.status());
                Ok::<_, Infallible>(response)
            }
        });
        let serve = async {
            // How it fails is nothing a client is told.
            let _ = bounded().serve_connection(TokioIo::new(server), service).with_upgrades().await;
            let upgrade = upgrade.borrow_mut().take();
            if let Some((on, asked)) = upgrade
                && let Ok(upgraded) = on.await
            {
                let mut behind = Vec::new();
                let _ = TokioIo::new(upgraded).read_to_end(&mut behind).await;
                served.borrow_mut().upgraded = Some((behind, asked));
            }
        };
        let say = async {
            for piece in bytes.chunks(piece.min(bytes.len()).max(1)) {
                if client.write_all(piece).await.is_err() {
                    return;
                }
                // So that it is read before the next comes.
                yield_now().await;
            }
            // hyper answers nothing to who has gone.
            for _ in 0..TURNS {
                yield_now().await;
            }
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut Vec::new()).await;
        };
        tokio::join!(serve, say);
        served.take()
    }
}

impl Asked {
    fn hold(&self, bytes: &[u8], behind: &[u8]) {
        let once = |name: HeaderName| {
            let mut all = self.headers.get_all(name).iter();
            let one = all.next().expect("it is needed");
            assert!(all.next().is_none(), "it is there once");
            one.as_bytes()
        };
        once(header::HOST);
        assert_eq!(once(header::SEC_WEBSOCKET_VERSION), VERSION.as_bytes());
        let key = once(header::SEC_WEBSOCKET_KEY);
        assert_eq!((key.len(), &key[22..]), (24, &b"=="[..]));
        assert_eq!(self.answer[header::SEC_WEBSOCKET_ACCEPT], derive_accept_key(key));
        for (name, word) in [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")] {
            let all: Vec<_> =
                self.headers.get_all(name).iter().map(|it| it.as_bytes().to_ascii_lowercase()).collect();
            assert!(all.join(&b","[..]).windows(word.len()).any(|it| it == word.as_bytes()));
        }
        assert!(!self.answer.contains_key(header::SEC_WEBSOCKET_EXTENSIONS));
        if let Some(chosen) = self.answer.get(header::SEC_WEBSOCKET_PROTOCOL) {
            let offered = self.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
            assert!(
                offered
                    .iter()
                    .any(|it| it.as_bytes().windows(chosen.len()).any(|it| it == chosen.as_bytes()))
            );
        }
        assert!(bytes.ends_with(behind), "what is behind is as it came");
        let head = &bytes[..bytes.len() - behind.len()];
        assert!(head.ends_with(b"\n"), "the head is whole");
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    #[test]
    fn the_law_holds_for_the_fuzzers_seeds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/handshakes");
        let seeds: Vec<_> =
            fs::read_dir(seeds).unwrap().map(|seed| fs::read(seed.unwrap().path()).unwrap()).collect();
        seeds.iter().for_each(|seed| hold_handshakes(seed));
        let upgraded = |seed: &&Vec<u8>| Served::of(&seed[1..], usize::MAX).upgraded.is_some();
        assert!(seeds.iter().filter(upgraded).count() > 2, "most are as they should be");
    }

    /// A request that mostly has what it takes.
    fn head() -> impl Strategy<Value = Vec<u8>> {
        let good = [
            "Host: x",
            "Connection: keep-alive, Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        let other = [
            "Host: y",
            "Connection: close",
            "Upgrade: h2c",
            "Sec-WebSocket-Version: 8",
            "Sec-WebSocket-Key: AAAA",
            "Sec-WebSocket-Protocol: a, centrifuge-json",
            "Sec-WebSocket-Extensions: permessage-deflate",
            "Origin: https://x",
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "X: \u{ff}",
            " folded",
        ];
        let start = select(vec![
            "GET / HTTP/1.1",
            "GET / HTTP/1.1",
            "GET /?format=protobuf HTTP/1.1",
            "POST / HTTP/1.1",
            "GET / HTTP/1.0",
        ]);
        let lines = (Just(good.to_vec()), vec(any::<bool>(), 5), vec(select(other.to_vec()), 0..3), 0..5_u8);
        (start, lines, "[a-z]{0,9}").prop_map(|(start, (good, left_out, other, how), behind)| {
            let good =
                good.into_iter().zip(left_out).filter(|(_, out)| how > 0 || !out).map(|(line, _)| line);
            let lines: Vec<&str> = [start].into_iter().chain(good).chain(other).collect();
            (lines.join("\r\n") + "\r\n\r\n" + &behind).chars().map(|it| it as u8).collect()
        })
    }

    proptest! {
        #[test]
        fn the_law_holds_for_made_up_bytes(data in vec(any::<u8>(), 0..200)) {
            hold_handshakes(&data);
        }

        #[test]
        fn the_law_holds_for_made_up_requests(cut in any::<u8>(), heads in vec(head(), 1..3), change in (0..5_u8, any::<prop::sample::Index>(), any::<u8>())) {
            let mut data: Vec<u8> = [cut].into_iter().chain(heads.concat()).collect();
            let (how, at, byte) = change;
            let at = at.index(data.len());
            match how {
                0 => data[at] = byte,
                1 => data.insert(at, byte),
                _ => {}
            }
            hold_handshakes(&data);
        }
    }
}
