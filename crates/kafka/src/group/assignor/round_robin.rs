//! Round robin: all partitions in order are dealt out, each to the next member that subscribes to its topic.

use super::{Member, Shares, TopicSizes, assign_to};

pub(super) fn assign(topics: &TopicSizes, members: &[&Member], shares: &mut Shares) {
    let mut next = 0;
    for (topic, &partitions) in topics {
        let subscribes = |m: &Member| m.subscription.topics.iter().any(|t| **t == **topic);
        if !members.iter().any(|m| subscribes(m)) {
            continue;
        }
        for partition in 0..partitions {
            while !subscribes(members[next % members.len()]) {
                next += 1;
            }
            assign_to(shares, members[next % members.len()], topic, partition);
            next += 1;
        }
    }
}
