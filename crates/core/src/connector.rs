//! The seam to connectors: names, settings, and which way their records go.

use crate::config::{ConfigDef, ConfigValue, Properties};
use crate::connector_error::ConnectorError;
use crate::sink::SinkConnector;
use crate::source::SourceConnector;
use async_trait::async_trait;
use std::sync::LazyLock;

/// A connector: what it is called, which settings it takes, and what its tasks are.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The full Java name.
    fn class_name(&self) -> &'static str;

    /// Which way its records go, and who starts its tasks.
    fn role(&self) -> Role<'_>;

    /// The full Java name of the tasks' class.
    fn task_class(&self) -> String {
        let class = self.class_name();
        format!("{}Task", class.strip_suffix("Connector").unwrap_or(class))
    }

    /// The version of the Java original whose behaviour this matches.
    fn version(&self) -> &'static str;

    /// The connector's own keys, in Java's order.
    fn config_def(&self) -> &ConfigDef;

    /// What Java's validation throws instead of answering; the worker then answers with status 500.
    fn throws(&self, _properties: &Properties) -> Option<ConnectorError> {
        None
    }

    /// Keys beside `config_def` that the Java original does not have. Answers list them only where they are set.
    fn extensions(&self) -> &ConfigDef {
        static NONE: LazyLock<ConfigDef> = LazyLock::new(|| ConfigDef::new(Vec::new()));
        &NONE
    }

    /// Classes of the original's plugin beside the connector: who names one where another kind is wanted is told so.
    fn classes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Keys that recipes for the original hold although it does not read them: no reason to warn.
    fn without_effect(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is to be said of settings that are right, each with its key: what they make of a record that is read again. Pure.
    fn remarks(&self, _properties: &Properties) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Validates the connector's own keys, across settings too. Pure.
    fn validate(&self, properties: &Properties) -> Vec<ConfigValue> {
        self.config_def().validate(properties)
    }

    /// The part of validation that connects, with a deadline of its own; adds errors to the values of `validate`.
    async fn probe(&self, _properties: &Properties, _values: &mut Vec<ConfigValue>) {}

    /// What Java's `Connector.start` refuses although validation let it pass.
    fn check_start(&self, _properties: &Properties) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// The tasks' settings, at most `max_tasks` of them.
    fn task_configs(&self, properties: &Properties, max_tasks: usize) -> Vec<Properties> {
        vec![properties.clone(); max_tasks]
    }
}

/// Which way a connector's records go.
#[derive(Clone, Copy)]
pub enum Role<'a> {
    Sink(&'a dyn SinkConnector),
    Source(&'a dyn SourceConnector),
}

impl Role<'_> {
    pub fn kind(&self) -> ConnectorKind {
        match self {
            Role::Sink(_) => ConnectorKind::Sink,
            Role::Source(_) => ConnectorKind::Source,
        }
    }
}

/// What a connector is, without the means to start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorKind {
    Sink,
    Source,
}

impl ConnectorKind {
    /// As Connect names it.
    pub fn name(self) -> &'static str {
        match self {
            ConnectorKind::Sink => "sink",
            ConnectorKind::Source => "source",
        }
    }
}
