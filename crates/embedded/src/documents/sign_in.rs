//! Sign-in by SCRAM-SHA-256, as a server before MongoDB 4.4 does it: it knows no `skipEmptyExchange`, so that a client
//! has to send one empty message more when it has checked the server's proof.

use super::command::{Command, CommandError};
pub(super) use crate::scram::User;
use crate::scram::{Challenged, Refused, challenge};
use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// How far a connection has come.
#[derive(Debug, Default)]
pub(super) enum Step {
    #[default]
    Stranger,
    Challenged(Challenged),
    /// Has got our proof, and is to say that it has seen it.
    Proven,
    SignedIn,
}

/// Answers what concerns the sign-in, and refuses what needs one. `None`: anybody else's business.
pub(super) fn answer(user: &User, step: &mut Step, command: &Command) -> Option<Document> {
    let answered = match command.name.as_str() {
        "saslStart" => start(user, step, command),
        "saslContinue" => go_on(step, command),
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
    let known = |name: &str| (name == user.name).then(|| user.clone());
    let (challenged, answer) = challenge(&payload(command)?, known)?;
    *step = Step::Challenged(challenged);
    Ok(reply(&answer, false))
}

fn go_on(step: &mut Step, command: &Command) -> Result<Document, CommandError> {
    let text = payload(command)?;
    match std::mem::take(step) {
        Step::Challenged(challenged) => {
            let (_, proof) = challenged.proven(&text)?;
            *step = Step::Proven;
            Ok(reply(&proof, false))
        }
        Step::Proven if text.is_empty() => {
            *step = Step::SignedIn;
            Ok(reply("", true))
        }
        _ => Err(refused()),
    }
}

impl From<Refused> for CommandError {
    fn from(_: Refused) -> Self {
        refused()
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

fn refused() -> CommandError {
    CommandError::new(18, "AuthenticationFailed", "Authentication failed.")
}
