//! The unit that CPU is expressed in: one Schnorr verification (BIP-340), key parsing included.

use secp256k1::{Keypair, Secp256k1, SecretKey, XOnlyPublicKey, schnorr::Signature};
use std::{fs, sync::LazyLock, time::Instant};

const BATCHES: usize = 7;
const BATCH: usize = 100;

/// CPU µs of one verification by this thread: the median of a few batches.
pub fn micros() -> f64 {
    let curve = Secp256k1::new();
    let secret = SecretKey::from_byte_array(&[7; 32]).expect("a fixed key below the curve's order");
    let keys = Keypair::from_secret_key(&curve, &secret);
    let key = keys.x_only_public_key().0.serialize();
    let sign = |n: usize| {
        let message = [n as u8; 32];
        (message, curve.sign_schnorr_no_aux_rand(&message, &keys))
    };
    let signed: Vec<([u8; 32], Signature)> = (0..BATCH).map(sign).collect();
    let batch = |_| {
        let start = cpu_nanos();
        for (message, signature) in &signed {
            let key = XOnlyPublicKey::from_byte_array(&key).expect("a key that we made");
            let verified = curve.verify_schnorr(signature, message, &key);
            verified.expect("a signature that we made");
        }
        (cpu_nanos() - start) / 1e3 / BATCH as f64
    };
    let mut batches: Vec<f64> = (0..BATCHES).map(batch).collect();
    batches.sort_by(f64::total_cmp);
    batches[BATCHES / 2]
}

/// Nanoseconds that this thread has run; wall time where the kernel does not tell.
fn cpu_nanos() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = told.and_then(|text| text.split(' ').next()?.parse().ok());
    first.unwrap_or_else(|| START.elapsed().as_nanos() as f64)
}
