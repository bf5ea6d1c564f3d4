//! Validation of a connector's configuration: the framework's keys, transforms, the connector's own keys,
//! client overrides and converters, all errors at once, as Java's worker answers.

mod exactly_once;
mod java_map;
mod nulls;
mod overrides;
mod topics;
mod warnings;

pub use warnings::ConfigWarnings;
pub(crate) use warnings::unknown as unknown_setting;

use crate::config::{Redactor, Resolved, WorkerSettings, has_reference};
use crate::connector_config::{TopicKeys, framework_keys};
use crate::inputs::Input;
use crate::registry::PluginRegistry;
use millstream_core::config::{ConfigDef, Default, Parsed, java_trim};
use millstream_core::plugin::{self, KAFKA_VERSION};
use millstream_core::{
    ConfigValue, Connector, ConnectorError, ConnectorKind, ConverterPlugin, ConverterUse, Key,
    Properties, Role, chain,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Validates configurations against what this worker has.
pub struct Validator {
    pub registry: Arc<PluginRegistry>,
    pub worker: Arc<WorkerSettings>,
    /// The group that the worker itself is a member of, if it is one of a cluster.
    pub group: Option<String>,
}

/// What validation found; there may be errors in it.
#[derive(Clone, Debug)]
pub struct Validated {
    /// `connector.class` as it was given.
    pub class: String,
    pub groups: Vec<String>,
    /// Keys nobody defines have no definition; they are listed only for their errors.
    pub configs: Vec<(Option<Key>, ConfigValue)>,
    pub error_count: usize,
    /// What the log is to say of it once the connector is accepted.
    pub warnings: ConfigWarnings,
}

/// Why there is nothing to be found. The texts are Java's.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ValidationError {
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Thrown(#[from] ConnectorError),
}

impl ValidationError {
    /// The exception that Java throws.
    pub fn java_class(&self) -> &'static str {
        match self {
            ValidationError::BadRequest(_) => {
                "org.apache.kafka.connect.runtime.rest.errors.BadRequestException"
            }
            ValidationError::Config(_) => "org.apache.kafka.common.config.ConfigException",
            ValidationError::Thrown(error) => error.class,
        }
    }
}

impl ValidationError {
    fn redacted(self, redactor: &Redactor) -> Self {
        match self {
            ValidationError::BadRequest(text) => {
                ValidationError::BadRequest(redactor.refusal(&text))
            }
            ValidationError::Config(text) => ValidationError::Config(redactor.refusal(&text)),
            ValidationError::Thrown(error) => ValidationError::Thrown(ConnectorError {
                message: redactor.text(&error.message),
                ..error
            }),
        }
    }
}

impl Validated {
    /// All messages in order, if there are any; else what is to be remarked.
    pub fn accepted(self) -> Result<ConfigWarnings, InvalidConfig> {
        if self.error_count == 0 {
            return Ok(self.warnings);
        }
        let messages = self.configs.into_iter().flat_map(|(_, value)| value.errors);
        Err(InvalidConfig {
            count: self.error_count,
            messages: messages.collect::<Vec<_>>().join("\n"),
        })
    }
}

/// A configuration with errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Connector configuration is invalid and contains the following {count} error(s):\n{messages}\nYou can also find the above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`"
)]
pub struct InvalidConfig {
    count: usize,
    messages: String,
}

impl InvalidConfig {
    /// What another worker has found.
    pub(crate) fn new(messages: &[String]) -> Self {
        InvalidConfig {
            count: messages.len(),
            messages: messages.join("\n"),
        }
    }

    /// The errors alone, one a line.
    pub fn messages(&self) -> &str {
        &self.messages
    }
}

/// Keys that the start of a source reads, and validation does not, as in Java.
const TOPIC_CREATION: &str = "topic.creation.%s";

type Configs = Vec<(Option<Key>, ConfigValue)>;

impl Validator {
    /// Validates all settings of a connector; probes the systems it names, too. What is found shows references as they
    /// were written, never what they stand for.
    pub async fn validate(&self, raw: &Properties) -> Result<Validated, ValidationError> {
        let resolved = self.worker.providers.resolve(raw).await;
        let resolved = resolved.map_err(|error| ValidationError::Config(error.to_string()))?;
        self.validate_with(raw, resolved, true).await
    }

    /// Validates without asking the systems that the settings name; where a reference cannot be looked up, nothing is said of
    /// the settings that hold one.
    pub async fn examine(&self, raw: &Properties) -> Result<Validated, ValidationError> {
        if let Ok(resolved) = self.worker.providers.resolve(raw).await {
            return self.validate_with(raw, resolved, false).await;
        }
        let unresolved = Resolved {
            properties: raw.clone(),
            redactor: Redactor::default(),
        };
        let mut validated = self.validate_with(raw, unresolved, false).await?;
        // What a reference stands for is judged once it can be looked up.
        for (_, value) in &mut validated.configs {
            if raw.get(&value.name).is_some_and(has_reference) {
                value.errors.clear();
            }
        }
        Ok(validated)
    }

    async fn validate_with(
        &self,
        raw: &Properties,
        resolved: Resolved,
        is_probed: bool,
    ) -> Result<Validated, ValidationError> {
        let redactor = &resolved.redactor;
        let validated = self.validate_resolved(raw, &resolved.properties, is_probed);
        let validated = validated.await;
        let mut validated = validated.map_err(|error| error.redacted(redactor))?;
        validated.class = redactor.text(&validated.class);
        for (_, value) in &mut validated.configs {
            redactor.value(value);
        }
        let left = warnings::unresolved(&self.worker.providers, &resolved.properties);
        validated.warnings.extend(left);
        validated.warnings.extend(warnings::of_name(raw));
        Ok(validated)
    }

    async fn validate_resolved(
        &self,
        raw: &Properties,
        config: &Properties,
        is_probed: bool,
    ) -> Result<Validated, ValidationError> {
        let Some(class) = config.get("connector.class") else {
            return Err(ValidationError::BadRequest(format!(
                "Connector config {} contains no connector type",
                java_map::print(raw)
            )));
        };
        let connector = self
            .registry
            .connector(class)
            .map_err(|error| ValidationError::BadRequest(error.to_string()))?;

        let written = config;
        let is_sink = connector.role().kind() == ConnectorKind::Sink;
        let input = is_sink
            .then(|| Input::of(&self.registry, written))
            .flatten();
        let as_read = input.as_ref().map(|input| input.as_sink_reads(written));
        let config = as_read.as_ref().unwrap_or(written);

        let (mut configs, keys) = self.framework(connector.as_ref(), config);
        configs.extend(self.transforms(connector.as_ref(), config));
        if let Some(error) = connector.throws(config) {
            return Err(error.into());
        }
        let mut own = connector.validate(config);
        if is_probed {
            connector.probe(config, &mut own).await;
        }
        // A key of the connector that takes the place of one of the framework does not bring its group forward.
        let mut groups = Vec::new();
        add_groups(
            &mut groups,
            configs.iter().filter_map(|(key, _)| key.as_ref()),
        );
        add_groups(&mut groups, connector.config_def().keys());
        merge(&mut configs, connector.config_def(), own);
        if let Some(input) = &input {
            add_input(&mut configs, input.validate(written));
        }
        topics::refuse_dead_letter_loop(&keys, &mut configs);
        let kind = connector.role().kind();
        if let Some(group) = self.group.as_ref().filter(|_| kind == ConnectorKind::Sink) {
            overrides::refuse_group(group, config, &mut configs);
        }
        nulls::refuse(config, connector.config_def(), &mut configs);
        let mut error_count: usize = configs.iter().map(|(_, value)| value.errors.len()).sum();

        // Of these Java counts keys with errors, not errors.
        let policy = &self.worker.config.override_policy;
        let used = match kind {
            ConnectorKind::Sink => overrides::of_sink(!keys.dead_letters.trim().is_empty()),
            ConnectorKind::Source => overrides::of_source(config),
        };
        let mut others = overrides::validate(policy, config, used)?;
        others.extend(self.converters(config));
        error_count += others
            .iter()
            .filter(|(_, value)| !value.errors.is_empty())
            .count();
        configs.extend(others);

        add_groups(
            &mut groups,
            configs.iter().filter_map(|(key, _)| key.as_ref()),
        );
        let mut known = connector.without_effect().to_vec();
        if kind == ConnectorKind::Source {
            known.push(TOPIC_CREATION);
        }
        let mut warnings = warnings::of(written, &configs, connector.extensions(), &known);
        for (key, text) in input.iter().flat_map(|input| input.remarks(written)) {
            warnings.add(key, || text);
        }
        if error_count == 0 {
            for (key, text) in connector.remarks(config) {
                warnings.add(&key, || text);
            }
        }
        Ok(Validated {
            class: class.to_owned(),
            groups,
            warnings,
            configs,
            error_count,
        })
    }

    /// The keys that every connector of a kind has, without what depends on a worker.
    pub fn framework_keys(kind: ConnectorKind) -> Vec<Key> {
        framework_keys(kind)
    }

    /// The keys of a plugin: for a connector, the framework's follow those of its own.
    pub fn plugin_keys(&self, name: &str) -> Option<Vec<Key>> {
        let registry = &self.registry;
        if let Ok(connector) = registry.connector(name) {
            let own = connector.config_def();
            let mut framework = framework_keys(connector.role().kind());
            for key in &mut framework {
                if key.name == "connector.plugin.version" {
                    key.default = Default::Text(Cow::Borrowed(connector.version()));
                }
            }
            let more = framework
                .into_iter()
                .filter(|key| own.key(&key.name).is_none());
            return Some(own.keys().iter().cloned().chain(more).collect());
        }
        let definition = registry.converter(name).map(|p| p.config_def);
        let definition = definition.or(registry.header_converter(name).map(|p| p.config_def));
        let definition = definition.or(registry.transform(name).map(|p| p.config_def));
        let definition = definition.or(registry.predicate(name).map(|p| p.config_def));
        definition.map(|definition| definition().keys().to_vec())
    }

    fn framework(&self, connector: &dyn Connector, config: &Properties) -> (Configs, TopicKeys) {
        let mut keys = framework_keys(connector.role().kind());
        for key in &mut keys {
            self.set_default(key, connector, config);
        }
        let definition = ConfigDef::new(keys);
        let mut values = definition.validate(config);
        for value in &mut values {
            self.check_class(connector, config, value);
        }
        hide_versions_of_nothing(&mut values);
        let topics = TopicKeys::of(&values);
        match connector.role() {
            Role::Sink(_) => topics::check(&topics, &mut values),
            Role::Source(source) if self.group.is_some() => {
                exactly_once::check(source, config, &mut values);
            }
            Role::Source(_) => {}
        }
        let keys = definition.keys().iter().cloned().map(Some);
        (keys.zip(values).collect(), topics)
    }

    /// Fills in what depends on the worker: versions, converters, and the values that a form may offer.
    fn set_default(&self, key: &mut Key, connector: &dyn Connector, config: &Properties) {
        let defaults = &self.worker.config;
        let (class, offered) = match &*key.name {
            "connector.plugin.version" => (connector.version(), vec![connector.version()]),
            "key.converter" => (&*defaults.key_converter, self.registry.converter_classes()),
            "value.converter" => (
                &*defaults.value_converter,
                self.registry.converter_classes(),
            ),
            "header.converter" => (
                &*defaults.header_converter,
                self.registry.header_converter_classes(),
            ),
            "key.converter.plugin.version"
            | "value.converter.plugin.version"
            | "header.converter.plugin.version" => {
                let role = key.name.trim_end_matches(".plugin.version");
                let given = config.get(role);
                let is_known = |class: &str| self.full_class(role, class).is_some();
                if !given.is_none_or(|class| is_known(java_trim(class))) {
                    return;
                }
                if !given.is_none_or(is_known) {
                    // Found by its type, but not by the name as it was written.
                    key.recommended = vec![Cow::Borrowed(KAFKA_VERSION)];
                    return;
                }
                let has_class = config.entry(role) != Some(None);
                let offered = has_class.then_some(KAFKA_VERSION);
                (KAFKA_VERSION, offered.into_iter().collect())
            }
            _ => return,
        };
        let class = self.full_class(&key.name, class).unwrap_or(class);
        key.default = Default::Text(Cow::Owned(class.to_owned()));
        key.recommended = offered.into_iter().map(Cow::Borrowed).collect();
    }

    /// The full name of a converter in one of the roles `key.converter`, `value.converter`, `header.converter`.
    fn full_class(&self, role: &str, name: &str) -> Option<&'static str> {
        match role {
            "key.converter" | "value.converter" => self.registry.converter(name).map(|p| p.class),
            "header.converter" => self.registry.header_converter(name).map(|p| p.class),
            _ => None,
        }
    }

    /// A converter's class must exist and be a converter; the value is its full name. The task loads the class under
    /// the name as it was written, so blanks around it are an error, though the type of the key takes them.
    fn check_class(&self, connector: &dyn Connector, config: &Properties, value: &mut ConfigValue) {
        let Some(Parsed::Class(given)) = &value.value else {
            return;
        };
        // A default has no text that anybody wrote.
        let written = config.get(&value.name).unwrap_or(given);
        if let Some(class) = self.full_class(&value.name, given) {
            if written != given {
                let error = format!("Failed to load class {written}: {written}");
                value.errors.push(error);
            }
            value.value = Some(Parsed::Class(class.to_owned()));
            return;
        }
        match self.class_of_any(connector, given) {
            Some(class) => {
                let interface = match &*value.name {
                    "header.converter" => "HeaderConverter",
                    _ => "Converter",
                };
                value.errors.push(format!(
                    "Class class {class} does not implement the {interface} interface"
                ));
                value.value = Some(Parsed::Class(class));
            }
            None => {
                value.errors.push(format!(
                    "Invalid value {written} for configuration {}: Class {written} could not be found.",
                    value.name
                ));
                value.value = None;
            }
        }
    }

    /// The full name of a class that Java would find, of whatever kind; blanks around a full name do not matter.
    fn class_of_any(&self, connector: &dyn Connector, name: &str) -> Option<String> {
        let full = java_trim(name);
        let is_there = plugin::on_class_path(full).is_some()
            || connector.classes().iter().any(|class| class == full);
        if is_there {
            return Some(full.to_owned());
        }
        let found = self.registry.class_of_any(name);
        found
            .or_else(|| {
                self.registry
                    .class_of_any(full)
                    .filter(|class| *class == full)
            })
            .map(str::to_owned)
    }

    fn transforms(&self, connector: &dyn Connector, config: &Properties) -> Configs {
        let found = chain::validate(
            config,
            &self.registry.transforms,
            &self.registry.predicates,
            &|name| self.class_of_any(connector, name),
        );
        found
            .into_iter()
            .map(|(key, value)| (Some(key), value))
            .collect()
    }

    /// The keys of converters that the connector itself names.
    fn converters(&self, config: &Properties) -> Configs {
        let mut found = Vec::new();
        for (role, kind) in [
            ("header.converter", "header"),
            ("key.converter", "key"),
            ("value.converter", "value"),
        ] {
            let Some(name) = config.get(role) else {
                continue;
            };
            let plugin = match role {
                "header.converter" => None,
                _ => self.registry.converter(name),
            };
            let definition = match role {
                "header.converter" => self.registry.header_converter(name).map(|p| p.config_def),
                _ => plugin.map(|p| p.config_def),
            };
            let Some(definition) = definition.map(|definition| definition()) else {
                continue;
            };
            let mut settings = config.with_prefix(&format!("{role}."));
            // A type that is given is checked, though it has no effect.
            if settings.get("converter.type").is_none() {
                settings.insert("converter.type", kind);
            }
            let mut values = definition.validate(&settings);
            if let Some(plugin) = plugin {
                check_together(plugin, kind, &settings, &mut values);
            }
            // Java lists them as its hash map has them.
            let keys = definition.keys();
            for index in java_map::order(keys.iter().map(|key| &*key.name)) {
                let (key, mut value) = (keys[index].clone(), values[index].clone());
                let name = format!("{role}.{}", key.name);
                value.name.clone_from(&name);
                let name = name.into();
                found.push((Some(Key { name, ..key }), value));
            }
        }
        found
    }
}

/// Adds the groups of these keys that are not among them yet.
fn add_groups<'a>(groups: &mut Vec<String>, keys: impl IntoIterator<Item = &'a Key>) {
    for group in keys.into_iter().filter_map(|key| key.group.as_deref()) {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
}

/// The connector's own keys follow; those that the framework has too take its place.
fn merge(configs: &mut Configs, definition: &ConfigDef, own: Vec<ConfigValue>) {
    let known: HashMap<String, usize> = configs
        .iter()
        .enumerate()
        .map(|(index, (_, value))| (value.name.clone(), index))
        .collect();
    for value in own {
        let key = definition.key(&value.name).cloned();
        match known.get(&value.name) {
            Some(&index) => configs[index] = (key, value),
            None => configs.push((key, value)),
        }
    }
}

/// The keys of an input follow. One that the connector has too stays the connector's, with the input's errors beside its own.
fn add_input(configs: &mut Configs, found: Configs) {
    for (key, value) in found {
        match configs
            .iter_mut()
            .find(|(_, known)| known.name == value.name)
        {
            Some((_, known)) => known.errors.extend(value.errors),
            None => configs.push((key, value)),
        }
    }
}

/// The version of a class that is not there, or null, is nothing to ask for.
fn hide_versions_of_nothing(values: &mut [ConfigValue]) {
    let unknown = values.iter().filter(|value| value.value.is_none());
    let hidden: Vec<String> = unknown
        .filter(|value| value.name.ends_with(".converter"))
        .map(|value| format!("{}.plugin.version", value.name))
        .collect();
    for value in values {
        value.visible &= !hidden.contains(&value.name);
    }
}

/// Puts to the keys of a converter what is wrong with them together, once each is in order by itself.
fn check_together(
    plugin: &ConverterPlugin,
    kind: &str,
    settings: &Properties,
    values: &mut [ConfigValue],
) {
    if values.iter().any(|value| !value.errors.is_empty()) {
        return;
    }
    let used = match kind {
        "key" => ConverterUse::Key,
        _ => ConverterUse::Value,
    };
    for (key, why) in (plugin.check)(settings, used) {
        // What no key of the definition is has its error at the first one, which names the key.
        let at = values
            .iter()
            .position(|value| value.name == key)
            .unwrap_or(0);
        if let Some(value) = values.get_mut(at) {
            value.errors.push(format!("{key}: {why}"));
        }
    }
}
