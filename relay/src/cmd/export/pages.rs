//! Export from a running relay: page after page, newest first, over as many connections as it takes.

use super::{
    Arguments, ExportError,
    cursor::{Cursor, Row, Turn},
    output::Output,
    second::Parts,
    spans::Spans,
};
use crate::{
    client::{
        Answer, Client, ClientError, Dialer,
        answer::{is_goodbye, prefix},
    },
    clock::{Clock, SystemClock},
    cmd::{progress::Progress, reconnect::Reconnect},
    wire::{Prefix, kind},
};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Events of one answer that we are ready to hold.
const PAGE_MOST: usize = 200_000;
/// Pause after `rate-limited:`.
const LATER: Duration = Duration::from_secs(1);
/// How often one page may be refused with `rate-limited:`.
const REFUSALS: u32 = 60;

/// What an export brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Events written by this run.
    pub events: u64,
    /// What the relay holds and does not show, in words.
    pub hidden: Vec<String>,
}

/// Writes everything that matches.
pub async fn export(arguments: &Arguments, dialer: &Dialer) -> Result<Exported, ExportError> {
    let mut reconnect = Reconnect::new(dialer, arguments.give_up_after.get());
    // Before the file is made: a mistyped URL leaves nothing behind.
    let client = reconnect.connect().await.map_err(ExportError::Unreached)?;
    let (output, cursor) = if arguments.resume {
        Output::resume(&arguments.file)?
    } else {
        (Output::create(&arguments.file)?, Cursor::default())
    };
    let mut filter = arguments.filter.0.clone();
    let limit = filter.remove("limit").and_then(|limit| limit.as_u64());
    let since = filter.remove("since").and_then(|since| since.as_u64());
    let mut walk = Walk {
        relay: Pages {
            reconnect,
            client: Some(client),
            patience: arguments.give_up_after.get(),
        },
        limit: limit.unwrap_or(u64::MAX),
        page: arguments.page,
        filter,
        cursor,
        spans: Spans::new(since.unwrap_or(0)),
        output,
        progress: Progress::new(limit),
        hidden: Vec::new(),
    };
    let walked = walk.run().await;
    walk.progress.finish();
    let events = walk.output.finish()?;
    walked?;
    Ok(Exported {
        events,
        hidden: walk.hidden,
    })
}

struct Walk<'a> {
    relay: Pages<'a>,
    filter: Map<String, Value>,
    page: u32,
    limit: u64,
    cursor: Cursor,
    spans: Spans,
    output: Output,
    progress: Progress,
    hidden: Vec<String>,
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), ExportError> {
        loop {
            let page = self.relay.page(&self.next_filter()).await?;
            let (wanted, has_more) = match self.cursor.turn(page.rows, page.finished) {
                Turn::New(rows) => (self.write(rows)?, true),
                Turn::End(rows) => (self.write(rows)?, self.next_span()),
                Turn::Silent => {
                    let halved = self.spans.divide(self.until(), SystemClock.now());
                    (true, halved || self.next_span())
                }
                Turn::Stuck(second) => {
                    let wanted = self.take_apart(second, page.count).await?;
                    (wanted, self.step_over() || self.next_span())
                }
            };
            if !wanted {
                return Ok(());
            }
            if !has_more {
                return self.tell_hidden().await;
            }
        }
    }

    /// On to the time before the one that is done. `false` when that was the last.
    fn next_span(&mut self) -> bool {
        let until = self.spans.next_until();
        until.is_some_and(|until| {
            self.cursor.go_to(until);
            true
        })
    }

    /// On to the second before, if it belongs to the span.
    fn step_over(&mut self) -> bool {
        let until = self.cursor.step_over().then(|| self.cursor.until());
        until.flatten() >= Some(self.spans.since())
    }

    /// The newest second that may come.
    fn until(&self) -> Option<u64> {
        let asked = self.filter.get("until").and_then(Value::as_u64);
        match (asked, self.cursor.until()) {
            (Some(asked), Some(until)) => Some(asked.min(until)),
            (asked, until) => asked.or(until),
        }
    }

    fn next_filter(&self) -> Map<String, Value> {
        let mut filter = self.filter.clone();
        if self.spans.since() > 0 {
            filter.insert("since".into(), self.spans.since().into());
        }
        if let Some(until) = self.until() {
            filter.insert("until".into(), until.into());
        }
        filter.insert("limit".into(), self.page.into());
        filter
    }

    /// Everything that is shown was written: what is there besides?
    async fn tell_hidden(&mut self) -> Result<(), ExportError> {
        if let Some((oldest, newest)) = self.spans.silent() {
            let newest = match newest {
                u64::MAX => "the newest".to_owned(),
                second => second.to_string(),
            };
            self.hide(format!(
                "created_at {oldest} to {newest}: the relay has more and shows none of it: events for others, or it takes it too long"
            ));
        }
        let Some(mut filter) = self.gift_wraps() else {
            return Ok(());
        };
        filter.insert("limit".into(), 1.into());
        match self.relay.page(&filter).await {
            Ok(_) => {}
            Err(ExportError::Refused(verdict)) => self.hide(format!(
                "gift wraps (kind {}): the relay shows them only to those whom they name: {verdict}",
                kind::GIFT_WRAPS[0]
            )),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// The filter's part that asks for stored gift wraps, which an answer to all of it leaves out in silence (NIP-59). `None` when it
    /// asks for no gift wraps, for nothing else (that is refused at once), or for ids.
    fn gift_wraps(&self) -> Option<Map<String, Value>> {
        let wraps = Value::from(kind::GIFT_WRAPS[0]);
        let is_part = match self.filter.get("kinds").and_then(Value::as_array) {
            Some(kinds) => kinds.contains(&wraps) && kinds.len() > 1,
            None => !self.filter.contains_key("ids"),
        };
        is_part.then(|| {
            let mut filter = self.filter.clone();
            filter.insert("kinds".into(), vec![wraps].into());
            filter
        })
    }

    fn hide(&mut self, words: String) {
        self.progress.say(&words);
        self.hidden.push(words);
    }

    /// Asks for the rest of a second that is larger than a page; `count` is how many events the relay shows at a time.
    async fn take_apart(&mut self, second: u64, count: usize) -> Result<bool, ExportError> {
        let mut parts = Parts::new(&self.filter, second);
        while let Some((part, mut filter)) = parts.take() {
            filter.insert("limit".into(), self.page.into());
            let page = self.relay.page(&filter).await?;
            let cut = self.cursor.is_cut(page.count, page.finished);
            let new = self.cursor.take_second(page.rows);
            if !self.write(new)? {
                return Ok(false);
            }
            let divided = if cut { parts.divide(part) } else { Ok(()) };
            if let Err(what) = divided {
                self.hide(format!(
                    "created_at {second}: more events of {what} than the {count} that the relay shows of one REQ"
                ));
            }
        }
        Ok(true)
    }

    /// `false` when enough has been written, or nobody reads any more.
    fn write(&mut self, rows: Vec<Row>) -> Result<bool, ExportError> {
        let oldest = rows.last().map(|row| row.created_at);
        for row in rows {
            if self.output.events >= self.limit || !self.output.write(row.text.as_bytes())? {
                return Ok(false);
            }
        }
        let events = self.output.events;
        self.progress.at(events, || {
            match oldest.and_then(|at| jiff::Timestamp::from_second(i64::try_from(at).ok()?).ok()) {
                Some(time) => format!("{events} events, back to {time}"),
                None => format!("{events} events"),
            }
        });
        self.output.flush()
    }
}

/// The answer to one REQ.
struct Page {
    rows: Vec<Row>,
    /// Events in it, readable or not.
    count: usize,
    finished: Option<bool>,
}

/// Asks for pages, over a new connection where the old one broke.
struct Pages<'a> {
    reconnect: Reconnect<'a>,
    client: Option<Client>,
    patience: Duration,
}

enum Stop {
    Connection(ClientError),
    RateLimited(String),
    Export(ExportError),
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Connection(error)
    }
}

impl Pages<'_> {
    async fn page(&mut self, filter: &Map<String, Value>) -> Result<Page, ExportError> {
        let request = format!("[\"REQ\",\"export\",{}]", Value::Object(filter.clone()));
        let mut refusals = 0;
        loop {
            let client = match self.client.take() {
                Some(client) => client,
                None => self.reconnect.connect().await?,
            };
            let client = self.client.insert(client);
            match ask(client, &request, self.patience).await {
                Ok(page) => {
                    self.reconnect.progress();
                    return Ok(page);
                }
                Err(Stop::Connection(error)) => {
                    self.client = None;
                    self.reconnect.lost(error, false);
                }
                Err(Stop::RateLimited(verdict)) if refusals >= REFUSALS => {
                    return Err(ExportError::Refused(verdict));
                }
                Err(Stop::RateLimited(_)) => {
                    refusals += 1;
                    sleep(LATER).await;
                }
                Err(Stop::Export(error)) => return Err(error),
            }
        }
    }
}

async fn ask(client: &mut Client, request: &str, patience: Duration) -> Result<Page, Stop> {
    client.send(request.to_owned()).await?;
    let mut page = Page {
        rows: Vec::new(),
        count: 0,
        finished: None,
    };
    loop {
        let text = timeout(patience, client.next())
            .await
            .map_err(|_| ClientError::Lost("no answer to a REQ".into()))??;
        match Answer::read(&text) {
            Some(Answer::Event { event, .. }) => {
                page.count += 1;
                page.rows.extend(Row::read(event));
                if page.count > PAGE_MOST {
                    return Err(Stop::Export(ExportError::Endless(PAGE_MOST)));
                }
            }
            Some(Answer::Eose { finished, .. }) => {
                page.finished = finished;
                client.send(r#"["CLOSE","export"]"#).await?;
                return Ok(page);
            }
            Some(Answer::Closed { verdict, .. })
                if prefix(&verdict) == Some(Prefix::RateLimited) =>
            {
                return Err(Stop::RateLimited(verdict.into_owned()));
            }
            Some(Answer::Closed { verdict, .. }) if is_goodbye(&verdict) => {
                return Err(ClientError::Lost(verdict.into_owned()).into());
            }
            Some(Answer::Closed { verdict, .. }) => {
                return Err(Stop::Export(ExportError::Refused(verdict.into_owned())));
            }
            _ => {}
        }
    }
}
