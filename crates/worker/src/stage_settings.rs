//! StageSettings: the converters of a task and what becomes of its errors, by its connector's configuration.

use crate::config::WorkerSettings;
use crate::connector_config::{ConnectorConfig, read};
use millstream_core::rejected::shows_content;
use millstream_core::{ErrorSettings, Properties, Tolerance};

/// What the framework does with a task's records before its sink, or behind its source.
#[derive(Clone)]
pub struct StageSettings {
    pub key_converter: ConverterSettings,
    pub value_converter: ConverterSettings,
    pub header_converter: ConverterSettings,
    pub errors: ErrorSettings,
}

/// A converter's class and its own settings: the connector's if it names one, else the worker's.
#[derive(Clone, Debug)]
pub struct ConverterSettings {
    pub class: String,
    pub properties: Properties,
}

impl StageSettings {
    /// Reads the settings of a connector's tasks.
    ///
    /// # Errors
    /// The first error of any key, with Java's text.
    pub fn read(connector: &Properties, worker: &WorkerSettings) -> Result<Self, String> {
        let config = read(connector, ConnectorConfig::parse)?;
        let defaults = &worker.config;
        let converter =
            |role: &str, class: &str| ConverterSettings::read(role, class, connector, worker);
        Ok(StageSettings {
            key_converter: converter("key.converter", &defaults.key_converter),
            value_converter: converter("value.converter", &defaults.value_converter),
            header_converter: converter("header.converter", &defaults.header_converter),
            errors: ErrorSettings {
                tolerance: match &*config.tolerance {
                    "all" => Tolerance::All,
                    _ => Tolerance::None,
                },
                log: config.logs_errors,
                log_records: config.logs_records,
                shows_content: shows_content(connector),
            },
        })
    }
}

impl ConverterSettings {
    /// The class is the one that the connector wrote, blanks and all: under it the plugin is looked up.
    fn read(role: &str, class: &str, connector: &Properties, worker: &WorkerSettings) -> Self {
        let prefix = format!("{role}.");
        match connector.get(role) {
            Some(own) => ConverterSettings {
                class: own.to_owned(),
                properties: connector.with_prefix(&prefix),
            },
            None => ConverterSettings {
                class: class.to_owned(),
                properties: worker.properties.with_prefix(&prefix),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<StageSettings, String> {
        let mut config = Properties::from_iter([("name", "s"), ("connector.class", "C")]);
        for (key, value) in pairs {
            config.insert(*key, *value);
        }
        let worker = WorkerSettings::minimal(&[("value.converter.x", "1")]);
        StageSettings::read(&config, &worker.expect("the settings are whole"))
    }

    #[test]
    fn report_a5_start_reads_what_validation_reads() {
        let settings = read(&[
            ("errors.tolerance", " all "),
            ("errors.log.enable", " TRUE"),
        ]);
        let settings = settings.expect("validation takes these");
        assert!(settings.errors.tolerance == Tolerance::All && settings.errors.log);
        let refused = read(&[("errors.tolerance", "ALL")]);
        assert_eq!(
            refused.map(|_| ()).expect_err("validation refuses this"),
            "Invalid value ALL for configuration errors.tolerance: String must be one of: none, all"
        );
    }

    #[test]
    fn a_converter_that_the_connector_names_has_none_of_the_worker_s_settings() {
        let own = [("key.converter", " K "), ("key.converter.y", "2")];
        let settings = read(&own).expect("all is in order");
        let key = settings.key_converter;
        assert_eq!((&*key.class, key.properties.get("y")), (" K ", Some("2")));
        let value = settings.value_converter;
        assert_eq!((&*value.class, value.properties.get("x")), ("v", Some("1")));
    }
}
