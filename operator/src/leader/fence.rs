//! What keeps a holder whose time is up from writing: a clock that every request must pass.

use http::Request;
use kube::client::Body;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tower::{BoxError, filter::FilterLayer};

/// Until when we lead; clones share it. Closed at first.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    until: Arc<Mutex<Option<Instant>>>,
}

/// The time is up, or has not come.
#[derive(Debug, thiserror::Error)]
#[error("this operator does not lead")]
pub struct Closed;

impl Fence {
    /// Requests may pass until then.
    pub fn open_until(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// No request may pass from now on.
    pub fn close(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// For how long it is open.
    pub fn left(&self, now: Instant) -> Duration {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// May a request pass?
    pub fn check(&self, now: Instant) -> Result<(), Closed> {
        if self.left(now).is_zero() {
            return Err(Closed);
        }
        Ok(())
    }

    /// Around a client: even a process that was frozen, and wakes up in the middle of its work, writes nothing.
    pub fn layer(
        &self,
    ) -> FilterLayer<
        impl Fn(Request<Body>) -> Result<Request<Body>, BoxError> + Clone + Send + 'static,
    > {
        let fence = self.clone();
        FilterLayer::new(move |request| {
            fence.check(Instant::now())?;
            Ok(request)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_closed_at_first_open_for_a_time_and_closed_again() {
        let (fence, now) = (Fence::default(), Instant::now());
        assert!(fence.check(now).is_err());
        fence.open_until(now + Duration::from_secs(10));
        assert!(
            fence
                .clone()
                .check(now + Duration::from_millis(9_999))
                .is_ok()
        );
        assert!(fence.check(now + Duration::from_secs(10)).is_err());
        fence.open_until(now + Duration::from_secs(30));
        assert!(fence.check(now + Duration::from_secs(10)).is_ok());
        fence.close();
        assert!(fence.check(now).is_err());
    }
}
