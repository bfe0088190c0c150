//! How a session ends, and what the client is told.

use super::Session;
use crate::wire::{Verdict, reply, verdict::SHUTTING_DOWN};
use futures::{SinkExt, StreamExt};
use std::{future::poll_fn, task::Poll};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client is gone, or says goodbye itself.
    Gone,
    /// The client broke a rule.
    Close {
        /// The close code (RFC 6455 §7.4.1).
        code: CloseCode,
        /// What it did, in a few words.
        reason: &'static str,
        /// Said before, for people who do not see close codes.
        notice: Option<Verdict>,
    },
    /// The client does not read what it asked for.
    SlowReader,
    /// The process ends.
    Drain,
}

impl Ending {
    pub(super) fn close(code: CloseCode, reason: &'static str) -> Self {
        Self::Close {
            code,
            reason,
            notice: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Says goodbye as far as the client listens, within the time a goodbye may take.
    pub(super) async fn leave(&mut self, ending: Ending) {
        self.leaving = true;
        let patience = self.shared.pace.goodbye;
        let (code, reason) = match ending {
            Ending::Gone => return,
            Ending::Close {
                code,
                reason,
                notice,
            } => {
                let _ = timeout(patience, self.answer_events()).await;
                if let Some(verdict) = notice {
                    self.outbox.say(reply::notice(&verdict));
                }
                (code, reason)
            }
            Ending::SlowReader => {
                self.shared.metrics.slow_readers_dropped.inc();
                tracing::debug!(address = %self.address, "a slow reader is dropped");
                self.outbox.clear();
                (CloseCode::Policy, "too slow to read what was asked for")
            }
            Ending::Drain => {
                let _ = timeout(patience, self.answer_events()).await;
                let verdict = Verdict::error(SHUTTING_DOWN);
                for id in self.subscriptions.ids() {
                    self.outbox.say(reply::closed(id, &verdict));
                }
                (CloseCode::Restart, SHUTTING_DOWN)
            }
        };
        let _ = timeout(patience, self.close(code, reason)).await;
    }

    /// Events that were taken from the socket are still answered; no more are taken. The client may be gone meanwhile.
    async fn answer_events(&mut self) {
        poll_fn(|cx| {
            if self.turns.is_empty() {
                return Poll::Ready(());
            }
            self.poll(cx).map(|_ending| ())
        })
        .await;
    }

    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let last = Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }));
        loop {
            self.keep_to_rights();
            let Some((frame, _)) = self.outbox.next(&self.subscriptions) else {
                break;
            };
            if self.socket.feed(frame).await.is_err() {
                return;
            }
        }
        let socket = &mut self.socket;
        if socket.send(last).await.is_err() {
            return;
        }
        while let Some(Ok(_)) = socket.next().await {}
        read_to_the_end(socket.get_mut()).await;
    }
}

/// Unread bytes would make the kernel reset the connection, and the client might never see why it was closed.
async fn read_to_the_end<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) {
    let _ = socket.shutdown().await;
    let mut rest = [0; 512];
    while matches!(socket.read(&mut rest).await, Ok(read) if read > 0) {}
}
