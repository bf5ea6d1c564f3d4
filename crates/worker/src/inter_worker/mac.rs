//! MacAlgorithm: the message authentication codes that Java's worker can be told to use, by Java's names.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

/// An algorithm of `javax.crypto.Mac`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MacAlgorithm {
    name: &'static str,
    /// Of the keys that Java's `KeyGenerator` makes for it when it is told no length, in bytes.
    key_length: usize,
    sign: fn(&[u8], &[u8]) -> Vec<u8>,
    verify: fn(&[u8], &[u8], &[u8]) -> bool,
}

macro_rules! algorithm {
    ($name:literal, $digest:ty, $key_length:literal) => {
        MacAlgorithm {
            name: $name,
            key_length: $key_length,
            sign: sign::<Hmac<$digest>>,
            verify: verify::<Hmac<$digest>>,
        }
    };
}

const ALL: [MacAlgorithm; 8] = [
    algorithm!("HmacMD5", Md5, 64),
    algorithm!("HmacSHA1", Sha1, 64),
    algorithm!("HmacSHA224", Sha224, 28),
    algorithm!("HmacSHA256", Sha256, 32),
    algorithm!("HmacSHA384", Sha384, 48),
    algorithm!("HmacSHA512", Sha512, 64),
    algorithm!("HmacSHA512/224", Sha512_224, 28),
    algorithm!("HmacSHA512/256", Sha512_256, 32),
];

impl MacAlgorithm {
    /// Java knows them in any case of letters.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let mut all = ALL.into_iter();
        all.find(|algorithm| algorithm.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        ALL.into_iter().map(|algorithm| algorithm.name)
    }

    pub(crate) fn key_length(self) -> usize {
        self.key_length
    }

    pub(crate) fn sign(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        (self.sign)(key, text)
    }

    /// Takes the same time for every signature of the right length.
    pub(crate) fn verify(self, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
        (self.verify)(key, text, signature)
    }
}

/// HMAC takes keys of any length, so there is always one.
fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac)
}

fn sign<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = mac::<M>(key, text);
    mac.map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec())
}

fn verify<M: Mac + KeyInit>(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    mac::<M>(key, text).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}
