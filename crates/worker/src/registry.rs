//! PluginRegistry: what is compiled in, found by Java's class names and their aliases.

use millstream_core::plugin::{self, KAFKA_VERSION};
use millstream_core::{
    Connector, ConnectorKind, ConverterPlugin, HeaderConverterPlugin, InputPlugin, PredicatePlugin,
    TransformPlugin,
};
use std::fmt::Write;
use std::sync::Arc;

/// The kinds of plugins that the REST API lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginKind {
    Sink,
    Source,
    Transformation,
    Predicate,
    Converter,
    HeaderConverter,
}

impl PluginKind {
    /// As the REST API names it.
    pub fn name(self) -> &'static str {
        match self {
            PluginKind::Sink => "sink",
            PluginKind::Source => "source",
            PluginKind::Transformation => "transformation",
            PluginKind::Predicate => "predicate",
            PluginKind::Converter => "converter",
            PluginKind::HeaderConverter => "header_converter",
        }
    }

    /// The word that an alias may leave out at the end of the simple name.
    fn word(self) -> &'static str {
        match self {
            PluginKind::Sink | PluginKind::Source => "Connector",
            PluginKind::Transformation => "Transformation",
            PluginKind::Predicate => "Predicate",
            PluginKind::Converter => "Converter",
            PluginKind::HeaderConverter => "HeaderConverter",
        }
    }
}

/// Connectors that nobody wants to see who has not asked for them.
const FOR_TESTS: &str = "org.apache.kafka.connect.tools.";

/// Whose converters come without a version.
const CONFLUENT: &str = "io.confluent.";

/// Every plugin of the program, filled once by the binary.
#[derive(Clone, Default)]
pub struct PluginRegistry {
    pub connectors: Vec<Arc<dyn Connector>>,
    pub converters: Vec<ConverterPlugin>,
    pub header_converters: Vec<HeaderConverterPlugin>,
    pub transforms: Vec<TransformPlugin>,
    pub predicates: Vec<PredicatePlugin>,
    /// Where sinks may have their records from beside Kafka. They are no classes, so that no list of those names them.
    pub inputs: Vec<InputPlugin>,
}

impl PluginRegistry {
    /// The connector of a class name or alias.
    ///
    /// # Errors
    /// Java's text, with the connectors there are.
    pub fn connector(&self, name: &str) -> Result<&Arc<dyn Connector>, UnknownConnector> {
        find(&self.connectors, |c| c.class_name(), PluginKind::Sink, name)
            .ok_or_else(|| self.unknown_connector(name))
    }

    pub fn converter(&self, name: &str) -> Option<&ConverterPlugin> {
        find(&self.converters, |p| p.class, PluginKind::Converter, name)
    }

    pub fn header_converter(&self, name: &str) -> Option<&HeaderConverterPlugin> {
        let kind = PluginKind::HeaderConverter;
        find(&self.header_converters, |p| p.class, kind, name)
            // A converter that also does headers is known by its converter's alias: `String`, `Json`.
            .or_else(|| {
                find(
                    &self.header_converters,
                    |p| p.class,
                    PluginKind::Converter,
                    name,
                )
            })
    }

    pub fn transform(&self, name: &str) -> Option<&TransformPlugin> {
        let kind = PluginKind::Transformation;
        find(&self.transforms, |p| p.class, kind, name)
    }

    pub fn predicate(&self, name: &str) -> Option<&PredicatePlugin> {
        find(&self.predicates, |p| p.class, PluginKind::Predicate, name)
    }

    /// What is left of it where `millstream.plugins.include` names classes.
    #[must_use]
    pub fn limited_to(mut self, include: &[String]) -> Self {
        if include.is_empty() {
            self.connectors
                .retain(|c| !c.class_name().starts_with(FOR_TESTS));
            return self;
        }
        let is_offered = |class: &str| {
            include.iter().any(|name| match name.strip_suffix('*') {
                Some(start) => class.starts_with(start),
                None => class == name,
            })
        };
        self.connectors.retain(|c| is_offered(c.class_name()));
        self.converters.retain(|p| is_offered(p.class));
        self.header_converters.retain(|p| is_offered(p.class));
        self.transforms.retain(|p| is_offered(p.class));
        self.predicates.retain(|p| is_offered(p.class));
        self
    }

    fn of_kind(&self, kind: ConnectorKind) -> impl Iterator<Item = &Arc<dyn Connector>> {
        let connectors = self.connectors.iter();
        connectors.filter(move |connector| connector.role().kind() == kind)
    }

    /// Every plugin as the REST API lists them: kind by kind, by class name within a kind. Confluent's converters tell no
    /// version.
    pub fn list(&self) -> Vec<(String, PluginKind, Option<String>)> {
        let mut all = Vec::new();
        let kafka = |class: &str| (class.to_owned(), Some(KAFKA_VERSION.to_owned()));
        let mut add = |kind, mut plugins: Vec<(String, Option<String>)>| {
            plugins.sort();
            all.extend(
                plugins
                    .into_iter()
                    .map(|(class, version)| (class, kind, version)),
            );
        };
        for (kind, listed) in [
            (ConnectorKind::Sink, PluginKind::Sink),
            (ConnectorKind::Source, PluginKind::Source),
        ] {
            let connectors = self.of_kind(kind);
            let connectors =
                connectors.map(|c| (c.class_name().to_owned(), Some(c.version().to_owned())));
            add(listed, connectors.collect());
        }
        let transforms = self.transforms.iter().map(|p| kafka(p.class));
        add(PluginKind::Transformation, transforms.collect());
        let predicates = self.predicates.iter().map(|p| kafka(p.class));
        add(PluginKind::Predicate, predicates.collect());
        let converters = self
            .converters
            .iter()
            .map(|p| match p.class.starts_with(CONFLUENT) {
                true => (p.class.to_owned(), None),
                false => kafka(p.class),
            });
        add(PluginKind::Converter, converters.collect());
        let headers = self.header_converters.iter().map(|p| kafka(p.class));
        add(PluginKind::HeaderConverter, headers.collect());
        all
    }

    /// The classes of all converters, by name.
    pub fn converter_classes(&self) -> Vec<&'static str> {
        sorted(self.converters.iter().map(|p| p.class))
    }

    pub fn header_converter_classes(&self) -> Vec<&'static str> {
        sorted(self.header_converters.iter().map(|p| p.class))
    }

    /// The full name of a plugin of whatever kind, by its name or alias.
    pub fn class_of_any(&self, name: &str) -> Option<&'static str> {
        let connector = || self.connector(name).ok().map(|c| c.class_name());
        self.converter(name)
            .map(|p| p.class)
            .or_else(|| self.header_converter(name).map(|p| p.class))
            .or_else(|| self.transform(name).map(|p| p.class))
            .or_else(|| self.predicate(name).map(|p| p.class))
            .or_else(connector)
    }

    fn unknown_connector(&self, name: &str) -> UnknownConnector {
        let mut available = String::new();
        let sinks = self.of_kind(ConnectorKind::Sink);
        for connector in sinks.chain(self.of_kind(ConnectorKind::Source)) {
            if !available.is_empty() {
                available.push_str(", ");
            }
            let (class, version) = (connector.class_name(), connector.version());
            let kind = connector.role().kind().name();
            // Writing to a String cannot fail.
            let _ = write!(
                available,
                "PluginDesc{{klass=class {class}, name='{class}', version='{version}', \
                 encodedVersion={version}, type={kind}, typeName='{kind}', location='classpath'}}"
            );
        }
        UnknownConnector {
            name: name.to_owned(),
            available,
        }
    }
}

/// No connector has that name.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "Failed to find any class that implements Connector and which name matches {name}, available connectors are: {available}"
)]
pub struct UnknownConnector {
    name: String,
    available: String,
}

fn sorted(classes: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut classes: Vec<_> = classes.collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

fn find<'a, P>(
    plugins: &'a [P],
    class: impl Fn(&P) -> &'static str,
    kind: PluginKind,
    name: &str,
) -> Option<&'a P> {
    plugin::find(plugins, class, kind.word(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(classes: &[&'static str], kind: PluginKind, name: &str, expected: Option<&str>) {
        assert_eq!(find(classes, |c| c, kind, name).copied(), expected);
    }

    #[test]
    fn connectors_for_tests_are_offered_to_who_asks_for_them() {
        let registry = || PluginRegistry {
            connectors: millstream_connectors::connectors(),
            converters: millstream_plugins::CONVERTERS.to_vec(),
            ..PluginRegistry::default()
        };
        let is_there = |include: &[&str], name: &str| {
            let include: Vec<String> = include.iter().map(|name| (*name).to_owned()).collect();
            let registry = registry().limited_to(&include);
            registry.connector(name).is_ok() || registry.converter(name).is_some()
        };
        assert!(is_there(&[], "FileStreamSink") && is_there(&[], "JsonConverter"));
        assert!(!is_there(&[], "MockSink"));
        let asked = [
            "org.apache.kafka.connect.tools.*",
            "org.apache.kafka.connect.json.JsonConverter",
        ];
        assert!(is_there(&asked, "MockSink") && is_there(&asked, "JsonConverter"));
        assert!(!is_there(&asked, "FileStreamSink") && !is_there(&asked, "StringConverter"));
    }

    #[test]
    fn knows_class_names_and_aliases() {
        let json = "org.apache.kafka.connect.json.JsonConverter";
        check(&[json], PluginKind::Converter, json, Some(json));
        check(&[json], PluginKind::Converter, "JsonConverter", Some(json));
        check(&[json], PluginKind::Converter, "Json", Some(json));
        check(&[json], PluginKind::Converter, "json", None);
        let value = "org.apache.kafka.connect.transforms.InsertField$Value";
        let other = "org.apache.kafka.connect.transforms.Cast$Value";
        let kind = PluginKind::Transformation;
        check(&[value, other], kind, value, Some(value));
        check(&[value, other], kind, "InsertField$Value", None);
        check(&[value, other], kind, "Value", None);
    }
}
