//! Connecting again: quickly at first, then with growing pauses, and not for ever.

use crate::client::{Client, ClientError, Dialer};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Connections in a row that may break before they brought anything.
const FRUITLESS: u32 = 20;

/// Whom to call, and how patiently.
#[derive(Debug)]
pub struct Reconnect<'a> {
    dialer: &'a Dialer,
    patience: Duration,
    pause: Duration,
    connected: bool,
    fruitless: u32,
    last: Option<ClientError>,
}

impl<'a> Reconnect<'a> {
    /// Nobody has been called yet.
    pub fn new(dialer: &'a Dialer, patience: Duration) -> Self {
        Self {
            dialer,
            patience,
            pause: FIRST_PAUSE,
            connected: false,
            fruitless: 0,
            last: None,
        }
    }

    /// A connection. The first one must succeed at once, so that a mistyped URL is told at once; later ones may take `patience`.
    pub async fn connect(&mut self) -> Result<Client, ClientError> {
        let start = Instant::now();
        loop {
            if let Some(error) = self.last.take_if(|_| self.fruitless > FRUITLESS) {
                return Err(error);
            }
            if self.last.take().is_some() {
                sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            match Client::connect(self.dialer, self.patience).await {
                Ok(client) => {
                    self.connected = true;
                    return Ok(client);
                }
                Err(error) if !self.connected || start.elapsed() > self.patience => {
                    return Err(error);
                }
                Err(error) => self.last = Some(error),
            }
        }
    }

    /// Was there ever a connection?
    pub fn has_connected(&self) -> bool {
        self.connected
    }

    /// The connection brought something.
    pub fn progress(&mut self) {
        self.fruitless = 0;
        self.pause = FIRST_PAUSE;
    }

    /// A connection broke; `progress`: it had brought something.
    pub fn lost(&mut self, error: ClientError, progress: bool) {
        if progress {
            self.progress();
        } else {
            self.fruitless += 1;
        }
        self.last = Some(error);
    }
}
