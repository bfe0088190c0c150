//! The PROXY protocol header (HAProxy's proxy-protocol.txt, versions 1 and 2) that a trusted proxy sends before everything else.
//!
//! It is read to its last byte and never past it: what follows is TLS or HTTP. Its length is bounded, its time is the
//! connection's deadline. Whoever must send one and sends something else is closed without an answer.

use ppp::{v1, v2};
use std::{io, net::IpAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line of version 1, with its end.
const LINE: usize = 107;

/// The fixed part of version 2.
const FIXED: usize = 16;

/// The longest variable part of version 2 that is read: addresses and what proxies add.
const VARIABLE: usize = 4096;

/// The client's address; `None` where the proxy speaks for itself (`LOCAL`, `UNKNOWN`, no internet address).
pub async fn client(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![stream.read_u8().await?];
    let address = match header[0] {
        b'P' => {
            line(stream, &mut header).await?;
            of_line(&header)?
        }
        b'\r' => {
            block(stream, &mut header).await?;
            of_block(&header)?
        }
        _ => return Err(wrong("no PROXY header")),
    };
    Ok(address.map(|address| address.to_canonical()))
}

/// Byte by byte: where the line ends is known only when it has ended.
async fn line(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> io::Result<()> {
    while !header.ends_with(b"\r\n") {
        if header.len() == LINE {
            return Err(wrong("a line that does not end"));
        }
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

async fn block(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> io::Result<()> {
    header.resize(FIXED, 0);
    stream.read_exact(&mut header[1..]).await?;
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if !header.starts_with(v2::PROTOCOL_PREFIX) || length > VARIABLE {
        return Err(wrong("no PROXY header, or too long a one"));
    }
    header.resize(FIXED + length, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    Ok(())
}

fn of_line(header: &[u8]) -> io::Result<Option<IpAddr>> {
    let header = v1::Header::try_from(header).map_err(|_| wrong("an unreadable PROXY line"))?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(four) => Some(four.source_address.into()),
        v1::Addresses::Tcp6(six) => Some(six.source_address.into()),
        v1::Addresses::Unknown => None,
    })
}

fn of_block(header: &[u8]) -> io::Result<Option<IpAddr>> {
    let header = v2::Header::try_from(header).map_err(|_| wrong("an unreadable PROXY header"))?;
    if header.command == v2::Command::Local {
        return Ok(None);
    }
    Ok(match header.addresses {
        v2::Addresses::IPv4(four) => Some(four.source_address.into()),
        v2::Addresses::IPv6(six) => Some(six.source_address.into()),
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
    })
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use proptest::prelude::*;

    /// What is read, and what is left for the next layer.
    fn read(mut bytes: &[u8]) -> (io::Result<Option<IpAddr>>, &[u8]) {
        let address = block_on(client(&mut bytes));
        (address, bytes)
    }

    fn named(bytes: &[u8]) -> Option<String> {
        let whole = [bytes, b"GET / HTTP/1.1\r\n"].concat();
        let (address, rest) = read(&whole);
        assert_eq!(rest, b"GET / HTTP/1.1\r\n", "read to the last byte");
        address.unwrap().map(|address| address.to_string())
    }

    /// A header of version 2: command, family and protocol, what follows.
    fn block(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, payload].concat()
    }

    const FOUR: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x1f, 0x90];

    #[test]
    fn both_versions_name_the_client() {
        let four = named(b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 8080\r\n");
        assert_eq!(four.as_deref(), Some("192.0.2.7"));
        let six = named(b"PROXY TCP6 2a00::7 2001:db8::1 4711 8080\r\n");
        assert_eq!(six.as_deref(), Some("2a00::7"));
        let four = named(&block(0x21, 0x11, &FOUR));
        assert_eq!(four.as_deref(), Some("192.0.2.7"));
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2a00::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
        assert_eq!(named(&block(0x21, 0x21, &six)).as_deref(), Some("2a00::7"));
    }

    #[test]
    fn what_proxies_add_to_version_2_is_skipped() {
        let more = [&FOUR[..], &[0xea, 0, 5, 1, b'v', b'p', b'c', b'e']].concat();
        let seen = named(&block(0x21, 0x11, &more));
        assert_eq!(seen.as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        let seen = named(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n");
        assert_eq!(seen.as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_nobody() {
        assert_eq!(named(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(named(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), None);
        assert_eq!(named(&block(0x20, 0x11, &FOUR)), None, "LOCAL");
        assert_eq!(named(&block(0x20, 0x00, &[])), None, "LOCAL");
        assert_eq!(named(&block(0x21, 0x31, &[0; 216])), None, "AF_UNIX");
        assert_eq!(named(&block(0x21, 0x00, &[])), None, "AF_UNSPEC");
    }

    #[test]
    fn what_is_truncated_too_long_or_wrong_is_refused() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat();
        let mut huge = block(0x21, 0x11, &FOUR);
        huge[14..16].copy_from_slice(&5000u16.to_be_bytes());
        huge.extend([0; 5000]);
        for bytes in [
            &b""[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 192.0.2.7",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n",
            b"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 2a00::7 2001:db8::1 1 2\r\n",
            b"POST / HTTP/1.1\r\n\r\n",
            &long,
            &huge,
            &block(0x21, 0x11, &FOUR)[..20],
            &block(0x21, 0x11, &FOUR[..8]),
            &block(0x31, 0x11, &FOUR),
            b"\r\n\r\n\0\r\nQUIT\r\n\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01",
        ] {
            let seen = read(bytes).0;
            assert!(
                seen.is_err(),
                "{:?}: {seen:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_proxy_end_the_task(start in 0..3usize, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let start = [&b"PROXY "[..], v2::PROTOCOL_PREFIX, b""][start];
            let _ = read(&[start, &bytes].concat());
        }
    }
}
