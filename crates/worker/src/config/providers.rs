//! Config providers: `${file:/path:key}`, `${env:KEY}` and `${directory:/path:name}` in settings, and those that ask a service:
//! `${aws-secrets:name:key}` and `${ssm:/path}`.
//! A reference is resolved when a setting is used, never when it is stored.

mod remote;

pub use remote::{RemoteValue, RemoteValues};

use super::properties_file::parse_properties;
use super::redactor::Redactor;
use super::reference::{REFERENCE, has_reference};
use millstream_core::Properties;
use regex::Regex;
use remote::{Remote, RemoteKind};
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
#[error("{0}")]
pub struct ProviderError(String);

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
        if self.providers.is_empty() || !properties.iter().any(|(_, value)| has_reference(value)) {
            return Ok(Resolved {
                properties: properties.clone(),
                redactor: Redactor::default(),
            });
        }
        let (providers, properties) = (self.clone(), properties.clone());
        let resolved = tokio::task::spawn_blocking(move || providers.resolve_now(&properties));
        let resolved = resolved
            .await
            .unwrap_or_else(|error| Err(ProviderError(error.to_string())))?;
        self.remember(&resolved.redactor);
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
        let mut resolved = Properties::new();
        let mut found = Vec::new();
        for (key, value) in properties.entries() {
            match value {
                Some(value) => resolved.insert(key, self.resolve_text(value, &mut found)?),
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
                Some((_, provider)) => provider.get(part(2), part(3))?,
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

    fn get(&self, path: &str, key: &str) -> Result<Option<String>, ProviderError> {
        match self {
            Provider::File { allowed } => {
                let path = Path::new(path);
                if path.as_os_str().is_empty() || !is_allowed(path, allowed) {
                    return Ok(None);
                }
                let text = std::fs::read(path).map_err(|_| {
                    ProviderError(format!(
                        "Could not read properties from file {}",
                        path.display()
                    ))
                })?;
                let file =
                    parse_properties(&text).map_err(|error| ProviderError(error.to_string()))?;
                Ok(file.get(key).map(str::to_owned))
            }
            Provider::Directory { allowed } => {
                let file = Path::new(path).join(key);
                let is_inside = !key.contains('/') && key != ".." && !path.is_empty();
                if !is_inside || !is_allowed(Path::new(path), allowed) || !file.is_file() {
                    return Ok(None);
                }
                std::fs::read_to_string(&file).map(Some).map_err(|_| {
                    ProviderError(format!(
                        "Could not read file {} for property {key}",
                        file.display()
                    ))
                })
            }
            Provider::Values(values) => Ok(values.get(key)),
            Provider::Remote(kind, remote) => {
                let Some(values) = remote.get() else {
                    return Err(ProviderError(
                        "values of AWS are not there yet while the worker's own settings are read; use them in connectors"
                            .to_owned(),
                    ));
                };
                values
                    .get(&RemoteValue::of(*kind, path, key))
                    .map_err(ProviderError)
            }
            Provider::Environment { .. } if !path.is_empty() => Err(ProviderError(
                "Path is not used for EnvVarConfigProvider, invalid value".to_owned(),
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(providers: &ConfigProviders, text: &str, expected: &str) {
        let resolved = providers.resolve_text(text, &mut Vec::new());
        assert_eq!(resolved.unwrap(), expected);
    }

    #[test]
    fn looks_up_files_directories_and_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        std::fs::write(folder.path().join("s.properties"), "user=u\npassword=p w").unwrap();
        let providers = ConfigProviders::new(&Properties::from_iter([
            ("config.providers", "file, dir,env"),
            (
                "config.providers.file.class",
                "org.apache.kafka.common.config.provider.FileConfigProvider",
            ),
            ("config.providers.dir.class", "Directory"),
            ("config.providers.dir.param.allowed.paths", path.as_str()),
            ("config.providers.env.class", "EnvVarConfigProvider"),
            ("config.providers.env.param.allowlist.pattern", "PA.*"),
        ]))
        .unwrap();
        let user = format!("${{file:{path}/s.properties:user}}");
        check(&providers, &format!("a-{user}-{user}-b"), "a-u-u-b");
        check(
            &providers,
            &format!("${{dir:{path}:s.properties}}"),
            "user=u\npassword=p w",
        );
        check(&providers, "${dir:/etc:hostname}", "${dir:/etc:hostname}");
        check(
            &providers,
            &format!("${{dir:{path}/../..:x}}"),
            &format!("${{dir:{path}/../..:x}}"),
        );
        check(&providers, "${env:PATH}", &std::env::var("PATH").unwrap());
        check(&providers, "${env:HOME}", "${env:HOME}");
        check(&providers, "${unknown:x}", "${unknown:x}");
        let missing = providers.resolve_text("${file:/no/such/file:x}", &mut Vec::new());
        assert!(missing.is_err());
    }

    struct Asked;

    impl RemoteValues for Asked {
        fn get(&self, value: &RemoteValue) -> Result<Option<String>, String> {
            match value {
                RemoteValue::Secret { id, .. } if id == "gone" => Ok(None),
                RemoteValue::Secret { id, member } => {
                    Ok(Some(format!("{id}/{}", member.as_deref().unwrap_or("-"))))
                }
                RemoteValue::Parameter(name) => Ok(Some(name.clone())),
            }
        }
    }

    #[tokio::test]
    async fn asks_services_and_hides_what_they_say() {
        let providers = ConfigProviders::new(&Properties::from_iter([
            ("config.providers", "aws-secrets,ssm"),
            (
                "config.providers.aws-secrets.class",
                "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider",
            ),
            ("config.providers.ssm.class", "SsmParamStoreConfigProvider"),
        ]))
        .unwrap();
        let early = providers.resolve_text("${ssm:/a/b}", &mut Vec::new());
        assert!(early.is_err());
        providers.ask_with(Arc::new(Asked));
        check(&providers, "${aws-secrets:name}", "name/-");
        check(&providers, "${aws-secrets:name:password}", "name/password");
        let arn = "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf";
        check(
            &providers,
            &format!("${{aws-secrets:{arn}:password}}"),
            &format!("{arn}/password"),
        );
        check(
            &providers,
            &format!("${{aws-secrets:{arn}}}"),
            &format!("{arn}/-"),
        );
        check(&providers, "${ssm:/a/b}", "/a/b");
        check(&providers, "${ssm:/a/b:3}", "/a/b:3");
        check(&providers, "${aws-secrets:gone}", "${aws-secrets:gone}");
        let settings = Properties::from_iter([("connection.uri", "${aws-secrets:name:password}")]);
        let resolved = providers.resolve(&settings).await.unwrap();
        assert_eq!(
            resolved.properties.get("connection.uri"),
            Some("name/password")
        );
        let line = providers.hide("cannot reach name/password");
        assert!(line.is_some_and(|line| !line.contains("name/password")));
    }

    #[test]
    fn values_of_the_program_may_change() {
        let values = SharedValues::from(Properties::from_iter([("uri", "old")]));
        let providers = ConfigProviders::default().with_values("stream", values.clone());
        check(&providers, "${stream:uri}", "old");
        values.set("uri", "new");
        check(&providers, "${stream:uri}", "new");
    }

    #[test]
    fn refuses_unknown_providers() {
        let properties = Properties::from_iter([
            ("config.providers", "v"),
            ("config.providers.v.class", "Vault"),
        ]);
        assert_eq!(ConfigProviders::new(&properties).unwrap_err().len(), 1);
    }
}
