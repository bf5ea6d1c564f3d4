//! Sticky: members keep what they have as far as balance allows. In the cooperative kind a partition that changes
//! hands is given to nobody in this round, so that its old owner can let go before the next; in the eager kind
//! everyone has let go already and says in the user data what that was.
//!
//! A member's claim counts if nobody claims the same partition with a newer generation; of two claims of one
//! generation neither counts.

use super::{Member, Shares, TopicSizes};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use indexmap::IndexMap;
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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

pub(super) fn assign(kind: Kind, topics: &TopicSizes, members: &[&Member], shares: &mut Shares) {
    let topics: TopicSizes = topics
        .iter()
        .filter(|(topic, _)| members.iter().any(|m| subscribes(m, topic)))
        .map(|(topic, size)| (topic.clone(), *size))
        .collect();
    if topics.is_empty() {
        return;
    }
    let claims = Claims::new(kind, &topics, members);
    let subscription =
        |m: &Member| -> BTreeSet<String> { m.subscription.topics.iter().cloned().collect() };
    let first = members.first().map(|m| subscription(m));
    let is_equal = members.iter().all(|m| Some(subscription(m)) == first);
    *shares = if is_equal {
        share_equally(kind, &topics, claims)
    } else {
        share_by_load(kind, &topics, members, claims)
    };
}

fn subscribes(member: &Member, topic: &str) -> bool {
    member.subscription.topics.iter().any(|t| t == topic)
}

struct Claims {
    /// The claims that count, by member id.
    owned: BTreeMap<String, Vec<TopicPartition>>,
    /// Claimed twice with the same generation.
    disputed: HashSet<TopicPartition>,
    /// Who claims a partition with the generation below that of its owner.
    previous: HashMap<TopicPartition, String>,
}

impl Claims {
    fn new(kind: Kind, topics: &TopicSizes, members: &[&Member]) -> Self {
        let claims: Vec<UserData> = members.iter().map(|m| claims_of(m, kind)).collect();
        let mut by_partition: BTreeMap<&TopicPartition, Vec<(i32, &str)>> = BTreeMap::new();
        for (member, claim) in members.iter().zip(&claims) {
            for partition in &claim.owned {
                let exists = topics
                    .get(&partition.topic)
                    .is_some_and(|size| (0..*size).contains(&partition.partition));
                if exists && subscribes(member, &partition.topic) {
                    let claimants = by_partition.entry(partition).or_default();
                    claimants.push((claim.generation.unwrap_or(-1), &member.id));
                }
            }
        }
        let mut owners = HashMap::new();
        let mut disputed = HashSet::new();
        let mut previous = HashMap::new();
        for (partition, mut claims) in by_partition {
            claims.sort_unstable_by(|a, b| b.cmp(a));
            claims.dedup();
            match claims.as_slice() {
                [first, second, ..] if first.0 == second.0 => {
                    disputed.insert(partition.clone());
                }
                [first, rest @ ..] => {
                    owners.insert(partition, first.1);
                    if let Some(second) = rest.first() {
                        previous.insert(partition.clone(), second.1.to_owned());
                    }
                }
                [] => {}
            }
        }
        let owned = members
            .iter()
            .zip(&claims)
            .map(|(member, claim)| {
                let mut kept: Vec<TopicPartition> = Vec::new();
                for partition in &claim.owned {
                    if owners.get(partition) == Some(&member.id.as_str()) {
                        owners.remove(partition);
                        kept.push(partition.clone());
                    }
                }
                (member.id.clone(), kept)
            })
            .collect();
        Claims {
            owned,
            disputed,
            previous,
        }
    }
}

fn all_partitions(topics: &TopicSizes) -> impl Iterator<Item = TopicPartition> + '_ {
    topics.iter().flat_map(|(topic, &size)| {
        (0..size).map(move |partition| TopicPartition::new(topic.clone(), partition))
    })
}

/// All members read the same topics: everyone gets the same number, or one more.
fn share_equally(kind: Kind, topics: &TopicSizes, claims: Claims) -> Shares {
    let total: i32 = topics.values().sum();
    let (total, count) = (total as usize, claims.owned.len());
    let (fewest, most) = (total / count, total.div_ceil(count));
    let mut extra = total % count;
    let mut moving = claims.disputed;
    let mut shares = Shares::new();
    let mut unfilled = Vec::new();
    let mut filled = std::collections::VecDeque::new();
    for (id, mut owned) in claims.owned {
        let mut quota = fewest;
        if owned.len() < fewest {
            unfilled.push(id.clone());
        } else if most > fewest && owned.len() >= most && extra > 0 {
            extra -= 1;
            quota = most;
        } else {
            filled.push_back(id.clone());
        }
        moving.extend(owned.drain(quota.min(owned.len())..));
        shares.insert(id, owned);
    }
    let kept: HashSet<TopicPartition> = shares.values().flatten().cloned().collect();
    let mut turn = 0;
    let mut withheld = Vec::new();
    for partition in all_partitions(topics).filter(|p| !kept.contains(p)) {
        let id = if unfilled.is_empty() {
            // There are as many such members as partitions left.
            filled.pop_front()
        } else {
            turn %= unfilled.len();
            Some(unfilled[turn].clone())
        };
        let Some(id) = id else { break };
        let share = shares.entry(id.clone()).or_default();
        share.push(partition.clone());
        if !unfilled.is_empty() {
            if share.len() >= fewest {
                filled.push_back(unfilled.remove(turn));
            } else {
                turn += 1;
            }
        }
        if kind == Kind::Cooperative && moving.contains(&partition) {
            withheld.push((id, partition));
        }
    }
    for (id, partition) in withheld {
        if let Some(share) = shares.get_mut(&id) {
            share.retain(|p| *p != partition);
        }
    }
    shares
}

/// Members read different topics: each free partition goes to the least loaded reader, then partitions move from
/// the more loaded to the less, as long as that evens the two out.
fn share_by_load(kind: Kind, topics: &TopicSizes, members: &[&Member], claims: Claims) -> Shares {
    let mut shares: BTreeMap<String, BTreeSet<TopicPartition>> = claims
        .owned
        .into_iter()
        .map(|(id, owned)| (id, owned.into_iter().collect()))
        .collect();
    let mut owners: HashMap<TopicPartition, String> = shares
        .iter()
        .flat_map(|(id, share)| share.iter().map(|p| (p.clone(), id.clone())))
        .collect();
    let readers = |partition: &TopicPartition| -> Vec<&str> {
        let readers = members.iter().filter(|m| subscribes(m, &partition.topic));
        readers.map(|m| m.id.as_str()).collect()
    };
    let mut partitions: Vec<TopicPartition> = all_partitions(topics).collect();
    // Those with the fewest readers first: they have the least choice.
    partitions.sort_by_key(|p| readers(p).len());
    for partition in &partitions {
        if !owners.contains_key(partition)
            && let Some(id) = least_loaded(&readers(partition), &shares)
        {
            move_to(partition, &id, &mut shares, &mut owners);
        }
    }
    // Each move makes the loads more even, so there is a last one.
    let mut has_moved = true;
    while has_moved {
        has_moved = false;
        for partition in &partitions {
            let readers = readers(partition);
            let Some(owner) = owners.get(partition) else {
                continue;
            };
            let load = |id: &str| shares.get(id).map_or(0, BTreeSet::len);
            let is_better = |id: &str| load(owner) > load(id) + 1;
            let before = claims
                .previous
                .get(partition)
                .filter(|id| readers.contains(&id.as_str()) && is_better(id))
                .cloned();
            let to = before
                .or_else(|| least_loaded(&readers, &shares))
                .filter(|id| is_better(id));
            if let Some(id) = to {
                move_to(partition, &id, &mut shares, &mut owners);
                has_moved = true;
            }
        }
    }
    let is_claimed_by_another = |id: &str, partition: &TopicPartition| {
        let claims = |m: &&&Member| m.subscription.owned.contains(partition);
        let mut claimants = members.iter().filter(claims).peekable();
        claimants.peek().is_some() && claimants.all(|m| m.id != id)
    };
    shares
        .into_iter()
        .map(|(id, share)| {
            let kept = share
                .into_iter()
                .filter(|p| kind == Kind::Eager || !is_claimed_by_another(&id, p))
                .collect();
            (id, kept)
        })
        .collect()
}

fn least_loaded(
    readers: &[&str],
    shares: &BTreeMap<String, BTreeSet<TopicPartition>>,
) -> Option<String> {
    readers
        .iter()
        .min_by_key(|id| (shares.get(**id).map_or(0, BTreeSet::len), **id))
        .map(|id| (*id).to_owned())
}

fn move_to(
    partition: &TopicPartition,
    id: &str,
    shares: &mut BTreeMap<String, BTreeSet<TopicPartition>>,
    owners: &mut HashMap<TopicPartition, String>,
) {
    if let Some(owner) = owners.insert(partition.clone(), id.to_owned())
        && let Some(share) = shares.get_mut(&owner)
    {
        share.remove(partition);
    }
    shares
        .entry(id.to_owned())
        .or_default()
        .insert(partition.clone());
}
