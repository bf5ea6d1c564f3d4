//! What may keep discovery from an answer, and how the process ends if it does.

use super::selection::Unfit;
use crate::client::{CallError, Class};
use std::fmt;

/// How a process ends that has found nothing, in the words of sysexits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody has to change the settings, or what is registered.
    Configuration,
    /// Somebody has to give a permission.
    Permission,
    /// A service does not answer, or is not done yet.
    Unavailable,
}

impl Ending {
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Configuration => 78,
            Ending::Permission => 77,
            Ending::Unavailable => 69,
        }
    }
}

/// Why an attempt found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Nothing where asking again is of no use.
    pub class: Option<Class>,
    pub ending: Ending,
    pub message: String,
}

impl Trouble {
    /// As what ends a start.
    pub(super) fn into_error(self) -> DiscoveryError {
        DiscoveryError {
            ending: self.ending,
            message: self.message,
        }
    }

    /// Something that a person has to change.
    pub(super) fn wrong(message: String) -> Self {
        Trouble {
            class: None,
            ending: Ending::Configuration,
            message,
        }
    }

    /// An answer that does not fit. `ending` is for one that never comes to fit.
    pub(super) fn unfit(unfit: Unfit, ending: Ending, what: &str) -> Self {
        match unfit {
            Unfit::NotYet(why) => Trouble {
                class: Some(Class::NotReady),
                ending,
                message: format!("{what}: {why}"),
            },
            Unfit::Wrong(why) => Self::wrong(format!("{what}: {why}")),
        }
    }

    /// A call that failed, with what it was about.
    pub(super) fn of_call(error: CallError, about: &str) -> Self {
        let ending = match error.class {
            Class::Throttled | Class::Transient | Class::NotReady => Ending::Unavailable,
            Class::Expired | Class::Skewed | Class::NoCredentials | Class::Denied => {
                Ending::Permission
            }
            Class::Permanent => Ending::Configuration,
        };
        Trouble {
            class: Some(error.class),
            ending,
            message: format!("{about}: {error}{}", remedy(&error)),
        }
    }
}

/// What to do about an error, where the service's words do not say it: nothing, or what follows them.
pub fn remedy(error: &CallError) -> String {
    const SIGNATURE: [&str; 2] = ["InvalidSignatureException", "RequestTimeTooSkewed"];
    match error.class {
        // Once the clock is known to be right, that is no matter of permissions either.
        Class::Denied
            if error
                .name
                .as_deref()
                .is_some_and(|name| SIGNATURE.contains(&name)) =>
        {
            "; the secret key is not the one of this access key id".to_owned()
        }
        Class::Denied => format!("; the task's role needs {}", permission(error.operation)),
        Class::Skewed => "; the clock of this machine, or the secret key, is wrong".to_owned(),
        Class::Expired => "; the credentials have expired, and there are no newer ones".to_owned(),
        Class::Permanent if error.name.as_deref() == Some("NamespaceNotFound") => {
            "; set NAMESPACE, and REGION to where it is".to_owned()
        }
        Class::Throttled
        | Class::Transient
        | Class::NotReady
        | Class::NoCredentials
        | Class::Permanent => String::new(),
    }
}

fn permission(operation: &str) -> &'static str {
    match operation {
        "DiscoverInstances" => "servicediscovery:DiscoverInstances",
        "DiscoverInstancesRevision" => "servicediscovery:DiscoverInstancesRevision",
        "GetBootstrapBrokers" => "kafka:GetBootstrapBrokers on the cluster",
        "GetSecretValue" => {
            "secretsmanager:GetSecretValue on the secret, and kms:Decrypt if the secret has a key of its own"
        }
        "GetObject" => "s3:GetObject on the object, and kms:Decrypt if it has a key of its own",
        _ => "ssm:GetParameter on the parameter, and kms:Decrypt if it has a key of its own",
    }
}

/// Discovery at the start came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryError {
    pub ending: Ending,
    pub message: String,
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DiscoveryError {}
