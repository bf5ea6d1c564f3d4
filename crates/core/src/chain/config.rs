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

/// The full name of a class that is there, whatever it is, by its name or alias.
pub type AnyClass<'a> = &'a dyn Fn(&str) -> Option<String>;

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
/// `unique_aliases`. Classes of another kind, which `any_class` finds, get a message of their own.
pub fn validate(
    properties: &Properties,
    transforms: &[TransformPlugin],
    predicates: &[PredicatePlugin],
    any_class: AnyClass,
) -> Vec<(Key, ConfigValue)> {
    let transforms = transform_candidates(transforms);
    let predicates = predicate_candidates(predicates);
    let mut results = Vec::new();
    for (family, plugins) in [(&TRANSFORMS, &transforms), (&PREDICATES, &predicates)] {
        for alias in distinct(aliases(properties, family.list)) {
            validate_alias(family, &alias, properties, plugins, any_class, &mut results);
        }
    }
    results
}

/// A chain that cannot be made: why, and in how many `ConnectException`s Java's runtime wraps it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct ChainError {
    pub cause: PluginError,
    pub wrappers: usize,
}

impl From<PluginError> for ChainError {
    fn from(cause: PluginError) -> Self {
        ChainError { cause, wrappers: 1 }
    }
}

/// Whether every alias has a class, which Java asks when a connector starts; its tasks start only then.
///
/// # Errors
/// What Java's connector configuration would refuse.
pub fn check_classes(
    properties: &Properties,
    transforms: &[TransformPlugin],
    predicates: &[PredicatePlugin],
) -> Result<(), PluginError> {
    for (family, plugins) in [
        (&TRANSFORMS, transform_candidates(transforms)),
        (&PREDICATES, predicate_candidates(predicates)),
    ] {
        located(
            family,
            &aliases(properties, family.list),
            properties,
            &plugins,
        )?;
    }
    Ok(())
}

/// Makes the stages of a task in the order of `transforms`.
///
/// # Errors
/// What Java's connector configuration or the start of its task would refuse.
pub fn build(
    properties: &Properties,
    transforms: &[TransformPlugin],
    predicates: &[PredicatePlugin],
) -> Result<Vec<ChainStage>, ChainError> {
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
    // Java makes sure of all classes before it looks at their settings, and of predicates that no transform uses, too.
    let transform_classes = located(
        &TRANSFORMS,
        &transform_aliases,
        properties,
        &transform_candidates,
    )?;
    let predicate_classes = located(
        &PREDICATES,
        &predicate_aliases,
        properties,
        &predicate_candidates,
    )?;
    for (family, aliases, plugins) in [
        (&TRANSFORMS, &transform_aliases, &transform_candidates),
        (&PREDICATES, &predicate_aliases, &predicate_candidates),
    ] {
        for alias in aliases {
            check_alias(family, alias, properties, plugins)?;
        }
    }
    let mut stages = Vec::with_capacity(transform_aliases.len());
    for (alias, class) in transform_aliases.iter().zip(transform_classes) {
        let own = properties.with_prefix(&format!("{}.{alias}.", TRANSFORMS.list));
        let plugin = transforms.iter().find(|plugin| plugin.class == class);
        let plugin = plugin.expect("a located class is one of the plugins");
        let transform = (plugin.make)(&own)?;
        // As written: Java takes blanks around a predicate's alias for a part of it, and " true" for no "true".
        let predicate = match own.get("predicate") {
            None => None,
            Some(name) => {
                let place = predicate_aliases.iter().position(|alias| alias == name);
                let Some(place) = place else {
                    return Err(ChainError {
                        cause: PluginError::config(format!(
                            "Unknown configuration 'predicates.{name}.plugin.version'"
                        )),
                        wrappers: 2,
                    });
                };
                let prefix = format!("{}.{name}.", PREDICATES.list);
                let class = predicate_classes[place];
                let plugin = predicates.iter().find(|plugin| plugin.class == class);
                let plugin = plugin.expect("a located class is one of the plugins");
                Some((plugin.make)(&properties.with_prefix(&prefix))?)
            }
        };
        stages.push(ChainStage {
            transform,
            predicate,
            negate: own
                .get("negate")
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        });
    }
    Ok(stages)
}

/// The classes of all aliases, or the refusal of Java's connector configuration.
fn located(
    family: &Family,
    aliases: &[String],
    properties: &Properties,
    plugins: &[Candidate],
) -> Result<Vec<&'static str>, PluginError> {
    let class_of = |alias: &String| {
        let key = format!("{}.{alias}.type", family.list);
        let Some(name) = properties.get(&key) else {
            return Err(format!(
                "Invalid value null for configuration {key}: Not a {}",
                family.interface
            ));
        };
        match find(family, plugins, name) {
            Found::Plugin(plugin) => Ok(plugin.class),
            Found::WithBlanks(_) => Err(format!(
                "Invalid value {name} for configuration {key}: Error getting config definition from {}: {name}",
                family.interface
            )),
            Found::Nothing => Err(not_usable(family, &key, name, plugins, NO_OTHER).error),
        }
    };
    let classes = aliases.iter().map(class_of);
    classes
        .collect::<Result<_, _>>()
        .map_err(PluginError::config)
}

/// Whether the settings of an alias are all in order.
fn check_alias(
    family: &Family,
    alias: &str,
    properties: &Properties,
    plugins: &[Candidate],
) -> Result<(), PluginError> {
    let mut results = Vec::new();
    validate_alias(family, alias, properties, plugins, NO_OTHER, &mut results);
    let mut errors = results.into_iter().flat_map(|(_, value)| value.errors);
    match errors.next() {
        Some(error) => Err(PluginError::config(error)),
        None => Ok(()),
    }
}

fn validate_alias(
    family: &Family,
    alias: &str,
    properties: &Properties,
    plugins: &[Candidate],
    any_class: AnyClass,
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
    // Java's class loader overlooks blanks around a full name, its table of plugins does not: the class is there, its
    // versions are, but not its keys.
    let mut class = None;
    let mut found = None;
    // Java's validator of the key stops at its first error; a class that is not there is told before it runs.
    let mut refused = None;
    match properties.entry(&type_key.name) {
        None => type_value.errors.push(format!(
            "Missing required configuration \"{}\" which has no default value.",
            type_key.name
        )),
        // Whoever validates refuses every null.
        Some(None) => {}
        Some(Some(name)) => match find(family, plugins, name) {
            Found::Plugin(plugin) => {
                class = Some(plugin.class);
                found = Some(plugin);
            }
            Found::WithBlanks(plugin) => class = Some(plugin.class),
            Found::Nothing => {
                let refusal = not_usable(family, &type_key.name, name, plugins, any_class);
                match refusal.class {
                    Some(class) => {
                        type_value.value = Some(Parsed::Class(class));
                        refused = Some(refusal.error);
                    }
                    None => type_value.errors.push(refusal.error),
                }
            }
        },
    }
    let version_name = format!("{prefix}plugin.version");
    let version_key = match found {
        Some(_) => Key::new(version_name, Kind::String, KAFKA_VERSION),
        None => Key::null(version_name, Kind::String),
    };
    let mut version_key = version_key
        .importance(Importance::High)
        .doc(format!("Version of the '{alias}' {}.", family.noun))
        .group(
            group.clone(),
            1,
            Width::Long,
            format!("{} version for {alias}", family.interface),
        );
    let mut wrong_version = None;
    if let Some(class) = class {
        type_value.value = Some(Parsed::Class(class.to_owned()));
        version_key = version_key.recommended(&[KAFKA_VERSION]);
        let range = properties.get(&version_key.name);
        wrong_version = range.and_then(|range| version::check(class, range).err());
    }
    let negates_nothing = family.list == TRANSFORMS.list
        && properties.contains(&format!("{prefix}negate"))
        && !properties.contains(&format!("{prefix}predicate"));
    let negates_nothing = negates_nothing.then(|| {
        format!(
            "Config '{prefix}negate' was provided but there is no config '{prefix}predicate' defining a predicate to \
             be negated."
        )
    });
    let errors = negates_nothing.or(refused).or(wrong_version.clone());
    type_value.errors.extend(errors);
    let mut version_value = validate_key(&version_key, None, properties);
    if found.is_some() {
        version_value.errors.extend(wrong_version.clone());
    }
    results.push((type_key, type_value));
    results.push((version_key, version_value));
    let Some(plugin) = found.filter(|_| wrong_version.is_none()) else {
        return;
    };
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

/// What a class name stands for.
enum Found<'a> {
    Plugin(&'a Candidate),
    /// Only without the blanks around it.
    WithBlanks(&'a Candidate),
    Nothing,
}

fn find<'a>(family: &Family, plugins: &'a [Candidate], name: &str) -> Found<'a> {
    if let Some(plugin) = plugin::find(plugins, |plugin| plugin.class, family.interface, name) {
        return Found::Plugin(plugin);
    }
    match plugins.iter().find(|plugin| plugin.class == name.trim()) {
        Some(plugin) => Found::WithBlanks(plugin),
        None => Found::Nothing,
    }
}

struct Refusal {
    /// The class, where there is one, but of another kind.
    class: Option<String>,
    error: String,
}

/// At a start every class that is no plugin of the family is refused alike.
const NO_OTHER: AnyClass = &|_| None;

/// Why a name stands for no plugin of the family.
fn not_usable(
    family: &Family,
    key: &str,
    name: &str,
    plugins: &[Candidate],
    any_class: AnyClass,
) -> Refusal {
    let class = name.trim();
    let nested = |inner: &str| {
        inner
            .split_once('$')
            .is_some_and(|(outer, _)| outer == class)
    };
    let mut inner: Vec<&str> = plugins.iter().map(|plugin| plugin.class).collect();
    inner.retain(|class| nested(class));
    if !inner.is_empty() {
        inner.sort_unstable();
        return Refusal {
            class: Some(class.to_owned()),
            error: format!(
                "This class is abstract and cannot be created. Did you mean {}?",
                inner.join(", ")
            ),
        };
    }
    let known = plugin::on_class_path(class).map(|_| class.to_owned());
    match known.or_else(|| any_class(name)) {
        Some(class) => Refusal {
            error: format!(
                "Class class {class} does not implement the {} interface",
                family.interface
            ),
            class: Some(class),
        },
        None => Refusal {
            class: None,
            error: format!(
                "Invalid value {name} for configuration {key}: Class {name} could not be found."
            ),
        },
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
