//! What stays the same while the herder runs.

use crate::registry::PluginRegistry;
use std::sync::Arc;

/// Where Java's standalone and distributed workers answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Standalone,
    Distributed,
}

#[derive(Clone)]
pub struct Settings {
    pub flavour: Flavour,
    /// This worker as host:port.
    pub worker_id: String,
    pub registry: Arc<PluginRegistry>,
    pub topic_tracking: bool,
    pub self_healing: bool,
}
