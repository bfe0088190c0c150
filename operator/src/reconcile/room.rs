//! How many visits may hold large lists at the same time, and how many ConfigMaps may be read: those of all namespaces pass
//! through one process, whose memory is bounded. Whoever needs a seat waits for one, holds it until the lists are written, and
//! never needs a second.

use futures::AsyncBufReadExt;
use http::Request;
use kube::{Client, Error};
use serde::de::DeserializeOwned;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Visits with large lists at the same time. One may take 40 MB: 16 of sources, half as much on the way, entries and shards.
const SEATS: usize = 2;

/// Answers with ConfigMaps that are read at the same time. One may take 40 MB: two of a megabyte and a half, whose letters may
/// be six bytes each on the way, in a buffer that doubles, beside what is made of it. An answer that waits takes no memory of
/// ours: it has a connection of its own (kube speaks HTTP/1), and a visit waits for one at a time.
const ANSWERS: usize = 2;

/// How long an answer that is read may bring nothing more: then others get its place.
const SILENCE: Duration = Duration::from_secs(5);

/// Where visits with large lists sit.
#[derive(Debug)]
pub struct Room {
    seats: Arc<Semaphore>,
    answers: Semaphore,
    silence: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            seats: Arc::new(Semaphore::new(SEATS)),
            answers: Semaphore::new(ANSWERS),
            silence: SILENCE,
        }
    }
}

/// The right to hold large lists, as long as this lives.
#[derive(Clone, Debug)]
pub struct Seat {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Room {
    /// Waits for a seat; the first come is the first served.
    pub async fn seat(&self) -> Seat {
        let permit = self.seats.clone().acquire_owned().await;
        let permit = permit.expect("this semaphore is never closed");
        Seat {
            _permit: Arc::new(permit),
        }
    }

    /// Waits for a seat where one is needed and none is held.
    pub async fn seat_if(&self, needed: bool, held: Option<Seat>) -> Option<Seat> {
        match held {
            None if needed => Some(self.seat().await),
            held => held,
        }
    }

    /// Asks for ConfigMaps, and reads the answer when few others are read. A question that nobody answers holds nobody up.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        client: &Client,
        question: Request<Vec<u8>>,
    ) -> Result<T, Error> {
        let answer = client.request_stream(question).await?;
        let permit = self.answers.acquire().await;
        let _permit = permit.expect("this semaphore is never closed");
        let (mut answer, mut text) = (pin!(answer), Vec::new());
        loop {
            let more = timeout(self.silence, answer.fill_buf()).await;
            let more = more.map_err(|_| Error::Service("the answer stalls".into()))?;
            let more = more.map_err(|why| why.downcast().unwrap_or_else(Error::ReadEvents))?;
            if more.is_empty() {
                break;
            }
            text.extend_from_slice(more);
            let taken = more.len();
            answer.consume_unpin(taken);
        }
        serde_json::from_slice(&text).map_err(Error::SerdeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::{
        FutureExt, StreamExt,
        future::{join_all, pending},
        stream,
    };
    use http::Response;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use std::io;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(10);

    /// A server that answers by path: never, or with a text that comes at once, never ends, or breaks.
    fn server() -> Client {
        let answer = |request: Request<Body>| async move {
            let text = stream::iter([Ok(Frame::data(Bytes::from("{}")))]);
            let cut = stream::iter([Err(io::Error::other("cut"))]);
            let text = match request.uri().path() {
                "/silent" => return pending().await,
                "/stalled" => text.chain(stream::pending()).boxed(),
                "/broken" => text.chain(cut).boxed(),
                _ => text.boxed(),
            };
            Ok::<_, io::Error>(Response::new(StreamBody::new(text)))
        };
        Client::new(tower::service_fn(answer), "here")
    }

    fn question(path: &str) -> Request<Vec<u8>> {
        Request::get(path).body(Vec::new()).unwrap()
    }

    #[tokio::test]
    async fn two_answers_are_read_and_the_third_waits_and_no_answer_takes_no_place() {
        let (room, client) = (Room::default(), server());
        let ask = |path| Box::pin(room.ask::<ConfigMap>(&client, question(path)));
        let mut silent = [(); 3].map(|()| ask("/silent"));
        assert!(silent.iter_mut().all(|it| it.now_or_never().is_none()));
        assert!(timeout(LONG, ask("/")).await.is_ok());
        let mut two = [(); 2].map(|()| ask("/stalled"));
        join_all(two.iter_mut().map(|it| timeout(SOON, it))).await;
        assert!(timeout(SOON, ask("/")).await.is_err());
        drop(two);
        assert!(timeout(LONG, ask("/")).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_stalls_gives_its_place_back() {
        let (client, room) = (server(), Room::default());
        let room = Room {
            silence: SOON,
            ..room
        };
        let ask = |path| Box::pin(room.ask::<ConfigMap>(&client, question(path)));
        let stalled = [(); 3].map(|()| timeout(LONG, ask("/stalled")));
        for answer in join_all(stalled).await {
            let why = answer.unwrap().unwrap_err().to_string();
            assert_eq!(why, "ServiceError: the answer stalls");
        }
        assert!(timeout(LONG, ask("/")).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_breaks_is_an_error_in_its_own_words() {
        let (room, client) = (Room::default(), server());
        let asked = room.ask::<ConfigMap>(&client, question("/broken")).await;
        let why = asked.unwrap_err().to_string();
        assert_eq!(why, "ServiceError: cut");
    }

    #[test]
    fn two_sit_and_the_third_waits_until_one_is_gone() {
        let room = Room::default();
        let seat = || room.seat().now_or_never();
        let (first, second) = (seat(), seat());
        assert!(first.is_some() && second.is_some() && seat().is_none());
        let copy = first.clone();
        drop(first);
        assert!(seat().is_none());
        drop(copy);
        assert!(seat().is_some());
    }
}
