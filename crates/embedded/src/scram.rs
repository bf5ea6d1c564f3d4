//! SCRAM-SHA-256, the server's side, for whatever protocol carries it. A user's salt follows from the name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const ITERATIONS: u32 = 4096;

/// Who may sign in.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// A client that has got salt and nonce, and is to prove that it knows the password.
#[derive(Debug)]
pub(crate) struct Challenged {
    user: User,
    nonce: String,
    auth_message: String,
}

/// Whose message is malformed or wrong.
#[derive(Debug)]
pub(crate) struct Refused;

/// Takes a client's first message: our first, and what the next one has to fit to.
pub(crate) fn challenge(
    first: &str,
    user: impl FnOnce(&str) -> Option<User>,
) -> Result<(Challenged, String), Refused> {
    let bare = first.strip_prefix("n,,").ok_or(Refused)?;
    let name = field(bare, "n=")?.replace("=2C", ",").replace("=3D", "=");
    let user = user(&name).ok_or(Refused)?;
    let nonce = format!("{}{}", field(bare, "r=")?, Uuid::new_v4().simple());
    let salt = STANDARD.encode(salt(&user));
    let challenge = format!("r={nonce},s={salt},i={ITERATIONS}");
    let challenged = Challenged {
        user,
        auth_message: format!("{bare},{challenge}"),
        nonce,
    };
    Ok((challenged, challenge))
}

impl Challenged {
    /// Takes a client's proof: the user's name, and our own proof.
    pub(crate) fn proven(self, last: &str) -> Result<(String, String), Refused> {
        let (without_proof, proof) = last.rsplit_once(",p=").ok_or(Refused)?;
        if field(without_proof, "r=")? != self.nonce {
            return Err(Refused);
        }
        let message = format!("{},{without_proof}", self.auth_message);
        let salted = salted_password(&self.user);
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(&client_key), message.as_bytes());
        let expected: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        if STANDARD.decode(proof).ok() != Some(expected) {
            return Err(Refused);
        }
        let ours = mac(&mac(&salted, b"Server Key"), message.as_bytes());
        Ok((self.user.name, format!("v={}", STANDARD.encode(ours))))
    }
}

fn field<'a>(message: &'a str, name: &str) -> Result<&'a str, Refused> {
    let mut fields = message.split(',');
    fields
        .find_map(|field| field.strip_prefix(name))
        .ok_or(Refused)
}

fn salt(user: &User) -> Vec<u8> {
    Sha256::digest(user.name.as_bytes()).to_vec()
}

/// PBKDF2, one block of it.
fn salted_password(user: &User) -> Vec<u8> {
    let password = user.password.as_bytes();
    let mut block = mac(password, &[salt(user).as_slice(), &[0, 0, 0, 1]].concat());
    let mut sum = block.clone();
    for _ in 1..ITERATIONS {
        block = mac(password, &block);
        sum.iter_mut()
            .zip(&block)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

pub(crate) fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// What a client that knows the password answers to a challenge.
#[cfg(test)]
pub(crate) fn proof(user: &User, bare: &str, challenge: &str) -> String {
    let nonce = challenge.split(',').next().unwrap_or_default();
    let without_proof = format!("c=biws,{nonce}");
    let message = format!("{bare},{challenge},{without_proof}");
    let client_key = mac(&salted_password(user), b"Client Key");
    let signature = mac(&Sha256::digest(&client_key), message.as_bytes());
    let proof = client_key.iter().zip(&signature).map(|(a, b)| a ^ b);
    let proof = STANDARD.encode(proof.collect::<Vec<u8>>());
    format!("{without_proof},p={proof}")
}
