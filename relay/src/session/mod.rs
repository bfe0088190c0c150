//! One connection, one task, no locks held: reads frames in batches, answers in order, writes what is ready and flushes once.
//!
//! - [`run`] is the session's loop: [`Session::round`] says what happens in one turn of it
//! - `turns` keeps the order of answers, `outbox` what waits to be written, `life` the one timer
//! - `publish` is EVENT and AUTH with `judge` for a batch of them and `auth` for who is speaking, `subscribe` REQ and CLOSE
//!   with `scan` for what is stored, `frames` for what it finds and `room` for what its filters may take, `ask` COUNT
//! - `rights` says who may read and write, and makes all sessions ask again
//! - `mailbox` is where other threads leave their results; [`shared`] is what all sessions share
//! - `refusals` tells the log, seldom, what was refused; `leave` says goodbye
//!
//! A session never waits for a thread, a lock that is held long, or a disk: it leaves work and is woken with the result.

mod ask;
mod auth;
mod frames;
mod judge;
mod leave;
mod life;
mod mailbox;
mod outbox;
mod publish;
mod receive;
mod refusals;
mod rights;
mod room;
mod scan;
pub mod shared;
mod subscribe;
mod turns;
mod warmth;

pub use shared::{Pace, Parts, Shared};

use crate::{drain::DrainSignal, hub::Recipient, policy::network::network, wire::reply};
use ask::Asks;
use bytes::Bytes;
use futures::{Sink, SinkExt};
use leave::Ending;
use life::{Life, Sign};
use mailbox::{Letter, Mailbox};
use outbox::Outbox;
use publish::Publisher;
use rights::Enrolled;
use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use subscribe::Subscriptions;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};
use turns::{Turn, Turns};

/// A session that has been busy for this long lets others have the thread.
const BUSY: Duration = Duration::from_millis(1);

/// How a session's socket is set up: small buffers, because most connections are idle most of the time. One read takes no more
/// than the buffer holds: a frame of 64 KiB costs 130 µs to read, and would 95 with twice as much.
pub fn websocket_config(message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(1 << 10)
        .write_buffer_size(16 << 10)
        .max_message_size(Some(message_bytes))
        .max_frame_size(Some(message_bytes))
}

/// Serves one connection until it is closed, by either side. `address` is the client's, as far as trusted proxies tell.
pub fn run<S>(
    shared: Arc<Shared>,
    socket: WebSocketStream<S>,
    address: IpAddr,
    drain: DrainSignal,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    // Made here and not in the future: an async function would keep its arguments' place beside it.
    let mut session = Session::new(shared, socket, address);
    async move {
        let ending = {
            let goodbye = pin!(drain.turn());
            tokio::select! {
                ending = poll_fn(|cx| session.poll(cx)) => ending,
                () = goodbye => Ending::Drain,
            }
        };
        // Boxed: what only the last second needs is not kept ready for hours.
        Box::pin(session.leave(ending)).await;
    }
}

/// The state of one connection.
struct Session<S> {
    shared: Arc<Shared>,
    address: IpAddr,
    socket: WebSocketStream<S>,
    mailbox: Arc<Mailbox>,
    turns: Turns,
    publisher: Publisher,
    subscriptions: Subscriptions,
    asks: Asks,
    outbox: Outbox,
    life: Life,
    _enrolled: Enrolled,
    /// The generation of rights in which it was judged last.
    generation: u64,
    /// Messages in a row that were none.
    malformed: u8,
    /// The socket is not read: too much waits, or the session is leaving.
    deaf: bool,
    leaving: bool,
    /// Frames were given to the socket and not flushed.
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    fn new(shared: Arc<Shared>, socket: WebSocketStream<S>, address: IpAddr) -> Self {
        let recipient = Arc::new(Recipient::new(Arc::clone(&shared.role)));
        let mailbox = Mailbox::new(Arc::clone(&recipient), address);
        let mut outbox = Outbox::default();
        outbox.say(reply::auth(&mailbox.challenge.text()));
        Self {
            address,
            socket,
            turns: Turns::default(),
            publisher: Publisher::default(),
            subscriptions: Subscriptions::new(
                Arc::clone(&shared),
                Arc::clone(&mailbox),
                network(address),
            ),
            asks: Asks::new(Arc::clone(&shared), Arc::clone(&mailbox), network(address)),
            outbox,
            life: Life::new(shared.pace, Instant::now()),
            _enrolled: Enrolled::new(Arc::clone(&shared), recipient),
            generation: rights::NEVER,
            malformed: 0,
            deaf: false,
            leaving: false,
            unflushed: false,
            mailbox,
            shared,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        self.mailbox.recipient.register(cx.waker());
        let begin = Instant::now();
        while begin.elapsed() < BUSY {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(ending) => return Poll::Ready(ending),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does everything that can be done now. Says whether there is more to do already.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        let now = Instant::now();
        self.read_letters()?;
        let more_frames = self.read_frames(cx)?;
        self.take_turns();
        self.keep_to_rights();
        self.take_deliveries(now)?;
        self.write_frames(cx, now)?;
        let answered = self.publisher.start(cx, &self.shared, &self.mailbox);
        let found = self.subscriptions.start_slices(&mut self.outbox);
        let due = self.look_at_the_clock(cx, now)?;
        let hears_again = self.deaf && self.may_read();
        Ok(more_frames || answered || found || due || hears_again)
    }

    /// What other threads left.
    fn read_letters(&mut self) -> Result<(), Ending> {
        for letter in self.mailbox.take() {
            match letter {
                Letter::Judged(judged) => {
                    self.publisher.judged();
                    if judged.proved {
                        self.generation = rights::NEVER;
                    }
                    for (place, answer) in judged.answers {
                        self.turns.answer(place, answer);
                    }
                }
                Letter::Decided(decided) => {
                    for decided in decided {
                        let answer = decided.answer(&self.shared, &self.mailbox);
                        self.turns.answer(decided.place, answer);
                    }
                }
                Letter::Scanned(scan) => self.subscriptions.scanned(scan, &mut self.outbox),
                Letter::Counted(asking) => {
                    if let Some(turn) = self.asks.counted(asking) {
                        self.take_turn(turn);
                    }
                }
                Letter::Broken => {
                    return Err(Ending::close(CloseCode::Error, "a fault of the relay"));
                }
            }
        }
        Ok(())
    }

    /// Whoever's turn it is, up to the first EVENT that is not answered.
    fn take_turns(&mut self) {
        while let Some(turn) = self.turns.next() {
            self.take_turn(turn);
        }
    }

    fn take_turn(&mut self, turn: Turn) {
        match turn {
            Turn::Event => {}
            Turn::Say(frame) => self.outbox.say(frame),
            Turn::Counted(id, frame) => self.outbox.count(id, frame),
            Turn::Req(id, filters) => self.subscriptions.begin(id, filters, &mut self.outbox),
            Turn::Count(id, filters) => {
                if let Err(refused) = self.asks.begin(id, filters) {
                    self.take_turn(refused);
                }
            }
            Turn::Close(id) => self.subscriptions.end(&id),
            Turn::Refuse(id, closed) => {
                self.subscriptions.end(&id);
                self.outbox.say(closed);
            }
        }
    }

    /// Before anything is sent: are the rights still those under which it was read? Whoever lost the right to read keeps its
    /// connection, and nothing that waits for it; also before a full outbox counts as slow reading. What was given to the
    /// socket before cannot be taken back: its buffer, and one frame that did not fit any more.
    fn keep_to_rights(&mut self) {
        let generation = self.shared.roll.generation();
        if self.generation == generation {
            return;
        }
        self.generation = generation;
        let keys = self.mailbox.recipient.keys();
        if let Err(verdict) = self.shared.may_read(&keys) {
            self.outbox.withdraw(&verdict);
            self.subscriptions.withdraw(&verdict, &mut self.outbox);
            drop(self.mailbox.recipient.take(0));
        }
    }

    /// Live events. Alone, the first goes at once; what follows a flush too soon waits for company.
    fn take_deliveries(&mut self, now: Instant) -> Result<(), Ending> {
        if self.mailbox.recipient.is_empty() || (self.outbox.is_empty() && self.life.rests(now)) {
            return Ok(());
        }
        let taken = self.mailbox.recipient.take(self.outbox.live_bytes());
        let delivered = self.subscriptions.deliver(taken, &mut self.outbox);
        delivered.map_err(|_| Ending::SlowReader)
    }

    /// Gives the socket what it takes, and flushes once.
    fn write_frames(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Ending> {
        self.keep_to_rights();
        let waiting = self.outbox.live_bytes();
        let flows = self.feed(cx, now)?;
        if waiting > 0 {
            self.mailbox.recipient.set_unsent(self.outbox.live_bytes());
        }
        if flows && self.unflushed {
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(flushed) => {
                    flushed.map_err(|_| Ending::Gone)?;
                    self.unflushed = false;
                    self.life.flowing();
                }
                Poll::Pending => self.life.stalled(now),
            }
        }
        Ok(())
    }

    fn feed(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Ending> {
        while !self.outbox.is_empty() {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(ready) => {
                    ready.map_err(|_| Ending::Gone)?;
                    self.life.flowing();
                }
                Poll::Pending => {
                    self.life.stalled(now);
                    return Ok(false);
                }
            }
            if let Some((frame, live)) = self.outbox.next(&self.subscriptions) {
                self.socket
                    .start_send_unpin(frame)
                    .map_err(|_| Ending::Gone)?;
                self.unflushed = true;
                if live {
                    self.life.delivered(now);
                }
            }
        }
        Ok(true)
    }

    /// Says whether something became due that the next round does.
    fn look_at_the_clock(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Ending> {
        match self.life.poll(cx, now, !self.deaf) {
            Sign::None => Ok(false),
            Sign::Rested => Ok(true),
            Sign::Ping => {
                self.outbox.frame(Message::Ping(Bytes::new()));
                Ok(true)
            }
            Sign::Dead => {
                tracing::debug!(address = %self.address, "a client shows no sign of life");
                Err(Ending::Gone)
            }
        }
    }

    /// Too much that waits stops the reading: the client's socket fills, and it waits too.
    fn may_read(&self) -> bool {
        !self.leaving
            && self.outbox.has_room()
            && self.publisher.has_room()
            && self.turns.has_room()
            && self.mailbox.recipient.has_room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    fn size_of_future<F>(
        _run: fn(Arc<Shared>, WebSocketStream<TcpStream>, IpAddr, DrainSignal) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// What a connection costs before its first message, the buffers of its socket aside.
    #[test]
    fn an_idle_session_is_small() {
        let session = size_of_future(run::<TcpStream>);
        println!("{session}");
        assert!(session <= 1280, "{session} bytes");
    }
}
