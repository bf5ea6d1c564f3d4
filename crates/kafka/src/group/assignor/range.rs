//! Range: each topic by itself is cut into neighbouring runs, one for each subscriber in order.

use super::{Member, Shares, TopicSizes, give};

pub(super) fn assign(topics: &TopicSizes, members: &[&Member], shares: &mut Shares) {
    for (topic, &partitions) in topics {
        let subscribers: Vec<&&Member> = members
            .iter()
            .filter(|m| m.subscription.topics.iter().any(|t| **t == **topic))
            .collect();
        let count = subscribers.len() as i32;
        if count == 0 {
            continue;
        }
        let mut next = 0;
        for (place, member) in (0..count).zip(subscribers) {
            let size = partitions / count + i32::from(place < partitions % count);
            for partition in next..next + size {
                give(shares, member, topic, partition);
            }
            next += size;
        }
    }
}
