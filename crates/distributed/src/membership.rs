//! Membership: the seam to the group of workers, over the Kafka client's group. It carries out what the pure member decides,
//! and goes on only while its owner awaits it: there is no task beside the client's own.

use crate::member::{Joined, Member, MemberAction, MemberSettings};
use crate::protocol::PROTOCOL_TYPE;
use async_trait::async_trait;
use millstream_core::Properties;
use millstream_kafka::ClientSettings;
use millstream_kafka::group::{self, Group, GroupSettings, Offer};
use millstream_worker::cluster::{
    GroupEvent, GroupHealth, GroupProtocol, Leader, Membership, Snapshot, StoreError, TaskSubmitter,
};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

/// How long a coordinator may take to hear that this worker leaves; it would find out by itself later.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Who joins, and how patient all are.
#[derive(Clone, Debug)]
pub struct MembershipSettings {
    pub group_id: String,
    /// Of this worker's REST API, as other workers reach it, with a slash at its end.
    pub url: String,
    /// What is offered at most.
    pub protocol: GroupProtocol,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub heartbeat_interval: Duration,
    /// How long the work of a worker that has gone is kept for its return.
    pub max_delay: Duration,
    /// How long a round waits for its leader to read what others have read.
    pub sync_timeout: Duration,
}

/// Membership in a group of Connect workers.
pub struct GroupMembership {
    client: ClientSettings,
    config: GroupSettings,
    member: Member,
    group: Option<(Group, mpsc::Receiver<group::GroupEvent>)>,
    offering: Option<oneshot::Sender<Vec<Offer>>>,
    assigning: Option<oneshot::Sender<Vec<Offer>>>,
    submitter: Arc<dyn TaskSubmitter>,
    /// One a connector, as its owner hands over nothing else until the last has ended.
    submits: JoinSet<GroupEvent>,
    /// Leaves, each bounded by `LEAVE_TIMEOUT`; its owner waits for them before the process ends.
    leave_tasks: TaskTracker,
    group_health: watch::Sender<GroupHealth>,
    most: GroupProtocol,
    started: Instant,
}

impl GroupMembership {
    /// Joins nothing before it is told to. Leaves go on in `leave_tasks`.
    pub fn new(
        client: ClientSettings,
        config: MembershipSettings,
        submitter: Arc<dyn TaskSubmitter>,
        leave_tasks: TaskTracker,
    ) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let member = Member::new(MemberSettings {
            url: config.url,
            protocol: config.protocol,
            max_delay: i32::try_from(config.max_delay.as_millis()).unwrap_or(i32::MAX),
            sync_timeout: millis(config.sync_timeout),
            coordinator_timeout: millis(config.heartbeat_interval),
        });
        GroupMembership {
            client,
            config: GroupSettings {
                group_id: config.group_id,
                instance_id: None,
                protocol_type: PROTOCOL_TYPE,
                session_timeout: config.session_timeout,
                rebalance_timeout: config.rebalance_timeout,
                heartbeat_interval: config.heartbeat_interval,
            },
            member,
            group: None,
            offering: None,
            assigning: None,
            submitter,
            submits: JoinSet::new(),
            leave_tasks,
            group_health: watch::Sender::new(GroupHealth::default()),
            most: config.protocol,
            started: Instant::now(),
        }
    }

    /// How it is with the group.
    pub fn group_health(&self) -> watch::Receiver<GroupHealth> {
        self.group_health.subscribe()
    }

    /// Milliseconds since a moment before the start: zero is no time for the assignor.
    fn now(&self) -> i64 {
        1 + self.started.elapsed().as_millis() as i64
    }

    fn on_group(&mut self, event: Option<group::GroupEvent>) {
        let now = self.now();
        match event {
            Some(group::GroupEvent::Joining { reply }) => {
                self.offering = Some(reply);
                self.member.on_joining();
            }
            Some(group::GroupEvent::Assign {
                generation,
                member_id,
                protocol,
                members,
                reply,
            }) => {
                self.assigning = Some(reply);
                self.member
                    .on_assign(&protocol, generation, member_id, &members, now);
            }
            Some(group::GroupEvent::Joined {
                generation,
                member_id,
                leader_id,
                protocol,
                assignment,
            }) => {
                tracing::info!(generation, leader = leader_id, protocol, "joined the group");
                self.member.on_joined(
                    Joined {
                        generation,
                        member_id,
                        leader_id,
                        protocol,
                        assignment,
                    },
                    now,
                );
            }
            Some(group::GroupEvent::Lost) => {
                tracing::warn!("the group has given this worker up; it joins again");
                self.member.on_lost();
            }
            Some(group::GroupEvent::Degraded(degraded)) => {
                tracing::warn!(reason = degraded.reason, "group coordinator unavailable");
                self.member.on_degraded(now);
            }
            Some(group::GroupEvent::Recovered) => {
                tracing::info!("group coordinator available again");
                self.member.on_recovered();
            }
            Some(group::GroupEvent::Failed(error)) => {
                tracing::error!(%error, "cannot join the group");
                self.member.on_refused(&error.to_string(), now);
            }
            None => self.member.on_refused("the membership has ended", now),
        }
    }

    /// Carries out what the member has decided, and shows how it is with the group.
    fn act(&mut self) {
        while let Some(action) = self.member.next_action() {
            match action {
                MemberAction::Join => {
                    let group = Group::join(self.client.clone(), self.config.clone());
                    self.group = Some(group);
                }
                MemberAction::Rejoin => {
                    if let Some((group, _)) = &self.group {
                        group.rejoin();
                    }
                }
                MemberAction::Leave => self.leave_group(),
                // Whoever has gone on meanwhile needs no answer.
                MemberAction::Offer(offers) => {
                    let _ = self.offering.take().map(|reply| reply.send(offers));
                }
                MemberAction::Assign(shares) => {
                    let _ = self.assigning.take().map(|reply| reply.send(shares));
                }
            }
        }
        let group_health = self.member.group_health();
        if *self.group_health.borrow() != *group_health {
            let before = self.group_health.send_replace(group_health.clone());
            log_change(&before, group_health, self.most);
        }
    }

    fn leave_group(&mut self) {
        self.offering = None;
        self.assigning = None;
        // Without a runtime there is no group task either that would have to end.
        if let (Some((group, events)), Ok(runtime)) = (self.group.take(), Handle::try_current()) {
            drop(events);
            self.leave_tasks
                .spawn_on(group.leave(LEAVE_TIMEOUT), &runtime);
        }
    }
}

fn log_change(before: &GroupHealth, now: &GroupHealth, most: GroupProtocol) {
    if let Some(error) = now.error.as_ref().filter(|_| before.error.is_none()) {
        tracing::error!(error, "the group cannot work");
    }
    if let Some(protocol) = now.protocol.filter(|_| before.protocol != now.protocol)
        && protocol < most
    {
        let (protocol, offered) = (protocol.name(), most.name());
        tracing::warn!(
            protocol,
            offered,
            "a worker of the group offers less than this one: requests between workers are not signed"
        );
    }
}

#[async_trait]
impl Membership for GroupMembership {
    fn observe(&mut self, snapshot: Snapshot) {
        let now = self.now();
        self.member.observe(snapshot, now);
        self.act();
    }

    fn rejoin(&mut self) {
        let now = self.now();
        self.member.rejoin(now);
        self.act();
    }

    fn released(&mut self, number: u64) {
        self.member.released(number);
        self.act();
    }

    fn submit(&mut self, number: u64, name: Arc<str>, configs: Vec<Properties>) {
        let leader = match self.member.leader() {
            Leader::At(url) => Some(url.clone()),
            Leader::Here(_) | Leader::Unknown => None,
        };
        let submitter = self.submitter.clone();
        self.submits.spawn(async move {
            let outcome = match leader {
                Some(url) => submitter.submit(&url, &name, &configs).await,
                None => Err(StoreError("no other worker leads the group".to_owned())),
            };
            GroupEvent::Submitted { number, outcome }
        });
    }

    fn leave(&mut self) {
        self.member.leave();
        self.act();
    }

    async fn next(&mut self) -> GroupEvent {
        loop {
            self.act();
            if let Some(event) = self.member.next_event() {
                return event;
            }
            let due = self.member.next_due();
            let at = self.started + Duration::from_millis(due.unwrap_or(0).max(1) as u64 - 1);
            let group = self.group.as_mut();
            let from_group = async {
                match group {
                    Some((_, events)) => events.recv().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                Some(done) = self.submits.join_next(), if !self.submits.is_empty() => match done {
                    Ok(event) => return event,
                    Err(error) => tracing::error!(%error, "submitting tasks to the leader ended by a bug"),
                },
                event = from_group => self.on_group(event),
                () = sleep_until(at), if due.is_some() => {
                    let now = self.now();
                    self.member.on_due(now);
                }
            }
        }
    }
}

/// Nobody waits for what it would have told; the group is to know that it is gone.
impl Drop for GroupMembership {
    fn drop(&mut self) {
        self.leave_group();
    }
}

#[cfg(test)]
mod tests;
