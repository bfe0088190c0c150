//! The room that open filters take. They live as long as their subscriptions, and every event is compared with those that are
//! filed under its author, its tags or its kind: so they are bounded, for the process by its memory, and for each address by a
//! share of that, beside the bound that each connection has.

use std::{
    collections::HashMap,
    fs,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What one unit of [`weight`](crate::wire::filter::weight) takes at most, index included; measured with filters of many values.
const UNIT_BYTES: u64 = 192;
/// This part of the memory may be full of filters.
const OF_MEMORY: u64 = 4;
/// This part of that may be one address's,
const OF_ADDRESS: usize = 5;
/// and no more than this, however much memory there is: the hub compares an event with all of them that are filed under its kind.
const MOST_OF_ADDRESS: usize = 500_000;
/// Room for some clients, however little memory there is.
const LEAST: usize = 200_000;

/// All the room there is, and who has it.
#[derive(Debug)]
pub(super) struct Rooms {
    whole: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    whole: usize,
    addresses: HashMap<IpAddr, usize>,
}

/// Room that somebody has, until it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    rooms: Arc<Rooms>,
    address: IpAddr,
    weight: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The process holds as much as it may.
    Process,
    /// This address holds as much as it may: so much.
    Address(usize),
}

impl Rooms {
    /// As much as this process's memory allows.
    pub(super) fn new() -> Arc<Self> {
        Self::of(usize::try_from(memory() / OF_MEMORY / UNIT_BYTES).unwrap_or(usize::MAX))
    }

    pub(super) fn of(whole: usize) -> Arc<Self> {
        Arc::new(Self {
            whole: whole.max(LEAST),
            taken: Mutex::default(),
        })
    }

    /// Takes room for filters of this weight. An address may have a fifth; where the configuration lets it have a larger part of
    /// all `connections`, so much.
    pub(super) fn take(
        self: &Arc<Self>,
        address: IpAddr,
        weight: usize,
        connections: (usize, usize),
    ) -> Result<Room, Full> {
        let (per_address, all) = connections;
        let part = self.whole as u128 * per_address.min(all) as u128 / all.max(1) as u128;
        let share = (part as usize).max(MOST_OF_ADDRESS.min(self.whole / OF_ADDRESS));
        let mut taken = self.taken();
        let its = taken.addresses.get(&address).copied().unwrap_or(0) + weight;
        if its > share {
            return Err(Full::Address(share));
        }
        if taken.whole + weight > self.whole {
            return Err(Full::Process);
        }
        taken.whole += weight;
        taken.addresses.insert(address, its);
        Ok(Room {
            rooms: Arc::clone(self),
            address,
            weight,
        })
    }

    /// What all open filters weigh.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.taken().whole
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.rooms.taken();
        taken.whole -= self.weight;
        if let Some(its) = taken.addresses.get_mut(&self.address) {
            *its -= self.weight;
            if *its == 0 {
                taken.addresses.remove(&self.address);
            }
        }
    }
}

/// The memory that this process may use, in bytes: what its control group or the machine has, the smaller.
fn memory() -> u64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let group = ["memory.max", "memory/memory.limit_in_bytes"]
        .into_iter()
        .filter_map(|name| read(&format!("/sys/fs/cgroup/{name}")).trim().parse().ok());
    group
        .chain(machine(&read("/proc/meminfo")))
        .min()
        .unwrap_or(0)
}

/// `MemTotal` of proc_meminfo(5).
fn machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: u64 = line?.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const BEN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    /// Connections of one address, and of all.
    const USUAL: (usize, usize) = (100, 10_000);

    #[test]
    fn one_address_has_a_fifth_and_the_next_one_has_its_own() {
        let rooms = Rooms::of(1_000_000);
        let most = rooms.take(ANNA, 200_000, USUAL).unwrap();
        assert_eq!(
            rooms.take(ANNA, 1, USUAL).unwrap_err(),
            Full::Address(200_000)
        );
        let hers = rooms.take(BEN, 1, USUAL).unwrap();
        assert_eq!((rooms.in_use(), hers.weight), (200_001, 1));
        drop(most);
        assert!(rooms.take(ANNA, 200_000, USUAL).is_ok());
    }

    #[test]
    fn where_one_address_may_have_all_connections_it_may_have_all_the_room() {
        let rooms = Rooms::of(1_000_000);
        let proxy = rooms.take(ANNA, 999_999, (10_000, 10_000)).unwrap();
        assert_eq!(
            rooms.take(BEN, 2, USUAL).unwrap_err(),
            Full::Process,
            "and then nobody else has any"
        );
        assert!(rooms.take(BEN, 1, USUAL).is_ok());
        drop(proxy);
        assert_eq!(rooms.in_use(), 0);
        assert!(rooms.taken().addresses.is_empty(), "nobody is remembered");
    }

    #[test]
    fn who_asks_for_too_much_at_once_leaves_no_trace() {
        let rooms = Rooms::of(0);
        assert_eq!(
            rooms.take(ANNA, LEAST, USUAL).unwrap_err(),
            Full::Address(LEAST / OF_ADDRESS)
        );
        assert!(rooms.taken().addresses.is_empty());
    }

    #[test]
    fn the_machine_s_memory_is_read_and_the_process_has_some() {
        assert_eq!(
            machine("MemFree: 1 kB\nMemTotal:       24595776 kB\n"),
            Some(24_595_776 * 1024)
        );
        assert_eq!(machine("nothing"), None);
        assert!(memory() > 1 << 20);
    }
}
