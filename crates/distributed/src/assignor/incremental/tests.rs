//! The assignors against the rounds that Java's led, with what its assignor remembered after each.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::leader::{JoinedMember, Rebalance};
use crate::protocol::{Assignment, Metadata};
use millstream_golden::Outcome;
use millstream_worker::cluster::{GroupProtocol, Position, Snapshot};
use proptest::prelude::*;
use serde_json::Value as Json;

#[test]
fn golden_connect_assignors() {
    millstream_golden::run("connect assignors", |_, case| {
        match case.get("delays_of_1_to_8") {
            Some(delays) => judge_backoff(case, delays),
            None => judge(case),
        }
    });
}

/// Logarithms may differ in their last digit, and so the result by one.
fn judge_backoff(case: &Json, delays: &Json) -> Outcome {
    let longest = case["max_delay"].as_i64().unwrap() as i32;
    for (nth, expected) in (1..).zip(delays.as_array().unwrap()) {
        let (actual, expected) = (i64::from(backoff(longest, nth)), expected.as_i64().unwrap());
        if (actual - expected).abs() > 1 || actual > i64::from(longest) {
            return Outcome::Failed(format!("{nth}: {actual}, not {expected}"));
        }
    }
    Outcome::Passed
}

/// One assignor per process that leads.
fn judge(case: &Json) -> Outcome {
    let max_delay = case["max_delay"].as_i64().unwrap() as i32;
    let mut assignors: BTreeMap<&str, Incremental> = BTreeMap::new();
    for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let process = step["leader_process"].as_str().unwrap();
        let assignor = assignors
            .entry(process)
            .or_insert_with(|| Incremental::new(max_delay));
        let difference = judge_step(step, assignor);
        if let Some(difference) = difference {
            return Outcome::Failed(format!("step {number}: {difference}"));
        }
    }
    Outcome::Passed
}

fn judge_step(step: &Json, assignor: &mut Incremental) -> Option<String> {
    let leader = step["leader"].as_str().unwrap();
    let members: Vec<JoinedMember> = list(&step["members"]).iter().map(joined_member).collect();
    let url = |id: &str| {
        let member = members.iter().find(|member| member.id == id).unwrap();
        member.metadata.url.clone()
    };
    let rebalance = Rebalance {
        protocol: GroupProtocol::named(step["protocol"].as_str().unwrap()).unwrap(),
        generation: step["generation"].as_i64().unwrap() as i32,
        last_completed: step["last_completed_generation"].as_i64().unwrap() as i32,
        id: leader.to_owned(),
        url: url(leader),
        members: members.clone(),
    };
    let shared = rebalance.share_out(
        &snapshot(&step["config"]),
        assignor,
        step["now"].as_i64().unwrap(),
    );
    let result = &step["result"];
    for member in &members {
        let actual = &shared.assignments[&member.id];
        let expected = assignment(result, &result["members"][&member.id]);
        let sorted = |assignment: &Assignment| Assignment {
            assigned: assignment.assigned.work().into(),
            revoked: assignment.revoked.work().into(),
            ..assignment.clone()
        };
        if sorted(actual) != sorted(&expected) {
            return Some(format!("{}: {actual:?}\n not {expected:?}", member.id));
        }
    }
    if let Some(state) = step.get("state") {
        let expected = remembered(state, assignor.max_delay);
        if format!("{assignor:?}") != format!("{expected:?}") {
            return Some(format!("{assignor:?}\n not {expected:?}"));
        }
    }
    if let Some(owners) = step.get("owners") {
        let mut expected = BTreeMap::new();
        for (item, id) in owners.as_object().unwrap() {
            let id = id.as_str().unwrap();
            if id != leader {
                expected.insert(item.clone(), url(id));
            }
        }
        let connectors = shared.owners.connectors.iter();
        let tasks = shared.owners.tasks.iter();
        let mut actual: BTreeMap<String, String> = connectors
            .map(|(name, url)| (name.to_string(), url.to_string()))
            .collect();
        actual.extend(
            tasks.map(|(id, url)| (format!("{}/{}", id.connector, id.task), url.to_string())),
        );
        if actual != expected {
            return Some(format!("owners {actual:?}\n not {expected:?}"));
        }
    }
    None
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn items(json: &Json, connectors: &str, tasks: &str) -> Items {
    let texts = |key: &str| list(&json[key]).iter().map(|text| text.as_str().unwrap());
    Items {
        connectors: texts(connectors).map(Into::into).collect(),
        tasks: texts(tasks)
            .map(|text| {
                let (connector, task) = text.rsplit_once('/').unwrap();
                TaskId::new(connector, task.parse().unwrap())
            })
            .collect(),
    }
}

fn joined_member(json: &Json) -> JoinedMember {
    JoinedMember {
        id: json["id"].as_str().unwrap().to_owned(),
        metadata: Metadata {
            url: json["url"].as_str().unwrap().to_owned(),
            offset: json["offset"].as_i64().unwrap(),
            allocation: json.get("connectors").map(|_| Assignment {
                assigned: items(json, "connectors", "tasks"),
                ..Assignment::default()
            }),
        },
    }
}

fn snapshot(json: &Json) -> Snapshot {
    let connectors = json["connectors"].as_object().unwrap();
    let inventory = connectors
        .iter()
        .map(|(name, tasks)| (name.as_str().into(), tasks.as_u64().unwrap() as u32));
    Snapshot {
        position: Position(json["offset"].as_i64().unwrap()),
        inventory: Arc::new(inventory.collect()),
    }
}

fn assignment(result: &Json, member: &Json) -> Assignment {
    Assignment {
        version: 0,
        error: result["error"].as_i64().unwrap() as i16,
        leader: result["leader"].as_str().unwrap().to_owned(),
        leader_url: result["leader_url"].as_str().unwrap().to_owned(),
        offset: result["offset"].as_i64().unwrap().max(-1),
        assigned: items(member, "connectors", "tasks"),
        revoked: items(member, "revoked_connectors", "revoked_tasks"),
        delay: result["delay"].as_i64().unwrap_or(0) as i32,
    }
}

fn remembered(json: &Json, max_delay: i32) -> Incremental {
    let texts = |key: &str| {
        let texts = list(&json[key]).iter();
        texts.map(|text| text.as_str().unwrap().to_owned())
    };
    let number = |key: &str| json[key].as_i64().unwrap();
    Incremental {
        max_delay,
        previous: items(json, "previous_connectors", "previous_tasks").work(),
        previous_revoked: items(
            json,
            "previous_revoked_connectors",
            "previous_revoked_tasks",
        )
        .work(),
        previous_generation: number("previous_generation") as i32,
        previous_members: texts("previous_members").collect(),
        scheduled: number("scheduled_rebalance"),
        delay: number("delay") as i32,
        candidates: texts("candidates").collect(),
        revoked_in_previous: json["revoked_in_previous"].as_bool().unwrap(),
        successive_revocations: number("successive_revocations") as u32,
    }
}

/// What members may report, true or not: each of three connectors with up to three tasks, held by whoever says so.
fn reports() -> impl Strategy<Value = Vec<(u8, Items)>> {
    let item = (0..4u8, prop::option::of(0..4u32));
    let items = prop::collection::vec(item, 0..8).prop_map(|all| {
        let mut items = Items::default();
        for (connector, task) in all {
            let name: Arc<str> = format!("c{connector}").into();
            match task {
                None => items.connectors.push(name),
                Some(task) => items.tasks.push(TaskId::new(name, task)),
            }
        }
        items
    });
    prop::collection::vec((0..5u8, items), 1..5)
}

proptest! {
    /// In every round, whatever members say: nothing is given to two, nothing that another holds and keeps, and nothing
    /// that is not configured.
    #[test]
    fn nothing_is_given_twice(
        rounds in prop::collection::vec((reports(), prop::collection::btree_map(0..4u8, 0..5u32, 0..4), 0..100_000i64), 1..8),
        max_delay in prop_oneof![Just(0), Just(50), Just(60_000)],
    ) {
        let mut assignor = Incremental::new(max_delay);
        let mut now = 0;
        for (generation, (reports, inventory, later)) in (1..).zip(rounds) {
            now += later;
            let inventory: Inventory =
                inventory.into_iter().map(|(c, tasks)| (format!("c{c}").into(), tasks)).collect();
            let members: BTreeMap<String, Items> =
                reports.into_iter().map(|(id, items)| (format!("m{id}"), items)).collect();
            let members: Vec<Holder> =
                members.into_iter().map(|(id, holds)| Holder { id, holds: holds.distinct() }).collect();
            let (shares, delay) = assignor.share_out(Round {
                now,
                generation,
                last_completed: generation - 1,
                inventory: &inventory,
                members: &members,
            });
            prop_assert!((0..=max_delay).contains(&delay));
            let configured = Work::of(&inventory);
            let mut given = Work::default();
            for member in &members {
                let share = &shares[&member.id];
                let new = share.assigned.work();
                prop_assert!(!intersects(&new, &given), "twice: {:?}", new);
                given.add(&new);
                prop_assert!(new.without(&configured).is_empty(), "not configured: {:?}", new);
                let revoked = share.revoked.work();
                prop_assert!(!intersects(&new, &revoked), "and taken: {:?}", new);
                for other in &members {
                    prop_assert!(!intersects(&new, &other.holds.work()), "held: {:?}", new);
                }
            }
        }
    }

    /// Members that do as they are told come to rest with shares that differ by one item at most.
    #[test]
    fn it_comes_to_a_balance(reports in reports(), inventory in prop::collection::btree_map(0..4u8, 0..5u32, 0..4)) {
        let inventory: Inventory =
            inventory.into_iter().map(|(c, tasks)| (format!("c{c}").into(), tasks)).collect();
        let members: BTreeMap<String, Items> =
            reports.into_iter().map(|(id, items)| (format!("m{id}"), items)).collect();
        let mut members: Vec<Holder> =
            members.into_iter().map(|(id, holds)| Holder { id, holds: holds.distinct() }).collect();
        let mut assignor = Incremental::new(1000);
        let mut now = 0;
        for generation in 1..12 {
            let round = Round { now, generation, last_completed: generation - 1, inventory: &inventory, members: &members };
            let (shares, delay) = assignor.share_out(round);
            for member in &mut members {
                member.holds = shares[&member.id].all.clone();
            }
            now += i64::from(delay);
        }
        let held: Vec<Work> = members.iter().map(|member| member.holds.work()).collect();
        let all = union(&held);
        prop_assert_eq!(&all, &Work::of(&inventory));
        prop_assert!(duplicated(&held).is_empty());
        for count in [|items: &Items| items.connectors.len(), |items: &Items| items.tasks.len()] {
            let counts = members.iter().map(|member| count(&member.holds));
            let (most, least) = (counts.clone().max().unwrap(), counts.min().unwrap());
            prop_assert!(most - least <= 1, "{} and {}", most, least);
        }
    }
}
