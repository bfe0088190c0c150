//! What has expired leaves the store (NIP-40): as removals in the log, like everything that changes the view.

use super::{
    effect::Reason,
    error::{ReadError, WriteError},
    shared::{Command, Doomed, Removing, Shared},
    view::Index,
};
use std::sync::mpsc;

/// Removals per command.
const BATCH: usize = 4096;

/// Removes what has expired. How many were there?
pub(super) fn sweep(shared: &Shared) -> Result<u64, WriteError> {
    let mut swept = 0;
    loop {
        let due = due(shared)?;
        if due.is_empty() {
            return Ok(swept);
        }
        let removed = remove(shared, Doomed::Numbers(due), Reason::Outdated)?;
        swept += removed;
        if removed == 0 {
            return Ok(swept);
        }
    }
}

fn due(shared: &Shared) -> Result<Vec<u64>, ReadError> {
    let now = shared.clock.now();
    let txn = shared.view.read()?;
    let mut due = Vec::new();
    for item in shared.view.db(Index::Expires).iter(&txn)? {
        let (key, _) = item?;
        let part = |at: usize| key.get(at..at + 8).and_then(|b| b.try_into().ok());
        let (Some(at), Some(number)) = (part(0), part(8)) else {
            continue;
        };
        if u64::from_be_bytes(at) > now || due.len() == BATCH {
            break;
        }
        due.push(u64::from_be_bytes(number));
    }
    Ok(due)
}

/// Has the writer remove entries; how many were there?
pub(super) fn remove(shared: &Shared, what: Doomed, reason: Reason) -> Result<u64, WriteError> {
    let (reply, answer) = mpsc::channel();
    let removing = Removing {
        what,
        reason,
        reply: Some(reply),
    };
    let gone = || WriteError::Broken(shared.failure.get().copied().unwrap_or("it is closed"));
    if shared.queue.push(Command::Remove(removing)).is_err() {
        return Err(gone());
    }
    match answer.recv() {
        Ok(Some(count)) => Ok(count),
        Ok(None) if shared.failure.get().is_none() => Err(WriteError::Full),
        Ok(None) | Err(_) => Err(gone()),
    }
}
