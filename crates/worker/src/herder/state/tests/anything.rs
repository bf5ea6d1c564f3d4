//! Anything that clients, tasks, logs and workers may do, in any order.

use super::super::*;
use super::world::{Live, World, WriteEnd};
use proptest::prelude::*;

const MOST_WORKERS: usize = 4;

#[derive(Clone, Debug)]
enum Deed {
    Put {
        connector: u8,
        tasks: u8,
        fails: bool,
    },
    Delete(u8),
    Target(u8, bool),
    Stop(u8),
    Restart {
        connector: u8,
        include_tasks: bool,
        only_failed: bool,
    },
    RestartConnector(u8),
    RestartTask(u8, u8),
    FailTask(u8, u8),
    /// Another worker joins.
    Join,
    /// A worker shuts down, unless it is the last.
    Shutdown,
    Step(usize, WriteEnd),
}

/// Each with the worker that it is about.
fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let end = prop_oneof![
        8 => Just(WriteEnd::Done),
        1 => Just(WriteEnd::Failed),
        1 => Just(WriteEnd::Unknown),
    ];
    let deed = prop_oneof![
        6 => (0..3u8, 0..4u8, prop::bool::weighted(0.1))
            .prop_map(|(connector, tasks, fails)| Deed::Put { connector, tasks, fails }),
        2 => (0..3u8).prop_map(Deed::Delete),
        4 => (0..3u8, any::<bool>()).prop_map(|(c, pause)| Deed::Target(c, pause)),
        2 => (0..3u8).prop_map(Deed::Stop),
        4 => (0..3u8, any::<bool>(), any::<bool>())
            .prop_map(|(connector, include_tasks, only_failed)| Deed::Restart { connector, include_tasks, only_failed }),
        2 => (0..3u8).prop_map(Deed::RestartConnector),
        2 => (0..3u8, 0..4u8).prop_map(|(c, t)| Deed::RestartTask(c, t)),
        2 => (0..3u8, 0..4u8).prop_map(|(c, t)| Deed::FailTask(c, t)),
        1 => Just(Deed::Join),
        1 => Just(Deed::Shutdown),
        80 => (0..8usize, end).prop_map(|(which, end)| Deed::Step(which, end)),
    ];
    prop::collection::vec((0..MOST_WORKERS, deed), 1..300)
}

fn perform(world: &mut World, worker: usize, deed: Deed) {
    let worker = worker % world.workers.len();
    let name = |connector: u8| -> Arc<str> { format!("c{connector}").into() };
    let is_alive = |world: &World, worker: usize| !world.workers[worker].has_ended;
    let request = match deed {
        Deed::Put {
            connector,
            tasks,
            fails,
        } => {
            let tasks = tasks.to_string();
            let mut settings = vec![("tasks.max", tasks.as_str())];
            settings.extend(fails.then_some(("fails", "yes")));
            world.put(worker, &name(connector), &settings);
            return;
        }
        Deed::Delete(c) => Request::Delete(name(c)),
        Deed::Target(c, true) => Request::SetTarget(name(c), TargetState::Paused),
        Deed::Target(c, false) => Request::SetTarget(name(c), TargetState::Started),
        Deed::Stop(c) => Request::Stop(name(c)),
        Deed::Restart {
            connector,
            include_tasks,
            only_failed,
        } => Request::Restart {
            name: name(connector),
            include_tasks,
            only_failed,
        },
        Deed::RestartConnector(c) => Request::RestartConnector(name(c)),
        Deed::RestartTask(c, t) => Request::RestartTask(TaskId::new(name(c), u32::from(t))),
        Deed::FailTask(c, t) => {
            let id = TaskId::new(name(c), u32::from(t));
            if world.live.contains_key(&id) {
                world.fail(&id, false);
            }
            return;
        }
        Deed::Join => {
            if world.workers.len() < MOST_WORKERS && !world.is_alone() {
                world.join(WorkerMode::Distributed, None);
            }
            return;
        }
        Deed::Shutdown => {
            let left = (0..world.workers.len()).filter(|worker| {
                is_alive(world, *worker) && !world.workers[*worker].state.is_ending
            });
            if left.count() > 1 && is_alive(world, worker) {
                world.handle(worker, Event::Shutdown);
            }
            return;
        }
        Deed::Step(which, end) => {
            world.step(worker, which, end);
            return;
        }
    };
    world.request(worker, request);
}

/// What there is to say of a connector, by its configuration.
fn check_connector(world: &World, view: &View, name: &str) -> Result<(), TestCaseError> {
    let live: BTreeMap<&TaskId, &Live> = world
        .live
        .iter()
        .filter(|(id, _)| &*id.connector == name)
        .collect();
    let Some(known) = view.known(name).filter(|known| known.config.is_some()) else {
        prop_assert!(live.is_empty(), "{} is deleted and runs", name);
        prop_assert!(
            view.state(name).is_none(),
            "{} is deleted and has a status",
            name
        );
        return Ok(());
    };
    let configured = known.tasks.len();
    let setting = |key| known.config.as_ref().and_then(|config| config.get(key));
    let fails = setting("fails").is_some();
    // Where nothing is planned anew, more tasks than it may have by now do not start.
    let most: usize = setting("tasks.max").unwrap().parse().unwrap();
    let is_planned = known.target == TargetState::Started && !fails;
    prop_assert!(
        live.len() == configured || (!is_planned && configured > most && live.len() < configured),
        "tasks of {}",
        name
    );
    let is_stopped = known.target == TargetState::Stopped;
    prop_assert!(
        !is_stopped || configured == 0,
        "{} is stopped and has tasks",
        name
    );
    let owner = world
        .workers
        .iter()
        .position(|worker| worker.state.instances.contains_key(name));
    let owner = owner.map(|worker| format!("w:{worker}"));
    prop_assert!(owner.is_some(), "nobody runs {}", name);
    let Some(state) = view.state(name) else {
        return Err(TestCaseError::fail(format!("{name} has no status")));
    };
    let shown = state.connector.state;
    let is_right = match known.target {
        TargetState::Started if fails => shown == RunState::Failed,
        TargetState::Started => shown == RunState::Running,
        // One that has failed stays so.
        TargetState::Paused => shown == RunState::Paused || (fails && shown == RunState::Failed),
        TargetState::Stopped => shown == RunState::Stopped,
    };
    prop_assert!(
        is_right,
        "{} is to be {:?} and shows {:?}",
        name,
        known.target,
        shown
    );
    prop_assert_eq!(
        Some(&state.connector.worker_id),
        owner.as_ref(),
        "of {}",
        name
    );
    prop_assert_eq!(state.tasks.len(), configured);
    for (task, shown) in &state.tasks {
        let id = TaskId::new(name, *task);
        let Some(runs) = live.get(&id) else {
            prop_assert_eq!(shown.status.state, RunState::Failed, "of {}", &id);
            continue;
        };
        let is_paused = known.target == TargetState::Paused;
        prop_assert!(
            runs.state == RunState::Failed || is_paused == (runs.state == RunState::Paused)
        );
        prop_assert_eq!(shown.status.state, runs.state, "of {}", &id);
        prop_assert_eq!(
            &shown.status.worker_id,
            &format!("w:{}", runs.worker),
            "of {}",
            &id
        );
    }
    let planned = world.workers.iter().find_map(|worker| {
        let instance = worker.state.instances.get(name)?;
        instance.planned.as_ref()
    });
    let is_wanted = planned.is_none_or(|planned| *planned == known.tasks);
    prop_assert!(
        is_wanted || known.target != TargetState::Started,
        "tasks of {}",
        name
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever happens in whatever order: no task runs twice, every request is answered once, and in the end just that
    /// runs which the configuration says, every worker knows the same, and the statuses say what runs.
    #[test]
    fn settles_into_what_was_asked_for(deeds in deeds(), workers in 0..4usize, is_standalone in any::<bool>()) {
        let mode = if is_standalone && workers == 0 { WorkerMode::Standalone } else { WorkerMode::Distributed };
        let mut world = World::new(mode, workers);
        for (worker, deed) in deeds {
            // Rounds that take some time: one that is wanted waits for others.
            for worker in &mut world.workers {
                worker.state.rounds.took = 30;
            }
            perform(&mut world, worker, deed);
        }
        world.settle();
        prop_assert_eq!(world.answers.len() as u64, world.tickets);
        let alive = world.workers.iter().filter(|worker| !worker.has_ended);
        for worker in alive {
            prop_assert!(worker.state.writes.is_empty() && worker.state.busy.is_empty());
            prop_assert!(worker.state.revocations.is_empty() && !worker.state.is_rebalancing);
            for name in ["c0", "c1", "c2"] {
                check_connector(&world, worker.state.view(), name)?;
            }
        }
    }
}
