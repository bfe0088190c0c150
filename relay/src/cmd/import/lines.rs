//! The input, line by line, read on a thread of its own so that a slow pipe never stops the connection.

use super::position::Position;
use crate::wire::Verdict;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, stdin},
    path::Path,
    thread,
};
use tokio::sync::mpsc;

/// Longest line that is read: the largest message a relay can be told to take.
const LINE_BYTES: u64 = 16 << 20;
/// Lines read ahead.
const AHEAD: usize = 256;

/// One line that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins.
    pub start: Position,
    /// Where the next one begins.
    pub end: Position,
    /// Its text without surrounding white space, or why it has none.
    pub text: Result<String, Verdict>,
}

impl Line {
    /// Its number, from 1.
    pub fn number(&self) -> u64 {
        self.end.line
    }
}

/// A line without surrounding white space, and without the byte order mark that Windows editors put before a file's first one.
fn said(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix('\u{feff}').map_or(line, str::trim_start)
}

/// An open input.
#[derive(Debug)]
pub struct Lines {
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
    receiver: mpsc::Receiver<io::Result<Line>>,
}

impl Lines {
    /// The next line; `None` at the end.
    pub async fn next(&mut self) -> Option<io::Result<Line>> {
        self.receiver.recv().await
    }

    /// The next line, for callers that block.
    pub fn wait(&mut self) -> Option<io::Result<Line>> {
        self.receiver.blocking_recv()
    }

    /// The next line, if it has been read already.
    pub fn ready(&mut self) -> Option<io::Result<Line>> {
        self.receiver.try_recv().ok()
    }
}

/// Opens a file, or standard input for `-`, and goes to `from`.
pub fn open(path: &Path, from: Position) -> io::Result<Lines> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    if path.as_os_str() == "-" {
        thread::spawn(move || {
            let mut reader = Reader::new(BufReader::new(stdin()));
            reader.skip_to(from.line).map_or_else(
                |problem| drop(sender.blocking_send(Err(problem))),
                |()| reader.send_all(&sender),
            );
        });
        return Ok(Lines {
            total: None,
            receiver,
        });
    }
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let total = meta.is_file().then_some(meta.len());
    if from.byte > 0 {
        begins_line(&mut file, from.byte)?;
    }
    thread::spawn(move || {
        let mut reader = Reader::new(BufReader::new(file));
        reader.position = from;
        reader.send_all(&sender);
    });
    Ok(Lines { total, receiver })
}

fn begins_line(file: &mut File, byte: u64) -> io::Result<()> {
    let mut before = [0];
    file.seek(SeekFrom::Start(byte - 1))?;
    match file.read(&mut before)? {
        1 if before == *b"\n" || file.metadata()?.len() == byte => Ok(()),
        _ => Err(io::Error::other(
            "the resume file does not fit this input: remove it to start again",
        )),
    }
}

struct Reader<R> {
    input: R,
    position: Position,
}

impl<R: BufRead> Reader<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            position: Position::default(),
        }
    }

    fn skip_to(&mut self, line: u64) -> io::Result<()> {
        while self.position.line < line && self.next()?.is_some() {}
        Ok(())
    }

    fn send_all(mut self, sender: &mpsc::Sender<io::Result<Line>>) {
        loop {
            let line = match self.next() {
                Ok(None) => return,
                Ok(Some(line)) if line.text.as_deref() == Ok("") => continue,
                Ok(Some(line)) => Ok(line),
                Err(problem) => Err(problem),
            };
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        let start = self.position;
        let mut bytes = Vec::new();
        let mut read = (&mut self.input)
            .take(LINE_BYTES)
            .read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let too_long = read == LINE_BYTES && bytes.last() != Some(&b'\n');
        if too_long {
            read += self.skip_line()?;
        }
        self.position = Position {
            line: start.line + 1,
            byte: start.byte + read,
        };
        let text = if too_long {
            Err(Verdict::invalid("the line is longer than 16 MiB"))
        } else {
            String::from_utf8(bytes)
                .map(|text| said(&text).to_owned())
                .map_err(|_| Verdict::invalid("the line is not UTF-8"))
        };
        Ok(Some(Line {
            start,
            end: self.position,
            text,
        }))
    }

    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.input.fill_buf()?;
            let (used, found) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(used);
            skipped += used as u64;
            if found {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Vec<Line> {
        let mut reader = Reader::new(input);
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    #[test]
    fn each_line_knows_its_number_and_its_place() {
        let lines = read(b" {a} \r\n\n{b}");
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.number(), line.end.byte, line.text.clone().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                (1, 7, "{a}".into()),
                (2, 8, String::new()),
                (3, 11, "{b}".into())
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_before_a_line_is_no_part_of_it() {
        let input = "\u{feff}{a}\n{\u{feff}}\n\u{feff}\n";
        let lines = read(input.as_bytes());
        let texts: Vec<_> = lines
            .iter()
            .map(|line| line.text.clone().unwrap())
            .collect();
        assert_eq!(texts, ["{a}", "{\u{feff}}", ""]);
        assert_eq!(lines[0].end.byte, 7, "places count every byte");
    }

    #[test]
    fn a_bad_line_is_named_and_the_next_one_is_read() {
        let mut input = vec![b'x'; LINE_BYTES as usize + 5];
        input.extend_from_slice(b"\n\xff\nok\n");
        let lines = read(&input);
        let refused = |line: &Line| line.text.clone().unwrap_err().to_string();
        assert_eq!(
            refused(&lines[0]),
            "invalid: the line is longer than 16 MiB"
        );
        assert_eq!(refused(&lines[1]), "invalid: the line is not UTF-8");
        assert_eq!(
            (lines[2].number(), lines[2].text.clone()),
            (3, Ok("ok".into()))
        );
        assert_eq!(lines[2].end.byte, input.len() as u64);
    }
}
