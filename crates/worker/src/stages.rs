//! Stages: the converters, transforms and predicates of a task, made from its settings by their plugins.

use crate::stage_settings::ConverterSettings;
use crate::task::TaskStart;
use millstream_core::chain::{self, ChainError, ChainStage};
use millstream_core::{Converter, ConverterUse, HeaderConverter, PluginError};

pub struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub header: Box<dyn HeaderConverter>,
}

impl TaskStart {
    /// Makes the task's converters.
    ///
    /// # Errors
    /// A class that is not there, or what the converter itself refuses; in Java's words.
    pub fn converters(&self) -> Result<Converters, PluginError> {
        let (registry, settings) = (&self.registry, &self.stages);
        let converter = |chosen: &ConverterSettings, used| {
            let plugin = registry.converter(&chosen.class);
            let plugin = plugin.ok_or_else(|| not_found(&chosen.class))?;
            (plugin.make)(&chosen.properties, used)
        };
        let key = converter(&settings.key_converter, ConverterUse::Key)?;
        let value = converter(&settings.value_converter, ConverterUse::Value)?;
        let chosen = &settings.header_converter;
        let plugin = registry.header_converter(&chosen.class);
        let plugin = plugin.ok_or_else(|| not_found(&chosen.class))?;
        Ok(Converters {
            key,
            value,
            header: (plugin.make)(&chosen.properties)?,
        })
    }

    /// Makes the task's transforms with their predicates.
    ///
    /// # Errors
    /// As `chain::build`.
    pub fn chain(&self) -> Result<Vec<ChainStage>, ChainError> {
        let registry = &self.registry;
        chain::build(
            &self.task_config,
            &registry.transforms,
            &registry.predicates,
        )
    }
}

fn not_found(class: &str) -> PluginError {
    PluginError::config(format!("Class {class} could not be found."))
}
