//! Sticky: members keep what they have as far as balance allows. In the cooperative kind a partition that changes
//! hands is given to nobody in this round, so that its old owner can let go before the next; in the eager kind
//! everyone has let go already and says in the user data what that was.
//!
//! A member's claim counts if nobody claims the same partition with a newer generation; of two claims of one
//! generation neither counts. In a mixed group any member may lead and share out, so the answers are Java's to the
//! last partition, also where they follow from the order of its hash tables (`java_order`).

mod by_load;
mod equally;
mod java_order;
mod movements;
mod racks;

use super::{Member, PartitionRacks, Shares, TopicSizes};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use indexmap::IndexMap;
use millstream_core::TopicPartition;
use racks::Racks;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Eager,
    Cooperative,
}

/// What a member says that it has, or had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserData {
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) generation: Option<i32>,
}

impl UserData {
    pub(crate) fn encode(&self) -> Bytes {
        let mut topics: IndexMap<&str, Vec<i32>> = IndexMap::new();
        for p in &self.owned {
            topics.entry(&p.topic).or_default().push(p.partition);
        }
        let mut out = BytesMut::new();
        out.put_i32(topics.len() as i32);
        for (topic, partitions) in topics {
            out.put_i16(topic.len() as i16);
            out.put_slice(topic.as_bytes());
            out.put_i32(partitions.len() as i32);
            for partition in partitions {
                out.put_i32(partition);
            }
        }
        out.put_i32(self.generation.unwrap_or(-1));
        out.freeze()
    }

    /// What cannot be read claims nothing.
    pub(crate) fn decode(bytes: &Bytes) -> Self {
        if bytes.is_empty() {
            return UserData::default();
        }
        UserData::read(bytes.clone()).unwrap_or(UserData {
            owned: Vec::new(),
            generation: Some(-1),
        })
    }

    fn read(mut bytes: Bytes) -> Option<Self> {
        let mut owned = Vec::new();
        for _ in 0..bytes.try_get_i32().ok()? {
            let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
            if length > bytes.len() {
                return None;
            }
            let topic: Arc<str> = Arc::from(std::str::from_utf8(&bytes.split_to(length)).ok()?);
            for _ in 0..bytes.try_get_i32().ok()? {
                let partition = bytes.try_get_i32().ok()?;
                owned.push(TopicPartition::new(topic.clone(), partition));
            }
        }
        // The first version ends here.
        let generation = bytes.try_get_i32().ok();
        Some(UserData { owned, generation })
    }
}

/// The members in Java's order, what they claim, and what there is to share out.
struct Round<'a> {
    members: Vec<&'a Member>,
    claims: Vec<UserData>,
    topics: TopicSizes,
    racks: Racks<'a>,
}

/// Partitions by member, in the order of `Round::members`.
type Given = Vec<Vec<TopicPartition>>;

/// The claims that count.
struct Owned {
    by_member: Given,
    /// Claimed twice with the same generation.
    disputed: HashSet<TopicPartition>,
    /// The newest generation that a member claims from.
    newest: i32,
}

pub(super) fn assign(
    kind: Kind,
    topics: &TopicSizes,
    racks: &PartitionRacks,
    members: &[&Member],
    shares: &mut Shares,
) {
    let topics: TopicSizes = topics
        .iter()
        .filter(|(topic, _)| members.iter().any(|m| subscribes(m, topic)))
        .map(|(topic, size)| (topic.clone(), *size))
        .collect();
    if topics.is_empty() {
        return;
    }
    let members = java_order::of(members);
    let claims = members.iter().map(|m| claims_of(m, kind)).collect();
    let racks = Racks::new(&topics, racks, &members);
    let round = Round {
        members,
        claims,
        topics,
        racks,
    };
    let owned = round.owned();
    let (mut given, moving) = if round.reads_the_same() {
        equally::share(&round, owned)
    } else {
        let given = by_load::share(&round, owned);
        let moving = round.changing_hands(&given);
        (given, moving)
    };
    if kind == Kind::Cooperative {
        for (partition, member) in &moving {
            given[*member].retain(|p| p != partition);
        }
    }
    for (member, partitions) in round.members.iter().zip(given) {
        shares.insert(member.id.clone(), partitions);
    }
}

fn claims_of(member: &Member, kind: Kind) -> UserData {
    let subscription = &member.subscription;
    match kind {
        Kind::Eager => subscription
            .user_data
            .as_ref()
            .map(UserData::decode)
            .unwrap_or_default(),
        Kind::Cooperative => UserData {
            owned: subscription.owned.clone(),
            // Older subscriptions have the generation in the user data.
            generation: subscription
                .generation
                .or_else(|| subscription.user_data.clone()?.try_get_i32().ok()),
        },
    }
}

fn subscribes(member: &Member, topic: &str) -> bool {
    member.subscription.topics.iter().any(|t| t == topic)
}

impl Round<'_> {
    fn reads_the_same(&self) -> bool {
        let subscription =
            |m: &Member| -> BTreeSet<String> { m.subscription.topics.iter().cloned().collect() };
        let first = self.members.first().map(|m| subscription(m));
        self.members.iter().all(|m| Some(subscription(m)) == first)
    }

    fn exists(&self, partition: &TopicPartition) -> bool {
        let size = self.topics.get(&partition.topic);
        size.is_some_and(|size| (0..*size).contains(&partition.partition))
    }

    fn owned(&self) -> Owned {
        let mut owned = Owned {
            by_member: vec![Vec::new(); self.members.len()],
            disputed: HashSet::new(),
            newest: -1,
        };
        let mut holders: HashMap<&TopicPartition, usize> = HashMap::new();
        for (member, claim) in self.claims.iter().enumerate() {
            let generation = claim.generation.unwrap_or(-1);
            owned.newest = owned.newest.max(generation);
            for partition in claim.owned.iter().filter(|p| self.exists(p)) {
                let Some(&other) = holders.get(partition) else {
                    owned.by_member[member].push(partition.clone());
                    holders.insert(partition, member);
                    continue;
                };
                // Java looks at the other's subscription alone here, not at what its user data says.
                let others = self.members[other].subscription.generation.unwrap_or(-1);
                if generation < others {
                    continue;
                }
                owned.by_member[other].retain(|p| p != partition);
                if generation == others {
                    owned.disputed.insert(partition.clone());
                } else {
                    owned.by_member[member].push(partition.clone());
                }
                holders.insert(partition, member);
            }
        }
        owned
    }

    /// Partitions in a member's share that it does not hold yet and another one does.
    fn changing_hands(&self, given: &Given) -> Vec<(TopicPartition, usize)> {
        let held: Vec<HashSet<&TopicPartition>> = self
            .members
            .iter()
            .map(|member| member.subscription.owned.iter().collect())
            .collect();
        let mut moving = Vec::new();
        for (member, share) in given.iter().enumerate() {
            for partition in share {
                let is_held = held.iter().any(|held| held.contains(partition));
                if is_held && !held[member].contains(partition) {
                    moving.push((partition.clone(), member));
                }
            }
        }
        moving
    }

    fn id(&self, member: usize) -> &str {
        &self.members[member].id
    }
}

fn partitions_of(topic: &Arc<str>, size: i32) -> impl Iterator<Item = TopicPartition> + '_ {
    (0..size).map(move |partition| TopicPartition::new(topic.clone(), partition))
}
