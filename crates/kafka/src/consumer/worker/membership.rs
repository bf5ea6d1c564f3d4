//! The worker's dealings with its group: letting go, offering, sharing out, taking over.

use super::{
    Assignor, Backoff, Cluster, Done, GroupEvent, KafkaError, LeaderSnapshot, Member, Metadata,
    Offer, Source, TopicPartition, TopicSizes, Worker, oneshot,
};
use crate::cluster::Topics;
use crate::group::GroupMember;
use crate::group::assignor::{PartitionRacks, UserData};
use crate::group::protocol::{Assignment, Subscription};
use bytes::Bytes;
use millstream_core::{ConsumerError, Fetched};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Worker {
    pub(super) fn on_group(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Joining { reply } => self.revoke_all(reply),
            GroupEvent::Assign {
                protocol,
                members,
                reply,
                ..
            } => self.prepare_to_assign(&protocol, &members, reply),
            GroupEvent::Joined {
                member_id,
                leader_id,
                assignment,
                generation,
                ..
            } => {
                if member_id != leader_id {
                    self.lead(None);
                }
                self.generation = Some(generation);
                self.apply_assignment(&assignment);
            }
            GroupEvent::Lost => {
                self.generation = None;
                self.before.clear();
                let gone = self.fetcher.unassign(|_| true);
                if !gone.is_empty() {
                    self.fetcher.emit(Fetched::Lost(gone));
                }
            }
            GroupEvent::Degraded(degraded) => {
                self.fetcher.note_outage(Source::Group, degraded);
            }
            GroupEvent::Recovered => {
                self.fetcher.recovered(Source::Group);
            }
            GroupEvent::Failed(error) => self.fetcher.fail(error.into()),
        }
    }

    pub(super) fn rejoin(&self) {
        if let Some(group) = &self.group {
            group.rejoin();
        }
    }

    /// Unless the group is cooperative, everything is given up before a new round; the group waits for that.
    fn revoke_all(&mut self, reply: oneshot::Sender<Vec<Offer>>) {
        if self.is_cooperative {
            self.offer(reply);
            return;
        }
        let partitions = self.fetcher.unassign(|_| true);
        if partitions.is_empty() {
            self.offer(reply);
            return;
        }
        let (done, is_done) = oneshot::channel();
        self.fetcher.emit(Fetched::Revoked { partitions, done });
        self.work.push(Box::pin(async move {
            // Dropped or sent, both mean that the owner has finished.
            let _ = is_done.await;
            Done::Revoked(reply)
        }));
    }

    /// Tells the group what this member subscribes to; a pattern must first know what there is.
    pub(super) fn offer(&mut self, reply: oneshot::Sender<Vec<Offer>>) {
        if self.subscription.is_pattern() && !self.fetcher.knows_metadata() {
            self.joining = Some(reply);
            return;
        }
        self.topics = self.subscription.topics(&self.cluster.metadata());
        let rack = &self.settings.fetch.client_rack;
        let subscription = Subscription {
            topics: self.topics.clone(),
            user_data: None,
            owned: self.fetcher.assigned().cloned().collect(),
            generation: self.generation,
            rack: (!rack.is_empty()).then(|| rack.clone()),
        };
        let offers = self
            .settings
            .config
            .assignors()
            .into_iter()
            .map(|assignor| {
                let mut subscription = subscription.clone();
                subscription.user_data = match assignor {
                    Assignor::Range | Assignor::RoundRobin => None,
                    Assignor::Sticky => self.generation.map(|generation| {
                        let before = UserData {
                            owned: self.before.clone(),
                            generation: Some(generation),
                        };
                        before.encode()
                    }),
                    // Leaders from before the subscription had a field for it look for the generation here.
                    Assignor::CooperativeSticky => {
                        let generation = self.generation.unwrap_or(-1).to_be_bytes();
                        Some(Bytes::copy_from_slice(&generation))
                    }
                };
                (assignor.protocol_name().to_owned(), subscription.encode())
            })
            .collect();
        // The group may have gone on without an answer.
        let _ = reply.send(offers);
    }

    fn prepare_to_assign(
        &mut self,
        protocol: &str,
        members: &[GroupMember],
        reply: oneshot::Sender<Vec<Offer>>,
    ) {
        let Some(assignor) = Assignor::named(protocol) else {
            self.fetcher.fail(ConsumerError {
                is_transient: false,
                message: format!(
                    "the coordinator chose the assignor {protocol}, which this member did not offer"
                ),
                source: None,
            });
            return;
        };
        let members: Vec<Member> = members.iter().map(read_member).collect();
        let topics: BTreeSet<String> = members
            .iter()
            .flat_map(|m| m.subscription.topics.iter().cloned())
            .collect();
        let topics: Vec<String> = topics.into_iter().collect();
        let wanted = match self.subscription.wanted(topics.iter().cloned()) {
            Topics::All => Topics::All,
            Topics::Named(_) => Topics::Named(topics.clone()),
        };
        let may_create = self.settings.fetch.allow_auto_create_topics;
        let backoff = Backoff::new(self.settings.client.retry_backoff());
        let cluster = self.cluster.clone();
        self.work.push(Box::pin(async move {
            let metadata = refresh_until_success(&cluster, &wanted, may_create, backoff).await;
            Done::ReadyToAssign {
                assignor,
                members,
                topics,
                metadata,
                reply,
            }
        }));
    }

    pub(super) fn assign_partitions(
        &mut self,
        assignor: Assignor,
        members: &[Member],
        topics: Vec<String>,
        metadata: &Metadata,
        reply: oneshot::Sender<Vec<Offer>>,
    ) {
        // What is found here may be assigned before metadata is asked for the next time.
        let own = self.subscription.topics(metadata);
        self.note_topics(&own, metadata);
        let sizes = sizes(metadata, &topics);
        let assignments = assignor
            .assign(&sizes, &racks(metadata, &topics), members)
            .into_iter()
            .map(|(member, partitions)| {
                let assignment = Assignment {
                    partitions,
                    user_data: None,
                };
                (member, assignment.encode())
            })
            .collect();
        self.lead(Some(LeaderSnapshot { topics, sizes }));
        let _ = reply.send(assignments);
    }

    fn apply_assignment(&mut self, assignment: &Bytes) {
        let assignment = match Assignment::decode(assignment) {
            Ok(assignment) => assignment,
            Err(source) => {
                self.fetcher.fail(ConsumerError {
                    is_transient: false,
                    message: "cannot parse the assignment from the group leader".to_owned(),
                    source: Some(source),
                });
                return;
            }
        };
        let assigned: BTreeSet<TopicPartition> = assignment.partitions.into_iter().collect();
        let added: Vec<TopicPartition> = assigned
            .iter()
            .filter(|p| !self.fetcher.has(p))
            .cloned()
            .collect();
        self.revoke_unassigned(&assigned);
        self.before = assigned.iter().cloned().collect();
        for partition in &added {
            self.fetcher.assign(partition);
        }
        if !added.is_empty() {
            self.fetcher.emit(Fetched::Assigned(added));
        }
    }

    /// Lets go what was held and is not assigned any more; then the group goes round again to give it away.
    fn revoke_unassigned(&mut self, assigned: &BTreeSet<TopicPartition>) {
        let partitions = self.fetcher.unassign(|p| !assigned.contains(p));
        if partitions.is_empty() {
            return;
        }
        let (done, is_done) = oneshot::channel();
        self.fetcher.emit(Fetched::Revoked { partitions, done });
        self.work.push(Box::pin(async move {
            // Dropped or sent, both mean that the owner has finished.
            let _ = is_done.await;
            Done::RevokedForOthers
        }));
    }
}

/// A member whose metadata cannot be read gets nothing.
fn read_member(member: &GroupMember) -> Member {
    let subscription = Subscription::decode(&member.metadata).unwrap_or_else(|error| {
        tracing::warn!(member = %member.id, %error, "cannot parse the subscription of a group member");
        Subscription::default()
    });
    Member {
        id: member.id.clone(),
        instance: member.instance_id.clone(),
        subscription,
    }
}

/// The topics that can be shared out.
pub(super) fn sizes(metadata: &Metadata, topics: &[String]) -> TopicSizes {
    topics
        .iter()
        .map(|topic| (topic, metadata.partition_count(topic)))
        .filter(|(_, partitions)| *partitions > 0)
        .map(|(topic, partitions)| (Arc::from(topic.as_str()), partitions as i32))
        .collect()
}

/// Where the replicas of the topics' partitions stand.
fn racks(metadata: &Metadata, topics: &[String]) -> PartitionRacks {
    if metadata.racks.is_empty() {
        return PartitionRacks::new();
    }
    topics
        .iter()
        .filter_map(|name| {
            let (name, topic) = metadata.topics.get_key_value(name.as_str())?;
            let racks = topic.partitions.values().map(|partition| {
                let racks = partition.replicas.iter();
                racks
                    .filter_map(|node| metadata.racks.get(node).cloned())
                    .collect()
            });
            Some((name.clone(), racks.collect()))
        })
        .collect()
}

/// Asks until somebody answers: the group waits, and gives this member up if it takes too long.
async fn refresh_until_success(
    cluster: &Cluster,
    topics: &Topics,
    may_create: bool,
    mut backoff: Backoff,
) -> Arc<Metadata> {
    loop {
        match cluster.refresh(topics, may_create).await {
            Ok(metadata) => return metadata,
            Err(error) => log_and_wait(&error, &mut backoff).await,
        }
    }
}

async fn log_and_wait(error: &KafkaError, backoff: &mut Backoff) {
    tracing::debug!(%error, "metadata request for the topics to assign failed, retrying");
    tokio::time::sleep(backoff.next_pause()).await;
}
