//! The chain's settings: aliases, classes, predicates; validated for the REST API, then built for a task.

use super::{ChainStage, version};
use crate::config::validator::invalid;
use crate::config::{ConfigDef, ConfigValue, Importance, Key, Kind, Parsed, Properties, Width};
use crate::plugin::{self, KAFKA_VERSION, PluginError, PredicatePlugin, TransformPlugin};

/// `transforms` or `predicates`: what differs between the two.
struct Family {
    /// The key with the list of aliases.
    list: &'static str,
    /// Java's interface.
    interface: &'static str,
    /// As documentation and display names have it.
    noun: &'static str,
    group: &'static str,
}

const TRANSFORMS: Family = Family {
    list: "transforms",
    interface: "Transformation",
    noun: "transformation",
    group: "Transforms",
};

const PREDICATES: Family = Family {
    list: "predicates",
    interface: "Predicate",
    noun: "predicate",
    group: "Predicates",
};

/// A plugin as this file needs it.
#[derive(Clone, Copy)]
struct Candidate {
    class: &'static str,
    config_def: fn() -> ConfigDef,
}

fn transform_candidates(plugins: &[TransformPlugin]) -> Vec<Candidate> {
    let candidate = |plugin: &TransformPlugin| Candidate {
        class: plugin.class,
        config_def: plugin.config_def,
    };
    plugins.iter().map(candidate).collect()
}

fn predicate_candidates(plugins: &[PredicatePlugin]) -> Vec<Candidate> {
    let candidate = |plugin: &PredicatePlugin| Candidate {
        class: plugin.class,
        config_def: plugin.config_def,
    };
    plugins.iter().map(candidate).collect()
}

/// The check of the keys `transforms` and `predicates`; the signature is that of `Validator::Check`.
pub fn unique_aliases(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::List(aliases)) if distinct(aliases.clone()).len() < aliases.len() => {
            Err(invalid(name, value, "Duplicate alias provided."))
        }
        _ => Ok(()),
    }
}

/// The keys of every alias with what validation found for them. The lists themselves are the connector's keys, see
/// `unique_aliases`. `other_classes` are plugins of other kinds, which get a message of their own.
pub fn validate(
    properties: &Properties,
    transforms: &[TransformPlugin],
    predicates: &[PredicatePlugin],
    other_classes: &[&str],
) -> Vec<(Key, ConfigValue)> {
    let transforms = transform_candidates(transforms);
    let predicates = predicate_candidates(predicates);
    let mut results = Vec::new();
    for alias in distinct(aliases(properties, TRANSFORMS.list)) {
        let others = predicates.iter().map(|plugin| plugin.class);
        let others: Vec<&str> = others.chain(other_classes.iter().copied()).collect();
        validate_alias(
            &TRANSFORMS,
            &alias,
            properties,
            &transforms,
            &others,
            &mut results,
        );
    }
    for alias in distinct(aliases(properties, PREDICATES.list)) {
        let others = transforms.iter().map(|plugin| plugin.class);
        let others: Vec<&str> = others.chain(other_classes.iter().copied()).collect();
        validate_alias(
            &PREDICATES,
            &alias,
            properties,
            &predicates,
            &others,
            &mut results,
        );
    }
    results
}

/// Makes the stages of a task in the order of `transforms`.
///
/// # Errors
/// What Java's connector configuration or the start of its task would refuse.
pub fn build(
    properties: &Properties,
    transforms: &[TransformPlugin],
    predicates: &[PredicatePlugin],
) -> Result<Vec<ChainStage>, PluginError> {
    let predicate_aliases = aliases(properties, PREDICATES.list);
    let transform_aliases = aliases(properties, TRANSFORMS.list);
    for (family, aliases) in [
        (&TRANSFORMS, &transform_aliases),
        (&PREDICATES, &predicate_aliases),
    ] {
        unique_aliases(family.list, Some(&Parsed::List(aliases.clone())))
            .map_err(PluginError::config)?;
    }
    let transform_candidates = transform_candidates(transforms);
    let predicate_candidates = predicate_candidates(predicates);
    // Java checks every predicate, used or not.
    let mut used = Vec::new();
    for alias in &predicate_aliases {
        let class = check_alias(&PREDICATES, alias, properties, &predicate_candidates)?;
        used.push((alias, class));
    }
    let mut stages = Vec::with_capacity(transform_aliases.len());
    for alias in &transform_aliases {
        let class = check_alias(&TRANSFORMS, alias, properties, &transform_candidates)?;
        let prefix = format!("{}.{alias}.", TRANSFORMS.list);
        let own = properties.with_prefix(&prefix);
        let predicate = match own.get("predicate").map(str::trim) {
            None => None,
            Some(name) => {
                let known = used.iter().find(|(alias, _)| *alias == name);
                let Some((_, class)) = known else {
                    return Err(PluginError::config(format!(
                        "Unknown configuration 'predicates.{name}.plugin.version'"
                    )));
                };
                let prefix = format!("{}.{name}.", PREDICATES.list);
                let plugin = predicates.iter().find(|plugin| plugin.class == *class);
                let plugin = plugin.expect("a checked class is one of the plugins");
                Some((plugin.make)(&properties.with_prefix(&prefix))?)
            }
        };
        let plugin = transforms.iter().find(|plugin| plugin.class == class);
        let plugin = plugin.expect("a checked class is one of the plugins");
        stages.push(ChainStage {
            transform: (plugin.make)(&own)?,
            predicate,
            negate: own
                .get("negate")
                .is_some_and(|text| text.trim().eq_ignore_ascii_case("true")),
        });
    }
    Ok(stages)
}

/// The class of an alias whose settings are all in order.
fn check_alias(
    family: &Family,
    alias: &str,
    properties: &Properties,
    plugins: &[Candidate],
) -> Result<&'static str, PluginError> {
    let type_key = format!("{}.{alias}.type", family.list);
    if properties.get(&type_key).is_none() {
        return Err(PluginError::config(format!(
            "Invalid value null for configuration {type_key}: Not a {}",
            family.interface
        )));
    }
    let mut results = Vec::new();
    validate_alias(family, alias, properties, plugins, &[], &mut results);
    let mut errors = results
        .iter()
        .flat_map(|(_, value)| value.errors.iter().cloned());
    match errors.next() {
        Some(error) => Err(PluginError::config(error)),
        None => {
            let name = properties.get(&type_key).unwrap_or_default().trim();
            let plugin = find(family, plugins, name).expect("a class without errors was found");
            Ok(plugin.class)
        }
    }
}

fn validate_alias(
    family: &Family,
    alias: &str,
    properties: &Properties,
    plugins: &[Candidate],
    other_classes: &[&str],
    results: &mut Vec<(Key, ConfigValue)>,
) {
    let prefix = format!("{}.{alias}.", family.list);
    let group = format!("{}: {alias}", family.group);
    let type_key = Key::required(format!("{prefix}type"), Kind::Class)
        .importance(Importance::High)
        .doc(format!("Class for the '{alias}' {}.", family.noun))
        .group(
            group.clone(),
            0,
            Width::Long,
            format!("{} type for {alias}", family.interface),
        );
    let recommended: Vec<String> = plugins.iter().map(|p| p.class.to_owned()).collect();
    let mut type_value = ConfigValue {
        name: type_key.name.to_string(),
        value: None,
        recommended,
        errors: Vec::new(),
        visible: true,
    };
    let found = match properties.get(&type_key.name).map(str::trim) {
        None => Err(format!(
            "Missing required configuration \"{}\" which has no default value.",
            type_key.name
        )),
        Some(name) => find(family, plugins, name)
            .ok_or_else(|| not_usable(family, &type_key.name, name, plugins, other_classes)),
    };
    let plugin = match found {
        Ok(plugin) => plugin,
        Err(error) => {
            type_value.errors.push(error);
            results.push((type_key, type_value));
            return;
        }
    };
    type_value.value = Some(Parsed::Class(plugin.class.to_owned()));
    if family.list == TRANSFORMS.list
        && properties.contains(&format!("{prefix}negate"))
        && !properties.contains(&format!("{prefix}predicate"))
    {
        type_value.errors.push(format!(
            "Config '{prefix}negate' was provided but there is no config '{prefix}predicate' defining a predicate \
             to be negated."
        ));
    }
    let version_key = Key::new(
        format!("{prefix}plugin.version"),
        Kind::String,
        KAFKA_VERSION,
    )
    .importance(Importance::High)
    .doc(format!("Version of the '{alias}' {}.", family.noun))
    .group(
        group.clone(),
        1,
        Width::Long,
        format!("{} version for {alias}", family.interface),
    )
    .recommended(&[KAFKA_VERSION]);
    let mut version_value = validate_key(&version_key, None, properties);
    if let Some(range) = properties.get(&version_key.name)
        && let Err(error) = version::check(plugin.class, range)
    {
        type_value.errors.push(error.clone());
        version_value.errors.push(error);
    }
    results.push((type_key, type_value));
    results.push((version_key, version_value));
    for (index, key) in plugin_keys(family, plugin).into_iter().enumerate() {
        let mut embedded = key.clone();
        embedded.name = format!("{prefix}{}", key.name).into();
        embedded.group = Some(group.clone().into());
        embedded.order = index as i32 + 2;
        let value = validate_key(&embedded, Some(&key.name), properties);
        results.push((embedded, value));
    }
}

/// The plugin's own keys and those that every transform has, in the order in which Java shows them.
fn plugin_keys(family: &Family, plugin: &Candidate) -> Vec<Key> {
    let mut keys: Vec<Key> = (plugin.config_def)().keys().to_vec();
    if family.list == TRANSFORMS.list {
        // They mask keys of the plugin with the same names.
        keys.retain(|key| key.name != "predicate" && key.name != "negate");
        keys.push(Key::null("predicate", Kind::String).doc(
            "The alias of a predicate used to determine whether to apply this transformation.",
        ));
        keys.push(
            Key::new("negate", Kind::Boolean, "false")
                .doc("Whether the configured predicate should be negated."),
        );
    }
    keys.sort_by(|a, b| {
        let rank = |key: &Key| {
            (
                key.default != crate::config::Default::Required,
                key.importance,
            )
        };
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    keys
}

/// Java's messages name the whole key, but those of a validator the key without its prefix.
fn validate_key(key: &Key, short_name: Option<&str>, properties: &Properties) -> ConfigValue {
    let mut plain = key.clone();
    let validator = plain.validator.take();
    let mut value = ConfigDef::new(vec![plain]).validate(properties).remove(0);
    if let Some(validator) = validator
        && let Err(error) = validator.check(short_name.unwrap_or(&key.name), value.value.as_ref())
    {
        value.errors.push(error);
    }
    value
}

fn find<'a>(family: &Family, plugins: &'a [Candidate], name: &str) -> Option<&'a Candidate> {
    plugin::find(plugins, |plugin| plugin.class, family.interface, name)
}

/// Why a name stands for no plugin of the family.
fn not_usable(
    family: &Family,
    key: &str,
    name: &str,
    plugins: &[Candidate],
    other_classes: &[&str],
) -> String {
    if let Some(class) = other_classes.iter().find(|class| **class == name) {
        return format!(
            "Class class {class} does not implement the {} interface",
            family.interface
        );
    }
    let nested = |class: &str| {
        class
            .split_once('$')
            .is_some_and(|(outer, _)| outer == name)
    };
    let mut inner: Vec<&str> = plugins.iter().map(|plugin| plugin.class).collect();
    inner.retain(|class| nested(class));
    if inner.is_empty() {
        format!("Invalid value {name} for configuration {key}: Class {name} could not be found.")
    } else {
        inner.sort_unstable();
        format!(
            "This class is abstract and cannot be created. Did you mean {}?",
            inner.join(", ")
        )
    }
}

/// The aliases as written; a blank list has none.
fn aliases(properties: &Properties, list: &str) -> Vec<String> {
    match properties.get(list).map(str::trim) {
        None | Some("") => Vec::new(),
        Some(text) => text
            .split(',')
            .map(|alias| alias.trim().to_owned())
            .collect(),
    }
}

fn distinct(aliases: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(aliases.len());
    for alias in aliases {
        if !kept.contains(&alias) {
            kept.push(alias);
        }
    }
    kept
}
