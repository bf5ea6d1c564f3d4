//! Config providers: `${file:/path:key}`, `${env:KEY}` and `${directory:/path:name}` in settings.
//! A reference is resolved when a setting is used, never when it is stored.

use super::properties_file::parse_properties;
use super::redactor::Redactor;
use super::reference::{REFERENCE, has_reference};
use millstream_core::Properties;
use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The providers that a worker file names. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct ConfigProviders {
    providers: Arc<Vec<(String, Provider)>>,
    /// What the references of all connectors so far stood for, for the log.
    seen: Arc<RwLock<Redactor>>,
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
    Values(Properties),
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
        for name in names {
            let settings = properties.with_prefix(&format!("config.providers.{name}."));
            match Provider::new(name, &settings) {
                Ok(provider) => providers.push((name.to_owned(), provider)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(ConfigProviders {
                providers: Arc::new(providers),
                seen: Arc::default(),
            })
        } else {
            Err(errors)
        }
    }

    /// These providers and one more, which knows these values.
    pub(super) fn with_values(&self, name: &str, values: Properties) -> Self {
        let mut providers = Vec::clone(&self.providers);
        providers.push((name.to_owned(), Provider::Values(values)));
        ConfigProviders {
            providers: Arc::new(providers),
            seen: self.seen.clone(),
        }
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
    fn new(name: &str, settings: &Properties) -> Result<Self, String> {
        let class = settings.get("class").unwrap_or_default().trim();
        let paths = |key| {
            let paths: &str = settings.get(key).unwrap_or_default();
            let paths = paths.split(',').map(str::trim).filter(|p| !p.is_empty());
            paths.map(PathBuf::from).collect::<Vec<_>>()
        };
        let simple = class
            .strip_prefix("org.apache.kafka.common.config.provider.")
            .unwrap_or(class);
        match simple.strip_suffix("ConfigProvider").unwrap_or(simple) {
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
                "Invalid value {class} for configuration config.providers.{name}.class: Class {class} could not be found; there are FileConfigProvider, DirectoryConfigProvider and EnvVarConfigProvider"
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
            Provider::Values(values) => Ok(values.get(key).map(str::to_owned)),
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

    #[test]
    fn refuses_unknown_providers() {
        let properties = Properties::from_iter([
            ("config.providers", "v"),
            ("config.providers.v.class", "Vault"),
        ]);
        assert_eq!(ConfigProviders::new(&properties).unwrap_err().len(), 1);
    }
}
