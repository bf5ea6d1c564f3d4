//! What a server is besides its documents: who may sign in, and the set that it is the primary of.

use super::command::Command;
use super::sign_in::{MECHANISM, User};
use bson::{Bson, Document};

/// May change while the server runs, as a password that is rotated does.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    /// Nobody has to sign in where nobody is named.
    pub(super) user: Option<User>,
    pub(super) set: Option<ReplicaSet>,
}

/// A replica set with one primary, this server.
#[derive(Clone, Debug)]
pub(super) struct ReplicaSet {
    pub(super) name: String,
    /// Where its only member is, as clients are told: they go there, wherever they asked first.
    pub(super) host: String,
}

impl Identity {
    /// What `hello` says beyond what every server says.
    pub(super) fn tell(&self, command: &Command, answer: &mut Document) {
        if let Some(user) = &self.user
            && let Ok(asked) = command.body.get_str("saslSupportedMechs")
            && asked
                .split_once('.')
                .is_some_and(|(_, name)| name == user.name)
        {
            answer.insert("saslSupportedMechs", vec![MECHANISM]);
        }
        if let Some(ReplicaSet { name, host }) = &self.set {
            let hosts = vec![Bson::String(host.clone())];
            answer.insert("setName", name);
            answer.insert("setVersion", 1);
            answer.insert("hosts", hosts);
            answer.insert("primary", host);
            answer.insert("me", host);
            answer.insert("secondary", false);
        }
    }
}
