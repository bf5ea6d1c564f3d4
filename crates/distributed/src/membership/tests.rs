//! Members of ours in a group of a broker in this process. What a herder does is done here at once.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::tests::snapshot;
use futures::future::select_all;
use millstream_embedded::broker::{ApiAction, ApiFault, ApiKey, Broker, BrokerSettings};
use millstream_worker::cluster::{Assignment, Work};
use std::collections::BTreeMap;
use std::sync::Mutex;

const PATIENCE: Duration = Duration::from_secs(30);
const INVENTORY: [(&str, u32); 2] = [("a", 3), ("b", 3)];

/// What was handed over, by leader and connector.
#[derive(Default)]
struct Submitted(Mutex<Vec<(String, String)>>);

#[async_trait]
impl TaskSubmitter for Submitted {
    async fn submit(
        &self,
        leader_url: &str,
        connector: &str,
        _configs: &[Properties],
    ) -> Result<(), StoreError> {
        let call = (leader_url.to_owned(), connector.to_owned());
        self.0.lock().unwrap().push(call);
        Ok(())
    }
}

struct Worker {
    membership: GroupMembership,
    position: i64,
    work: Work,
    last: Option<Assignment>,
    submitted: Vec<GroupEvent>,
    /// Is there until it is to be dead: what runs there dies with it.
    process: Option<tokio::runtime::Runtime>,
}

struct World {
    broker: Broker,
    workers: BTreeMap<u32, Worker>,
    submitter: Arc<Submitted>,
    leave_tasks: TaskTracker,
    max_delay: Duration,
    /// Two may run the same for a moment: the group goes over to the eager protocol, which takes nothing before it gives.
    may_overlap: bool,
}

impl World {
    async fn new(nodes: usize) -> Self {
        World {
            broker: Broker::start(BrokerSettings::of_nodes(nodes))
                .await
                .unwrap(),
            workers: BTreeMap::new(),
            submitter: Arc::default(),
            leave_tasks: TaskTracker::new(),
            max_delay: Duration::ZERO,
            may_overlap: false,
        }
    }

    fn join(&mut self, number: u32) {
        self.join_as(number, GroupProtocol::Sessioned, None);
    }

    fn join_as(
        &mut self,
        number: u32,
        protocol: GroupProtocol,
        process: Option<tokio::runtime::Runtime>,
    ) {
        let settings = Properties::from_iter([
            ("bootstrap.servers", self.broker.bootstrap().as_str()),
            ("retry.backoff.ms", "20"),
        ]);
        let config = MembershipSettings {
            group_id: "connect".to_owned(),
            url: format!("http://w{number}/"),
            protocol,
            session_timeout: Duration::from_secs(1),
            rebalance_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_millis(100),
            max_delay: self.max_delay,
            sync_timeout: Duration::from_millis(500),
        };
        let client = ClientSettings::from_properties(&settings).unwrap();
        let membership = GroupMembership::new(
            client,
            config,
            self.submitter.clone(),
            self.leave_tasks.clone(),
        );
        let mut worker = Worker {
            membership,
            position: 7,
            work: Work::default(),
            last: None,
            submitted: Vec::new(),
            process,
        };
        worker.membership.observe(snapshot(7, &INVENTORY));
        let in_process = worker.process.as_ref().map(|process| process.enter());
        worker.membership.rejoin();
        drop(in_process);
        self.workers.insert(number, worker);
    }

    /// Goes on until the workers are as they should be. At no time do two run the same.
    async fn until(&mut self, done: impl Fn(&BTreeMap<u32, Worker>) -> bool) {
        let all = async {
            while !done(&self.workers) {
                let nexts = self.workers.iter_mut().map(|(number, worker)| {
                    let next = worker.membership.next();
                    Box::pin(async move { (*number, next.await) })
                });
                let ((number, event), _, _) = select_all(nexts).await;
                self.workers.get_mut(&number).unwrap().handle(event);
                let mut running = Work::default();
                for worker in self.workers.values() {
                    let twice = worker.work.tasks.intersection(&running.tasks).count()
                        + worker
                            .work
                            .connectors
                            .intersection(&running.connectors)
                            .count();
                    assert!(self.may_overlap || twice == 0, "{:?}", worker.work);
                    running.add(&worker.work);
                }
            }
        };
        let is_over = tokio::time::timeout(PATIENCE, all).await.is_ok();
        let works: Vec<_> = self.workers.values().map(|w| (&w.work, &w.last)).collect();
        assert!(is_over, "it does not come to that: {works:#?}");
    }

    /// Until everything runs, evenly.
    async fn until_even(&mut self, inventory: &[(&str, u32)]) {
        let all = Work::of(&snapshot(0, inventory).inventory);
        self.until(|workers| is_even(workers, &all)).await;
    }

    /// Ends a worker without a word.
    fn kill(&mut self, number: u32) {
        let mut worker = self.workers.remove(&number).unwrap();
        let process = worker.process.take().unwrap();
        process.shutdown_background();
        // Nobody is left who could leave the group.
        worker.membership.group = None;
    }

    fn leader(&self) -> u32 {
        let leads = |worker: &Worker| {
            let leader = worker.last.as_ref().map(|last| &last.leader);
            matches!(leader, Some(Leader::Here(_)))
        };
        let mut leaders = self.workers.iter().filter(|(_, worker)| leads(worker));
        *leaders.next().unwrap().0
    }

    async fn end(mut self) {
        self.workers.clear();
        self.leave_tasks.close();
        self.leave_tasks.wait().await;
    }
}

fn is_even(workers: &BTreeMap<u32, Worker>, all: &Work) -> bool {
    let mut running = Work::default();
    for worker in workers.values() {
        running.add(&worker.work);
    }
    let counts = |count: fn(&Work) -> usize| {
        let counts = workers.values().map(|worker| count(&worker.work));
        let (most, least) = (counts.clone().max(), counts.min());
        most.unwrap_or(0) - least.unwrap_or(0)
    };
    let generations = workers
        .values()
        .map(|worker| worker.last.as_ref().map(|last| last.generation));
    running == *all
        && counts(|work| work.tasks.len()) <= 1
        && counts(|work| work.connectors.len()) <= 1
        && generations.clone().max() == generations.min()
}

impl Worker {
    fn handle(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Rebalancing => {}
            GroupEvent::Revoked { number, work, .. } => {
                self.work.remove(&work);
                self.membership.released(number);
            }
            GroupEvent::Assigned(assignment) => {
                if let Some(work) = &assignment.work {
                    self.work = work.clone();
                }
                if assignment.position.0 > self.position || assignment.work.is_none() {
                    self.read(assignment.position.0, &INVENTORY);
                }
                self.last = Some(assignment);
            }
            GroupEvent::Submitted { .. } => self.submitted.push(event),
        }
    }

    /// Reads on, and joins again.
    fn read(&mut self, position: i64, inventory: &[(&str, u32)]) {
        self.position = self.position.max(position);
        self.membership.observe(snapshot(self.position, inventory));
        self.membership.rejoin();
    }
}

#[tokio::test]
async fn one_worker_runs_everything_and_two_share_it() {
    let mut world = World::new(1).await;
    world.join(1);
    world.until_even(&INVENTORY).await;
    world.join(2);
    world.until_even(&INVENTORY).await;
    world.join(3);
    world.until_even(&INVENTORY).await;
    // A connector goes, and another gets more tasks.
    let now = [("a", 5)];
    for worker in world.workers.values_mut() {
        worker.read(9, &now);
    }
    world.until_even(&now).await;
    let group_health = world.workers[&3].membership.group_health();
    let expected = GroupHealth {
        protocol: Some(GroupProtocol::Sessioned),
        error: None,
    };
    assert_eq!(*group_health.borrow(), expected);
    world.end().await;
}

#[tokio::test]
async fn the_work_of_who_leaves_goes_to_the_others() {
    let mut world = World::new(1).await;
    for number in 1..=3 {
        world.join(number);
    }
    world.until_even(&INVENTORY).await;
    world.workers.remove(&2);
    world.until_even(&INVENTORY).await;
    // One that has left for a while comes back with nothing.
    let away = world.workers.get_mut(&3).unwrap();
    away.work = Work::default();
    away.last = None;
    away.membership.leave();
    let all = Work::of(&snapshot(7, &INVENTORY).inventory);
    world.until(|workers| workers[&1].work == all).await;
    world.workers.get_mut(&3).unwrap().membership.rejoin();
    world.until_even(&INVENTORY).await;
    world.end().await;
}

/// By itself: nobody else has the group rebalance.
#[tokio::test]
async fn additions_12_a_leader_gives_out_what_was_lost_when_the_delay_is_over() {
    let mut world = World::new(1).await;
    world.max_delay = Duration::from_millis(700);
    world.join(1);
    world.until_even(&INVENTORY).await;
    world.join(2);
    world.until_even(&INVENTORY).await;
    let lost = world.workers.remove(&2).unwrap().work;
    let kept = world.workers[&1].work.clone();
    let start = Instant::now();
    world.until_even(&INVENTORY).await;
    assert!(start.elapsed() >= Duration::from_millis(600));
    assert!(!lost.is_empty() && kept.tasks.is_subset(&world.workers[&1].work.tasks));
    world.end().await;
}

/// Nothing happens for longer than the session lasts.
#[tokio::test]
async fn additions_14_who_only_runs_stays_a_member() {
    let mut world = World::new(1).await;
    world.join(1);
    world.join(2);
    world.until_even(&INVENTORY).await;
    let generation = world.workers[&1].last.as_ref().unwrap().generation;
    let quiet = world.until(|workers| {
        let mut lasts = workers.values().filter_map(|worker| worker.last.as_ref());
        lasts.any(|last| last.generation > generation)
    });
    let quiet = tokio::time::timeout(Duration::from_millis(2_500), quiet).await;
    assert!(quiet.is_err(), "there was another round");
    world.end().await;
}

#[tokio::test]
async fn additions_15_after_a_leader_s_death_its_work_is_given_out_at_once() {
    let mut world = World::new(1).await;
    world.max_delay = Duration::from_secs(300);
    let process = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    world.join_as(1, GroupProtocol::Sessioned, Some(process));
    world.until_even(&INVENTORY).await;
    world.join(2);
    world.until_even(&INVENTORY).await;
    world.join(3);
    world.until(|workers| !workers[&3].work.is_empty()).await;
    assert_eq!(world.leader(), 1);
    world.kill(1);
    world.until_even(&INVENTORY).await;
    world.end().await;
}

#[tokio::test]
async fn connections_break_in_the_middle_of_a_round() {
    for api in [ApiKey::JoinGroup, ApiKey::SyncGroup] {
        for action in [ApiAction::Disconnect, ApiAction::LoseAnswer] {
            let mut world = World::new(1).await;
            world.join(1);
            world.until_even(&INVENTORY).await;
            for nth in 1..=2 {
                let fault = ApiFault::new(api, action).nth(nth);
                world.broker.faults().add(fault);
            }
            world.join(2);
            world.until_even(&INVENTORY).await;
            world.end().await;
        }
    }
}

#[tokio::test]
async fn the_coordinator_moves() {
    let mut world = World::new(2).await;
    world.join(1);
    world.join(2);
    world.until_even(&INVENTORY).await;
    for node in [1, 2] {
        world.broker.stop_node(node);
        world.join(2 + node as u32);
        world.until_even(&INVENTORY).await;
        world.broker.start_node(node).await.unwrap();
    }
    world.end().await;
}

#[tokio::test]
async fn additions_34_one_worker_that_offers_less_is_told_of() {
    let mut world = World::new(1).await;
    world.join(1);
    world.until_even(&INVENTORY).await;
    world.join_as(2, GroupProtocol::Compatible, None);
    world.until_even(&INVENTORY).await;
    let group_health = world.workers[&1].membership.group_health();
    let protocol = group_health.borrow().protocol;
    assert_eq!(protocol, Some(GroupProtocol::Compatible));
    world.may_overlap = true;
    world.join_as(3, GroupProtocol::Eager, None);
    world.until_even(&INVENTORY).await;
    let protocol = group_health.borrow().protocol;
    assert_eq!(protocol, Some(GroupProtocol::Eager));
    world.end().await;
}

#[tokio::test]
async fn tasks_are_handed_to_the_worker_that_leads() {
    let mut world = World::new(1).await;
    world.join(1);
    world.until_even(&INVENTORY).await;
    world.join(2);
    world.until_even(&INVENTORY).await;
    for (number, name) in [(1, "a"), (2, "b")] {
        let worker = world.workers.get_mut(&number).unwrap();
        worker.membership.submit(number.into(), name.into(), vec![]);
    }
    world
        .until(|workers| workers.values().all(|worker| worker.submitted.len() == 1))
        .await;
    let calls = world.submitter.0.lock().unwrap().clone();
    assert_eq!(calls, [("http://w1/".to_owned(), "b".to_owned())]);
    let submitted = &world.workers[&1].submitted[0];
    assert!(matches!(
        submitted,
        GroupEvent::Submitted {
            number: 1,
            outcome: Err(_)
        }
    ));
    world.end().await;
}
