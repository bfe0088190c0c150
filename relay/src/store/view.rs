//! The view: LMDB, from index keys to numbers. It knows no position and no text; the log has those.
//!
//! NO_SYNC and WRITE_MAP on allocated space: a commit costs no disk access, and the file is only ever trusted when
//! `recover.rs` can prove that it is whole. Everything in it can be made again from the log.

use super::{
    entry::Entry,
    keys::{self, Rank, SmallKey},
    map,
};
use crate::wire::kind::GIFT_WRAPS;
use heed::{CommitOrAbort, Database, Env, MdbError, RoTxn, RwTxn, WithoutTls, types::Bytes};
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    fs::{self, File},
    io,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Bytes to bytes; `keys.rs` spells them.
pub(super) type Db = Database<'static, Bytes, Bytes>;

/// The databases of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// First 16 bytes of the id → number.
    Ids,
    /// Rank.
    Created,
    /// Eight bytes of the author, rank.
    Author,
    /// Eight bytes of the author, kind, rank.
    AuthorKind,
    /// Kind, rank.
    Kind,
    /// Nine bytes of the tag, rank.
    Tag,
    /// Hash of kind, author and `d` → number.
    Address,
    /// Expiration, number.
    Expires,
    /// 16 bytes of the id, 16 of the key by which it may not come back.
    Tombs,
    /// Hash of the address → time up to which versions may not come back.
    AddressTombs,
    /// Public key → time up to which its events may not come back.
    Vanished,
    /// First number of a segment → bytes that compaction would free, and since when.
    Dead,
    /// Names → numbers.
    Meta,
}

impl Index {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 13] = [
        Self::Ids,
        Self::Created,
        Self::Author,
        Self::AuthorKind,
        Self::Kind,
        Self::Tag,
        Self::Address,
        Self::Expires,
        Self::Tombs,
        Self::AddressTombs,
        Self::Vanished,
        Self::Dead,
        Self::Meta,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Ids => "ids",
            Self::Created => "created",
            Self::Author => "author",
            Self::AuthorKind => "author-kind",
            Self::Kind => "kind",
            Self::Tag => "tag",
            Self::Address => "address",
            Self::Expires => "expires",
            Self::Tombs => "tombs",
            Self::AddressTombs => "address-tombs",
            Self::Vanished => "vanished",
            Self::Dead => "dead",
            Self::Meta => "meta",
        }
    }
}

/// Number of the last entry that the view has.
pub(super) const APPLIED: &[u8] = b"applied";
/// Events in the view.
pub(super) const EVENTS: &[u8] = b"events";
/// Log bytes of the events in the view.
pub(super) const LIVE_BYTES: &[u8] = b"live";

/// Bytes of LMDB's table of readers, which is written through a map too.
const LOCK_BYTES: u64 = 64 << 10;

/// By this key an operator forbids an id to come back; no signer has it.
pub(super) const ORDERED: [u8; 32] = [0xff; 32];

/// The first 16 bytes of an id.
pub(super) fn short(id: &[u8; 32]) -> &[u8; 16] {
    id.first_chunk().expect("16 of 32 bytes")
}

/// The key of a tombstone.
pub(super) fn tomb(id: &[u8; 32], by: &[u8; 32]) -> SmallKey {
    SmallKey::of(&[short(id), short(by)])
}

/// Prefix of an author's events.
pub(super) fn author_prefix(pubkey: &[u8; 32]) -> [u8; 8] {
    *pubkey.first_chunk().expect("8 of 32 bytes")
}

/// Prefix of an author's events of one kind.
pub(super) fn author_kind_prefix(pubkey: &[u8; 32], kind: u16) -> [u8; 10] {
    let mut prefix = [0; 10];
    prefix[..8].copy_from_slice(&pubkey[..8]);
    prefix[8..].copy_from_slice(&kind.to_be_bytes());
    prefix
}

/// Names every key under which an event stands, with its value. The one place that says what is indexed.
pub(super) fn each_key(entry: &Entry<'_>, mut f: impl FnMut(Index, SmallKey, &[u8])) {
    let number = entry.number().to_be_bytes();
    let rank = Rank::of(entry).bytes();
    let (author, kind) = (entry.pubkey(), entry.kind());
    f(Index::Ids, SmallKey::of(&[short(entry.id())]), &number);
    f(Index::Created, SmallKey::ranked([], &rank), &[]);
    f(
        Index::Author,
        SmallKey::ranked(author_prefix(author), &rank),
        &[],
    );
    let author_kind = author_kind_prefix(author, kind);
    f(Index::AuthorKind, SmallKey::ranked(author_kind, &rank), &[]);
    f(
        Index::Kind,
        SmallKey::ranked(kind.to_be_bytes(), &rank),
        &[],
    );
    for tag in entry.tags() {
        let prefix = keys::tag_prefix(tag);
        f(Index::Tag, SmallKey::ranked(prefix, &rank), &[]);
        if GIFT_WRAPS.contains(&kind) && tag[0] == b'p' {
            let prefix = keys::wrap_prefix(tag);
            f(Index::Tag, SmallKey::ranked(prefix, &rank), &[]);
        }
    }
    if let Some(address) = entry.address() {
        f(Index::Address, SmallKey::of(&[address]), &number);
    }
    if let Some(at) = entry.expiration() {
        f(
            Index::Expires,
            SmallKey::of(&[&at.to_be_bytes(), &number]),
            &[],
        );
    }
}

/// The open view.
pub(super) struct View {
    env: Env<WithoutTls>,
    dbs: Vec<Db>,
    file: File,
    size: AtomicUsize,
    resizing: RwLock<()>,
    /// A resize failed and left LMDB without its map: no transaction may be opened any more.
    unmapped: AtomicBool,
}

/// A read transaction, and the promise that the map stays where it is while it lives.
pub(super) struct Reading<'v> {
    txn: RoTxn<'v, WithoutTls>,
    _shared: RwLockReadGuard<'v, ()>,
}

impl<'v> Deref for Reading<'v> {
    type Target = RoTxn<'v, WithoutTls>;

    fn deref(&self) -> &Self::Target {
        &self.txn
    }
}

/// LMDB's file inside the store.
pub(super) fn data_file(dir: &Path) -> PathBuf {
    dir.join("data.mdb")
}

/// Deletes LMDB's files without opening them: a torn image crashes on open.
pub(super) fn delete(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Is this the error that growing mends?
pub(super) fn is_full(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::MapFull))
}

/// Is this the error that a smaller transaction mends?
pub(super) fn is_too_much(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::TxnFull))
}

impl View {
    /// Opens or makes the view in `dir`, with at least `size` bytes, all of them allocated.
    pub fn open(dir: &Path, size: usize) -> heed::Result<Self> {
        fs::create_dir_all(dir)?;
        let path = data_file(dir);
        let length = fs::metadata(&path).map_or(0, |meta| meta.len() as usize);
        let size = size.max(length).next_multiple_of(1 << 16);
        let locks = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock.mdb"))?;
        fallocate(&locks, FallocateFlags::empty(), 0, LOCK_BYTES).map_err(io::Error::from)?;
        let env = map::open_env(dir, size)?;
        let file = File::options().read(true).write(true).open(&path)?;
        fallocate(&file, FallocateFlags::empty(), 0, size as u64).map_err(io::Error::from)?;
        let txn = env.write_txn()?;
        let dbs = env
            .create_databases_and_commit(txn, |opener, txn| {
                let made = Index::ALL
                    .map(|index| opener.create_database::<Bytes, Bytes>(txn, Some(index.name())));
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(made))
            })?
            .unwrap_commit();
        let dbs = dbs.into_iter().collect::<heed::Result<Vec<Db>>>()?;
        Ok(Self {
            env,
            dbs,
            file,
            size: AtomicUsize::new(size),
            resizing: RwLock::new(()),
            unmapped: AtomicBool::new(false),
        })
    }

    /// A database.
    pub fn db(&self, index: Index) -> &Db {
        &self.dbs[index as usize]
    }

    /// Bytes of the file, all allocated.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// Opens a read transaction; keep it short, it holds back pages and growth.
    pub fn read(&self) -> heed::Result<Reading<'_>> {
        let shared = self.resizing.read().unwrap_or_else(PoisonError::into_inner);
        self.check_mapped()?;
        Ok(Reading {
            txn: self.env.read_txn()?,
            _shared: shared,
        })
    }

    /// Opens the write transaction; the writer thread alone does.
    pub fn write(&self) -> heed::Result<RwTxn<'_>> {
        self.check_mapped()?;
        self.env.write_txn()
    }

    /// Is it gone for good? See [`View::grow`].
    pub fn is_unmapped(&self) -> bool {
        self.unmapped.load(Ordering::Relaxed)
    }

    fn check_mapped(&self) -> heed::Result<()> {
        if self.is_unmapped() {
            return Err(io::Error::other("the view lost its map when it was to grow").into());
        }
        Ok(())
    }

    /// Allocates up to `size` bytes, then maps them. Waits for the slices that are running. No transaction of the
    /// caller may be open.
    pub fn grow(&self, size: usize) -> heed::Result<()> {
        let size = size.next_multiple_of(1 << 16);
        fallocate(&self.file, FallocateFlags::empty(), 0, size as u64).map_err(io::Error::from)?;
        let alone = self
            .resizing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let resized = map::resize_env(&self.env, size, &alone);
        self.unmapped.store(resized.is_err(), Ordering::Relaxed);
        resized?;
        self.size.store(size, Ordering::Relaxed);
        Ok(())
    }

    /// Forces everything to the disk: only for CLEAN.
    pub fn force_sync(&self) -> heed::Result<()> {
        self.env.force_sync()
    }

    /// Does the view lead to this entry? Unlike its id, its rank is its own.
    pub fn stands(&self, txn: &RoTxn<'_>, entry: &Entry<'_>) -> heed::Result<bool> {
        let rank = Rank::of(entry).bytes();
        let key = SmallKey::ranked([], &rank);
        Ok(self.db(Index::Created).get(txn, key.get())?.is_some())
    }

    /// The number under a key.
    pub fn number(&self, txn: &RoTxn<'_>, index: Index, key: &[u8]) -> heed::Result<Option<u64>> {
        let value = self.db(index).get(txn, key)?;
        Ok(value
            .and_then(|v| v.first_chunk())
            .map(|v| u64::from_be_bytes(*v)))
    }

    /// Writes a number under a key.
    pub fn put_number(
        &self,
        txn: &mut RwTxn<'_>,
        (index, key): (Index, &[u8]),
        number: u64,
    ) -> heed::Result<()> {
        self.db(index).put(txn, key, &number.to_be_bytes())
    }

    /// Number of the last entry that this transaction sees.
    pub fn applied(&self, txn: &RoTxn<'_>) -> heed::Result<u64> {
        Ok(self.number(txn, Index::Meta, APPLIED)?.unwrap_or(0))
    }

    /// Is this entry in the view?
    pub fn holds(&self, txn: &RoTxn<'_>, entry: &Entry<'_>) -> heed::Result<bool> {
        let number = self.number(txn, Index::Ids, short(entry.id()))?;
        Ok(number == Some(entry.number()))
    }
}
