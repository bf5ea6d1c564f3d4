//! Config providers: `${file:/path:key}`, `${env:KEY}` and `${directory:/path:name}` in settings, and those that ask a service:
//! `${aws-secrets:name:key}` and `${ssm:/path}`.
//! A reference is resolved when a setting is used, never when it is stored.

mod remote;

pub use remote::{RemoteError, RemoteValue, RemoteValues};

use super::properties_file::parse_properties;
use super::redactor::Redactor;
use super::reference::{REFERENCE, has_reference};
use millstream_core::Properties;
use regex::Regex;
use remote::{Remote, RemoteKind, Wanted};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The providers that a worker file names. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct ConfigProviders {
    providers: Arc<Vec<(String, Provider)>>,
    /// What the references of all connectors so far stood for, for the log.
    seen: Arc<RwLock<Redactor>>,
    remote: Remote,
}

#[derive(Clone, Debug)]
enum Provider {
    File {
        allowed: Vec<PathBuf>,
    },
    Directory {
        allowed: Vec<PathBuf>,
    },
    Environment {
        allowed: Option<Regex>,
    },
    /// What the program itself was given: by flags, variables or files of its own.
    Values(SharedValues),
    /// A service outside of this process.
    Remote(RemoteKind, Remote),
}

/// Values that references stand for, which may change while the worker runs. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct SharedValues(Arc<RwLock<Properties>>);

impl SharedValues {
    /// What the references to a key stand for from now on: what is started after that gets it.
    pub fn set(&self, key: &str, value: &str) {
        // A value is replaced whole or not at all.
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        values.insert(key, value);
    }

    fn get(&self, key: &str) -> Option<String> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        values.get(key).map(str::to_owned)
    }
}

impl From<Properties> for SharedValues {
    fn from(values: Properties) -> Self {
        SharedValues(Arc::new(RwLock::new(values)))
    }
}

/// A reference that could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    message: String,
    /// Whether it may be looked up later: who keeps the value is out of reach.
    pub is_transient: bool,
}

impl ProviderError {
    fn lasting(message: impl ToString) -> Self {
        ProviderError {
            message: message.to_string(),
            is_transient: false,
        }
    }

    /// `error`: why the file was not read.
    fn of_file(message: String, error: &io::Error) -> Self {
        ProviderError {
            message,
            is_transient: is_away(error),
        }
    }
}

impl From<RemoteError> for ProviderError {
    fn from(error: RemoteError) -> Self {
        ProviderError {
            message: error.message,
            is_transient: error.is_transient,
        }
    }
}

/// Whether what keeps a file is out of reach, as a network file system is at times, and the file itself may be as it should.
fn is_away(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ResourceBusy
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::NotConnected
    )
}

/// What services have said in one pass over settings: each is asked once for a value, however many references mean it.
type Told = HashMap<RemoteValue, Option<String>>;

impl ConfigProviders {
    /// Reads `config.providers` and what belongs to it.
    ///
    /// # Errors
    /// One sentence for each provider that cannot be made.
    pub fn new(properties: &Properties) -> Result<Self, Vec<String>> {
        let names = properties.get("config.providers").unwrap_or_default();
        let names = names.split(',').map(str::trim).filter(|n| !n.is_empty());
        let (mut providers, mut errors) = (Vec::new(), Vec::new());
        let remote = Remote::default();
        for name in names {
            let settings = properties.with_prefix(&format!("config.providers.{name}."));
            match Provider::new(name, &settings, &remote) {
                Ok(provider) => providers.push((name.to_owned(), provider)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(ConfigProviders {
                providers: Arc::new(providers),
                seen: Arc::default(),
                remote,
            })
        } else {
            Err(errors)
        }
    }

    /// These providers and one more, which knows these values.
    pub(super) fn with_values(&self, name: &str, values: SharedValues) -> Self {
        let mut providers = Vec::clone(&self.providers);
        providers.push((name.to_owned(), Provider::Values(values)));
        ConfigProviders {
            providers: Arc::new(providers),
            seen: self.seen.clone(),
            remote: self.remote.clone(),
        }
    }

    /// Names who asks the services; the first who is named does.
    pub fn ask_with(&self, values: Arc<dyn RemoteValues>) {
        self.remote.name(values);
    }

    /// The settings with every reference replaced that a provider knows, and who hides what the references stand for.
    pub async fn resolve(&self, properties: &Properties) -> Result<Resolved, ProviderError> {
        let [resolved] = self.resolve_together([properties]).await?;
        Ok(resolved)
    }

    /// As `resolve`, for several settings in one pass.
    pub(crate) async fn resolve_together<const N: usize>(
        &self,
        settings: [&Properties; N],
    ) -> Result<[Resolved; N], ProviderError> {
        let refers = |it: &Properties| it.iter().any(|(_, value)| has_reference(value));
        let is_done = self.providers.is_empty() || !settings.into_iter().any(refers);
        let mut resolved = settings.map(|it| Resolved {
            properties: it.clone(),
            redactor: Redactor::default(),
        });
        if is_done {
            return Ok(resolved);
        }
        let providers = self.clone();
        let pass = tokio::task::spawn_blocking(move || {
            let mut told = Told::new();
            for each in &mut resolved {
                *each = providers.resolve_in_pass(&each.properties, &mut told)?;
            }
            Ok(resolved)
        });
        let resolved = pass.await;
        let resolved = resolved.unwrap_or_else(|error| Err(ProviderError::lasting(error)))?;
        for each in &resolved {
            self.remember(&each.redactor);
        }
        Ok(resolved)
    }

    /// Whether something in these settings is kept by a service.
    pub(crate) fn asks_services(&self, properties: &Properties) -> bool {
        let is_remote = |name: &str| {
            let mut providers = self.providers.iter();
            providers.any(|(known, it)| known == name && matches!(it, Provider::Remote(..)))
        };
        properties.iter().any(|(_, value)| {
            let mut references = REFERENCE.captures_iter(value);
            references.any(|reference| {
                reference
                    .get(1)
                    .is_some_and(|name| is_remote(name.as_str()))
            })
        })
    }

    fn remember(&self, redactor: &Redactor) {
        // A redactor is replaced whole or not at all.
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.remembering(redactor);
    }

    /// A line of the log without what the references of any connector stand for; `None` if there is nothing in it.
    pub fn hide(&self, line: &str) -> Option<String> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if !seen.hides_anything() {
            return None;
        }
        let hidden = seen.text(line);
        (hidden != line).then_some(hidden)
    }

    /// As `resolve`, reading files on this thread.
    pub fn resolve_now(&self, properties: &Properties) -> Result<Resolved, ProviderError> {
        self.resolve_in_pass(properties, &mut Told::new())
    }

    fn resolve_in_pass(
        &self,
        properties: &Properties,
        told: &mut Told,
    ) -> Result<Resolved, ProviderError> {
        let mut resolved = Properties::new();
        let mut found = Vec::new();
        for (key, value) in properties.entries() {
            match value {
                Some(value) => resolved.insert(key, self.resolve_text(value, told, &mut found)?),
                None => resolved.insert_null(key),
            }
        }
        let redactor = Redactor::new(properties, &resolved, found);
        Ok(Resolved {
            properties: resolved,
            redactor,
        })
    }

    /// `found`: what each reference stands for, with the reference.
    fn resolve_text(
        &self,
        text: &str,
        told: &mut Told,
        found: &mut Vec<(String, String)>,
    ) -> Result<String, ProviderError> {
        let mut resolved = String::with_capacity(text.len());
        let mut done = 0;
        for reference in REFERENCE.captures_iter(text) {
            let part = |group| reference.get(group).map_or("", |m| m.as_str());
            let Some(whole) = reference.get(0) else {
                continue;
            };
            let provider = self.providers.iter().find(|(name, _)| name == part(1));
            let value = match provider {
                Some((_, provider)) => provider.get(part(2), part(3), told)?,
                None => None,
            };
            resolved.push_str(&text[done..whole.start()]);
            // What nobody knows stays as it was written.
            resolved.push_str(value.as_deref().unwrap_or(whole.as_str()));
            done = whole.end();
            found.extend(value.map(|value| (value, whole.as_str().to_owned())));
        }
        resolved.push_str(&text[done..]);
        Ok(resolved)
    }

    /// Why the references that are left in a resolved text stayed as they were written.
    pub(crate) fn unresolved(&self, text: &str) -> Vec<String> {
        let left = REFERENCE.captures_iter(text).filter_map(|reference| {
            let (whole, name) = (reference.get(0)?.as_str(), reference.get(1)?.as_str());
            let is_known = self.providers.iter().any(|(known, _)| known == name);
            Some(if is_known {
                format!("{whole}: provider {name} has no such key, or may not read it")
            } else {
                format!("{whole}: config.providers names no provider {name}")
            })
        });
        left.collect()
    }
}

/// Settings whose references are replaced.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub properties: Properties,
    pub redactor: Redactor,
}

impl Provider {
    fn new(name: &str, settings: &Properties, remote: &Remote) -> Result<Self, String> {
        let class = settings.get("class").unwrap_or_default().trim();
        let paths = |key| {
            let paths: &str = settings.get(key).unwrap_or_default();
            let paths = paths.split(',').map(str::trim).filter(|p| !p.is_empty());
            paths.map(PathBuf::from).collect::<Vec<_>>()
        };
        let simple = class
            .strip_prefix("org.apache.kafka.common.config.provider.")
            .unwrap_or(class);
        // As the plugin of AWS calls its own.
        let simple = simple
            .strip_prefix("com.amazonaws.kafka.config.providers.")
            .unwrap_or(simple);
        match simple.strip_suffix("ConfigProvider").unwrap_or(simple) {
            "SecretsManager" => Ok(Provider::Remote(RemoteKind::Secrets, remote.clone())),
            "SsmParamStore" => Ok(Provider::Remote(RemoteKind::Parameters, remote.clone())),
            "File" => Ok(Provider::File {
                allowed: paths("param.allowed.paths"),
            }),
            "Directory" => Ok(Provider::Directory {
                allowed: paths("param.allowed.paths"),
            }),
            "EnvVar" => {
                let pattern = settings.get("param.allowlist.pattern");
                let allowed = pattern
                    .map(|p| Regex::new(&format!("^(?:{p})$")))
                    .transpose();
                let allowed = allowed.map_err(|error| {
                    format!("Invalid value for configuration config.providers.{name}.param.allowlist.pattern: {error}")
                })?;
                Ok(Provider::Environment { allowed })
            }
            _ => Err(format!(
                "Invalid value {class} for configuration config.providers.{name}.class: Class {class} could not be found; there are FileConfigProvider, DirectoryConfigProvider, EnvVarConfigProvider, SecretsManagerConfigProvider and SsmParamStoreConfigProvider"
            )),
        }
    }

    fn get(&self, path: &str, key: &str, told: &mut Told) -> Result<Option<String>, ProviderError> {
        match self {
            Provider::File { allowed } => {
                let path = Path::new(path);
                if path.as_os_str().is_empty() || !is_allowed(path, allowed) {
                    return Ok(None);
                }
                let text = std::fs::read(path).map_err(|error| {
                    let shown = path.display();
                    let message = format!("Could not read properties from file {shown}");
                    ProviderError::of_file(message, &error)
                })?;
                let file = parse_properties(&text).map_err(ProviderError::lasting)?;
                Ok(file.get(key).map(str::to_owned))
            }
            Provider::Directory { allowed } => {
                let file = Path::new(path).join(key);
                let is_inside = !key.contains('/') && key != ".." && !path.is_empty();
                if !is_inside || !is_allowed(Path::new(path), allowed) || !file.is_file() {
                    return Ok(None);
                }
                std::fs::read_to_string(&file).map(Some).map_err(|error| {
                    let shown = file.display();
                    let message = format!("Could not read file {shown} for property {key}");
                    ProviderError::of_file(message, &error)
                })
            }
            Provider::Values(values) => Ok(values.get(key)),
            Provider::Remote(kind, remote) => {
                let wanted = Wanted::of(*kind, path, key);
                let text = match told.get(&wanted.value) {
                    Some(known) => known.clone(),
                    None => {
                        let text = remote.ask(&wanted.value)?;
                        told.insert(wanted.value.clone(), text.clone());
                        text
                    }
                };
                Ok(text.and_then(|text| wanted.of_text(&text)))
            }
            Provider::Environment { .. } if !path.is_empty() => Err(ProviderError::lasting(
                "Path is not used for EnvVarConfigProvider, invalid value",
            )),
            Provider::Environment { allowed } => {
                if allowed
                    .as_ref()
                    .is_some_and(|pattern| !pattern.is_match(key))
                {
                    return Ok(None);
                }
                Ok(std::env::var(key).ok())
            }
        }
    }
}

/// Whether a path lies below one of the allowed ones; without any, everything is allowed. `..` never leads out.
fn is_allowed(path: &Path, allowed: &[PathBuf]) -> bool {
    let has_dots = path.components().any(|c| c.as_os_str() == "..");
    allowed.is_empty() || (!has_dots && allowed.iter().any(|root| path.starts_with(root)))
}

#[cfg(test)]
mod tests;
