//! The group beside its rounds: what its members speak, what is wrong with it, and how a follower reaches the leader.

use super::StoreError;
use async_trait::async_trait;
use millstream_core::Properties;

/// What a group of workers speaks; each includes what stands before it, and one member that lacks it keeps all from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupProtocol {
    /// Everything stops for each rebalance.
    Eager,
    /// What stays with its worker goes on (KIP-415).
    Compatible,
    /// And requests between workers are signed (KIP-507).
    #[default]
    Sessioned,
}

impl GroupProtocol {
    pub const ALL: [GroupProtocol; 3] = [
        GroupProtocol::Eager,
        GroupProtocol::Compatible,
        GroupProtocol::Sessioned,
    ];

    /// As members call it among themselves.
    pub fn name(self) -> &'static str {
        match self {
            GroupProtocol::Eager => "default",
            GroupProtocol::Compatible => "compatible",
            GroupProtocol::Sessioned => "sessioned",
        }
    }

    /// As `connect.protocol` has it, in any case of letters.
    pub fn configured(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        match &*name {
            "eager" => Some(GroupProtocol::Eager),
            "default" => None,
            name => GroupProtocol::named(name),
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        GroupProtocol::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
    }
}

/// How it is with the group, for those who do not follow its rounds. A membership publishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupHealth {
    /// What the last round was in; `None` before the first. Requests between workers are signed under `Sessioned` alone.
    pub protocol: Option<GroupProtocol>,
    /// What keeps the group from its work, for whoever asks after the health.
    pub error: Option<String>,
}

/// Carries the settings of a connector's tasks to the worker that leads.
#[async_trait]
pub trait TaskSubmitter: Send + Sync {
    /// Returns once the leader has taken them, or when nothing helped. How often it is tried again, and how long all of
    /// it may take, is a bound of the implementation; a caller that drops the future gives the request up.
    ///
    /// `leader_url`: as the leader advertises it; a slash at its end may be missing, and a path may stand before it.
    async fn submit(
        &self,
        leader_url: &str,
        connector: &str,
        configs: &[Properties],
    ) -> Result<(), StoreError>;
}
