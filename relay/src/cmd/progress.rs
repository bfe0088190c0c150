//! How far a long command has come: a bar on a terminal, otherwise a plain line every five seconds. Always on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fmt::Display,
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(5);
const REDRAW: Duration = Duration::from_millis(100);

/// The state of one bar.
#[derive(Debug)]
pub struct Progress {
    total: Option<u64>,
    bar: Option<ProgressBar>,
    shown: Instant,
}

impl Progress {
    /// A bar towards `total` steps, or a spinner when nobody knows how many there are.
    pub fn new(total: Option<u64>) -> Self {
        let bar = stderr().is_terminal().then(|| bar(total));
        Self {
            total,
            bar,
            shown: Instant::now(),
        }
    }

    /// We are at `step`; `words` say what that means. Cheap enough to be called per event.
    pub fn at<T: Display>(&mut self, step: u64, words: impl FnOnce() -> T) {
        let pause = if self.bar.is_some() { REDRAW } else { EVERY };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        match (&self.bar, self.total) {
            (Some(bar), _) => {
                bar.set_position(step);
                bar.set_message(words().to_string());
            }
            (None, Some(total)) => eprintln!("{} % · {}", step * 100 / total.max(1), words()),
            (None, None) => eprintln!("{}", words()),
        }
    }

    /// A line that stays, above the bar.
    pub fn say(&self, words: impl Display) {
        match &self.bar {
            Some(bar) => bar.println(words.to_string()),
            None => eprintln!("{words}"),
        }
    }

    /// Takes the bar away: the summary follows.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{bar:30} {percent:>3} % · {msg} · {elapsed_precise}, {eta} left",
        None => "{spinner} {msg} · {elapsed_precise}",
    };
    let style = ProgressStyle::with_template(template).expect("a fixed template");
    match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    }
    .with_style(style)
}
