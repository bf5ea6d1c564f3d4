//! The words of a group: its states, its members, and what they ask and hear.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Where a group stands, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl GroupState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member says when it joins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Join {
    pub(crate) member_id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: String,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    /// Whether the client's version expects to be told its id before it may join.
    pub(crate) needs_id: bool,
    /// Whether the client's version knows `skip_assignment`.
    pub(crate) may_skip: bool,
}

/// The answer to a join. Members are listed for the leader only.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Joined {
    pub(crate) error: Option<ResponseError>,
    pub(crate) member_id: StrBytes,
    pub(crate) generation: i32,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) leader: StrBytes,
    pub(crate) members: Vec<(StrBytes, Option<StrBytes>, Bytes)>,
    pub(crate) skip_assignment: bool,
}

/// What a member sends to get its assignment, the leader with everybody's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sync {
    pub(crate) member_id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) assignments: Vec<(StrBytes, Bytes)>,
}

/// The answer to a sync.
pub(crate) type Synced = Result<(StrBytes, StrBytes, Bytes), ResponseError>;

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: String,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) deadline: Instant,
    pub(super) joining: Option<oneshot::Sender<Joined>>,
    pub(super) syncing: Option<oneshot::Sender<Synced>>,
}

impl Member {
    pub(super) fn metadata(&self, protocol: &StrBytes) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) epoch: i32,
    pub(crate) metadata: Option<String>,
}

/// Offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<(String, i32), Committed>;
