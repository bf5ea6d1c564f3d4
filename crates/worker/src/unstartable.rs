//! A connector for tests of the worker: known by its name, never started.

use async_trait::async_trait;
use millstream_core::{
    ConfigDef, Connector, Properties, Role, SinkConnector, SinkError, SinkTask, TaskContext,
};

pub(crate) struct Unstartable(ConfigDef);

impl Unstartable {
    pub(crate) fn new() -> Self {
        Unstartable(ConfigDef::new(Vec::new()))
    }
}

#[async_trait]
impl Connector for Unstartable {
    fn class_name(&self) -> &'static str {
        "Sink"
    }

    fn role(&self) -> Role<'_> {
        Role::Sink(self)
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> &ConfigDef {
        &self.0
    }
}

#[async_trait]
impl SinkConnector for Unstartable {
    async fn start_task(
        &self,
        _properties: &Properties,
        _context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        Err(SinkError::fatal("nothing is started here"))
    }
}
