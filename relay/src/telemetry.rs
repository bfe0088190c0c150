//! Log lines: to standard error, as text for people or one JSON object a line, with a level that changes while we run.

use relay_config::{cold::LogFormat, hot::LogLevel};
use std::{
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// Changes the level of the log (hot key `logLevel`).
#[derive(Clone, Debug)]
pub struct LevelHandle(reload::Handle<LevelFilter, Registry>);

impl LevelHandle {
    /// From now on lines below `level` are not written.
    pub fn set(&self, level: LogLevel) {
        // The only error is that the subscriber is gone, and then nobody writes lines.
        let _ = self.0.reload(filter(level));
    }
}

/// Starts the log of this process. A second call changes nothing but its own handle, so tests may call it too.
pub fn start(format: LogFormat, level: LogLevel) -> LevelHandle {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = match format {
        LogFormat::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    LevelHandle(handle)
}

/// Lets one line through in [`QUIET`]: what strangers can cause must not fill the log.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

/// Time between two lines of one [`Seldom`].
const QUIET: Duration = Duration::from_secs(10);

impl Seldom {
    /// May a line be written now?
    pub fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| at.elapsed() >= QUIET);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Lets so many lines through in [`QUIET`].
#[derive(Debug)]
pub struct Portion {
    most: u32,
    /// Since when it is counted, and how many were let through.
    state: Mutex<(Option<Instant>, u32)>,
}

impl Portion {
    /// Lets `most` lines through.
    pub fn new(most: u32) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    /// May a line be written now?
    pub fn is_due(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_none_or(|since| since.elapsed() >= QUIET) {
            *state = (Some(Instant::now()), 0);
        }
        let due = state.1 < self.most;
        state.1 += u32::from(due);
        due
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::{Portion, Seldom};

    #[test]
    fn one_line_in_a_while() {
        let seldom = Seldom::default();
        assert!(seldom.is_due());
        assert!(!seldom.is_due());
    }

    #[test]
    fn a_portion_of_lines_in_a_while() {
        let portion = Portion::new(2);
        assert!(portion.is_due() && portion.is_due());
        assert!(!portion.is_due() && !portion.is_due());
    }
}
