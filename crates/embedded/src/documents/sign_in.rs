//! Sign-in by SCRAM-SHA-256, as a server before MongoDB 4.4 does it: it knows no `skipEmptyExchange`, so that a client
//! has to send one empty message more when it has checked the server's proof.

use super::command::{Command, CommandError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const MECHANISM: &str = "SCRAM-SHA-256";
const ITERATIONS: u32 = 4096;

/// Who may sign in.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

/// How far a connection has come.
#[derive(Debug, Default)]
pub(super) enum Step {
    #[default]
    Stranger,
    /// Has got salt and nonce, and is to prove that it knows the password.
    Challenged {
        nonce: String,
        auth_message: String,
    },
    /// Has got our proof, and is to say that it has seen it.
    Proven,
    SignedIn,
}

/// Answers what concerns the sign-in, and refuses what needs one. `None`: anybody else's business.
pub(super) fn answer(user: &User, step: &mut Step, command: &Command) -> Option<Document> {
    let answered = match command.name.as_str() {
        "saslStart" => start(user, step, command),
        "saslContinue" => go_on(user, step, command),
        "hello" | "isMaster" | "ismaster" | "ping" => return None,
        _ if matches!(step, Step::SignedIn) => return None,
        name => Err(CommandError::new(
            13,
            "Unauthorized",
            format!("command {name} requires authentication"),
        )),
    };
    Some(answered.unwrap_or_else(|error| {
        *step = Step::Stranger;
        error.answer()
    }))
}

fn start(user: &User, step: &mut Step, command: &Command) -> Result<Document, CommandError> {
    if command.body.get_str("mechanism").ok() != Some(MECHANISM) {
        return Err(CommandError::new(
            334,
            "MechanismUnavailable",
            format!("only {MECHANISM} is known here"),
        ));
    }
    let first = payload(command)?;
    let bare = first.strip_prefix("n,,").ok_or_else(refused)?;
    let name = field(bare, "n=")?.replace("=2C", ",").replace("=3D", "=");
    if name != user.name {
        return Err(refused());
    }
    let nonce = format!("{}{}", field(bare, "r=")?, Uuid::new_v4().simple());
    let challenge = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt(user)));
    *step = Step::Challenged {
        auth_message: format!("{bare},{challenge}"),
        nonce,
    };
    Ok(reply(&challenge, false))
}

fn go_on(user: &User, step: &mut Step, command: &Command) -> Result<Document, CommandError> {
    let text = payload(command)?;
    match std::mem::take(step) {
        Step::Challenged {
            nonce,
            auth_message,
        } => {
            let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(refused)?;
            if field(without_proof, "r=")? != nonce {
                return Err(refused());
            }
            let message = format!("{auth_message},{without_proof}");
            let salted = salted_password(user);
            let client_key = mac(&salted, b"Client Key");
            let signature = mac(&Sha256::digest(&client_key), message.as_bytes());
            let expected: Vec<u8> = client_key
                .iter()
                .zip(&signature)
                .map(|(a, b)| a ^ b)
                .collect();
            if STANDARD.decode(proof).ok() != Some(expected) {
                return Err(refused());
            }
            let ours = mac(&mac(&salted, b"Server Key"), message.as_bytes());
            *step = Step::Proven;
            Ok(reply(&format!("v={}", STANDARD.encode(ours)), false))
        }
        Step::Proven if text.is_empty() => {
            *step = Step::SignedIn;
            Ok(reply("", true))
        }
        _ => Err(refused()),
    }
}

fn reply(payload: &str, done: bool) -> Document {
    let payload = Binary {
        subtype: BinarySubtype::Generic,
        bytes: payload.as_bytes().to_vec(),
    };
    doc! {"conversationId": 1, "done": done, "payload": payload, "ok": 1.0}
}

fn payload(command: &Command) -> Result<String, CommandError> {
    let bytes = command.body.get_binary("payload").map_err(|_| refused())?;
    String::from_utf8(bytes.bytes.to_vec()).map_err(|_| refused())
}

fn field<'a>(message: &'a str, name: &str) -> Result<&'a str, CommandError> {
    let mut fields = message.split(',');
    fields
        .find_map(|field| field.strip_prefix(name))
        .ok_or_else(refused)
}

fn refused() -> CommandError {
    CommandError::new(18, "AuthenticationFailed", "Authentication failed.")
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

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
