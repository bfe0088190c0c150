//! A size in bytes, as people write it.

use super::text::TextVisitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, marker::PhantomData, str::FromStr};

/// A size in bytes, written as a Kubernetes quantity: `10Gi`, `500M`, `4096`. Whole bytes, more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// For constants.
    pub const fn mebibytes(count: u64) -> Self {
        assert!(
            count > 0 && count < 1 << 44,
            "more than zero, and no overflow"
        );
        Self(count << 20)
    }

    /// The value in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

const SUFFIXES: [(&str, u64); 11] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size: write it like 10Gi or 500M");
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (_, unit) = SUFFIXES
            .iter()
            .find(|(name, _)| *name == &text[split..])
            .ok_or_else(wrong)?;
        let bytes = match text[..split].split_once('.') {
            None => text[..split]
                .parse::<u64>()
                .ok()
                .and_then(|n| n.checked_mul(*unit)),
            Some((whole, part)) if part.len() <= 9 && !part.is_empty() => {
                let scale = 10_u128.pow(part.len() as u32);
                let number = format!("{whole}{part}")
                    .parse::<u128>()
                    .map_err(|_| wrong())?;
                u64::try_from(number.saturating_mul(u128::from(*unit)) / scale).ok()
            }
            Some(_) => None,
        };
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = SUFFIXES
            .iter()
            .filter(|(_, unit)| self.0.is_multiple_of(*unit))
            .max_by_key(|(_, unit)| *unit);
        let (name, unit) = best.expect("every number is a multiple of 1");
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::Size;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for Size {
        fn schema_name() -> Cow<'static, str> {
            "Size".into()
        }
        fn inline_schema() -> bool {
            true
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "maxLength": 32, "pattern": r"^[0-9]+(\.[0-9]{1,9})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_quantities() {
        for (text, bytes, shown) in [
            ("10Gi", 10 << 30, "10Gi"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("500M", 500_000_000, "500M"),
            ("1", 1, "1"),
        ] {
            let value: Size = text.parse().unwrap();
            assert_eq!(value.bytes(), bytes, "{text}");
            assert_eq!(value.to_string(), shown);
        }
        for text in [
            "",
            "0",
            "-1",
            "lots",
            "1Zi",
            "1.",
            ".",
            "99999999Pi",
            "1 Gi",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text:?} must be refused");
        }
    }
}
