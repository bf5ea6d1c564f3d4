//! A connector that is created without a request: checked and stored as one that was posted.

use crate::config::ConnectorFile;
use crate::herder::HerderHandle;
use crate::herder::request::{Answer, HerderError, Put, Request};
use crate::rest::Api;
use crate::validation::{InvalidConfig, ValidationError};

/// Why a connector was refused.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error(transparent)]
    Validation(#[from] ValidationError),
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    #[error(transparent)]
    Herder(#[from] HerderError),
}

/// Creates a connector that is not there yet.
///
/// # Errors
/// If its settings are wrong, it is there, or another worker leads.
pub(crate) async fn create(api: &Api, connector: ConnectorFile) -> Result<(), CreateError> {
    let ConnectorFile {
        name,
        mut config,
        initial_state,
    } = connector;
    config.insert("name", name.trim());
    let warnings = api.validator.validate(&config).await?.accepted()?;
    let request = Request::Put(Put {
        name: name.trim().into(),
        config,
        initial_state,
        may_replace: false,
    });
    let herder: &HerderHandle = &api.herder;
    let answer = herder.change(request).await?;
    warnings.log(name.trim());
    if let Answer::Connector { info, .. } = answer {
        tracing::info!(connector = %info.name, tasks = info.tasks, "connector created");
    }
    Ok(())
}
