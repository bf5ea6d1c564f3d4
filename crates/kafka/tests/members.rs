//! Membership for a protocol of other people's: what a Connect worker's group needs, without a consumer.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use millstream_core::Properties;
use millstream_embedded::broker::{Broker, BrokerSettings};
use millstream_kafka::ClientSettings;
use millstream_kafka::group::{Group, GroupEvent, GroupSettings};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const PATIENCE: Duration = Duration::from_secs(30);

struct Member {
    group: Group,
    events: Receiver<GroupEvent>,
    says: &'static str,
}

/// What a round came to for one member.
#[derive(Debug)]
struct Round {
    leads: bool,
    assignment: Bytes,
    generation: i32,
    /// What the members said to the leader, in the order of their ids.
    said: Vec<Bytes>,
}

fn join(broker: &Broker, says: &'static str) -> Member {
    let config = Properties::from_iter([
        ("bootstrap.servers", broker.bootstrap().as_str()),
        ("retry.backoff.ms", "20"),
    ]);
    let settings = GroupSettings {
        group_id: "workers".to_owned(),
        instance_id: None,
        protocol_type: "connect",
        session_timeout: Duration::from_secs(6),
        rebalance_timeout: Duration::from_secs(10),
        heartbeat_interval: Duration::from_millis(50),
    };
    let client = ClientSettings::from_properties(&config).unwrap();
    let (group, events) = Group::join(client, settings);
    Member {
        group,
        events,
        says,
    }
}

impl Member {
    /// Goes through one round. As leader it tells each member how many there are and what it said.
    async fn round(&mut self) -> Round {
        let mut said = Vec::new();
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            match event.unwrap().unwrap() {
                GroupEvent::Joining { reply } => {
                    let offer = (
                        "sessioned".to_owned(),
                        Bytes::from_static(self.says.as_bytes()),
                    );
                    reply.send(vec![offer]).unwrap();
                }
                GroupEvent::Assign {
                    protocol,
                    members,
                    reply,
                    ..
                } => {
                    assert_eq!(protocol, "sessioned");
                    said = members.iter().map(|m| m.metadata.clone()).collect();
                    let shares = members.iter().map(|member| {
                        let said = String::from_utf8(member.metadata.to_vec()).unwrap();
                        let share = format!("{said} of {}", members.len());
                        (member.id.clone(), Bytes::from(share))
                    });
                    reply.send(shares.collect()).unwrap();
                }
                GroupEvent::Joined {
                    generation,
                    member_id,
                    leader_id,
                    assignment,
                    ..
                } => {
                    return Round {
                        leads: member_id == leader_id,
                        assignment,
                        generation,
                        said,
                    };
                }
                GroupEvent::Failed(error) => panic!("{error}"),
                GroupEvent::Lost | GroupEvent::Degraded(_) | GroupEvent::Recovered => {}
            }
        }
    }
}

#[tokio::test]
async fn a_group_of_any_protocol_has_a_leader_and_followers() {
    let broker = Broker::start(BrokerSettings::default()).await.unwrap();
    let mut first = join(&broker, "first");
    let alone = first.round().await;
    assert!(alone.leads);
    assert_eq!(alone.assignment, "first of 1");
    let mut second = join(&broker, "second");
    let (a, b) = tokio::join!(first.round(), second.round());
    assert!(a.leads && !b.leads, "{a:?} {b:?}");
    assert_eq!((a.said.len(), b.said.len()), (2, 0));
    assert_eq!(
        (&*a.assignment, &*b.assignment),
        (&b"first of 2"[..], &b"second of 2"[..])
    );
    assert_eq!(a.generation, b.generation);
    // A follower asks for another round, as what it says has changed.
    second.says = "changed";
    second.group.rejoin();
    let (a, b) = tokio::join!(first.round(), second.round());
    assert!(a.said.contains(&Bytes::from_static(b"changed")), "{a:?}");
    assert_eq!(b.assignment, "changed of 2");
    // The leader goes; the follower leads.
    let Member { group, events, .. } = first;
    drop(events);
    let (b, ()) = tokio::join!(second.round(), group.leave(PATIENCE));
    assert!(b.leads);
    assert_eq!(b.assignment, "changed of 1");
    second.group.leave(PATIENCE).await;
}
