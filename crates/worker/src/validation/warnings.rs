//! What the log says about a configuration that was accepted: keys that nobody reads, references that stayed as they were.
//! None of it is an error in Java, so none of it is one here; but whoever looks for the reason finds it.

use super::Configs;
use super::overrides::PREFIXES;
use crate::client_keys;
use crate::config::ConfigProviders;
use crate::spelling::closest;
use millstream_core::config::list_items;
use millstream_core::{ConfigDef, Properties};

/// Lines about one connector; more are counted.
const SHOWN: usize = 10;

/// Ends the keys that ask for a version of a plugin: a worker of Java's may have several, and is to be replaced by one of
/// ours without a change.
const VERSION: &str = ".plugin.version";

/// A key is cut in the log: it may be as long as a request.
const KEY_SHOWN: usize = 100;

/// What is to be said, each with the key it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigWarnings {
    lines: Vec<(String, String)>,
    /// Those beyond the lines.
    more: usize,
}

impl ConfigWarnings {
    pub(crate) fn add(&mut self, key: &str, text: impl FnOnce() -> String) {
        if self.lines.len() == SHOWN {
            self.more += 1;
            return;
        }
        let shown: String = key.chars().take(KEY_SHOWN).collect();
        self.lines.push((shown, text()));
    }

    pub(crate) fn extend(&mut self, others: ConfigWarnings) {
        for (key, text) in others.lines {
            self.add(&key, || text);
        }
        self.more += others.more;
    }

    /// Each with the key that it is about.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines
            .iter()
            .map(|(key, text)| (key.as_str(), text.as_str()))
    }

    /// How many there are beyond the lines.
    pub fn more(&self) -> usize {
        self.more
    }

    /// Writes them to the log.
    pub fn log(&self, connector: &str) {
        for (key, text) in &self.lines {
            tracing::warn!(connector, key, "{text}");
        }
        if self.more > 0 {
            tracing::warn!(connector, "{} more settings like these", self.more);
        }
    }

    /// Writes those about the worker's own file.
    pub(crate) fn log_of_worker(&self) {
        for (key, text) in &self.lines {
            tracing::warn!(key, "{text}");
        }
        if self.more > 0 {
            tracing::warn!("{} more settings like these", self.more);
        }
    }

    #[cfg(test)]
    fn texts(&self) -> Vec<String> {
        let lines = self.lines.iter();
        lines.map(|(key, text)| format!("{key}: {text}")).collect()
    }
}

/// The sentence about a key that nobody defines.
pub(crate) fn unknown(meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("unknown setting, ignored; did you mean {meant}?"),
        None => "unknown setting, ignored".to_owned(),
    }
}

/// Keys that are in the configuration and that nothing reads.
pub(super) fn of(
    config: &Properties,
    configs: &Configs,
    extensions: &ConfigDef,
    without_effect: &[&str],
) -> ConfigWarnings {
    let mut warnings = ConfigWarnings::default();
    let defined: Vec<&str> = configs
        .iter()
        .filter(|(key, _)| key.is_some())
        .map(|(_, value)| value.name.as_str())
        .chain(extensions.keys().iter().map(|key| &*key.name))
        .chain(without_effect.iter().copied())
        .collect();
    let is_defined = |name: &str| defined.iter().any(|known| fits(known, name));
    for (name, _) in config.entries().filter(|(name, _)| !is_defined(name)) {
        match owner(name) {
            Owner::Client(prefix, client) => {
                let setting = &name[prefix.len()..];
                if client_keys::find(client, setting).is_none() {
                    warnings.add(name, || {
                        let meant = closest(setting, client_keys::names(client));
                        let meant = meant.map(|meant| format!("{prefix}{meant}"));
                        unknown(meant.as_deref())
                    });
                }
            }
            Owner::Converter(role) if config.get(role).is_none() => {
                warnings.add(name, || {
                    format!("ignored: settings of a converter count only beside {role}, which this connector does not set")
                });
            }
            Owner::Chain(list, alias) if !has_alias(config, list, alias) => {
                warnings.add(name, || format!("ignored: {list} does not name {alias}"));
            }
            Owner::Converter(_) | Owner::Chain(..) | Owner::Nobody => {
                let prefixes = PREFIXES.iter().map(|(prefix, _)| *prefix);
                warnings.add(name, || {
                    let known = defined.iter().copied();
                    unknown(closest(name, known.chain(prefixes)))
                });
            }
        }
    }
    for (_, value) in configs {
        let asked = config
            .get(&value.name)
            .filter(|_| value.name.ends_with(VERSION));
        let has_it = |asked: &str| value.recommended.iter().any(|one| one == asked);
        if let (Some(asked), Some(ours)) = (asked, value.recommended.first())
            && !has_it(asked)
        {
            warnings.add(&value.name, || {
                format!("ignored: there is one version of each plugin here, this one's is {ours}")
            });
        }
    }
    warnings
}

/// A name that no path of the REST API can hold: Java takes it, too, and can then neither show nor delete the connector.
pub(super) fn of_name(config: &Properties) -> ConfigWarnings {
    let mut warnings = ConfigWarnings::default();
    let name = config.get("name").unwrap_or_default();
    if let Some(bad) = name.chars().find(|c| matches!(c, '/' | '\\' | '%')) {
        warnings.add("name", || {
            format!("a name with {bad} cannot stand in the REST API's paths: this connector can be neither read, changed nor deleted there; better choose another name")
        });
    }
    warnings
}

/// References that no provider resolved; they are what the setting now says.
pub(super) fn unresolved(providers: &ConfigProviders, resolved: &Properties) -> ConfigWarnings {
    let mut warnings = ConfigWarnings::default();
    for (key, value) in resolved.iter() {
        for left in providers.unresolved(value) {
            warnings.add(key, || format!("a reference was left as it is: {left}"));
        }
    }
    warnings
}

/// Whose keys begin like this one.
enum Owner<'a> {
    Client(&'static str, client_keys::Client),
    Converter(&'static str),
    /// `transforms` or `predicates`, and an alias.
    Chain(&'static str, &'a str),
    Nobody,
}

fn owner(name: &str) -> Owner<'_> {
    for (prefix, client) in PREFIXES {
        if name.starts_with(prefix) {
            return Owner::Client(prefix, client);
        }
    }
    for role in ["key.converter", "value.converter", "header.converter"] {
        if name
            .strip_prefix(role)
            .is_some_and(|rest| rest.starts_with('.'))
        {
            return Owner::Converter(role);
        }
    }
    for list in ["transforms", "predicates"] {
        let rest = name
            .strip_prefix(list)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(rest) = rest {
            return Owner::Chain(list, rest.split('.').next().unwrap_or(rest));
        }
    }
    Owner::Nobody
}

/// Whether a list of aliases has this one, or one that begins with it and a dot.
fn has_alias(config: &Properties, list: &str, alias: &str) -> bool {
    let aliases = list_items(config.get(list).unwrap_or_default());
    aliases
        .into_iter()
        .any(|known| known.split('.').next() == Some(alias))
}

/// Whether a name is that of a definition; `%s` in one stands for anything.
fn fits(known: &str, name: &str) -> bool {
    let mut parts = known.split("%s");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    is_open || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::{ConfigValue, Key, config::Kind};

    fn configs(names: &[&'static str]) -> Configs {
        let one = |name: &&'static str| {
            let value = ConfigValue {
                name: (*name).to_owned(),
                value: None,
                recommended: Vec::new(),
                errors: Vec::new(),
                visible: true,
            };
            (Some(Key::null(*name, Kind::String)), value)
        };
        names.iter().map(one).collect()
    }

    fn check(key: &str, others: &[(&str, &str)], expected: &[&str]) {
        let mut config = Properties::from_iter(others.iter().copied());
        config.insert(key, "x");
        let known = configs(&[
            "flush.size",
            "topics",
            "transforms",
            "transforms.a.field",
            "value.converter",
            "value.converter.schemas.enable",
            "topic.override.%s.%s",
        ]);
        let found = of(&config, &known, &ConfigDef::new(Vec::new()), &[]);
        assert_eq!(found.texts(), expected, "{key}");
    }

    #[test]
    fn a_version_that_is_asked_for_is_not_looked_for() {
        let key = "connector.plugin.version";
        let mut known = configs(&[key, "name"]);
        known[0].1.recommended = vec!["4.3.1".to_owned()];
        let found = |asked: &str| {
            let config = Properties::from_iter([(key, asked), ("name", "4")]);
            of(&config, &known, &ConfigDef::new(Vec::new()), &[]).texts()
        };
        assert!(found("4.3.1").is_empty());
        for other in ["[3,4)", "", "latest"] {
            let expected = format!(
                "{key}: ignored: there is one version of each plugin here, this one's is 4.3.1"
            );
            assert_eq!(found(other), [expected]);
        }
    }

    #[test]
    fn report_c12_misspelt_keys_leave_a_word_wherever_they_stand() {
        check("flush.size", &[], &[]);
        check("topic.override.foo.collection", &[], &[]);
        check(
            "flushsize",
            &[],
            &["flushsize: unknown setting, ignored; did you mean flush.size?"],
        );
        check("consumer.override.max.poll.records", &[], &[]);
        check(
            "consumer.override.max.pol.records",
            &[],
            &[
                "consumer.override.max.pol.records: unknown setting, ignored; did you mean consumer.override.max.poll.records?",
            ],
        );
        let json = [("value.converter", "Json"), ("transforms", "a")];
        check(
            "value.converter.schemas.enabled",
            &json,
            &[
                "value.converter.schemas.enabled: unknown setting, ignored; did you mean value.converter.schemas.enable?",
            ],
        );
        check(
            "key.converter.schemas.enable",
            &json,
            &[
                "key.converter.schemas.enable: ignored: settings of a converter count only beside key.converter, which this connector does not set",
            ],
        );
        check(
            "transforms.a.filed",
            &json,
            &["transforms.a.filed: unknown setting, ignored; did you mean transforms.a.field?"],
        );
        check(
            "transforms.b.type",
            &json,
            &["transforms.b.type: ignored: transforms does not name b"],
        );
    }

    #[test]
    fn report_c21_a_name_that_no_path_can_hold_leaves_a_word() {
        let lines = |name: &str| {
            of_name(&Properties::from_iter([("name", name)]))
                .lines
                .len()
        };
        for name in ["a/b", "\\", "a%2Fb"] {
            assert_eq!(lines(name), 1, "{name}");
        }
        assert_eq!(lines("a b?ü"), 0);
    }

    #[test]
    fn report_c17_many_unknown_keys_are_ten_lines_and_a_count() {
        let keys = (0..100_000).map(|n| (format!("k{n}"), "x"));
        let config = Properties::from_iter(keys);
        let found = of(
            &config,
            &configs(&["topics"]),
            &ConfigDef::new(Vec::new()),
            &[],
        );
        assert_eq!((found.lines.len(), found.more), (SHOWN, 100_000 - SHOWN));
    }
}
