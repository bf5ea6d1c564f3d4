//! What stays the same while the herder runs.

use crate::cluster::GroupProtocol;
use crate::registry::PluginRegistry;
use std::sync::Arc;

/// Where Java's standalone and distributed workers answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerMode {
    Standalone,
    Distributed,
}

#[derive(Clone)]
pub struct Settings {
    pub mode: WorkerMode,
    /// This worker as host:port.
    pub worker_id: String,
    pub registry: Arc<PluginRegistry>,
    pub topic_tracking: bool,
    pub self_healing: bool,
    /// What this worker offers its group.
    pub protocol: GroupProtocol,
    /// `None`: nobody is asked anything that would be signed.
    pub keys: Option<KeyPolicy>,
}

/// What the session keys are to be like that this worker makes as leader.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    pub algorithm: Arc<str>,
    /// In bytes.
    pub length: usize,
    /// The age at which a key is replaced; 0: none.
    pub ttl_ms: i64,
}
