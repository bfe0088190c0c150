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
    held: Vec<Record>,
    runs: Vec<PathBuf>,
}

/// Records of all indexes.
pub(super) struct Sorter {
    dir: PathBuf,
    piles: Vec<Pile>,
    bytes: usize,
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
                held: Vec::new(),
                runs: Vec::new(),
            })
            .collect();
        Ok(Self {
            dir: dir.to_owned(),
            piles,
            bytes: 0,
        })
    }

    /// Bytes that all records will take in the view, about.
    pub fn bytes(&self) -> usize {
        self.bytes
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
        self.bytes += pile.width + 10;
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
        clear(&dir)
    }
}
