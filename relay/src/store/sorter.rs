//! Sorts keys for a rebuild: in memory up to a bound, beyond it in runs on disk that are merged.

use super::{keys::SmallKey, view::Index};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// Records of one index that are held in memory.
const HELD: usize = 400_000;
/// What LMDB adds to a record on a page that is filled in order, about.
const OVERHEAD: usize = 10;
/// The longest record: a public key and a number.
const WIDTH: usize = 40;
type Record = [u8; WIDTH];

/// The indexes that are made by sorting, with the lengths of their keys and values.
pub(super) const SHAPES: [(Index, usize, usize); 11] = [
    (Index::Ids, 16, 8),
    (Index::Created, 18, 0),
    (Index::Author, 26, 0),
    (Index::AuthorKind, 28, 0),
    (Index::Kind, 20, 0),
    (Index::Tag, 27, 0),
    (Index::Address, 16, 8),
    (Index::Expires, 16, 0),
    (Index::Tombs, 32, 0),
    (Index::AddressTombs, 16, 8),
    (Index::Vanished, 32, 8),
];

/// Records of one index.
struct Pile {
    width: usize,
    count: usize,
    held: Vec<Record>,
    runs: Vec<PathBuf>,
}

/// Records of all indexes.
pub(super) struct Sorter {
    dir: PathBuf,
    piles: Vec<Pile>,
}

impl Sorter {
    /// An empty sorter that spills into `dir`, which is emptied first.
    pub fn new(dir: &Path) -> io::Result<Self> {
        clear(dir)?;
        fs::create_dir_all(dir)?;
        let piles = SHAPES
            .iter()
            .map(|(_, key, value)| Pile {
                width: key + value,
                count: 0,
                held: Vec::new(),
                runs: Vec::new(),
            })
            .collect();
        Ok(Self {
            dir: dir.to_owned(),
            piles,
        })
    }

    /// Bytes that the records of the indexes that are not done will take in the view, about.
    pub fn bytes_to_come(&self) -> u64 {
        let bytes = |pile: &Pile| pile.count * (pile.width + OVERHEAD);
        self.piles.iter().map(bytes).sum::<usize>() as u64
    }

    /// Bytes of the runs on the disk.
    pub fn bytes_on_disk(&self) -> u64 {
        let bytes = |pile: &Pile| pile.runs.len() * HELD * pile.width;
        self.piles.iter().map(bytes).sum::<usize>() as u64
    }

    /// The index at this place of [`SHAPES`] is made: its records go, and make room for the next one.
    pub fn done(&mut self, at: usize) -> io::Result<()> {
        let pile = &mut self.piles[at];
        (pile.count, pile.held) = (0, Vec::new());
        for run in pile.runs.drain(..) {
            fs::remove_file(run)?;
        }
        Ok(())
    }

    /// Adds a record.
    pub fn push(&mut self, index: Index, key: &SmallKey, value: &[u8]) -> io::Result<()> {
        let Some(at) = SHAPES.iter().position(|(shape, ..)| *shape == index) else {
            return Ok(());
        };
        let mut record = [0; WIDTH];
        let key = key.get();
        record[..key.len()].copy_from_slice(key);
        record[key.len()..key.len() + value.len()].copy_from_slice(value);
        let pile = &mut self.piles[at];
        pile.count += 1;
        pile.held.push(record);
        if pile.held.len() >= HELD {
            let path = self.dir.join(format!("{at}-{}.run", pile.runs.len()));
            pile.spill(path)?;
        }
        Ok(())
    }

    /// The records of the index at this place of [`SHAPES`], in order of their bytes. May be asked again.
    pub fn sorted(&mut self, at: usize) -> io::Result<Merge<'_>> {
        let pile = &mut self.piles[at];
        pile.held.sort_unstable();
        let mut merge = Merge {
            width: pile.width,
            held: pile.held.iter(),
            runs: Vec::new(),
            heads: BinaryHeap::new(),
        };
        for path in &pile.runs {
            merge
                .runs
                .push(BufReader::with_capacity(1 << 16, File::open(path)?));
        }
        for source in 0..=merge.runs.len() {
            merge.refill(source)?;
        }
        Ok(merge)
    }
}

/// Removes the runs.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Pile {
    fn spill(&mut self, path: PathBuf) -> io::Result<()> {
        self.held.sort_unstable();
        let mut out = BufWriter::with_capacity(1 << 18, File::create(&path)?);
        for record in &self.held {
            out.write_all(&record[..self.width])?;
        }
        out.flush()?;
        self.held.clear();
        self.runs.push(path);
        Ok(())
    }
}

/// Records in order, out of memory and runs.
pub(super) struct Merge<'a> {
    width: usize,
    held: std::slice::Iter<'a, Record>,
    runs: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<(Record, usize)>>,
}

impl Merge<'_> {
    fn refill(&mut self, source: usize) -> io::Result<()> {
        let record = match self.runs.get_mut(source) {
            Some(run) => {
                let mut record = [0; WIDTH];
                match run.read_exact(&mut record[..self.width]) {
                    Ok(()) => Some(record),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                    Err(error) => return Err(error),
                }
            }
            None => self.held.next().copied(),
        };
        self.heads
            .extend(record.map(|record| Reverse((record, source))));
        Ok(())
    }

    /// The next record; its bytes beyond key and value are zero.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        let Some(Reverse((record, source))) = self.heads.pop() else {
            return Ok(None);
        };
        self.refill(source)?;
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_in_order_from_memory_and_from_runs() -> io::Result<()> {
        let dir = std::env::temp_dir().join(format!("sorter-{}", std::process::id()));
        let mut sorter = Sorter::new(&dir)?;
        let count = HELD as u64 + 1000;
        for n in 0..count {
            let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = SmallKey::of(&[&scattered.to_be_bytes(), &[0; 8]]);
            sorter.push(Index::Ids, &key, &n.to_be_bytes())?;
        }
        assert_eq!(sorter.piles[0].runs.len(), 1);
        for _ in 0..2 {
            let mut merge = sorter.sorted(0)?;
            let (mut last, mut seen) = ([0; WIDTH], 0);
            while let Some(record) = merge.next()? {
                assert!(record > last || seen == 0);
                (last, seen) = (record, seen + 1);
            }
            assert_eq!(seen, count, "a second time as well");
        }
        assert_eq!(sorter.bytes_on_disk(), 24 * HELD as u64);
        assert_eq!(sorter.bytes_to_come(), 34 * count);
        sorter.done(0)?;
        assert_eq!(fs::read_dir(&dir)?.count(), 0, "its room is free at once");
        assert_eq!((sorter.bytes_on_disk(), sorter.bytes_to_come()), (0, 0));
        clear(&dir)
    }
}
