//! What the log says about a worker file: keys that nobody reads, or that belong into a connector's configuration.

use crate::client_keys::{self, Client};
use crate::config::{ConfigProviders, DistributedConfig, WorkerConfig};
use crate::connector_config::framework_keys;
use crate::health::HealthConfig;
use crate::inter_worker::InterWorkerConfig;
use crate::registry::PluginRegistry;
use crate::spelling::closest;
use crate::tls::ListenerTlsConfig;
use crate::validation::{ConfigWarnings, unknown_setting};
use millstream_core::{ConfigDef, ConnectorKind, Key, Properties};

/// Java's keys that have no meaning here; files that hold them are right all the same.
const IGNORED: [&str; 9] = [
    "header.converter.plugin.version",
    "internal.key.converter",
    "internal.value.converter",
    "key.converter.plugin.version",
    "metadata.recovery.strategy",
    "metric.reporters",
    "plugin.discovery",
    "plugin.path",
    "value.converter.plugin.version",
];

/// Families of keys of which each name may be anything.
const FAMILIES: [&str; 8] = [
    "admin.listeners.https.",
    "config.providers.",
    "config.storage.",
    "listeners.https.",
    "metrics.context.",
    "offset.storage.",
    "status.storage.",
    "opentelemetry.",
];

/// Keys that older workers had, and what takes their place.
const REPLACED: [(&str, &str); 2] = [("rest.host.name", "listeners"), ("rest.port", "listeners")];

const CLIENTS: [(&str, Client); 3] = [
    ("consumer.", Client::Consumer),
    ("producer.", Client::Producer),
    ("admin.", Client::Admin),
];

/// Warnings about a file whose references have been resolved.
pub(crate) fn of(
    properties: &Properties,
    providers: &ConfigProviders,
    registry: &PluginRegistry,
) -> ConfigWarnings {
    let mut warnings = ConfigWarnings::default();
    for (key, value) in properties.iter() {
        if let Some(text) = warning(key, properties, registry) {
            warnings.add(key, || text);
        }
        for left in providers.unresolved(value) {
            warnings.add(key, || format!("a reference was left as it is: {left}"));
        }
    }
    for role in ["key.converter", "value.converter"] {
        let plugin = properties
            .get(role)
            .and_then(|c| registry.converter(c.trim()));
        if let Some(plugin) = plugin {
            converter_errors(role, (plugin.config_def)(), properties, &mut warnings);
        }
    }
    warnings
}

/// A converter of the worker is made where a connector names none of its own, so its settings end no start.
fn converter_errors(
    role: &str,
    definition: ConfigDef,
    properties: &Properties,
    warnings: &mut ConfigWarnings,
) {
    let mut own = properties.with_prefix(&format!("{role}."));
    own.insert("converter.type", role.trim_end_matches(".converter"));
    for value in definition.validate(&own) {
        for error in value.errors {
            warnings.add(&format!("{role}.{}", value.name), || error);
        }
    }
}

fn warning(key: &str, properties: &Properties, registry: &PluginRegistry) -> Option<String> {
    if is_own(key) || FAMILIES.iter().any(|family| key.starts_with(family)) {
        return None;
    }
    if let Some((_, instead)) = REPLACED.iter().find(|(old, _)| *old == key) {
        return Some(format!("ignored: older workers had it; set {instead}"));
    }
    let belongs = || Some("ignored: it belongs into a connector's configuration".to_owned());
    for (prefix, client) in CLIENTS {
        if let Some(setting) = key.strip_prefix(prefix) {
            if setting.starts_with("override.") {
                return belongs();
            }
            if client_keys::find(client, setting).is_some() {
                return None;
            }
            let meant = closest(setting, client_keys::names(client));
            let meant = meant.map(|meant| format!("{prefix}{meant}"));
            return Some(unknown_setting(meant.as_deref()));
        }
    }
    for role in ["key.converter", "value.converter", "header.converter"] {
        let setting = key
            .strip_prefix(role)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(setting) = setting {
            return converter_setting(role, setting, properties, registry);
        }
    }
    if is_of_a_connector(key, registry) {
        return belongs();
    }
    let own: Vec<Key> = own_keys().collect();
    let own = own.iter().map(|key| &*key.name);
    let prefixes = CLIENTS.iter().map(|(prefix, _)| *prefix);
    let names = own.chain(IGNORED.iter().copied()).chain(prefixes);
    let clients: Vec<&str> = client_keys::names(Client::Admin).collect();
    let names = names.chain(clients.iter().copied());
    Some(unknown_setting(closest(key, names)))
}

fn own_keys() -> impl Iterator<Item = Key> {
    let own = WorkerConfig::keys().into_iter();
    own.chain(DistributedConfig::keys())
        .chain(InterWorkerConfig::keys())
        .chain(HealthConfig::keys())
        .chain(ListenerTlsConfig::keys())
}

/// Every key that a worker's file may have but for families of keys, those of older workers included.
pub fn worker_keys() -> Vec<String> {
    let own = own_keys().map(|key| key.name.to_string());
    let clients = CLIENTS.iter().flat_map(|(prefix, client)| {
        client_keys::names(*client).map(move |name| format!("{prefix}{name}"))
    });
    let of_worker = client_keys::names(Client::Admin).map(str::to_owned);
    let ignored = IGNORED.iter().map(|key| (*key).to_owned());
    let replaced = REPLACED.iter().map(|(key, _)| (*key).to_owned());
    let mut keys: Vec<String> = own
        .chain(clients)
        .chain(of_worker)
        .chain(ignored)
        .chain(replaced)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Keys of the worker, of its clients, and those that mean nothing here.
fn is_own(key: &str) -> bool {
    own_keys().any(|known| known.name == key)
        || IGNORED.contains(&key)
        || [Client::Consumer, Client::Producer, Client::Admin]
            .into_iter()
            .any(|client| client_keys::find(client, key).is_some())
}

fn converter_setting(
    role: &str,
    setting: &str,
    properties: &Properties,
    registry: &PluginRegistry,
) -> Option<String> {
    let class = properties.get(role).unwrap_or_default().trim();
    let definition = match role {
        "header.converter" => registry.header_converter(class).map(|p| p.config_def),
        _ => registry.converter(class).map(|p| p.config_def),
    }?();
    if setting == "converter.type" || definition.key(setting).is_some() {
        return None;
    }
    let names = definition.keys().iter().map(|key| &*key.name);
    let meant = closest(setting, names).map(|meant| format!("{role}.{meant}"));
    Some(unknown_setting(meant.as_deref()))
}

fn is_of_a_connector(key: &str, registry: &PluginRegistry) -> bool {
    let belongs = |definition: &ConfigDef| definition.key(key).is_some();
    let families = ["transforms.", "predicates.", "errors."];
    let kinds = [ConnectorKind::Sink, ConnectorKind::Source];
    kinds
        .into_iter()
        .any(|kind| belongs(&ConfigDef::new(framework_keys(kind))))
        || families.iter().any(|family| key.starts_with(family))
        || registry
            .connectors
            .iter()
            .any(|c| belongs(c.config_def()) || belongs(c.extensions()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, expected: Option<&str>) {
        let properties = Properties::from_iter([(key, "x")]);
        let found = warning(key, &properties, &PluginRegistry::default());
        assert_eq!(found.as_deref(), expected, "{key}");
    }

    #[test]
    fn report_c12_misspelt_worker_keys_leave_a_word() {
        check("bootstrap.servers", None);
        check("group.id", None);
        check("worker.unsync.backoff.ms", None);
        check("millstream.fix.internal.topics", None);
        check("sasl.mechanism", None);
        check("consumer.max.poll.records", None);
        check("config.providers.file.class", None);
        check(
            "bootstrap.server",
            Some("unknown setting, ignored; did you mean bootstrap.servers?"),
        );
        check(
            "rest.port",
            Some("ignored: older workers had it; set listeners"),
        );
        check(
            "consumer.max.pol.records",
            Some("unknown setting, ignored; did you mean consumer.max.poll.records?"),
        );
        check("something.of.mine", Some("unknown setting, ignored"));
    }

    #[test]
    fn report_a16_a_connector_s_key_in_the_worker_file_leaves_a_word() {
        let belongs = "ignored: it belongs into a connector's configuration";
        check("topics", Some(belongs));
        check("errors.tolerance", Some(belongs));
        check("transforms.a.type", Some(belongs));
        check("consumer.override.max.poll.records", Some(belongs));
    }
}
