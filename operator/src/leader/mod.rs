//! One operator of several works: who holds a Lease. The others stand by.
//!
//! The lease is only written by compare-and-swap (KEP-589: PUT with the resourceVersion that was read), its expiry is
//! judged by our own monotonic clock ([`election`]), and whoever holds it stops before anybody else may begin
//! ([`fence`]): a holder that could not renew for [`Terms::renew`] drops its work and the process exits.
//!
//! What must never happen here: a merge patch of the lease, and a comparison with somebody else's wall clock.

pub mod election;
pub mod fence;

use crate::{
    admin::Health,
    metrics::Metrics,
    reconcile::{backoff::spread, error::words},
};
use election::{Election, Now, Step, Terms};
use fence::Fence;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Why the work was dropped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Lost {
    /// Nobody else has it yet, and nobody may have it while we work.
    #[error(
        "the lease {0} could not be renewed in time: everything is dropped before another operator begins"
    )]
    Overdue(String),
    /// Somebody took it: it was given away or deleted behind our back.
    #[error("the lease {0} is held by another operator")]
    Taken(String),
}

/// Where the lease is and who asks for it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The operator's own namespace.
    pub namespace: String,
    /// The lease's name: operators that must not work at once share it.
    pub lease: String,
    /// Our name in it: no other process has it at the same time.
    pub identity: String,
    /// How long everything may take.
    pub terms: Terms,
}

/// Takes part in the election of a leader.
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    terms: Terms,
    election: Election,
    fence: Fence,
    metrics: Metrics,
}

/// What one look at the lease came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Ours,
    Theirs,
    /// Somebody wrote between our look and our write.
    Contended,
}

impl Candidate {
    /// `client` must not go through the fence: a holder that is late may still renew.
    pub fn new(client: Client, seat: Seat, metrics: Metrics) -> Self {
        Self {
            leases: Api::namespaced(client, &seat.namespace),
            name: seat.lease,
            terms: seat.terms,
            election: Election::new(seat.identity, seat.terms),
            fence: Fence::default(),
            metrics,
        }
    }

    /// What the client of the work must pass: closed while we do not lead.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Stands by, then works while it leads. After `stop`, `work` must end by itself; then the lease is given back.
    pub async fn lead<F: Future<Output = ()>>(
        mut self,
        health: &Health,
        stop: &CancellationToken,
        work: impl FnOnce() -> F,
    ) -> Result<(), Lost> {
        let turn = stop.run_until_cancelled(self.stand_by(health)).await;
        if turn.is_none() {
            return Ok(());
        }
        tracing::info!(lease = self.name, "leading");
        health.set_working(false); // until the work says that it does
        self.metrics.leader(true);
        let done = {
            let mut work = pin!(work());
            tokio::select! {
                biased;
                lost = self.keep() => Err(lost),
                () = &mut work => Ok(()),
            }
        }; // here the work is dropped
        self.fence.close();
        self.metrics.leader(false);
        health.set_working(false);
        if done.is_ok() {
            self.give_back().await;
        }
        done
    }

    /// Until the lease is ours. A standby is ready once it could look: it can take over.
    async fn stand_by(&mut self, health: &Health) {
        loop {
            match self.look().await {
                Ok(Turn::Ours) => return,
                Ok(_) => health.set_working(true),
                Err(why) => tracing::warn!(lease = self.name, why, "the lease cannot be had"),
            }
            sleep(spread(self.terms.retry, 0.2, rand::random())).await;
        }
    }

    /// Renews until that fails for too long.
    async fn keep(&mut self) -> Lost {
        loop {
            let pause = match self.look().await {
                Ok(Turn::Ours) => self.terms.retry,
                Ok(Turn::Theirs) => return Lost::Taken(self.name.clone()),
                Ok(Turn::Contended) => self.terms.retry / 10,
                Err(why) => {
                    tracing::warn!(lease = self.name, why, "the lease is not renewed");
                    self.terms.retry / 2
                }
            };
            let left = self.fence.left(Instant::now());
            sleep(pause.min(left)).await;
            if self.fence.left(Instant::now()).is_zero() {
                return Lost::Overdue(self.name.clone());
            }
        }
    }

    /// One look and, where it is called for, one write; never longer than half of what a holder may be late.
    async fn look(&mut self) -> Result<Turn, String> {
        let left = match self.fence.left(Instant::now()) {
            Duration::ZERO => self.terms.renew,
            left => left,
        };
        match timeout(left.min(self.terms.renew / 2), self.exchange()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Turn::Contended),
            Ok(Err(why)) => Err(words(&why)),
            Err(_) => Err("the API server does not answer".to_owned()),
        }
    }

    async fn exchange(&mut self) -> kube::Result<Turn> {
        let found = self.leases.get_opt(&self.name).await?;
        // Taken before the write: whoever waits for us to expire starts to count later.
        let now = Now::read();
        match self.election.step(&self.name, found.as_ref(), &now) {
            Step::Wait => return Ok(Turn::Theirs),
            Step::Create(lease) => self.leases.create(&PostParams::default(), &lease).await?,
            Step::Replace(lease) => self.write(&lease).await?,
        };
        self.fence.open_until(now.monotonic + self.terms.renew);
        Ok(Turn::Ours)
    }

    async fn write(&self, lease: &Lease) -> kube::Result<Lease> {
        self.leases
            .replace(&self.name, &PostParams::default(), lease)
            .await
    }

    /// The next one need not wait for the lease to expire.
    async fn give_back(&mut self) {
        let exchange = async {
            let found = self.leases.get_opt(&self.name).await?;
            match self.election.release(found.as_ref(), &Now::read()) {
                Some(lease) => self.write(&lease).await.map(|_| ()),
                None => Ok(()),
            }
        };
        match timeout(self.terms.renew / 2, exchange).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "given back"),
            Ok(Err(why)) => {
                let why = words(&why);
                tracing::warn!(lease = self.name, why, "the lease is left to expire");
            }
            Err(_) => tracing::warn!(lease = self.name, "the lease is left to expire"),
        }
    }
}
