//! How values that are written as text are read: by `FromStr`, with the key and the line in the error.

use serde::{
    Deserializer,
    de::{self, Visitor},
};
use std::{fmt, marker::PhantomData, net::SocketAddr, str::FromStr};

/// Reads text inside a visitor: only there serde_yaml adds the key and the line to the error.
pub(crate) struct TextVisitor<T>(pub(crate) PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Reads an address with its port, such as `127.0.0.1:8080` or `[::]:8080`.
pub(crate) fn socket_address<'de, D: Deserializer<'de>>(input: D) -> Result<SocketAddr, D::Error> {
    struct Address(SocketAddr);
    impl FromStr for Address {
        type Err = String;
        fn from_str(text: &str) -> Result<Self, String> {
            let wrong = || format!("{text:?} is not an address: write it like 127.0.0.1:8080");
            text.parse().map(Self).map_err(|_| wrong())
        }
    }
    let Address(address) = input.deserialize_str(TextVisitor(PhantomData))?;
    Ok(address)
}
