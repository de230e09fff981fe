//! The terminal, shared by the line being edited and by what comes in meanwhile.
//!
//! The editor tells [`LineWatch`] what it is about to draw, so that a message can be printed above the line and the
//! line drawn again below it. (The editor's own external printer is not used: while one exists, keys that
//! arrive together are held back until the next key, and a print may wait for a line that is never read.)

use std::borrow::Cow;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};

use crate::printed::Printed;

/// To the first column, and erase the line.
const ERASE_LINE: &str = "\r\x1b[K";
const SAVE_CURSOR: &str = "\x1b7";
const RESTORE_CURSOR: &str = "\x1b8";

#[derive(Default)]
pub(super) struct Screen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    owner: Owner,
    /// The width of the terminal; 0 if unknown.
    columns: usize,
}

#[derive(Default)]
enum Owner {
    /// No line is being edited: what comes in is printed as it comes.
    #[default]
    Nobody,
    /// This line is on the screen, with the cursor before byte `cursor` of `text`.
    Line { prompt: String, text: String, cursor: usize },
    /// The line was accepted and the cursor is still behind it: what comes in waits for the line break.
    AcceptedLine,
}

impl Screen {
    /// The width of the terminal, for the next line.
    pub(super) fn set_columns(&self, columns: usize) {
        self.lock().columns = columns;
    }

    /// The editor is done with its line.
    pub(super) fn release(&self) {
        self.lock().owner = Owner::Nobody;
        self.changed.notify_all();
    }

    /// Prints whole lines, above the line that is being edited; one that takes more than a row of the
    /// terminal cannot be moved aside, and is waited for.
    pub(super) fn print(&self, lines: &str) {
        let mut state = self.lock();
        let output = loop {
            match state.around(lines) {
                Some(output) => break output,
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        // It fails when the terminal is gone, and then the editor says so.
        let _ = Printed.write_all(output.as_bytes()).and_then(|()| Printed.flush());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the line that is being edited, which begins with this if need be.
    fn edit(&self, change: impl FnOnce(&mut String, &mut String, &mut usize)) {
        let mut state = self.lock();
        if let Owner::Nobody = state.owner {
            state.owner = Owner::Line { prompt: String::new(), text: String::new(), cursor: 0 };
        }
        if let Owner::Line { prompt, text, cursor } = &mut state.owner {
            change(prompt, text, cursor);
        }
        self.changed.notify_all();
    }
}

impl State {
    /// What to write so that `lines` appear and the line being edited is below them; nothing if that
    /// cannot be done now.
    fn around<'l>(&self, lines: &'l str) -> Option<Cow<'l, str>> {
        match &self.owner {
            Owner::Nobody => Some(Cow::Borrowed(lines)),
            Owner::AcceptedLine => None,
            Owner::Line { prompt, text, cursor } => {
                if width_at_most(prompt)? + width_at_most(text)? >= self.columns {
                    return None;
                }
                let (before, after) = text.split_at_checked(*cursor)?;
                Some(Cow::Owned(format!(
                    "{ERASE_LINE}{lines}{prompt}{before}{SAVE_CURSOR}{after}{RESTORE_CURSOR}"
                )))
            }
        }
    }
}

/// Columns that `text` takes at most, if it stays on its row.
fn width_at_most(text: &str) -> Option<usize> {
    text.chars().map(|char| (!char.is_control()).then_some(if char.is_ascii() { 1 } else { 2 })).sum()
}

/// Listens in on the line editor.
pub(super) struct LineWatch(pub(super) Arc<Screen>);

impl Highlighter for LineWatch {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        self.0.edit(|drawn, _, _| prompt.clone_into(drawn));
        Cow::Borrowed(prompt)
    }

    fn highlight<'l>(&self, line: &'l str, position: usize) -> Cow<'l, str> {
        self.0.edit(|_, text, cursor| {
            line.clone_into(text);
            *cursor = position;
        });
        Cow::Borrowed(line)
    }

    /// Always: what is not drawn through here would be unknown here.
    fn highlight_char(&self, _line: &str, _position: usize, _kind: CmdKind) -> bool {
        true
    }
}

impl Validator for LineWatch {
    fn validate(&self, _line: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.0.lock().owner = Owner::AcceptedLine;
        Ok(ValidationResult::Valid(None))
    }
}

impl Completer for LineWatch {
    type Candidate = String;
}

impl Hinter for LineWatch {
    type Hint = String;
}

impl rustyline::Helper for LineWatch {}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(columns: usize) -> (Arc<Screen>, LineWatch) {
        let screen = Arc::new(Screen::default());
        screen.set_columns(columns);
        (Arc::clone(&screen), LineWatch(screen))
    }

    fn around(screen: &Screen) -> Option<String> {
        screen.lock().around("hi\n").map(Cow::into_owned)
    }

    #[test]
    fn a_message_goes_above_the_line_and_the_cursor_stays_where_it_was() {
        let (screen, watch) = screen(80);
        assert_eq!(around(&screen).unwrap(), "hi\n");
        watch.highlight_prompt("> ", true);
        watch.highlight("말 b", 3);
        assert_eq!(around(&screen).unwrap(), "\r\x1b[Khi\n> 말\x1b7 b\x1b8");
        screen.release();
        assert_eq!(around(&screen).unwrap(), "hi\n");
    }

    #[test]
    fn a_line_of_several_rows_is_left_alone() {
        let (screen, watch) = screen(10);
        watch.highlight_prompt("> ", true);
        for (line, fits) in
            [("1234567", true), ("12345678", false), ("말말말1", true), ("말말말말", false), ("a\nb", false)]
        {
            watch.highlight(line, 0);
            assert_eq!(around(&screen).is_some(), fits, "{line:?}");
        }
    }

    #[test]
    fn nothing_is_printed_between_a_line_and_its_end() {
        let (screen, watch) = screen(80);
        watch.highlight_prompt("> ", true);
        screen.lock().owner = Owner::AcceptedLine;
        watch.highlight("ping", 4);
        assert_eq!(around(&screen), None);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| screen.print(""));
            screen.release();
            waits.join().unwrap();
        });
    }
}
