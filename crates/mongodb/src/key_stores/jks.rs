//! Java's own key stores (JKS). Certificates stand in them in the clear; the password is a part of the digest at the end.
//!
//! Source: `sun.security.provider.JavaKeyStore` of OpenJDK 17.

use sha1::{Digest, Sha1};

const MAGIC: [u8; 4] = [0xFE, 0xED, 0xFE, 0xED];
const DIGEST: usize = 20;

/// What Java mixes into the digest.
const WHITENER: &[u8] = b"Mighty Aphrodite";

const CUT_SHORT: &str = "is a JKS store that is cut short";

pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The certificates that a client with this store trusts, as DER. An empty password is none: the digest is not looked at.
pub(super) fn trusted(bytes: &[u8], password: &str) -> Result<Vec<Vec<u8>>, String> {
    let body = bytes.len().checked_sub(DIGEST).ok_or(CUT_SHORT)?;
    let (body, digest) = bytes.split_at(body);
    if !password.is_empty() && digest_of(body, password) != digest {
        return Err("is a JKS store that was changed, or the password is another one".to_owned());
    }
    let mut reader = Reader(body);
    reader.take(MAGIC.len())?;
    let version = reader.number()?;
    if !matches!(version, 1 | 2) {
        return Err(format!(
            "is a JKS store of version {version}, which is not known"
        ));
    }
    let mut certificates = Vec::new();
    for _ in 0..reader.number()? {
        let kind = reader.number()?;
        reader.text()?;
        // When it was made.
        reader.take(8)?;
        match kind {
            1 => {
                let key = reader.number()?;
                reader.take(key)?;
                let count = reader.number()?;
                for place in 0..count {
                    let certificate = reader.certificate(version)?;
                    // As in Java: who we are is trusted, who has signed for us need not be.
                    if place == 0 {
                        certificates.push(certificate);
                    }
                }
            }
            2 => certificates.push(reader.certificate(version)?),
            other => {
                return Err(format!(
                    "is a JKS store with an entry of kind {other}, which is not known"
                ));
            }
        }
    }
    Ok(certificates)
}

fn digest_of(body: &[u8], password: &str) -> Vec<u8> {
    let mut hash = Sha1::new();
    for unit in password.encode_utf16() {
        hash.update(unit.to_be_bytes());
    }
    hash.update(WHITENER);
    hash.update(body);
    hash.finalize().to_vec()
}

/// What is left to read; lengths are claims.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(CUT_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, String> {
        let bytes = self.take(4)?;
        Ok(bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn text(&mut self) -> Result<&'a [u8], String> {
        let length = self.take(2)?;
        self.take(usize::from(length[0]) << 8 | usize::from(length[1]))
    }

    fn certificate(&mut self, version: usize) -> Result<Vec<u8>, String> {
        if version == 2 && self.text()? != b"X.509" {
            return Err("is a JKS store with a certificate that is no X.509".to_owned());
        }
        let length = self.number()?;
        Ok(self.take(length)?.to_vec())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A store with these certificates.
    pub(in super::super) fn store(certificates: &[&[u8]], password: &str) -> Vec<u8> {
        let mut store = MAGIC.to_vec();
        let number = |value: usize| (value as u32).to_be_bytes();
        store.extend(number(2));
        store.extend(number(certificates.len()));
        for certificate in certificates {
            store.extend(number(2));
            store.extend([0, 1, b'a']);
            store.extend([0; 8]);
            store.extend([0, 5]);
            store.extend(b"X.509");
            store.extend(number(certificate.len()));
            store.extend(*certificate);
        }
        let digest = digest_of(&store, password);
        store.extend(digest);
        store
    }

    #[test]
    fn trusted_certificates_are_found_with_the_right_password_or_none() {
        let made = store(&[b"one", b"two"], "pässword");
        let found = vec![b"one".to_vec(), b"two".to_vec()];
        for password in ["pässword", ""] {
            assert_eq!(trusted(&made, password), Ok(found.clone()));
        }
        assert!(trusted(&made, "other").is_err());
        assert!(is_one(&made));
    }

    proptest! {
        #[test]
        fn what_is_cut_or_changed_is_an_error(at in 4usize..64, length in 4usize..64, byte: u8) {
            let mut made = store(&[b"one", b"two"], "");
            made.truncate(length.min(made.len()));
            let place = at.min(made.len() - 1);
            made[place] = byte;
            let _ = trusted(&made, "");
        }
    }
}
