//! Connectors by their names in paths.

use super::Api;
use super::error::RestError;
use crate::herder::request::ConnectorInfo;

/// The connector, which must exist.
pub(super) fn info(api: &Api, name: &str) -> Result<ConnectorInfo, RestError> {
    let info = api.herder.view().info(name);
    info.ok_or_else(|| not_found(name))
}

pub(super) fn not_found(name: &str) -> RestError {
    RestError::NotFound(format!("Connector {name} not found"))
}
