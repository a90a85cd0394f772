//! `log`: lines tagged with the plugin, in the service's log and kept for whoever may see them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::{HasSelf, Linker};

use super::NowMs;
use crate::plugins::bindings::{Level, log};
use crate::plugins::call::CallState;
use crate::plugins::clocks::Clocks;
use crate::plugins::text::Secrets;

const LINES_PER_CALL: u32 = 100;
const BYTES_PER_LINE: usize = 2 * 1024;
/// Of a line in the service's log; a backtrace is longer than a plugin's own lines.
const SHOWN_BYTES: usize = 4 * 1024;
/// What is kept of each plugin.
const KEPT_LINES: usize = 200;

/// One line that a plugin wrote, or that the host wrote about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since 1970, UTC.
    pub at_ms: u64,
    pub level: Level,
    pub message: String,
}

/// The last lines of one plugin.
pub(in crate::plugins) struct Journal {
    plugin: String,
    now_ms: NowMs,
    lines: Mutex<VecDeque<LogLine>>,
}

impl Journal {
    pub(in crate::plugins) fn new(plugin: String, now_ms: NowMs) -> Self {
        Self { plugin, now_ms, lines: Mutex::default() }
    }

    /// Oldest first.
    pub(in crate::plugins) fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(in crate::plugins) fn write(&self, level: Level, message: String) {
        let shown = escaped(&message);
        let plugin = self.plugin.as_str();
        match level {
            Level::Debug => tracing::debug!(target: "plugin", plugin, "{shown}"),
            Level::Info => tracing::info!(target: "plugin", plugin, "{shown}"),
            Level::Warn => tracing::warn!(target: "plugin", plugin, "{shown}"),
            Level::Error => tracing::error!(target: "plugin", plugin, "{shown}"),
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(LogLine { at_ms: (self.now_ms)(), level, message });
    }
}

/// So that a line stays a line and no terminal obeys it. An escape is up to ten times as long as what it stands for,
/// so the bound holds for what comes out.
fn escaped(message: &str) -> String {
    let mut shown = String::with_capacity(message.len().min(SHOWN_BYTES));
    for c in message.chars() {
        let escape = c.escape_debug();
        if shown.len() + escape.clone().map(char::len_utf8).sum::<usize>() > SHOWN_BYTES {
            break;
        }
        shown.extend(escape);
    }
    shown
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(in crate::plugins) struct Log {
    journal: Arc<Journal>,
    left: u32,
    /// The last line of level error: the SDK's panic hook writes one before the guest traps.
    pub(in crate::plugins) last_error: Option<String>,
    /// What must not stand in a line.
    pub(in crate::plugins) secrets: Secrets,
    clocks: Clocks,
}

impl Log {
    pub(in crate::plugins) fn new(journal: Arc<Journal>, clocks: Clocks) -> Self {
        Self { journal, left: LINES_PER_CALL, last_error: None, secrets: Secrets::default(), clocks }
    }

    pub(in crate::plugins) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        log::add_to_linker::<_, HasSelf<Self>>(linker, |state| &mut state.log)
    }
}

impl log::Host for Log {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        // Whoever reads the service's log may be slow.
        let _works = self.clocks.host_works();
        let message = self.secrets.cut(message, BYTES_PER_LINE);
        if level == Level::Error {
            self.last_error = Some(message.clone());
        }
        match self.left {
            0 => return Ok(()),
            1 => self.journal.write(
                Level::Warn,
                format!("this call has written {LINES_PER_CALL} lines; what follows is left out"),
            ),
            _ => self.journal.write(level, message),
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::clocks;
    use log::Host as _;

    fn journal() -> Arc<Journal> {
        Arc::new(Journal::new("demo".to_owned(), Arc::new(|| 5)))
    }

    #[test]
    fn a_call_has_a_hundred_lines_of_two_kibibytes() {
        let journal = journal();
        let mut log = Log::new(Arc::clone(&journal), clocks());
        // "ü" has two bytes: the cut falls between characters.
        log.write(Level::Info, format!("x{}", "ü".repeat(2_000))).expect("it never fails");
        for _ in 0..300 {
            log.write(Level::Info, "more".to_owned()).expect("it never fails");
        }
        let lines = journal.lines();
        assert_eq!(lines.len(), 100);
        assert_eq!(lines[0].message.len(), 2_047);
        assert_eq!(lines[99].message, "this call has written 100 lines; what follows is left out");
    }

    #[test]
    fn a_secret_is_in_no_line_not_even_in_part() {
        let journal = journal();
        let mut log = Log::new(Arc::clone(&journal), clocks());
        log.secrets = Secrets::new(&["an-invitation-token"]);
        // The cut at 2 KiB falls into the second one.
        let message = format!("an-invitation-token {}an-invitation-token", "x".repeat(2_025));
        log.write(Level::Error, message).expect("it never fails");
        let line = format!("[removed] {}[removed]", "x".repeat(2_025));
        assert_eq!(journal.lines()[0].message, line);
        assert_eq!(log.last_error, Some(line));
    }

    #[test]
    fn an_escaped_line_is_bounded_as_it_is_shown() {
        assert_eq!(escaped("a\x1b[2J\u{202e}b\n"), "a\\u{1b}[2J\\u{202e}b\\n");
        let long = escaped(&"\u{202e}".repeat(2_000));
        assert_eq!((long.len(), long.ends_with('}')), (4_096, true));
    }

    #[test]
    fn the_journal_keeps_the_last_lines() {
        let journal = journal();
        for call in 0..5 {
            let mut log = Log::new(Arc::clone(&journal), clocks());
            for line in 0..60 {
                log.write(Level::Debug, format!("{call}.{line}")).expect("it never fails");
            }
        }
        let lines = journal.lines();
        assert_eq!(lines.len(), KEPT_LINES);
        let last = LogLine { at_ms: 5, level: Level::Debug, message: "4.59".to_owned() };
        assert_eq!(lines.last(), Some(&last));
    }

    #[test]
    fn a_panic_past_the_last_line_is_remembered() {
        let mut log = Log::new(journal(), clocks());
        for _ in 0..200 {
            log.write(Level::Info, "noise".to_owned()).expect("it never fails");
        }
        log.write(Level::Error, "panicked at lib.rs:3".to_owned()).expect("it never fails");
        assert_eq!(log.last_error.as_deref(), Some("panicked at lib.rs:3"));
    }
}
