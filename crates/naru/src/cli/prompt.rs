//! The prompt: a person types commands while replies and messages come in above the line.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

use anyhow::Context as _;
use naru_resp::split_line;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor};

use super::arrivals::{Arrivals, Mode};
use super::connection::{Endpoint, Receiver, Sender, connect};
use super::format::Style;
use super::help::HELP;
use super::screen::{LineWatch, Screen};
use crate::printed::{Printed, say};

const HISTORY_LINES_MAX: usize = 1000;

/// Reads and runs commands until the person leaves.
pub(super) fn run(endpoint: Endpoint, style: Style) -> anyhow::Result<ExitCode> {
    let screen = Arc::new(Screen::default());
    let mut editor = editor(LineWatch(Arc::clone(&screen)))?;
    let mut session = Session::start(endpoint, style, screen);
    session.connect();
    let result = converse(&mut editor, &mut session);
    session.end();
    result.map(|()| ExitCode::SUCCESS)
}

type LineEditor = Editor<LineWatch, DefaultHistory>;

fn editor(watch: LineWatch) -> anyhow::Result<LineEditor> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES_MAX)
        .and_then(|config| config.history_ignore_dups(true))
        .context("Could not set up the line editor")?
        .build();
    let mut editor = LineEditor::with_config(config).context("Could not use the terminal")?;
    editor.set_helper(Some(watch));
    if let Some(path) = history_path() {
        // The first time, there is none.
        let _ = editor.load_history(&path);
    }
    Ok(editor)
}

fn converse(editor: &mut LineEditor, session: &mut Session) -> anyhow::Result<()> {
    loop {
        session.screen.set_columns(editor.dimensions().map_or(0, |(columns, _)| columns.into()));
        let line = editor.readline(&session.prompt());
        session.screen.release();
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(()),
            Err(error) => return Err(error).context("Could not read from the terminal"),
        };
        let Ok(command) = split_line(line.as_bytes()) else {
            say!("Invalid argument(s)")?;
            continue;
        };
        let Some(verb) = command.first() else { continue };
        if !holds_a_secret(&command) {
            remember(editor, &line);
        }
        match verb.to_ascii_lowercase().as_slice() {
            b"quit" | b"exit" => return Ok(()),
            b"help" | b"?" => write!(Printed, "{HELP}")?,
            b"clear" => editor.clear_screen().context("Could not clear the screen")?,
            _ => session.run(&command),
        }
    }
}

/// The commands that carry a password.
fn holds_a_secret(command: &[Vec<u8>]) -> bool {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match command {
        [verb, rest @ ..] => {
            is(verb, "auth")
                || is(verb, "acl")
                || is(verb, "hello") && rest.iter().any(|word| is(word, "auth"))
        }
        [] => false,
    }
}

/// Keeps a line for the arrow keys and for the next time. A home that cannot be written to costs the
/// history, not the prompt.
fn remember(editor: &mut LineEditor, line: &str) {
    if let (Ok(true), Some(path)) = (editor.add_history_entry(line), history_path()) {
        let _ = editor.append_history(&path);
    }
}

fn history_path() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".naru_cli_history"))
}

/// A connection, the thread that reads it and the thread that prints.
struct Session {
    endpoint: Endpoint,
    style: Style,
    screen: Arc<Screen>,
    arrivals: Arc<Arrivals>,
    sender: Option<Sender>,
    reader: Option<JoinHandle<()>>,
    printer: JoinHandle<()>,
}

impl Session {
    fn start(endpoint: Endpoint, style: Style, screen: Arc<Screen>) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        let (printed, paper) = (Arc::clone(&arrivals), Arc::clone(&screen));
        let printer = spawn(move || printed.print_all(style, |text| paper.print(text)));
        Self { endpoint, style, screen, arrivals, sender: None, reader: None, printer }
    }

    fn prompt(&self) -> String {
        match self.arrivals.mode() {
            Mode::NotConnected => "not connected> ".to_owned(),
            Mode::Connected => format!("{}> ", self.endpoint),
            Mode::Subscribed => format!("{}(subscribed mode)> ", self.endpoint),
        }
    }

    /// Sends a command and waits for the reply, connecting first if need be.
    fn run(&mut self, command: &[Vec<u8>]) {
        if self.arrivals.mode() == Mode::NotConnected && !self.connect() {
            return;
        }
        self.arrivals.expect_replies(command, self.style.of_reply(command));
        let Some(sender) = &mut self.sender else { return };
        if sender.send(command).is_err() {
            // The reader sees the end too, and says so in place of a reply.
            sender.close();
        }
        self.arrivals.wait_for_replies();
    }

    /// Whether there is a connection now; if not, why has been said.
    fn connect(&mut self) -> bool {
        self.hang_up();
        match connect(&self.endpoint) {
            Ok((sender, receiver)) => {
                let arrivals = Arc::clone(&self.arrivals);
                self.arrivals.connected();
                self.sender = Some(sender);
                self.reader = Some(spawn(move || read_all(receiver, &arrivals)));
                true
            }
            Err(error) => {
                eprintln!("{error:#}");
                false
            }
        }
    }

    fn end(mut self) {
        self.arrivals.finish();
        self.hang_up();
        join(self.printer);
    }

    fn hang_up(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.close();
        }
        if let Some(reader) = self.reader.take() {
            join(reader);
        }
    }
}

fn read_all(mut receiver: Receiver, arrivals: &Arrivals) {
    loop {
        match receiver.receive() {
            Ok(value) => arrivals.push(value),
            Err(error) => return arrivals.close(error.to_string()),
        }
    }
}

fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
