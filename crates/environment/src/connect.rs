//! `CONNECT_*`: a worker's settings by the rule of the container images of Kafka Connect, with their defaults and their checks.

use crate::discovery::{Finder, Services};
use crate::helpers::{self, HELPERS, INTERNAL};
use crate::logging::LogEnvironment;
use crate::names::{PREFIX, key_of};
use crate::note::Note;
use crate::preflight::Preflight;
use crate::resolved::{Origin, Resolved};
use crate::variables::Variables;
use crate::{rest_port, security};
use millstream_core::Properties;
use std::collections::BTreeMap;

/// Left out of the settings by the image.
const LEFT_OUT: &str = "CONNECT_METRIC_REPORTERS";

/// What has to be there, in the order in which the image asks.
pub const REQUIRED: [&str; 8] = [
    BROKERS,
    "CONNECT_GROUP_ID",
    "CONNECT_CONFIG_STORAGE_TOPIC",
    "CONNECT_OFFSET_STORAGE_TOPIC",
    "CONNECT_STATUS_STORAGE_TOPIC",
    "CONNECT_KEY_CONVERTER",
    "CONNECT_VALUE_CONVERTER",
    ADVERTISED_HOST,
];

const BROKERS: &str = "CONNECT_BOOTSTRAP_SERVERS";
const ADVERTISED_HOST: &str = "CONNECT_REST_ADVERTISED_HOST_NAME";

/// A converter that is of no use without the address of a registry, which is required with it.
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What the variables come to.
#[derive(Clone, Debug)]
pub struct ConnectEnvironment {
    /// By key, as the image writes them into its file, what is required and empty left out.
    rendered: BTreeMap<String, Resolved>,
    /// By key, as the worker takes them.
    settings: BTreeMap<String, Resolved>,
    /// Required and not there, in the image's order.
    missing: Vec<Missing>,
    pub services: Services,
    pub log: LogEnvironment,
    pub preflight: Preflight,
    pub notes: Vec<Note>,
}

/// A required variable that is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub variable: &'static str,
    /// Who may find its value out; nobody, if `None`.
    pub finder: Option<Finder>,
}

impl Missing {
    /// The image's message.
    pub fn message(&self) -> String {
        format!("{} is required.", self.variable)
    }
}

impl ConnectEnvironment {
    /// Whether a worker is set up by variables.
    pub fn is_given(variables: &Variables) -> bool {
        variables.iter().any(|(name, _)| name.starts_with(PREFIX))
    }

    pub fn read(variables: &Variables) -> Self {
        let mut notes = Vec::new();
        let given = with_defaults(variables);
        let missing = required(&given)
            .into_iter()
            .filter(|name| given.get(*name).is_none_or(|it| it.value.is_empty()));
        let missing: Vec<&str> = missing.collect();
        let mut rendered = render(&given, &mut notes);
        for name in &missing {
            if let Some(key) = key_of(name) {
                rendered.remove(&key);
            }
        }
        let keys: Vec<String> = rendered.keys().cloned().collect();
        notes.extend(helpers::notes(variables, &keys));
        let mut services = Services::read(variables);
        if missing.contains(&BROKERS) {
            services = services.with_workshop_namespace(&mut notes);
        }
        let missing = missing.into_iter().map(|variable| Missing {
            variable,
            finder: finder(variable, &services),
        });
        let missing = missing.collect();
        let mut settings = rendered.clone();
        settings.retain(|key, _| !is_no_setting(key));
        rest_port::replace(&mut settings, &mut notes);
        security::inherit(&mut settings, &mut notes);
        ConnectEnvironment {
            rendered,
            settings,
            missing,
            services,
            log: LogEnvironment::read(variables, &mut notes),
            preflight: Preflight::read(variables, &mut notes),
            notes,
        }
    }

    /// What is required, not there, and nobody can find out.
    pub fn lacking(&self) -> impl Iterator<Item = &Missing> {
        self.missing.iter().filter(|it| it.finder.is_none())
    }

    /// What is required, not there, and may be found out.
    pub fn open(&self) -> impl Iterator<Item = (&Missing, Finder)> {
        self.missing.iter().filter_map(|it| Some((it, it.finder?)))
    }

    /// Takes a value that was found out, and how.
    pub fn found(&mut self, finder: Finder, value: impl Into<String>, how: impl Into<String>) {
        let is_it = |it: &Missing| it.finder == Some(finder);
        let Some(at) = self.missing.iter().position(is_it) else {
            return;
        };
        let missing = self.missing.remove(at);
        if let Some(key) = key_of(missing.variable) {
            let value = Resolved::new(value, Origin::Discovered(how.into()));
            self.rendered.insert(key.clone(), value.clone());
            self.settings.insert(key, value);
        }
    }

    /// By key, as the image would write them into its file.
    pub fn rendered(&self) -> &BTreeMap<String, Resolved> {
        &self.rendered
    }

    /// By key, as the worker takes them, with where each is from.
    pub fn settings(&self) -> &BTreeMap<String, Resolved> {
        &self.settings
    }

    /// The same for the worker.
    pub fn properties(&self) -> Properties {
        let pairs = self.settings.iter();
        pairs
            .map(|(key, value)| (key.as_str(), value.value.as_str()))
            .collect()
    }
}

/// Variables by name, with what the image sets before it reads them.
fn with_defaults(variables: &Variables) -> BTreeMap<String, Resolved> {
    let named = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX));
    let mut given: BTreeMap<String, Resolved> = named
        .map(|(name, value)| (name.to_owned(), Resolved::of_variable(name, value)))
        .collect();
    // On Mesos, the scheduler tells where a container is reached.
    for (name, other) in [
        (ADVERTISED_HOST, "HOST"),
        ("CONNECT_REST_ADVERTISED_PORT", "PORT0"),
    ] {
        if variables.get(name).is_none()
            && let Some(value) = variables.get(other)
        {
            given.insert(name.to_owned(), Resolved::of_variable(other, value));
        }
    }
    if variables.get("CONNECT_REST_PORT").is_none() {
        let port = Resolved::new("8083", Origin::Default);
        given.insert("CONNECT_REST_PORT".to_owned(), port);
    }
    let internal = [
        "CONNECT_INTERNAL_KEY_CONVERTER",
        "CONNECT_INTERNAL_VALUE_CONVERTER",
    ];
    if internal
        .iter()
        .any(|name| variables.get(name) == Some(JSON))
    {
        for name in internal {
            let off = Resolved::new("false", Origin::Default);
            given.insert(format!("{name}_SCHEMAS_ENABLE"), off);
        }
    }
    given
}

/// The names that have to be there; a converter may ask for one more.
fn required(given: &BTreeMap<String, Resolved>) -> Vec<&'static str> {
    let mut names = REQUIRED.to_vec();
    for (converter, registry) in [
        (
            "CONNECT_KEY_CONVERTER",
            "CONNECT_KEY_CONVERTER_SCHEMA_REGISTRY_URL",
        ),
        (
            "CONNECT_VALUE_CONVERTER",
            "CONNECT_VALUE_CONVERTER_SCHEMA_REGISTRY_URL",
        ),
    ] {
        if given.get(converter).is_some_and(|it| it.value == AVRO) {
            names.push(registry);
        }
    }
    names
}

/// By key. Of two names that come to one key the later in the alphabet wins.
fn render(given: &BTreeMap<String, Resolved>, notes: &mut Vec<Note>) -> BTreeMap<String, Resolved> {
    let mut rendered: BTreeMap<String, Resolved> = BTreeMap::new();
    for (name, value) in given.iter().filter(|(name, _)| *name != LEFT_OUT) {
        let Some(key) = key_of(name) else {
            continue;
        };
        if let Some(Resolved {
            from: Origin::Variable(other),
            ..
        }) = rendered.insert(key.clone(), value.clone())
        {
            let text = format!("has no effect: {name} is the same setting, {key}");
            notes.push(Note::warning(other, text).with_remedy("keep one of the two"));
        }
    }
    if given.contains_key(LEFT_OUT) {
        let text = "has no effect, as in the image: GET /metrics tells what reporters would";
        notes.push(Note::info(LEFT_OUT, text));
    }
    rendered
}

/// Keys that are among the settings by the rule of the names alone.
fn is_no_setting(key: &str) -> bool {
    key.is_empty()
        || HELPERS.iter().any(|(helper, ..)| *helper == key)
        || INTERNAL.iter().any(|role| key.starts_with(role))
}

/// Who may find a required value out, by what the process was given for it.
fn finder(variable: &str, services: &Services) -> Option<Finder> {
    match variable {
        BROKERS => services.kafka.as_ref().map(|_| Finder::Brokers),
        ADVERTISED_HOST => (services.kafka.is_some() || services.metadata.is_some())
            .then_some(Finder::AdvertisedHost),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
