//! Whose turn it is, from what was read of the lease and when. Pure: time comes in from outside.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use std::time::{Duration, Instant};

/// How long everything may take. `lease` > `renew` > `retry`: between the first two lies the time in which nobody works.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// A lease that does not change for so long is free.
    pub lease: Duration,
    /// A holder that could not renew for so long stops.
    pub renew: Duration,
    /// Between two looks.
    pub retry: Duration,
}

impl Default for Terms {
    /// As the controllers of Kubernetes itself have them.
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// The longest lease of another that is believed.
const LONGEST: Duration = Duration::from_secs(300);

/// Both clocks at one moment. Only the monotonic one decides; the other is for people who read the lease.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Never set by anybody.
    pub monotonic: Instant,
    /// Jumps whenever somebody sets it.
    pub wall: Timestamp,
}

impl Now {
    /// Now.
    pub fn read() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: Timestamp::now(),
        }
    }
}

/// What to do about the lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It is somebody else's.
    Wait,
    /// There is none: POST this.
    Create(Box<Lease>),
    /// It is ours or free: PUT this, with the resourceVersion that it carries.
    Replace(Box<Lease>),
}

/// One candidate's view of the lease.
#[derive(Debug)]
pub struct Election {
    identity: String,
    terms: Terms,
    seen: Option<Seen>,
}

/// A record, and when we first saw it so.
#[derive(Debug)]
struct Seen {
    record: LeaseSpec,
    since: Instant,
}

impl Election {
    /// `identity` must be nobody else's.
    pub fn new(identity: String, terms: Terms) -> Self {
        Self {
            identity,
            terms,
            seen: None,
        }
    }

    /// What a look at the lease called `name` calls for.
    pub fn step(&mut self, name: &str, found: Option<&Lease>, now: &Now) -> Step {
        let Some(found) = found else {
            self.seen = None;
            let metadata = ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            };
            return Step::Create(Box::new(Lease {
                metadata,
                spec: Some(self.record(None, now)),
            }));
        };
        let record = found.spec.clone().unwrap_or_default();
        let quiet = self.quiet(&record, now.monotonic);
        let holder = record.holder_identity.as_deref().unwrap_or_default();
        if holder != self.identity && !holder.is_empty() && quiet < duration(&record, self.terms) {
            return Step::Wait;
        }
        let spec = self.record(Some(&record), now);
        Step::Replace(Box::new(with(found, spec)))
    }

    /// The lease as it is when nobody holds it, if it is ours.
    pub fn release(&self, found: Option<&Lease>, now: &Now) -> Option<Lease> {
        let found = found?;
        let record = found.spec.as_ref()?;
        if record.holder_identity.as_ref() != Some(&self.identity) {
            return None;
        }
        let mut spec = record.clone();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(now.wall));
        Some(with(found, spec))
    }

    /// For how long has the record been what it is, by our own clock?
    fn quiet(&mut self, record: &LeaseSpec, now: Instant) -> Duration {
        match &self.seen {
            Some(seen) if seen.record == *record => now.saturating_duration_since(seen.since),
            _ => {
                self.seen = Some(Seen {
                    record: record.clone(),
                    since: now,
                });
                Duration::ZERO
            }
        }
    }

    fn record(&self, before: Option<&LeaseSpec>, now: &Now) -> LeaseSpec {
        let ours = |before: &&LeaseSpec| before.holder_identity.as_ref() == Some(&self.identity);
        let acquired = before.filter(ours).and_then(|it| it.acquire_time.clone());
        let transitions = before.and_then(|it| it.lease_transitions).unwrap_or(0);
        let changed = before.is_some_and(|before| !ours(&before));
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(
                i32::try_from(self.terms.lease.as_secs()).unwrap_or(i32::MAX),
            ),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now.wall))),
            renew_time: Some(MicroTime(now.wall)),
            lease_transitions: Some(transitions.saturating_add(i32::from(changed))),
            ..LeaseSpec::default()
        }
    }
}

/// How long its holder said that it lasts.
fn duration(record: &LeaseSpec, terms: Terms) -> Duration {
    let said = record
        .lease_duration_seconds
        .and_then(|it| u64::try_from(it).ok());
    match said {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds).min(LONGEST),
        _ => terms.lease,
    }
}

fn with(found: &Lease, spec: LeaseSpec) -> Lease {
    Lease {
        metadata: found.metadata.clone(),
        spec: Some(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that tests hold, and the lease as the API server would keep it.
    struct Scene {
        now: Now,
        lease: Option<Lease>,
        version: u32,
    }

    fn scene() -> Scene {
        let now = Now {
            monotonic: Instant::now(),
            wall: Timestamp::UNIX_EPOCH,
        };
        Scene {
            now,
            lease: None,
            version: 0,
        }
    }

    fn candidate(name: &str) -> Election {
        Election::new(name.to_owned(), Terms::default())
    }

    impl Scene {
        fn pass(&mut self, seconds: u64) {
            self.now.monotonic += Duration::from_secs(seconds);
        }

        /// The wall clock is set; the monotonic one does not care.
        fn set_wall(&mut self, seconds: i64) {
            self.now.wall = Timestamp::from_second(seconds).unwrap();
        }

        /// One look and one write.
        fn turn(&mut self, candidate: &mut Election) -> bool {
            match candidate.step("it", self.lease.as_ref(), &self.now) {
                Step::Wait => false,
                Step::Create(lease) | Step::Replace(lease) => {
                    self.store(*lease);
                    true
                }
            }
        }

        fn store(&mut self, mut lease: Lease) {
            self.version += 1;
            lease.metadata.resource_version = Some(self.version.to_string());
            self.lease = Some(lease);
        }

        fn spec(&self) -> LeaseSpec {
            self.lease.clone().unwrap().spec.unwrap()
        }
    }

    #[test]
    fn the_first_takes_it_the_second_waits_until_it_was_quiet_for_the_whole_term() {
        let (mut scene, mut a, mut b) = (scene(), candidate("a"), candidate("b"));
        assert!(scene.turn(&mut a));
        assert!(!scene.turn(&mut b));
        scene.pass(14);
        assert!(!scene.turn(&mut b));
        scene.pass(1);
        assert!(scene.turn(&mut b));
        assert_eq!(scene.spec().holder_identity.as_deref(), Some("b"));
        assert_eq!(scene.spec().lease_transitions, Some(1));
    }

    #[test]
    fn a_lease_that_is_renewed_is_never_free() {
        let (mut scene, mut a, mut b) = (scene(), candidate("a"), candidate("b"));
        for second in 0..100 {
            scene.set_wall(second);
            assert!(scene.turn(&mut a));
            assert!(!scene.turn(&mut b));
            scene.pass(10);
        }
        assert_eq!(scene.spec().lease_transitions, Some(0));
        assert_eq!(
            scene.spec().acquire_time,
            Some(MicroTime(Timestamp::UNIX_EPOCH))
        );
    }

    #[test]
    fn wall_clocks_decide_nothing() {
        let (mut scene, mut a, mut b) = (scene(), candidate("a"), candidate("b"));
        scene.set_wall(4_000_000_000);
        assert!(scene.turn(&mut a));
        assert!(!scene.turn(&mut b));
        // b's clock is fifty years behind, then ahead: only 15 seconds that it lived through itself count.
        for wall in [0, 9_000_000_000, -9_000_000_000] {
            scene.set_wall(wall);
            scene.pass(4);
            assert!(!scene.turn(&mut b));
        }
        scene.pass(3);
        assert!(scene.turn(&mut b));
    }

    #[test]
    fn who_comes_late_counts_from_its_own_first_look() {
        let (mut scene, mut a, mut late) = (scene(), candidate("a"), candidate("late"));
        assert!(scene.turn(&mut a));
        scene.pass(1_000);
        assert!(!scene.turn(&mut late), "it has not seen that a is dead");
        scene.pass(15);
        assert!(scene.turn(&mut late));
    }

    #[test]
    fn what_is_given_back_is_free_at_once_and_only_its_holder_gives_it_back() {
        let (mut scene, mut a, mut b) = (scene(), candidate("a"), candidate("b"));
        assert!(scene.turn(&mut a));
        assert_eq!(b.release(scene.lease.as_ref(), &scene.now), None);
        assert!(!scene.turn(&mut b));
        let free = a.release(scene.lease.as_ref(), &scene.now).unwrap();
        assert_eq!(
            free.metadata.resource_version.as_deref(),
            Some("1"),
            "by compare-and-swap"
        );
        scene.store(free);
        assert!(scene.turn(&mut b));
        assert!(!scene.turn(&mut a));
    }

    #[test]
    fn a_process_that_is_started_again_under_its_name_need_not_wait() {
        let (mut scene, mut a) = (scene(), candidate("a"));
        assert!(scene.turn(&mut a));
        assert!(scene.turn(&mut candidate("a")));
        assert_eq!(scene.spec().lease_transitions, Some(0));
    }

    #[test]
    fn another_s_longer_term_is_respected_and_an_absurd_one_is_not() {
        for (said, wait) in [
            (Some(60), 60),
            (Some(3), 3),
            (Some(0), 15),
            (Some(-9), 15),
            (None, 15),
            (Some(i32::MAX), 300),
        ] {
            let (mut scene, mut a, mut b) = (scene(), candidate("a"), candidate("b"));
            assert!(scene.turn(&mut a));
            scene
                .lease
                .as_mut()
                .unwrap()
                .spec
                .as_mut()
                .unwrap()
                .lease_duration_seconds = said;
            assert!(!scene.turn(&mut b));
            scene.pass(wait - 1);
            assert!(!scene.turn(&mut b), "{said:?}");
            scene.pass(1);
            assert!(scene.turn(&mut b), "{said:?}");
        }
    }

    #[test]
    fn every_write_carries_the_version_that_was_read() {
        let (mut scene, mut a) = (scene(), candidate("a"));
        assert!(scene.turn(&mut a));
        let Step::Replace(renewal) = a.step("it", scene.lease.as_ref(), &scene.now) else {
            panic!("it is ours");
        };
        assert_eq!(renewal.metadata.resource_version.as_deref(), Some("1"));
    }

    #[test]
    fn a_holder_stops_before_its_lease_can_be_taken() {
        let terms = Terms::default();
        assert!(terms.retry < terms.renew && terms.renew < terms.lease);
    }
}
