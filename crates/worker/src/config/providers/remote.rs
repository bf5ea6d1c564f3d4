//! Values that services outside of this process keep: what a reference to one means, and who asks for it.

use std::fmt;
use std::sync::{Arc, OnceLock};

#[derive(Clone, Copy, Debug)]
pub(super) enum RemoteKind {
    Secrets,
    Parameters,
}

/// A value that a service keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteValue {
    /// A secret by name or ARN: whole, or a member of the JSON object in it.
    Secret { id: String, member: Option<String> },
    /// A parameter by its path or ARN.
    Parameter(String),
}

impl RemoteValue {
    /// What `${provider:path:key}` means to a kind of service; the path may be empty. Names have no colons, ARNs have six.
    pub(super) fn of(kind: RemoteKind, path: &str, key: &str) -> Self {
        const COLONS_OF_SECRET: usize = 6;
        let whole = match path.is_empty() {
            true => key.to_owned(),
            false => format!("{path}:{key}"),
        };
        if let RemoteKind::Parameters = kind {
            return RemoteValue::Parameter(whole);
        }
        let colons = if whole.starts_with("arn:") {
            COLONS_OF_SECRET
        } else {
            0
        };
        let end = whole.match_indices(':').nth(colons).map(|(at, _)| at);
        let (id, member) = match end {
            Some(at) => (&whole[..at], Some(&whole[at + 1..])),
            None => (&*whole, None),
        };
        RemoteValue::Secret {
            id: id.to_owned(),
            member: member
                .filter(|member| !member.is_empty())
                .map(str::to_owned),
        }
    }
}

/// Who asks the services for values. It is called on a thread for blocking work.
pub trait RemoteValues: Send + Sync {
    /// The value; nothing if the service has none of that name.
    fn get(&self, value: &RemoteValue) -> Result<Option<String>, String>;
}

/// Whoever was named to ask, or still nobody.
#[derive(Clone, Default)]
pub(super) struct Remote(Arc<OnceLock<Arc<dyn RemoteValues>>>);

impl Remote {
    /// Names who asks; the first who is named does.
    pub(super) fn name(&self, values: Arc<dyn RemoteValues>) {
        // A second one would only do the same.
        let _ = self.0.set(values);
    }

    pub(super) fn get(&self) -> Option<&Arc<dyn RemoteValues>> {
        self.0.get()
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}
