//! A strict reader of JSON text (RFC 8259), one pass, forwards only.
//!
//! It decodes strings, takes integers only in integer form, bounds depth, and remembers whether the text so far is in *plain* form: no
//! whitespace between tokens and only the escapes of [`canonical`](super::canonical). It never builds a tree.

use super::{canonical::verbatim, verdict::Verdict};
use std::borrow::Cow;

/// Deepest nesting of a value that is only skipped. Events and filters need three levels.
const MAX_DEPTH: usize = 64;

type Read<T> = Result<T, Verdict>;

/// A place in a JSON text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    plain: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            plain: true,
        }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether everything so far was in plain form.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Notes that the text cannot be kept as it is.
    pub(super) fn not_plain(&mut self) {
        self.plain = false;
    }

    /// The next byte, if there is one.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes `byte` if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
            self.plain = false;
        }
    }

    /// Refuses anything after the value but whitespace.
    pub(super) fn end(&mut self) -> Read<()> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Verdict::invalid("there is text after the JSON value")),
        }
    }

    /// Reads an array and hands the cursor to `item` at each of its values.
    pub(super) fn array(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        if !self.take(b'[') {
            return Err(Verdict::invalid("a JSON array is missing"));
        }
        self.skip_space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_space();
            if self.take(b']') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    /// Reads an object and hands the cursor to `member` at each of its values, with the decoded key.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Read<()>,
    ) -> Read<()> {
        if !self.take(b'{') {
            return Err(Verdict::invalid("a JSON object is missing"));
        }
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(Verdict::invalid("a colon is missing after a key"));
            }
            self.skip_space();
            member(self, key)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    /// Takes the comma between two values.
    pub(super) fn comma(&mut self) -> Read<()> {
        if !self.take(b',') {
            return Err(Verdict::invalid("a comma or closing bracket is missing"));
        }
        self.skip_space();
        Ok(())
    }

    /// Reads a string; borrowed when it holds no escapes.
    pub(super) fn string(&mut self) -> Read<Cow<'a, str>> {
        self.quote()?;
        let run = self.run();
        if self.take(b'"') {
            return Ok(Cow::Borrowed(run));
        }
        let mut decoded = String::with_capacity(run.len() + 64);
        decoded.push_str(run);
        self.string_tail(&mut decoded)?;
        Ok(Cow::Owned(decoded))
    }

    /// Reads a string and appends what it says to `out`.
    pub(super) fn string_into(&mut self, out: &mut String) -> Read<()> {
        self.quote()?;
        self.string_tail(out)
    }

    /// Reads an integer in integer form: digits only, no leading zero. What exceeds 64 bits reads as the largest number.
    pub(super) fn integer(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = &self.text.as_bytes()[start..self.at];
        let in_form = !digits.is_empty() && (digits.len() == 1 || digits[0] != b'0');
        (in_form && !matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(number)
    }

    /// Reads and forgets any value.
    pub(super) fn skip_value(&mut self) -> Read<()> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Read<()> {
        if depth == MAX_DEPTH {
            return Err(Verdict::invalid("the JSON is nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => self.object(|inner, _| inner.skip_nested(depth + 1)),
            Some(b'[') => self.array(|inner| inner.skip_nested(depth + 1)),
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &str) -> Read<()> {
        if !self.rest().starts_with(word) {
            return Err(Verdict::invalid("a word is not JSON"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Skips a number of any form.
    fn number(&mut self) -> Read<()> {
        let malformed = || Verdict::invalid("a value is not JSON");
        self.take(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(malformed());
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(malformed());
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(malformed());
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn quote(&mut self) -> Read<()> {
        if self.take(b'"') {
            Ok(())
        } else {
            Err(Verdict::invalid("a JSON string is missing"))
        }
    }

    /// The characters up to the next quote, backslash, control character or the end.
    fn run(&mut self) -> &'a str {
        let length = verbatim(&self.text.as_bytes()[self.at..]);
        let run = &self.text[self.at..self.at + length];
        self.at += length;
        run
    }

    fn string_tail(&mut self, out: &mut String) -> Read<()> {
        loop {
            let run = self.run();
            out.push_str(run);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(Verdict::invalid("a string holds a bare control character")),
                None => return Err(Verdict::invalid("the JSON ends inside a string")),
            }
        }
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Read<char> {
        let letter = self.peek();
        self.at += usize::from(letter.is_some());
        match letter {
            Some(b'"') => Ok('"'),
            Some(b'\\') => Ok('\\'),
            Some(b'n') => Ok('\n'),
            Some(b't') => Ok('\t'),
            Some(b'r') => Ok('\r'),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'/') => {
                self.plain = false;
                Ok('/')
            }
            Some(b'u') => self.unicode(),
            _ => Err(Verdict::invalid("a string holds an unknown escape")),
        }
    }

    /// Reads what follows `\u`: one unit, or a pair of surrogates.
    fn unicode(&mut self) -> Read<char> {
        let lone = || Verdict::invalid("a string holds half of a surrogate pair");
        let start = self.at;
        let unit = self.unit()?;
        if !is_canonical_unit(unit, &self.text.as_bytes()[start..self.at]) {
            self.plain = false;
        }
        if !(0xd800..0xdc00).contains(&unit) {
            return char::from_u32(unit).ok_or_else(lone);
        }
        if !(self.take(b'\\') && self.take(b'u')) {
            return Err(lone());
        }
        let low = self.unit()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(lone());
        }
        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).ok_or_else(lone)
    }

    fn unit(&mut self) -> Read<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return Err(Verdict::invalid("a \\u escape lacks its four hex digits"));
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// Whether `\u` with these digits is how the canonical form writes this unit: a control character without a short escape, in lower case.
fn is_canonical_unit(unit: u32, digits: &[u8]) -> bool {
    unit < 0x20
        && !matches!(unit, 0x08 | 0x09 | 0x0a | 0x0c | 0x0d)
        && !digits.iter().any(u8::is_ascii_uppercase)
}
