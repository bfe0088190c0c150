//! An event's tags: arrays of strings (NIP-01), kept in three allocations whatever their number.

/// The tags of one event, in order. A tag has at least its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// All fields of all tags, one after the other.
    text: String,
    /// Where each field ends in `text`.
    ends: Vec<u32>,
    /// The number of fields up to and including each tag.
    upto: Vec<u32>,
}

impl Tags {
    /// The number of tags.
    pub fn len(&self) -> usize {
        self.upto.len()
    }

    /// Whether there is no tag.
    pub fn is_empty(&self) -> bool {
        self.upto.is_empty()
    }

    /// The tags in the event's order.
    pub fn iter(&self) -> impl Iterator<Item = Tag<'_>> {
        let mut first = 0;
        self.upto.iter().map(move |&end| {
            let tag = Tag {
                tags: self,
                first,
                end: end as usize,
            };
            first = end as usize;
            tag
        })
    }

    /// The first tag of this name.
    pub fn first(&self, name: &str) -> Option<Tag<'_>> {
        self.iter().find(|tag| tag.name() == name)
    }

    /// No tags yet, and room for the few that most events have.
    pub(super) fn with_room() -> Self {
        Self {
            text: String::with_capacity(256),
            ends: Vec::with_capacity(16),
            upto: Vec::with_capacity(8),
        }
    }

    /// Where the next field is written; [`Tags::end_field`] follows.
    pub(super) fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// Ends a field. Texts are bounded far below 4 GiB, so its place fits.
    pub(super) fn end_field(&mut self) {
        self.ends.push(self.text.len() as u32);
    }

    /// Ends a tag. Says whether it had a field.
    pub(super) fn end_tag(&mut self) -> bool {
        let before = self.upto.last().copied().unwrap_or(0);
        let now = self.ends.len() as u32;
        self.upto.push(now);
        now > before
    }

    fn field(&self, index: usize) -> &str {
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1] as usize,
        };
        &self.text[start..self.ends[index] as usize]
    }
}

/// One tag: a name and further strings.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'a> {
    tags: &'a Tags,
    first: usize,
    end: usize,
}

impl<'a> Tag<'a> {
    /// The first string.
    pub fn name(&self) -> &'a str {
        self.tags.field(self.first)
    }

    /// The second string, which filters look at.
    pub fn value(&self) -> Option<&'a str> {
        self.get(1)
    }

    /// The string at `index`; 0 is the name.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        (index < self.len()).then(|| self.tags.field(self.first + index))
    }

    /// The number of strings, at least 1.
    #[allow(clippy::len_without_is_empty)] // a tag is never empty
    pub fn len(&self) -> usize {
        self.end - self.first
    }

    /// All strings, the name first.
    pub fn fields(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let tags = self.tags;
        (self.first..self.end).map(move |index| tags.field(index))
    }
}
