//! Hashes as both sides write them: lower-case hex. `/status` says what the operator waits for, so there is one rule.

use sha2::{Digest, Sha256};

/// The digits of lower-case hex, by their value.
pub const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// SHA-256 in hex: what `/status` says of a file, and what the operator waits for.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    push_hex(&mut text, &Sha256::digest(bytes));
    text
}

/// Appends `bytes` as lower-case hex.
pub fn push_hex(text: &mut String, bytes: &[u8]) {
    for part in bytes.chunks(32) {
        let mut hex = [0; 64];
        let hex = &mut hex[..2 * part.len()];
        write(hex, part);
        text.push_str(str::from_utf8(hex).expect("digits are ASCII"));
    }
}

/// 32 bytes as lower-case hex.
pub fn hex_32(bytes: &[u8; 32]) -> [u8; 64] {
    let mut hex = [0; 64];
    write(&mut hex, bytes);
    hex
}

fn write(hex: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_pairs_of_lower_case_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        push_hex(&mut text, &bytes);
        assert_eq!(text.len(), 512);
        for (pair, byte) in text.as_bytes().chunks(2).zip(bytes) {
            assert_eq!(pair, format!("{byte:02x}").as_bytes());
        }
        assert_eq!(hex_32(&[0xa1; 32]), *"a1".repeat(32).as_bytes());
    }

    #[test]
    fn the_hash_of_nothing_is_the_one_that_everybody_knows() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
