//! PluginRegistry: what is compiled in, found by Java's class names and their aliases.

use millstream_core::plugin::{self, KAFKA_VERSION};
use millstream_core::{
    Connector, ConverterPlugin, HeaderConverterPlugin, PredicatePlugin, TransformPlugin,
};
use std::fmt::Write;
use std::sync::Arc;

/// The kinds of plugins that the REST API lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginKind {
    Sink,
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
            PluginKind::Transformation => "transformation",
            PluginKind::Predicate => "predicate",
            PluginKind::Converter => "converter",
            PluginKind::HeaderConverter => "header_converter",
        }
    }

    /// The word that an alias may leave out at the end of the simple name.
    fn word(self) -> &'static str {
        match self {
            PluginKind::Sink => "Connector",
            PluginKind::Transformation => "Transformation",
            PluginKind::Predicate => "Predicate",
            PluginKind::Converter => "Converter",
            PluginKind::HeaderConverter => "HeaderConverter",
        }
    }
}

/// Every plugin of the program, filled once by the binary.
#[derive(Clone, Default)]
pub struct PluginRegistry {
    pub connectors: Vec<Arc<dyn Connector>>,
    pub converters: Vec<ConverterPlugin>,
    pub header_converters: Vec<HeaderConverterPlugin>,
    pub transforms: Vec<TransformPlugin>,
    pub predicates: Vec<PredicatePlugin>,
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

    /// Every plugin as the REST API lists them: kind by kind, by class name within a kind.
    pub fn list(&self) -> Vec<(String, PluginKind, String)> {
        let mut all = Vec::new();
        let kafka = |class: &str| (class.to_owned(), KAFKA_VERSION.to_owned());
        let mut add = |kind, mut plugins: Vec<(String, String)>| {
            plugins.sort();
            all.extend(
                plugins
                    .into_iter()
                    .map(|(class, version)| (class, kind, version)),
            );
        };
        let connectors = self.connectors.iter();
        let connectors = connectors.map(|c| (c.class_name().to_owned(), c.version().to_owned()));
        add(PluginKind::Sink, connectors.collect());
        let transforms = self.transforms.iter().map(|p| kafka(p.class));
        add(PluginKind::Transformation, transforms.collect());
        let predicates = self.predicates.iter().map(|p| kafka(p.class));
        add(PluginKind::Predicate, predicates.collect());
        let converters = self.converters.iter().map(|p| kafka(p.class));
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
        for connector in &self.connectors {
            if !available.is_empty() {
                available.push_str(", ");
            }
            let (class, version) = (connector.class_name(), connector.version());
            // Writing to a String cannot fail.
            let _ = write!(
                available,
                "PluginDesc{{klass=class {class}, name='{class}', version='{version}', \
                 encodedVersion={version}, type=sink, typeName='sink', location='classpath'}}"
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
