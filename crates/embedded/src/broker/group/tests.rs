//! The group's state machine, step by step.

#![allow(clippy::unwrap_used)]
use bytes::Bytes;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn wish(id: &str, instance: Option<&str>) -> Join {
    Join {
        member_id: text(id),
        instance: instance.map(text),
        client_id: text("client"),
        session: 10 * SECOND,
        rebalance: 5 * SECOND,
        protocol_type: text("connect"),
        protocols: vec![
            (text("sessioned"), Bytes::from_static(b"s")),
            (text("compatible"), Bytes::from_static(b"c")),
        ],
        may_skip: true,
        ..Join::default()
    }
}

fn join(group: &mut Group, join: Join, now: Instant) -> oneshot::Receiver<Joined> {
    let (reply, answer) = oneshot::channel();
    group.join(join, now, reply);
    answer
}

fn sync(
    group: &mut Group,
    id: &StrBytes,
    generation: i32,
    assignments: &[(&StrBytes, &'static str)],
    now: Instant,
) -> oneshot::Receiver<Synced> {
    let (reply, answer) = oneshot::channel();
    let assignments = assignments
        .iter()
        .map(|(id, a)| ((*id).clone(), Bytes::from_static(a.as_bytes())))
        .collect();
    group.sync(
        Sync {
            member_id: id.clone(),
            generation,
            assignments,
            ..Sync::default()
        },
        now,
        reply,
    );
    answer
}

/// Two members, joined and synced.
fn pair(group: &mut Group, now: Instant) -> (StrBytes, StrBytes) {
    let first = join(group, wish("", None), now).try_recv().unwrap();
    let mut second = join(group, wish("", None), now);
    assert!(
        second.try_recv().is_err(),
        "the second waits for the first to join again"
    );
    assert_eq!(
        group.heartbeat(&first.member_id, None, 1, now),
        Err(ResponseError::RebalanceInProgress)
    );
    let first = join(group, wish(&first.member_id, None), now)
        .try_recv()
        .unwrap();
    let second = second.try_recv().unwrap();
    assert_eq!(
        (
            first.generation,
            second.generation,
            first.members.len(),
            second.members.len()
        ),
        (2, 2, 2, 0)
    );
    let (a, b) = (first.member_id, second.member_id);
    let mut waiting = sync(group, &b, 2, &[], now);
    assert!(
        waiting.try_recv().is_err(),
        "a follower waits for the leader"
    );
    let leader = sync(group, &a, 2, &[(&a, "A"), (&b, "B")], now)
        .try_recv()
        .unwrap()
        .unwrap();
    assert_eq!(
        (leader.2, waiting.try_recv().unwrap().unwrap().2),
        (Bytes::from_static(b"A"), Bytes::from_static(b"B"))
    );
    assert_eq!(group.state, GroupState::Stable);
    (a, b)
}

#[test]
fn two_members_share() {
    let mut group = Group::new(Duration::ZERO);
    pair(&mut group, Instant::now());
    assert_eq!(group.protocol, Some(text("sessioned")));
}

#[test]
fn a_silent_member_is_replaced() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let (a, b) = pair(&mut group, now);
    group.heartbeat(&a, None, 2, now + 9 * SECOND).unwrap();
    group.expire(now + 10 * SECOND);
    assert_eq!(
        group.heartbeat(&a, None, 2, now + 10 * SECOND),
        Err(ResponseError::RebalanceInProgress)
    );
    assert_eq!(
        group.heartbeat(&b, None, 2, now + 10 * SECOND),
        Err(ResponseError::UnknownMemberId)
    );
    let again = join(&mut group, wish(&a, None), now + 10 * SECOND)
        .try_recv()
        .unwrap();
    assert_eq!((again.generation, again.members.len()), (3, 1));
}

#[test]
fn a_rebalance_goes_on_without_the_late() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let (a, b) = pair(&mut group, now);
    group.leave(&b, None, now).unwrap();
    let mut third = join(&mut group, wish("", None), now);
    assert!(third.try_recv().is_err());
    assert_eq!(group.expire(now), Some(now + 5 * SECOND));
    group.expire(now + 5 * SECOND);
    let third = third.try_recv().unwrap();
    assert_eq!(
        (third.leader.clone(), third.members.len()),
        (third.member_id, 1)
    );
    assert_eq!(
        group.heartbeat(&a, None, 3, now),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn new_clients_are_told_their_id_first() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let told = join(
        &mut group,
        Join {
            needs_id: true,
            ..wish("", None)
        },
        now,
    )
    .try_recv()
    .unwrap();
    assert_eq!(told.error, Some(ResponseError::MemberIdRequired));
    let joined = join(
        &mut group,
        Join {
            needs_id: true,
            ..wish(&told.member_id, None)
        },
        now,
    )
    .try_recv()
    .unwrap();
    assert_eq!((joined.error, joined.generation), (None, 1));
}

#[test]
fn other_kinds_are_refused() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    pair(&mut group, now);
    let other = Join {
        protocol_type: text("consumer"),
        ..wish("", None)
    };
    assert_eq!(
        join(&mut group, other, now).try_recv().unwrap().error,
        Some(ResponseError::InconsistentGroupProtocol)
    );
}

#[test]
fn a_static_member_returns_without_a_rebalance() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let first = join(&mut group, wish("", Some("i1")), now)
        .try_recv()
        .unwrap();
    sync(
        &mut group,
        &first.member_id,
        1,
        &[(&first.member_id, "A")],
        now,
    )
    .try_recv()
    .unwrap()
    .unwrap();
    let back = join(&mut group, wish("", Some("i1")), now)
        .try_recv()
        .unwrap();
    assert_eq!((back.generation, back.skip_assignment), (1, true));
    assert_eq!(
        group.heartbeat(&first.member_id, Some(&text("i1")), 1, now),
        Err(ResponseError::FencedInstanceId)
    );
    let kept = sync(&mut group, &back.member_id, 1, &[], now)
        .try_recv()
        .unwrap()
        .unwrap();
    assert_eq!(kept.2, Bytes::from_static(b"A"));
}

#[test]
fn the_first_rebalance_waits_for_more_members() {
    let now = Instant::now();
    let mut group = Group::new(3 * SECOND);
    let mut first = join(&mut group, wish("", None), now);
    let mut second = join(&mut group, wish("", None), now + SECOND);
    group.expire(now + 3 * SECOND);
    assert!(first.try_recv().is_err(), "a new member extends the delay");
    group.expire(now + 4 * SECOND);
    assert_eq!(
        (
            first.try_recv().unwrap().members.len(),
            second.try_recv().unwrap().generation
        ),
        (2, 1)
    );
}

#[test]
fn only_current_members_commit() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    assert_eq!(group.check_commit(&text(""), None, -1, now), Ok(()));
    let (a, _) = pair(&mut group, now);
    assert_eq!(
        group.check_commit(&a, None, 1, now),
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(
        group.check_commit(&text(""), None, -1, now),
        Err(ResponseError::UnknownMemberId)
    );
    assert_eq!(group.check_commit(&a, None, 2, now), Ok(()));
}

#[test]
fn a_member_that_never_syncs_is_let_go() {
    let now = Instant::now();
    let mut group = Group::new(Duration::ZERO);
    let joined = join(&mut group, wish("", None), now).try_recv().unwrap();
    let later = now + 5 * SECOND;
    group.heartbeat(&joined.member_id, None, 1, later).unwrap();
    group.expire(later);
    assert!(group.is_empty());
    assert_eq!(group.state, GroupState::Empty);
}
