//! Group: membership of a classic consumer group, of whatever protocol type. A task of its own joins, keeps the
//! member alive and reports; what the protocol's metadata and assignments mean is the owner's business.

pub mod assignor;
mod member;
pub mod protocol;
mod requests;

pub use assignor::Assignor;
pub(crate) use requests::{Committed, Offsets};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::limits::GROUP_EVENTS;
use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use millstream_core::Degraded;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Who joins which group, and how patient both are.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    pub group_id: String,
    /// A static member's name.
    pub instance_id: Option<String>,
    /// "consumer", or "connect" for workers.
    pub protocol_type: &'static str,
    pub session_timeout: Duration,
    /// Longest time that a rebalance waits for members to let go and join again.
    pub rebalance_timeout: Duration,
    pub heartbeat_interval: Duration,
}

/// A protocol's name, and what this member says in it.
pub type Offer = (String, Bytes);

/// What happens to the membership, in order. It is the same for consumers (`protocol`, `assignor` say what their bytes mean)
/// and for workers, whose bytes are their own.
#[derive(Debug)]
pub enum GroupEvent {
    /// About to join, or to join again. Let go what the protocol demands, then answer with the protocols, the preferred first.
    Joining { reply: oneshot::Sender<Vec<Offer>> },
    /// This member leads: answer with each member's assignment, by member id. Who is left out gets an empty one.
    Assign {
        /// Of the round that is under way.
        generation: i32,
        /// This member's.
        member_id: String,
        /// The one of the offered protocols that all members know.
        protocol: String,
        members: Vec<GroupMember>,
        reply: oneshot::Sender<Vec<Offer>>,
    },
    /// The round is over. This member leads if the two ids are the same.
    Joined {
        generation: i32,
        member_id: String,
        leader_id: String,
        protocol: String,
        assignment: Bytes,
    },
    /// The group has given this member up; whatever it held may be another's already.
    Lost,
    /// The coordinator is out of reach and looked for again; the membership goes on unless `Lost` follows.
    Degraded(Degraded),
    /// The outage of an earlier `Degraded` is over.
    Recovered,
    /// The end, as no retry helps: the group refuses this member.
    Failed(KafkaError),
}

/// A member as the leader sees it.
#[derive(Clone, Debug)]
pub struct GroupMember {
    pub id: String,
    /// A static member's name.
    pub instance_id: Option<String>,
    /// What it offered in the chosen protocol.
    pub metadata: Bytes,
}

/// The way to the group's coordinator, and who we are there.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) coordinator: Address,
    pub(crate) member_id: StrBytes,
    pub(crate) generation: i32,
}

/// The handle of a running membership.
#[derive(Debug)]
pub struct Group {
    settings: Arc<GroupSettings>,
    current: watch::Receiver<Option<Membership>>,
    rejoin: Arc<Notify>,
    is_suspended: watch::Sender<bool>,
    /// Wakes the task when a request found that the coordinator has moved.
    moved: Arc<Notify>,
    cluster: Cluster,
    token: CancellationToken,
    task: JoinHandle<()>,
}

impl Group {
    /// Joins a group as a member of any protocol type, and stays in it until `leave`, whatever the group goes through:
    /// coordinators that move, rebalances, a session that expires. What is out of reach is retried; the events tell of it.
    /// Needs a Tokio runtime.
    ///
    /// A round goes `Joining`, then `Assign` for the member that leads, then `Joined` for each. No event follows an
    /// unanswered `Joining` or `Assign`; dropping its `reply`, or the receiver, leaves the group.
    pub fn join(
        settings: ClientSettings,
        group: GroupSettings,
    ) -> (Self, mpsc::Receiver<GroupEvent>) {
        Group::start(Cluster::new(settings), group)
    }

    pub(crate) fn start(
        cluster: Cluster,
        settings: GroupSettings,
    ) -> (Self, mpsc::Receiver<GroupEvent>) {
        let settings = Arc::new(settings);
        let (events, receiver) = mpsc::channel(GROUP_EVENTS);
        let (current, watch) = watch::channel(None);
        let rejoin = Arc::new(Notify::new());
        let (is_suspended, suspended) = watch::channel(false);
        let moved = Arc::new(Notify::new());
        let token = CancellationToken::new();
        let member = member::Member::new(
            cluster.clone(),
            Arc::clone(&settings),
            events,
            current,
            Arc::clone(&rejoin),
            suspended,
            Arc::clone(&moved),
        );
        let task = crate::tasks::spawn(member.run(token.clone()));
        let group = Group {
            settings,
            current: watch,
            rejoin,
            is_suspended,
            moved,
            cluster,
            token,
            task,
        };
        (group, receiver)
    }

    /// Asks for a new round: what the member would say has changed.
    pub fn rejoin(&self) {
        self.rejoin.notify_one();
    }

    /// Leaves the group for the time being, or joins it again.
    pub fn suspend(&self, is_suspended: bool) {
        self.is_suspended.send_replace(is_suspended);
    }

    pub(crate) fn offsets(&self) -> requests::Offsets {
        requests::Offsets::new(
            self.cluster.clone(),
            Arc::clone(&self.settings),
            self.current.clone(),
            Arc::clone(&self.moved),
        )
    }

    /// Leaves the group (a static member just falls silent) and waits for the task's end.
    pub async fn leave(self, deadline: Duration) {
        self.token.cancel();
        // Past the deadline the session timeout does the rest.
        let _ = tokio::time::timeout(deadline, self.task).await;
    }
}
