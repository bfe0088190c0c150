//! The version of a configuration file.

use serde::{
    Deserializer,
    de::{self, Unexpected, Visitor},
};
use std::fmt;

/// Reads a version as a number; which one is known is the file's affair.
pub(crate) fn version<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    struct Version;
    impl Visitor<'_> for Version {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number: write version: 1, without quotes")
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<u32, E> {
            let wrong = |_| E::invalid_value(Unexpected::Unsigned(value), &self);
            u32::try_from(value).map_err(wrong)
        }
    }
    input.deserialize_u32(Version)
}
