//! One second that holds more events than a relay shows at a time, taken apart by kind and then by author. Pure.

use serde_json::{Map, Value};

/// Kinds of one request: well under what relays take as values of one filter.
const KINDS: usize = 1_000;

/// Parts of one second that are still to be asked for.
#[derive(Clone, Debug)]
pub struct Parts {
    filter: Map<String, Value>,
    open: Vec<Part>,
}

/// One part: some kinds, and the authors if the filter names any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    kinds: Vec<Value>,
    authors: Option<Vec<Value>>,
}

impl Parts {
    /// All kinds and authors that `filter` asks for, in the second `second`.
    pub fn new(filter: &Map<String, Value>, second: u64) -> Self {
        let list = |key| filter.get(key).and_then(Value::as_array).cloned();
        let kinds = list("kinds").unwrap_or_else(|| (0..=u16::MAX).map(Value::from).collect());
        let part = |kinds: &[Value]| Part {
            kinds: kinds.to_vec(),
            authors: list("authors"),
        };
        let open = kinds.chunks(KINDS).map(part).collect();
        let mut filter = filter.clone();
        filter.insert("since".into(), second.into());
        filter.insert("until".into(), second.into());
        Self { filter, open }
    }

    /// The next part, and its filter.
    pub fn take(&mut self) -> Option<(Part, Map<String, Value>)> {
        let part = self.open.pop()?;
        let mut filter = self.filter.clone();
        filter.insert("kinds".into(), part.kinds.clone().into());
        if let Some(authors) = &part.authors {
            filter.insert("authors".into(), authors.clone().into());
        }
        Some((part, filter))
    }

    /// A part was too large as well: its halves are asked for. `Err` says in words what cannot be divided further.
    pub fn divide(&mut self, part: Part) -> Result<(), String> {
        let half = part.kinds.len() / 2;
        if half > 0 {
            for kinds in [&part.kinds[..half], &part.kinds[half..]] {
                self.open.push(Part {
                    kinds: kinds.to_vec(),
                    authors: part.authors.clone(),
                });
            }
            return Ok(());
        }
        let authors = part.authors.unwrap_or_default();
        let half = authors.len() / 2;
        if half == 0 {
            let kind = part.kinds.first().map(Value::to_string).unwrap_or_default();
            return Err(format!("kind {kind}"));
        }
        for authors in [&authors[..half], &authors[half..]] {
            self.open.push(Part {
                kinds: part.kinds.clone(),
                authors: Some(authors.to_vec()),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parts(filter: &Value) -> Parts {
        Parts::new(filter.as_object().unwrap(), 7)
    }

    #[test]
    fn without_kinds_every_kind_is_asked_for_once() {
        let mut parts = parts(&json!({"#t": ["x"]}));
        let mut kinds = Vec::new();
        while let Some((part, filter)) = parts.take() {
            assert_eq!(
                (&filter["since"], &filter["until"], &filter["#t"]),
                (&json!(7), &json!(7), &json!(["x"]))
            );
            kinds.extend(part.kinds.iter().map(|kind| kind.as_u64().unwrap()));
        }
        kinds.sort_unstable();
        assert!(kinds.iter().copied().eq(0..=65_535));
    }

    #[test]
    fn parts_are_halved_by_kind_then_by_author_and_then_named() {
        let mut parts = parts(&json!({"kinds": [1, 2], "authors": ["a", "b"]}));
        let (both, _) = parts.take().unwrap();
        parts.divide(both).unwrap();
        let (two, filter) = parts.take().unwrap();
        assert_eq!(filter["kinds"], json!([2]));
        parts.divide(two).unwrap();
        let (b, filter) = parts.take().unwrap();
        assert_eq!(
            (&filter["kinds"], &filter["authors"]),
            (&json!([2]), &json!(["b"]))
        );
        assert_eq!(parts.divide(b).unwrap_err(), "kind 2");
    }
}
