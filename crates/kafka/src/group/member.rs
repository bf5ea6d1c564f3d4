//! Member: the task that joins a group and stays in it.

mod calls;

use super::{GroupEvent, GroupMember, GroupSettings, Membership, Offer};
use crate::address::Address;
use crate::clock::now_ms;
use crate::cluster::{Cluster, Lane};
use crate::connection::Connection;
use crate::error::KafkaError;
use crate::limits::MAX_BACKOFF;
use futures::FutureExt;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::protocol::StrBytes;
use millstream_core::Degraded;
use millstream_core::backoff::Backoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Time beyond the rebalance timeout that a join may take, as in Java.
const JOIN_GRACE: Duration = Duration::from_secs(5);
const NO_GENERATION: i32 = -1;

pub(super) struct Member {
    cluster: Cluster,
    settings: Arc<GroupSettings>,
    events: mpsc::Sender<GroupEvent>,
    current: watch::Sender<Option<Membership>>,
    rejoin: Arc<Notify>,
    suspended: watch::Receiver<bool>,
    moved: Arc<Notify>,
    coordinator: Option<(Address, Connection)>,
    id: StrBytes,
    generation: i32,
    /// A join or sync is under way: the coordinator answers nothing else on that connection.
    is_joining: bool,
    /// When the outage began that is told of, epoch milliseconds.
    degraded_since: Option<i64>,
}

/// Why a generation ended.
enum GenerationEnd {
    Rejoin,
    /// The owner is gone.
    Ended,
}

/// What ends the wait for the next heartbeat.
enum Wake {
    Heartbeat,
    Moved,
    Rejoin,
    Suspended,
    Ended,
}

impl Member {
    pub(super) fn new(
        cluster: Cluster,
        settings: Arc<GroupSettings>,
        events: mpsc::Sender<GroupEvent>,
        current: watch::Sender<Option<Membership>>,
        rejoin: Arc<Notify>,
        suspended: watch::Receiver<bool>,
        moved: Arc<Notify>,
    ) -> Self {
        Member {
            cluster,
            settings,
            events,
            current,
            rejoin,
            suspended,
            moved,
            coordinator: None,
            id: StrBytes::new(),
            generation: NO_GENERATION,
            is_joining: false,
            degraded_since: None,
        }
    }

    pub(super) async fn run(mut self, token: CancellationToken) {
        tokio::select! {
            () = self.keep_membership() => {}
            () = token.cancelled() => {}
        }
        self.current.send_replace(None);
        self.leave().await;
    }

    /// Rejoins until the owner is gone or no retry helps.
    async fn keep_membership(&mut self) {
        let mut backoff = self.backoff();
        loop {
            match self.one_generation().await {
                Ok(GenerationEnd::Rejoin) => backoff.reset(),
                Ok(GenerationEnd::Ended) => return,
                Err(error) => {
                    if !self.handle_error(&error).await {
                        self.report(GroupEvent::Failed(error)).await;
                        return;
                    }
                    self.back_off(&error, &mut backoff).await;
                }
            }
        }
    }

    /// One generation: revoke, join, sync, and send heartbeats until there is a reason to rejoin.
    async fn one_generation(&mut self) -> Result<GenerationEnd, KafkaError> {
        self.coordinator().await?;
        let Some(offers) = self.prepare().await? else {
            return Ok(GenerationEnd::Ended);
        };
        self.is_joining = true;
        let joined = self.join(&offers).await?;
        let Some(assignments) = self.assign(&joined).await else {
            return Ok(GenerationEnd::Ended);
        };
        let synced = self.sync(&joined, assignments).await?;
        self.is_joining = false;
        self.coordinator().await?;
        let coordinator = self
            .coordinator
            .as_ref()
            .map(|(address, _)| address.clone());
        self.current
            .send_replace(coordinator.map(|coordinator| Membership {
                coordinator,
                member_id: self.id.clone(),
                generation: self.generation,
            }));
        self.recovered().await;
        self.report(GroupEvent::Joined {
            generation: joined.generation_id,
            member_id: self.id.to_string(),
            leader_id: joined.leader.to_string(),
            protocol: joined.protocol_name.unwrap_or_default().to_string(),
            assignment: synced.assignment,
        })
        .await;
        self.heartbeat_until_rebalance().await
    }

    /// Has the owner revoke and say what it offers. The member stays alive meanwhile.
    async fn prepare(&mut self) -> Result<Option<Vec<Offer>>, KafkaError> {
        // Whatever was to be said in a new round is said in this one.
        let _ = self.rejoin.notified().now_or_never();
        let (reply, mut answer) = oneshot::channel();
        self.report(GroupEvent::Joining { reply }).await;
        let deadline = Instant::now() + self.settings.rebalance_timeout;
        loop {
            let next_heartbeat = Instant::now() + self.settings.heartbeat_interval;
            tokio::select! {
                offers = &mut answer => return Ok(offers.ok()),
                () = sleep_until(next_heartbeat) => {}
                () = sleep_until(deadline) => {
                    // The group goes on without us; the owner's late commits will be refused.
                    self.lost(true).await;
                    return Ok(answer.await.ok());
                }
            }
            if self.generation == NO_GENERATION {
                continue;
            }
            match self.heartbeat().await {
                Ok(()) => {}
                Err(error) => match error.response_error() {
                    Some(ResponseError::RebalanceInProgress) => {}
                    Some(ResponseError::UnknownMemberId | ResponseError::IllegalGeneration) => {
                        self.lost(error.response_error() == Some(ResponseError::UnknownMemberId))
                            .await;
                    }
                    _ => {
                        self.forget_coordinator();
                        let _ = self.coordinator().await;
                    }
                },
            }
        }
    }

    /// The leader has the owner share out; the others have nothing to say. `None` if the owner is gone.
    async fn assign(&self, joined: &JoinGroupResponse) -> Option<Vec<Offer>> {
        if joined.leader != self.id || joined.skip_assignment {
            return Some(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        let members = joined
            .members
            .iter()
            .map(|member| GroupMember {
                id: member.member_id.to_string(),
                instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
                metadata: member.metadata.clone(),
            })
            .collect();
        self.report(GroupEvent::Assign {
            generation: joined.generation_id,
            member_id: self.id.to_string(),
            protocol: joined.protocol_name.clone().unwrap_or_default().to_string(),
            members,
            reply,
        })
        .await;
        answer.await.ok()
    }

    /// Sends heartbeats until the group rebalances or the owner asks for it.
    async fn heartbeat_until_rebalance(&mut self) -> Result<GenerationEnd, KafkaError> {
        let mut backoff = self.backoff();
        let mut next = Instant::now() + self.settings.heartbeat_interval;
        loop {
            let wake = tokio::select! {
                () = sleep_until(next) => Wake::Heartbeat,
                () = self.rejoin.notified() => Wake::Rejoin,
                () = self.moved.notified() => Wake::Moved,
                _ = self.suspended.wait_for(|is_suspended| *is_suspended) => Wake::Suspended,
                () = self.events.closed() => Wake::Ended,
            };
            match wake {
                Wake::Heartbeat => {}
                Wake::Moved => self.forget_coordinator(),
                Wake::Rejoin => return Ok(GenerationEnd::Rejoin),
                Wake::Suspended => return Ok(self.leave_until_polled().await),
                Wake::Ended => return Ok(GenerationEnd::Ended),
            }
            match self.heartbeat().await {
                Ok(()) => {
                    backoff.reset();
                    self.recovered().await;
                    next = Instant::now() + self.settings.heartbeat_interval;
                }
                Err(error) => match error.response_error() {
                    Some(ResponseError::RebalanceInProgress) => return Ok(GenerationEnd::Rejoin),
                    Some(ResponseError::UnknownMemberId | ResponseError::IllegalGeneration) => {
                        return Err(error);
                    }
                    _ if error.is_transient() => {
                        // The membership outlives its coordinator; the next one knows us too.
                        self.forget_coordinator();
                        self.back_off(&error, &mut backoff).await;
                        next = Instant::now();
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Leaves the group, and comes back when the owner does.
    async fn leave_until_polled(&mut self) -> GenerationEnd {
        self.leave().await;
        self.lost(true).await;
        tokio::select! {
            back = self.suspended.wait_for(|is_suspended| !*is_suspended) => match back {
                Ok(_) => GenerationEnd::Rejoin,
                Err(_) => GenerationEnd::Ended,
            },
            () = self.events.closed() => GenerationEnd::Ended,
        }
    }

    /// Takes the consequences of an error. `false`: no retry helps.
    async fn handle_error(&mut self, error: &KafkaError) -> bool {
        self.is_joining = false;
        match error.response_error() {
            Some(ResponseError::UnknownMemberId) => self.lost(true).await,
            Some(ResponseError::IllegalGeneration) => self.lost(false).await,
            Some(ResponseError::RebalanceInProgress | ResponseError::CoordinatorLoadInProgress) => {
            }
            Some(_) if !error.is_transient() => return false,
            None if !error.is_transient() => return false,
            _ => self.forget_coordinator(),
        }
        true
    }

    /// What was held is held no more. The id is kept where the coordinator still knows it.
    async fn lost(&mut self, forget_id: bool) {
        if forget_id {
            self.id = StrBytes::new();
        }
        if self.generation != NO_GENERATION {
            self.generation = NO_GENERATION;
            self.current.send_replace(None);
            self.report(GroupEvent::Lost).await;
        }
    }

    async fn coordinator(&mut self) -> Result<Connection, KafkaError> {
        if let Some((_, connection)) = &self.coordinator
            && !connection.is_closed()
        {
            return Ok(connection.clone());
        }
        let group = StrBytes::from_string(self.settings.group_id.clone());
        let (_, address) = self.cluster.find_coordinator(&group).await?;
        let connection = self.cluster.connect(&address, Lane::Group).await?;
        self.coordinator = Some((address.clone(), connection.clone()));
        self.current.send_if_modified(|current| {
            if let Some(membership) = current {
                membership.coordinator = address;
            }
            current.is_some()
        });
        Ok(connection)
    }

    fn forget_coordinator(&mut self) {
        self.coordinator = None;
    }

    async fn back_off(&mut self, error: &KafkaError, backoff: &mut Backoff) {
        let wait = backoff.next_pause();
        // A rebalance is no outage, and one that is over by the next try is not worth a word.
        let is_outage = !matches!(
            error.response_error(),
            Some(
                ResponseError::RebalanceInProgress
                    | ResponseError::UnknownMemberId
                    | ResponseError::IllegalGeneration
            )
        );
        if is_outage {
            let since = *self.degraded_since.get_or_insert_with(now_ms);
            self.report(GroupEvent::Degraded(Degraded {
                reason: error.to_string(),
                since,
                next_try: wait,
            }))
            .await;
        }
        sleep(wait).await;
    }

    async fn recovered(&mut self) {
        if self.degraded_since.take().is_some() {
            self.report(GroupEvent::Recovered).await;
        }
    }

    async fn report(&self, event: GroupEvent) {
        // Without an owner there is nobody to tell; `keep_membership` ends at the next occasion.
        let _ = self.events.send(event).await;
    }

    fn backoff(&self) -> Backoff {
        let (first, longest) = self.cluster.settings().retry_backoff();
        Backoff::new((first, longest.min(MAX_BACKOFF)))
    }
}
