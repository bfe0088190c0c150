//! Where an export is written: standard output, or a file that an interrupted export goes on with.

use super::{
    ExportError,
    cursor::{Cursor, Row},
};
use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write, stdout},
    path::Path,
};

/// An open output.
pub struct Output {
    name: String,
    writer: BufWriter<Box<dyn Write + Send>>,
    file: Option<File>,
    /// Events written by this run.
    pub events: u64,
}

impl Output {
    /// A new file, or standard output for `-`.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        if path.as_os_str() == "-" {
            return Ok(Self::new(path, Box::new(stdout()), None));
        }
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => Self::of_file(path, file),
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => Err(wrong(
                path,
                "it exists: name another file, or go on with it by --resume",
            )),
            Err(problem) => Err(wrong(path, &problem.to_string())),
        }
    }

    /// The file as an interrupted export from a relay left it, and where the walk goes on. Events stand newest first.
    pub fn resume(path: &Path) -> Result<(Self, Cursor), ExportError> {
        let mut end = End::default();
        let bytes = read_lines(path, &mut |line| end.take(line))?;
        Ok((Self::reopen(path, bytes)?, end.cursor()))
    }

    /// Goes on behind the first `bytes` of a file, as [`read_lines`] found them. What stands there is cut: a torn line.
    pub fn reopen(path: &Path, bytes: u64) -> Result<Self, ExportError> {
        if bytes == 0 && !path.exists() {
            return Self::create(path);
        }
        let io = |problem: io::Error| wrong(path, &problem.to_string());
        let file = OpenOptions::new().append(true).open(path).map_err(io)?;
        file.set_len(bytes).map_err(io)?;
        Self::of_file(path, file)
    }

    fn of_file(path: &Path, file: File) -> Result<Self, ExportError> {
        let own = file
            .try_clone()
            .map_err(|problem| wrong(path, &problem.to_string()))?;
        Ok(Self::new(path, Box::new(file), Some(own)))
    }

    fn new(path: &Path, writer: Box<dyn Write + Send>, file: Option<File>) -> Self {
        Self {
            name: path.display().to_string(),
            writer: BufWriter::with_capacity(256 << 10, writer),
            file,
            events: 0,
        }
    }

    /// Writes one event. `false` when nobody reads any more.
    pub fn write(&mut self, text: &[u8]) -> Result<bool, ExportError> {
        self.events += 1;
        let written = self
            .writer
            .write_all(text)
            .and_then(|()| self.writer.write_all(b"\n"));
        self.judge(written)
    }

    /// Hands everything written to the system. `false` when nobody reads any more.
    pub fn flush(&mut self) -> Result<bool, ExportError> {
        let flushed = self.writer.flush();
        self.judge(flushed)
    }

    /// Everything is on the disk.
    pub fn finish(mut self) -> Result<u64, ExportError> {
        self.flush()?;
        let synced = self.file.as_ref().map_or(Ok(()), File::sync_all);
        self.judge(synced)?;
        Ok(self.events)
    }

    fn judge(&self, result: io::Result<()>) -> Result<bool, ExportError> {
        match result {
            Ok(()) => Ok(true),
            Err(problem) if problem.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(problem) => Err(wrong(Path::new(&self.name), &problem.to_string())),
        }
    }
}

/// Shows the whole lines of a file in order, and answers how many bytes they have; a file that does not exist has none.
pub fn read_lines(
    path: &Path,
    take: &mut dyn FnMut(&[u8]) -> Result<(), &'static str>,
) -> Result<u64, ExportError> {
    let io = |problem: io::Error| wrong(path, &problem.to_string());
    if path.as_os_str() == "-" {
        return Err(wrong(
            path,
            "standard output cannot be resumed: name a file",
        ));
    }
    let mut reader = match File::open(path) {
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(0),
        other => BufReader::new(other.map_err(io)?),
    };
    let (mut line, mut bytes) = (Vec::new(), 0);
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(io)?;
        if line.last() != Some(&b'\n') {
            return Ok(bytes);
        }
        take(&line).map_err(|problem| wrong(path, problem))?;
        bytes += line.len() as u64;
    }
}

/// What stands in a file that should hold events and does not.
pub const NO_EVENTS: &str = "it holds lines that are no events: name another file";

/// The last second of a file.
#[derive(Default)]
struct End {
    second: Option<u64>,
    seen: HashSet<String>,
}

impl End {
    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let text = std::str::from_utf8(line).ok();
        let row = text.and_then(Row::read).ok_or(NO_EVENTS)?;
        if self.second.is_some_and(|second| row.created_at > second) {
            return Err(
                "its events do not stand newest first: it is no export from a relay, name another file",
            );
        }
        if self.second != Some(row.created_at) {
            self.second = Some(row.created_at);
            self.seen.clear();
        }
        self.seen.insert(row.id);
        Ok(())
    }

    fn cursor(self) -> Cursor {
        self.second
            .map_or_else(Cursor::default, |second| Cursor::resume(second, self.seen))
    }
}

fn wrong(path: &Path, problem: &str) -> ExportError {
    ExportError::Output {
        file: path.display().to_string(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LINES: &str = "{\"id\":\"a\",\"created_at\":9}\n{\"id\":\"b\",\"created_at\":7}\n";

    #[test]
    fn a_file_is_never_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let problem = Output::create(file.path()).err().unwrap().to_string();
        assert!(problem.contains("--resume"), "{problem}");
    }

    #[test]
    fn a_torn_line_is_cut_and_the_walk_goes_on_in_the_last_second() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{LINES}{{\"id\":\"c\",\"crea")).unwrap();
        let (mut output, cursor) = Output::resume(file.path()).unwrap();
        assert_eq!(cursor, Cursor::resume(7, HashSet::from(["b".to_owned()])));
        output.write(b"next").unwrap();
        assert_eq!(output.finish().unwrap(), 1);
        assert_eq!(
            fs::read_to_string(file.path()).unwrap(),
            format!("{LINES}next\n")
        );
    }

    #[test]
    fn a_file_that_is_no_export_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "my notes\n",
            "{\"id\":\"a\",\"created_at\":1}\n{\"id\":\"b\",\"created_at\":2}\n",
        ] {
            fs::write(file.path(), text).unwrap();
            let problem = Output::resume(file.path()).err().unwrap().to_string();
            assert!(problem.contains("name another file"), "{problem}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
        }
    }
}
