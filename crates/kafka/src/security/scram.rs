//! SCRAM, the client's side (RFC 5802), with SHA-256 or SHA-512 and without channel binding, as Kafka has it.

use super::User;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::Digest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

/// Kafka's own range; more would let a false broker burn our time.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

impl Hash {
    pub(super) fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(data).to_vec(),
            Hash::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, data),
            Hash::Sha512 => mac::<Hmac<Sha512>>(key, data),
        }
    }

    /// PBKDF2 with one block of output.
    fn salted_password(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut block = self.hmac(password, &[salt, &[0, 0, 0, 1]].concat());
        let mut sum = block.clone();
        for _ in 1..iterations {
            block = self.hmac(password, &block);
            for (total, byte) in sum.iter_mut().zip(&block) {
                *total ^= byte;
            }
        }
        sum
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// A sign-in under way.
pub(super) struct Exchange<'a> {
    hash: Hash,
    user: &'a User,
    nonce: String,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(hash: Hash, user: &'a User, nonce: String) -> Self {
        Exchange { hash, user, nonce }
    }

    fn first_bare(&self) -> String {
        let name = self.user.name.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r={}", self.nonce)
    }

    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    /// The proof that we know the password, and the signature by which the server proves the same.
    pub(super) fn answer(&self, server_first: &str) -> Result<(String, Vec<u8>), String> {
        let field = |name: &str| {
            server_first
                .split(',')
                .find_map(|part| part.strip_prefix(name))
        };
        if let Some(error) = field("e=") {
            return Err(error.to_owned());
        }
        let nonce = field("r=")
            .filter(|nonce| nonce.starts_with(&self.nonce) && *nonce != self.nonce)
            .ok_or("invalid SCRAM nonce from the broker")?;
        let salt = field("s=")
            .and_then(|salt| STANDARD.decode(salt).ok())
            .ok_or("invalid SCRAM salt from the broker")?;
        let iterations = field("i=")
            .and_then(|count| count.parse().ok())
            .filter(|count| ITERATIONS.contains(count))
            .ok_or(
                "invalid SCRAM iteration count from the broker: it is not within 4096 to 1000000",
            )?;
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare());
        let hash = self.hash;
        let salted =
            hash.salted_password(self.user.password.reveal().as_bytes(), &salt, iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&client_key), message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        let server_key = hash.hmac(&salted, b"Server Key");
        let expected = hash.hmac(&server_key, message.as_bytes());
        Ok((
            format!("{without_proof},p={}", STANDARD.encode(proof)),
            expected,
        ))
    }

    /// Whether the server knows the password as well.
    pub(super) fn check(server_final: &str, expected: &[u8]) -> Result<(), String> {
        if let Some(error) = server_final.strip_prefix("e=") {
            return Err(error.to_owned());
        }
        let signature = server_final
            .strip_prefix("v=")
            .and_then(|text| STANDARD.decode(text.split(',').next().unwrap_or(text)).ok());
        if signature.as_deref() == Some(expected) {
            Ok(())
        } else {
            Err("invalid SCRAM server signature: the broker did not prove that it knows the password".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Password;
    use proptest::prelude::*;

    /// The example of RFC 7677.
    #[test]
    fn agrees_with_the_standard() {
        let user = User {
            name: "user".to_owned(),
            password: Password::new("pencil"),
        };
        let exchange = Exchange::new(Hash::Sha256, &user, "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (answer, expected) = exchange.answer(first).expect("well formed");
        assert_eq!(
            answer,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let last = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(Exchange::check(last, &expected), Ok(()));
        assert!(Exchange::check("v=AAAA", &expected).is_err());
        assert!(exchange.answer(&first.replace("i=4096", "i=1")).is_err());
        assert!(exchange.answer(&first.replace("r=rO", "r=xO")).is_err());
    }

    proptest! {
        #[test]
        fn takes_any_message_of_a_broker(
            text in ".*",
            fields in proptest::collection::vec("(r=n|s=|i=|e=|v=)[0-9a-zA-Z+/=-]{0,8}", 0..5),
        ) {
            let user = User {
                name: "user".to_owned(),
                password: Password::new("pencil"),
            };
            let exchange = Exchange::new(Hash::Sha512, &user, "n".to_owned());
            for message in [text, fields.join(",")] {
                let _ = exchange.answer(&message);
                prop_assert!(Exchange::check(&message, b"what nobody guesses").is_err());
            }
        }
    }
}
