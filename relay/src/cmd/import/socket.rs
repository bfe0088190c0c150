//! Import over a WebSocket: a window of EVENTs that wait for their OK.
//!
//! A dropped connection costs nothing but time: what was not answered is sent again, and counts when it is answered. An event
//! that the relay hangs up on (too large, say) is found by sending one at a time, and counts as refused.

use super::{
    ImportError, Plan,
    lines::{Line, Lines},
    tally::Tally,
    window::{Judged, Window},
};
use crate::{
    client::{Answer, Client, ClientError, Dialer},
    cmd::{progress::Progress, reconnect::Reconnect},
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Events in a row that may end in a hang-up before we stop blaming the events.
const HANG_UPS: u32 = 3;
/// How often the place is kept.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Sends every line and counts every answer.
pub async fn send(
    plan: &Plan<'_>,
    dialer: &Dialer,
    lines: Lines,
    tally: &mut Tally,
) -> Result<(), ImportError> {
    let mut import = Import {
        progress: Progress::new(lines.total),
        window: Window::new(usize::from(plan.arguments.window)),
        patience: plan.arguments.give_up_after.get(),
        dialer,
        lines,
        tally,
        plan,
        ended: false,
        notice: String::new(),
        kept: Instant::now(),
        hang_ups: 0,
    };
    let ended = import.run().await;
    import.progress.finish();
    if let Err(ImportError::HangsUp(_)) = ended {
        // The events may not be to blame: a later run tries them again.
        return ended;
    }
    ended.and(plan.keep(import.window.place()))
}

struct Import<'a> {
    plan: &'a Plan<'a>,
    dialer: &'a Dialer,
    patience: Duration,
    lines: Lines,
    tally: &'a mut Tally,
    window: Window,
    progress: Progress,
    ended: bool,
    notice: String,
    kept: Instant,
    hang_ups: u32,
}

enum Stop {
    /// The connection; another one may do.
    Connection(ClientError),
    /// The import.
    Import(ImportError),
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Connection(error)
    }
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

impl Import<'_> {
    async fn run(&mut self) -> Result<(), ImportError> {
        let mut reconnect = Reconnect::new(self.dialer, self.patience);
        loop {
            let mut client = match reconnect.connect().await {
                Ok(client) => client,
                Err(error) if !reconnect.has_connected() => {
                    return Err(ImportError::Unreached(error));
                }
                Err(error) => return Err(self.gave_up(error)),
            };
            let before = self.tally.total();
            match self.converse(&mut client).await {
                Ok(()) => {
                    client.close().await;
                    return Ok(());
                }
                Err(Stop::Import(error)) => return Err(error),
                Err(Stop::Connection(error)) => {
                    let progress = self.tally.total() > before;
                    self.dropped(&error, progress)?;
                    reconnect.lost(error, progress);
                }
            }
        }
    }

    /// One connection, until everything is answered or it breaks.
    async fn converse(&mut self, client: &mut Client) -> Result<(), Stop> {
        self.notice.clear();
        self.window.restart();
        let mut deadline = Instant::now() + self.patience;
        loop {
            self.fill(client).await?;
            if self.ended && self.window.is_empty() {
                return Ok(());
            }
            let (room, waiting) = (self.wants_lines(), self.window.waiting() > 0);
            let pause = self.window.pause();
            tokio::select! {
                text = client.next() => {
                    self.hear(&text?);
                    while let Some(text) = client.ready()? {
                        self.hear(&text);
                    }
                    deadline = Instant::now() + self.patience;
                    self.show()?;
                }
                line = self.lines.next(), if room => {
                    self.take(line)?;
                    if !waiting {
                        deadline = Instant::now() + self.patience;
                    }
                }
                () = sleep_until(pause.unwrap_or(deadline)), if pause.is_some() => {}
                () = sleep_until(deadline), if waiting => return Err(self.too_slow().into()),
            }
        }
    }

    /// Sends what there is room for, without waiting for the input.
    async fn fill(&mut self, client: &mut Client) -> Result<(), Stop> {
        loop {
            while let Some(text) = self.window.next_to_send() {
                client.feed(format!("[\"EVENT\",{text}]")).await?;
            }
            let line = if self.wants_lines() {
                self.lines.ready()
            } else {
                None
            };
            match line {
                Some(line) => self.take(Some(line))?,
                None => break,
            }
        }
        Ok(client.flush().await?)
    }

    fn wants_lines(&self) -> bool {
        !self.ended && self.window.has_room()
    }

    fn take(&mut self, line: Option<std::io::Result<Line>>) -> Result<(), ImportError> {
        match line {
            None => self.ended = true,
            Some(Ok(line)) => {
                let number = line.number();
                if let Err(verdict) = self.window.push(line) {
                    self.tally.refuse(number, &verdict.to_string());
                }
            }
            Some(Err(source)) => {
                return Err(ImportError::Input {
                    file: "the input".into(),
                    source,
                });
            }
        }
        Ok(())
    }

    fn hear(&mut self, text: &str) {
        match Answer::read(text) {
            Some(Answer::Ok {
                id,
                accepted,
                verdict,
            }) => {
                if let Judged::Ended(line) = self.window.judge(&id, accepted, &verdict) {
                    self.tally.answered(line, accepted, &verdict);
                    self.hang_ups = 0;
                }
            }
            Some(Answer::Notice(notice)) => self.notice = notice.into_owned(),
            _ => {}
        }
    }

    /// The connection broke: was it one event's fault?
    fn dropped(&mut self, error: &ClientError, progress: bool) -> Result<(), ImportError> {
        let Some(line) = self.window.suspect(error.is_too_large(), progress) else {
            return Ok(());
        };
        let words = if self.notice.is_empty() {
            format!("the relay hung up on it: {error}")
        } else {
            self.notice.clone()
        };
        self.tally.refuse(line, &words);
        self.hang_ups += 1;
        if self.hang_ups >= HANG_UPS && !error.is_too_large() {
            return Err(ImportError::HangsUp(self.hang_ups));
        }
        Ok(())
    }

    fn show(&mut self) -> Result<(), ImportError> {
        let (place, tally) = (self.window.place(), &self.tally);
        self.progress.at(place.byte, || {
            format!("{} events, {} refused", tally.total(), tally.refused())
        });
        if self.kept.elapsed() >= KEEP_EVERY {
            self.kept = Instant::now();
            self.keep_place()?;
        }
        Ok(())
    }

    fn keep_place(&self) -> Result<(), ImportError> {
        self.plan.keep(self.window.place())
    }

    fn too_slow(&self) -> ClientError {
        ClientError::TooSlow {
            url: self.dialer.url().to_string(),
            what: "answer an EVENT",
            after: self.patience,
        }
    }

    fn gave_up(&self, source: ClientError) -> ImportError {
        ImportError::GaveUp {
            line: self.window.place().line,
            source,
        }
    }
}
