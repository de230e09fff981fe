//! A back end that is made here.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// A back end. Each path answers as it was told to, to one more request than it was told.
pub(crate) struct Application {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Reply>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
pub(crate) enum Reply {
    Json(Value),
    Text(&'static str, String),
    /// The connection is closed without any.
    Nothing,
    Never,
    /// After a while: with the request's own data.
    Echo(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
    /// As it came.
    pub(crate) bytes: Vec<u8>,
}

impl Application {
    pub(crate) fn start() -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let application = Application { url, state: state.clone() };
        application.answer("/connect", json!({"result": {"user": "probe"}}));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), state.clone());
                thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                    let mut headers = HashMap::new();
                    loop {
                        line.clear();
                        reader.read_line(&mut line).unwrap();
                        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                        headers.insert(name.to_lowercase(), value.to_owned());
                    }
                    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
                    let mut bytes = vec![0; length];
                    reader.read_exact(&mut bytes).unwrap();
                    let body: Value = serde_json::from_slice(&bytes).unwrap();
                    let reply = {
                        let mut state = state.lock().unwrap();
                        state.asked.push(Asked { path: path.clone(), headers, body: body.clone(), bytes });
                        state.answers.get(&path).cloned().unwrap_or(Reply::Nothing)
                    };
                    let (status, text) = match reply {
                        Reply::Json(json) => ("200 OK", json.to_string()),
                        Reply::Text(status, text) => (status, text),
                        Reply::Echo(pause) => {
                            thread::sleep(pause);
                            ("200 OK", json!({"result": {"data": body["data"]}}).to_string())
                        }
                        Reply::Nothing => return stream.shutdown(Shutdown::Both).unwrap_or_default(),
                        Reply::Never => loop {
                            thread::park();
                        },
                    };
                    let head =
                        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}", text.len());
                    // Whoever has asked may not read all of it.
                    let _ = (&stream).write_all(format!("{head}\r\n\r\n{text}").as_bytes());
                });
            }
        });
        application
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn answer(&self, path: &str, json: Value) {
        self.reply(path, Reply::Json(json));
    }

    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        self.state.lock().unwrap().answers.insert(path.into(), reply);
    }

    /// What this path was asked last.
    pub(crate) fn asked(&self, path: &str) -> Asked {
        let state = self.state.lock().unwrap();
        state
            .asked
            .iter()
            .rfind(|asked| asked.path == path)
            .cloned()
            .unwrap_or_else(|| panic!("{path} was not asked"))
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.iter().filter(|asked| asked.path == path).count()
    }
}
