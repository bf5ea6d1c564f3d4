//! The herder over logs, a group and tasks that are lists, with every order of events that can happen.
#![allow(clippy::unwrap_used)]

mod anything;
mod group;
mod session_keys;
mod world;

use super::*;
use crate::herder::request::Outage;
use crate::task::TaskEvent;
use millstream_core::Degraded;
use std::time::Duration;
use world::{World, WriteEnd};

fn check(world: &mut World, request: Request, expected: &str) {
    let ticket = world.request(0, request);
    world.settle();
    assert!(world.answers.contains_key(&ticket), "no answer");
    assert_eq!(world.shown("c"), expected);
}

#[test]
fn walks_through_a_connector_s_life() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    let name: Arc<str> = "c".into();
    let ticket = world.put(0, "c", &[]);
    world.settle();
    let Ok(Answer::Connector { info, is_new: true }) = &world.answers[&ticket] else {
        panic!("not created");
    };
    assert_eq!(info.tasks, 2);
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
    let target = |target| Request::SetTarget("c".into(), target);
    check(
        &mut world,
        target(TargetState::Paused),
        "PAUSED PAUSED PAUSED",
    );
    check(
        &mut world,
        target(TargetState::Started),
        "RUNNING RUNNING RUNNING",
    );
    check(&mut world, Request::Stop(name.clone()), "STOPPED");
    assert!(world.workers[0].state.view.is_stopped("c") && world.live.is_empty());
    check(&mut world, target(TargetState::Paused), "PAUSED");
    check(
        &mut world,
        target(TargetState::Started),
        "RUNNING RUNNING RUNNING",
    );
    check(
        &mut world,
        Request::RestartConnector(name.clone()),
        "RUNNING RUNNING RUNNING",
    );
    let restart = Request::Restart {
        name: name.clone(),
        include_tasks: true,
        only_failed: false,
    };
    check(&mut world, restart, "RUNNING RUNNING RUNNING");
    check(&mut world, Request::Delete(name), "none");
    assert!(world.live.is_empty());
}

#[test]
fn a_connector_that_cannot_start_is_failed_and_says_why() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    let ticket = world.put(0, "c", &[("fails", "yes")]);
    world.settle();
    assert_eq!(
        world.answers[&ticket].clone().unwrap_err().to_string(),
        "no"
    );
    assert_eq!(world.shown("c"), "FAILED");
    let ticket = world.put(0, "c", &[]);
    world.settle();
    assert!(world.answers[&ticket].is_ok());
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
}

#[test]
fn a_connector_that_cannot_start_for_now_starts_in_the_end() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    world.is_away = true;
    let ticket = world.put(0, "c", &[("fails", "for now")]);
    world.settle();
    // Who asked for it is not left waiting.
    assert!(world.answers[&ticket].is_err());
    for pause in [5_000, 10_000] {
        assert_eq!(world.shown("c"), "FAILED");
        assert_eq!(world.workers[0].state.next_due(), Some(world.now + pause));
        world.now += pause;
        world.handle(0, Event::Due);
        world.settle();
    }
    world.is_away = false;
    world.now += 20_000;
    world.handle(0, Event::Due);
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
    assert_eq!(world.workers[0].state.next_due(), None);
}

#[test]
fn a_task_that_failed_for_a_transient_reason_starts_again() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    world.put(0, "c", &[("tasks.max", "1")]);
    world.settle();
    let id = TaskId::new("c", 0);
    let fail = |world: &mut World, is_transient| {
        world.fail(&TaskId::new("c", 0), is_transient);
        world.settle();
    };
    for pause in [5_000, 10_000, 20_000] {
        fail(&mut world, true);
        assert_eq!(world.shown("c"), "RUNNING FAILED");
        assert_eq!(world.workers[0].state.next_due(), Some(world.now + pause));
        let outage = world.task_state(&id).outage;
        assert!(matches!(outage, Some(Outage::Restarting { .. })));
        world.now += pause;
        world.handle(0, Event::Due);
        world.settle();
        assert_eq!(world.shown("c"), "RUNNING RUNNING");
    }
    fail(&mut world, false);
    assert_eq!(world.workers[0].state.next_due(), None);
}

#[test]
fn shows_an_outage_only_while_it_lasts() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    world.put(0, "c", &[("tasks.max", "1")]);
    world.settle();
    let id = TaskId::new("c", 0);
    let away = |seconds| Degraded {
        reason: "S3 is away".to_owned(),
        since: 7,
        next_try: Duration::from_secs(seconds),
    };
    let told = |seconds| {
        let shown = Outage::Degraded(away(seconds));
        (TaskEvent::Degraded(away(seconds)), Some(shown))
    };
    for (event, shown) in [told(1), told(2), (TaskEvent::Recovered, None)] {
        world.report(&id, event);
        world.settle();
        assert_eq!(world.shown("c"), "RUNNING RUNNING");
        assert_eq!(world.task_state(&id).outage, shown);
    }
}

#[test]
fn report_c6_a_task_that_starts_is_shown_and_says_what_it_waits_for() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    world.put(0, "c", &[("tasks.max", "1")]);
    while world.live.is_empty() {
        assert!(
            world.step(0, 0, WriteEnd::Done),
            "the task is never started"
        );
    }
    let running = world.workers[0].reports.pop_front().unwrap();
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING UNASSIGNED");
    let waits = TaskEvent::Degraded(Degraded {
        reason: "waiting for S3".to_owned(),
        since: 7,
        next_try: Duration::ZERO,
    });
    world.report(&running.id, waits);
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING UNASSIGNED");
    let outage = world.task_state(&running.id).outage;
    assert!(matches!(outage, Some(Outage::Degraded(_))));
    world.workers[0].reports.push_back(running);
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING RUNNING");
}

#[test]
fn report_c21_a_restart_of_a_task_that_is_not_there_leaves_no_ghost() {
    for mode in [WorkerMode::Standalone, WorkerMode::Distributed] {
        let mut world = World::new(mode, 0);
        world.put(0, "c", &[]);
        world.settle();
        let ticket = world.request(0, Request::RestartTask(TaskId::new("c", 9)));
        world.settle();
        let answer = world.answers[&ticket].clone();
        assert!(matches!(answer, Err(HerderError::NotFound(_))));
        assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
    }
}

#[test]
fn a_task_that_was_taken_away_is_not_there_to_restart() {
    let mut world = World::new(WorkerMode::Distributed, 0);
    world.put(0, "c", &[]);
    world.settle();
    check(&mut world, Request::Stop("c".into()), "STOPPED");
    let ticket = world.request(0, Request::RestartTask(TaskId::new("c", 0)));
    world.settle();
    let answer = world.answers[&ticket].clone();
    assert!(matches!(answer, Err(HerderError::NotFound(_))));
}

/// Steps until the log is asked to be written to, and how that write ends.
fn end_write(world: &mut World, end: WriteEnd) {
    for _ in 0..1_000 {
        if world.step_write(0, end) {
            return;
        }
        world.step(0, 1, WriteEnd::Done);
    }
    panic!("nothing is written");
}

/// Of a thousand connectors a copy each, once or twice for every one that is created, is most of what that takes.
#[test]
fn a_rebalance_copies_nothing_of_what_goes_on() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    world.put(0, "a", &[]);
    world.settle();
    let published = world.workers[0].state.view.clone();
    world.put(0, "b", &[]);
    world.settle();
    assert_eq!(world.shown("b"), "RUNNING RUNNING RUNNING");
    let state = &world.workers[0].state;
    let known = |view| View::known(view, "a").unwrap();
    assert!(std::ptr::eq(known(&published), known(&state.view)));
    let planned = state.instances["a"].planned.as_ref().unwrap();
    assert!(Arc::ptr_eq(planned, &known(&state.view).tasks));
}

/// How often a worker asks for a round while it reads of a new connector each millisecond and one is under way, where the
/// last took so many milliseconds.
fn rounds_asked_for(connectors: i64, took: i64) -> usize {
    let mut world = World::new(WorkerMode::Distributed, 1);
    world.settle();
    let now = world.now;
    let state = &mut world.workers[0].state;
    (state.rounds.took, state.is_rebalancing) = (took, true);
    let mut asked = 0;
    for number in 0..connectors {
        let record = ConfigRecord::Connector {
            name: format!("c{number}").into(),
            config: Some(Properties::default()),
        };
        let position = Position(state.view.position.0 + 1);
        let event = Event::Config(ConfigEvent::Record { position, record });
        let actions = state.handle(event, now + number).into_iter();
        asked += actions
            .filter(|action| matches!(action, Action::Rejoin))
            .count();
    }
    asked
}

#[test]
fn a_round_waits_for_what_is_about_to_change_no_longer_than_it_takes() {
    assert_eq!(rounds_asked_for(20, 0), 20);
    assert_eq!(rounds_asked_for(20, 7), 2);
    assert_eq!(rounds_asked_for(20, 1_000), 0);
}

#[test]
fn what_is_asked_twice_at_once_is_decided_one_after_the_other() {
    let mut world = World::new(WorkerMode::Distributed, 0);
    world.settle();
    let put = |world: &mut World| {
        let config = Properties::from_iter([("connector.class", "Sink"), ("tasks.max", "1")]);
        world.request(
            0,
            Request::Put(Put {
                name: "c".into(),
                config,
                initial_state: None,
                may_replace: false,
            }),
        )
    };
    let (first, second) = (put(&mut world), put(&mut world));
    let other = world.put(0, "d", &[]);
    // Another connector waits for neither.
    assert_eq!(world.workers[0].state.writes.len(), 2);
    world.settle();
    assert!(world.answers[&first].is_ok() && world.answers[&other].is_ok());
    let refused = HerderError::AlreadyExists("c".into());
    assert_eq!(world.answers[&second].clone().unwrap_err(), refused);
}

#[test]
fn a_write_that_failed_is_answered_with_its_error_and_changes_nothing() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    world.put(0, "c", &[]);
    world.settle();
    let ticket = world.request(0, Request::Delete("c".into()));
    end_write(&mut world, WriteEnd::Failed);
    world.settle();
    let answer = world.answers[&ticket].clone().unwrap_err();
    assert_eq!(answer, HerderError::Failed("the log is away".to_owned()));
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
}

#[test]
fn tasks_that_could_not_be_written_are_written_again() {
    let mut world = World::new(WorkerMode::Standalone, 0);
    let ticket = world.put(0, "c", &[]);
    end_write(&mut world, WriteEnd::Done);
    for pause in [250, 500, 1_000] {
        end_write(&mut world, WriteEnd::Failed);
        while world.workers[0].state.next_due().is_none() {
            world.step(0, 1, WriteEnd::Done);
        }
        assert_eq!(world.workers[0].state.next_due(), Some(world.now + pause));
        assert!(!world.answers.contains_key(&ticket));
        world.now += pause;
        world.handle(0, Event::Due);
    }
    world.settle();
    assert!(world.answers[&ticket].is_ok());
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
}

#[test]
fn the_health_tells_whether_writes_come_to_an_end() {
    let mut world = World::new(WorkerMode::Distributed, 0);
    world.settle();
    let healthy = world.request(0, Request::Health);
    assert!(world.answers[&healthy].is_ok());
    world.put(0, "c", &[]);
    let asked = world.request(0, Request::Health);
    assert!(!world.answers.contains_key(&asked));
    world.settle();
    assert!(world.answers[&asked].is_ok());
}

#[test]
fn while_the_work_is_shared_out_changes_wait_restarts_are_refused_and_pauses_go_on() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    world.put(0, "c", &[]);
    world.settle();
    world.handle(0, Event::Group(GroupEvent::Rebalancing));
    let name: Arc<str> = "c".into();
    let delete = world.request(0, Request::Delete(name.clone()));
    let pause = world.request(0, Request::SetTarget(name.clone(), TargetState::Paused));
    let restart = world.request(0, Request::RestartConnector(name));
    let refused = world.answers[&restart].clone().unwrap_err();
    assert_eq!(refused, HerderError::Rebalancing);
    assert_eq!(world.workers[0].state.writes.len(), 1);
    // The group says nothing of its own accord; it is asked again.
    world.rejoin(0);
    world.settle();
    assert!(world.answers[&pause].is_ok() && world.answers[&delete].is_ok());
    assert_eq!(world.shown("c"), "none");
}

/// A worker that asks takes any other answer for a failure of its task, and asks once.
#[test]
fn additions_29_whom_to_shut_out_is_asked_while_the_work_is_shared_out() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    world.put(0, "c", &[("connector.class", "Elsewhere")]);
    world.settle();
    world.handle(0, Event::Group(GroupEvent::Rebalancing));
    let fence = world.request(0, Request::Fence("c".into()));
    assert!(!world.answers.contains_key(&fence));
    world.rejoin(0);
    world.settle();
    assert!(world.answers[&fence].is_ok());
}

#[test]
fn a_follower_names_the_leader_and_the_leader_the_owner() {
    let mut world = World::new(WorkerMode::Distributed, 2);
    world.put(1, "a", &[]);
    world.settle();
    world.put(1, "b", &[]);
    world.settle();
    let owners: Vec<bool> = (0..2)
        .map(|worker| world.workers[worker].state.instances.contains_key("b"))
        .collect();
    assert_eq!(
        owners,
        [false, true],
        "the second connector is the second worker's"
    );
    let state = &mut world.workers[0].state;
    let restart = Request::RestartConnector("b".into());
    let actions = state.handle(Event::Request(restart, Ticket(1_000)), 0);
    let Some(Action::Reply(_, Err(HerderError::NotHere { url, .. }))) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!(url.as_deref(), Some("1"));
    let state = &mut world.workers[1].state;
    let actions = state.handle(
        Event::Request(Request::Delete("b".into()), Ticket(1_001)),
        0,
    );
    let Some(Action::Reply(_, Err(HerderError::NotHere { url, .. }))) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!(url.as_deref(), Some("0"));
}

#[test]
fn a_worker_that_cannot_read_the_configuration_gives_its_work_to_others() {
    let mut world = World::new(WorkerMode::Distributed, 2);
    world.put(0, "a", &[]);
    world.put(0, "b", &[]);
    world.settle();
    let state = &mut world.workers[1].state;
    assert!(!state.instances.is_empty());
    // The leader has seen more than this worker has, and will see.
    let assignment = crate::cluster::Assignment {
        generation: state.view.generation + 1,
        leader: state.leader.clone(),
        position: Position(state.view.position.0 + 1),
        work: Some(state.assigned.clone()),
        ..Default::default()
    };
    world.handle(1, Event::Group(GroupEvent::Assigned(assignment)));
    while world.workers[1]
        .state
        .reading
        .as_ref()
        .is_some_and(|r| r.retry_at.is_none())
    {
        assert!(world.step(1, 0, WriteEnd::Failed));
    }
    assert!(world.workers[1].state.instances.is_empty());
    world.settle();
    assert_eq!(world.shown("a"), "RUNNING RUNNING RUNNING");
    assert_eq!(world.shown("b"), "RUNNING RUNNING RUNNING");
    assert!(
        world.live.values().any(|live| live.worker == 1),
        "it has come back"
    );
}

#[test]
fn what_was_there_at_the_start_is_no_news() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    world.put(0, "c", &[]);
    world.settle();
    let restart = Request::Restart {
        name: "c".into(),
        include_tasks: true,
        only_failed: false,
    };
    world.request(0, restart);
    let (namespace, level) = ("a".to_owned(), "DEBUG".to_owned());
    world.request(0, Request::SetClusterLogger { namespace, level });
    world.settle();
    world.join(WorkerMode::Distributed, None);
    let mut seen = Vec::new();
    for event in world.log() {
        seen.extend(world.workers[1].state.handle(Event::Config(event), 0));
    }
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn a_shutdown_stops_what_runs_says_so_and_answers_everybody() {
    let mut world = World::new(WorkerMode::Distributed, 2);
    world.put(0, "a", &[]);
    world.put(0, "b", &[]);
    world.settle();
    let waiting = world.request(0, Request::Delete("a".into()));
    let behind = world.request(0, Request::Delete("a".into()));
    world.handle(0, Event::Shutdown);
    let late = world.request(0, Request::Delete("b".into()));
    for ticket in [behind, late] {
        let refused = world.answers[&ticket].clone().unwrap_err();
        assert_eq!(refused, HerderError::ShuttingDown);
    }
    world.settle();
    assert!(world.workers[0].has_ended && world.answers.contains_key(&waiting));
    // The other one has it all.
    let view = &world.workers[1].state.view;
    assert!(view.info("a").is_none());
    let state = view.state("b").unwrap();
    assert_eq!(state.connector.worker_id, "w:1");
    assert!(world.live.values().all(|live| live.worker == 1) && world.live.len() == 2);
}

#[test]
fn tasks_that_were_too_many_for_a_while_start_once_they_are_not() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    let name: Arc<str> = "c".into();
    world.put(0, "c", &[("tasks.max", "3")]);
    world.settle();
    world.request(0, Request::SetTarget(name.clone(), TargetState::Paused));
    world.put(0, "c", &[("tasks.max", "1")]);
    world.settle();
    let restart = Request::Restart {
        name,
        include_tasks: true,
        only_failed: false,
    };
    world.request(0, restart);
    world.settle();
    assert_eq!(world.shown("c"), "PAUSED FAILED FAILED FAILED");
    world.put(0, "c", &[("tasks.max", "3")]);
    world.settle();
    assert_eq!(world.shown("c"), "PAUSED PAUSED PAUSED PAUSED");
}

/// It was out of the group, and whoever ran the connector meanwhile has left.
#[test]
fn whoever_runs_something_has_the_last_word_about_it() {
    let mut world = World::new(WorkerMode::Distributed, 1);
    world.put(0, "c", &[]);
    world.settle();
    let generation = world.workers[0].state.view.generation;
    let said = |key: StatusKey, generation: i32| {
        let status = Status {
            state: RunState::Unassigned,
            trace: None,
            worker_id: "w:9".to_owned(),
            generation,
            version: None,
        };
        let value = Some(StatusValue::Status(status));
        Event::Status(StatusEvent::Record(StatusRecord { key, value }))
    };
    let connector = StatusKey::Connector("c".into());
    let task = StatusKey::Task(TaskId::new("c", 0));
    // From before this worker had it.
    world.handle(0, said(connector.clone(), generation - 1));
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
    // From a round of which it does not know yet.
    world.handle(0, said(connector, generation + 1));
    world.handle(0, said(task, generation + 1));
    world.settle();
    assert_eq!(world.shown("c"), "UNASSIGNED UNASSIGNED RUNNING");
    while world.workers[0].state.view.generation <= generation + 1 {
        world.rejoin(0);
        world.settle();
    }
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
}

/// A leader that stays one may have been taken for dead meanwhile.
#[test]
fn whoever_leads_claims_the_log_after_each_rebalance() {
    let mut world = World::new(WorkerMode::Distributed, 3);
    world.settle();
    let leads = |worker: &usize| world.workers[*worker].state.view.leads;
    let leaders: Vec<usize> = (0..3).filter(leads).collect();
    assert_eq!(world.led.last(), leaders.first());
    for _ in 0..2 {
        world.led.clear();
        world.rejoin(1);
        world.settle();
        assert_eq!(world.led.last(), leaders.first());
    }
}
