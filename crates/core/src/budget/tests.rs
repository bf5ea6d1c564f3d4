//! What is counted, who may have how much, and that nobody waits for ever.

use super::*;
use proptest::prelude::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[test]
fn what_holders_need_by_themselves_is_kept_back() {
    let budget = ByteBudget::keeping_back(100, 10);
    let holders = [budget.for_holder(), budget.for_holder()];
    assert_eq!(budget.available(), 80);
    let more: Vec<ByteBudget> = (0..50).map(|_| budget.for_holder()).collect();
    assert_eq!(budget.available(), 50);
    // One that nobody could grant would wait for ever.
    assert!(holders[0].try_acquire(100).is_some());
    drop(more);
    drop(holders);
    assert_eq!(budget.available(), 100);
}

#[test]
fn one_holder_may_have_it_all() {
    let budget = ByteBudget::new(10);
    let task = budget.for_holder();
    let mut all = task.try_acquire(10).expect("all is free");
    assert!(task.try_acquire(1).is_none());
    let part = all.split(4).expect("there are as many");
    assert!(all.split(7).is_none());
    assert_eq!((all.bytes(), part.bytes(), budget.available()), (6, 4, 0));
    drop(part);
    assert_eq!(budget.available(), 4);
    let mut sum = task.nothing();
    sum.merge(all.split(3).expect("there are as many"));
    sum.merge(all.split(1).expect("there are as many"));
    assert_eq!((all.bytes(), sum.bytes(), budget.available()), (2, 4, 4));
    all.merge(sum);
    all.merge(budget.try_acquire(1).expect("it is free"));
    assert_eq!((all.bytes(), budget.available()), (6, 4));
    assert!(all.resize(9));
    assert!(!all.resize(11));
    assert!(all.resize(0));
    assert_eq!(budget.available(), 10);
}

/// However many are stuck with all that they could get, the next one gets something.
#[test]
fn those_who_are_stuck_leave_something_for_others() {
    let budget = ByteBudget::new(1 << 20);
    let tasks: Vec<ByteBudget> = (0..5).map(|_| budget.for_holder()).collect();
    let mut stuck = Vec::new();
    for task in &tasks {
        while let Some(permit) = task.try_acquire(16) {
            stuck.push(permit);
        }
    }
    assert!(budget.available() > 300, "{} are left", budget.available());
    let next = budget.for_holder();
    assert!(next.try_acquire(200).is_some());
}

/// A request larger than what is left passes, but only one at a time.
#[test]
fn a_holder_of_nothing_may_go_beyond() {
    let budget = ByteBudget::new(10);
    let [a, b, c] = [(); 3].map(|()| budget.for_holder());
    let first = a.try_acquire(6).expect("it is free");
    let second = b.try_acquire(6).expect("b holds nothing");
    assert_eq!(budget.available(), 0);
    assert!(c.try_acquire(1).is_none());
    drop(first);
    assert!(c.try_acquire(1).is_some());
    drop(second);
    assert_eq!(budget.available(), 10);
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_oversized_request_gets_its_turn() {
    let budget = ByteBudget::new(100);
    let [a, b, c] = [(); 3].map(|()| budget.for_holder());
    let first = a.try_acquire(60).expect("it is free");
    let mut oversized = pin!(b.acquire(999));
    assert!(poll(oversized.as_mut()).is_pending());
    // Others go on with little, so that there will be room.
    assert!(c.try_acquire(20).is_none());
    let little = c.try_acquire(16).expect("a small share");
    drop(first);
    let Poll::Ready(permit) = poll(oversized.as_mut()) else {
        panic!("there is room")
    };
    assert_eq!(permit.bytes(), 100);
    assert!(c.try_acquire(1).is_none());
    drop((permit, little));
    assert_eq!(budget.available(), 100);
}

/// Whoever asks, one is there at a time, in the order in which they came; what is made of it is the same one.
#[tokio::test(start_paused = true)]
async fn report_a9_oversized_requests_pass_one_by_one() {
    let budget = ByteBudget::one_by_one(90, 0);
    let in_flight = ByteBudget::new(90);
    let [a, b] = [(); 2].map(|()| budget.for_holder());
    let first = a.try_acquire(91).expect("nobody has one");
    let mut second = pin!(b.acquire(999));
    let mut third = pin!(a.acquire(999));
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    assert!(b.try_acquire(91).is_none());
    // Others go on beside it.
    assert!(b.try_acquire(30).is_some());
    let made = in_flight.acquire_beside(5, Some(&first)).await;
    drop(first);
    assert!(poll(second.as_mut()).is_pending());
    let rest = made.beside();
    drop(made);
    assert_eq!(in_flight.available(), 90);
    assert!(poll(second.as_mut()).is_pending());
    drop(rest);
    assert!(poll(third.as_mut()).is_pending());
    let Poll::Ready(second) = poll(second.as_mut()) else {
        panic!("it is its turn")
    };
    assert_eq!(budget.available(), 30);
    drop(second);
    assert!(poll(third.as_mut()).is_ready());
}

/// One that waited for what a stuck task holds would hold up all others that are oversized.
#[tokio::test(start_paused = true)]
async fn report_a9_an_oversized_request_waits_for_room_but_not_for_ever() {
    let budget = ByteBudget::one_by_one(90, 0);
    let [a, b] = [(); 2].map(|()| budget.for_holder());
    let busy = b.try_acquire(80).expect("it is free");
    assert!(a.try_acquire(91).is_none());
    let mut waiting = pin!(a.acquire(91));
    assert!(poll(waiting.as_mut()).is_pending());
    drop(busy);
    let Poll::Ready(permit) = poll(waiting.as_mut()) else {
        panic!("there is room")
    };
    assert!(permit.is_oversized());
    drop(permit);
    let _stuck = b.try_acquire(80).expect("it is free");
    let begun = tokio::time::Instant::now();
    let permit = a.acquire(91).await;
    assert_eq!(begun.elapsed(), OVERSIZED_WAIT);
    assert_eq!((permit.bytes(), budget.available()), (60, 0));
}

#[test]
fn report_a9_an_oversized_permit_goes_as_a_whole_and_outlives_its_bytes() {
    let budget = ByteBudget::one_by_one(100, 0);
    let mut all = budget.nothing();
    all.merge(budget.try_acquire(30).expect("it is free"));
    all.merge(budget.try_acquire(500).expect("nobody has one"));
    assert!(all.resize(0));
    assert!(all.is_oversized() && budget.try_acquire(500).is_none());
    let whole = all.split(7).expect("whatever is asked for");
    assert!(whole.is_oversized() && !all.is_oversized());
    drop(whole);
    assert!(budget.try_acquire(500).is_some());
}

#[test]
fn report_a9_an_oversized_record_is_asked_back_while_others_wait() {
    let budget = ByteBudget::one_by_one(100, 0);
    let [a, b] = [(); 2].map(|()| budget.for_holder());
    let permit = a.try_acquire(500).expect("nobody has one");
    let partition = TopicPartition::new("t", 3);
    let asked_back = || (a.asked_back(), b.asked_back());
    {
        let mut waiting = Box::pin(b.acquire(500));
        assert!(poll(waiting.as_mut()).is_pending());
        // Where it comes from is not known yet.
        assert_eq!(asked_back(), (None, None));
        permit.comes_from(&partition, 7);
        permit.comes_from(&TopicPartition::new("other", 0), 0);
        assert_eq!(permit.oversized_from(), Some(&partition));
        assert_eq!(asked_back(), (Some((partition.clone(), 7)), None));
    }
    assert_eq!(asked_back(), (None, None));
}

#[test]
fn who_stops_waiting_holds_nobody_up() {
    let budget = ByteBudget::new(10);
    let [a, b, c] = [(); 3].map(|()| budget.for_holder());
    let first = a.try_acquire(10).expect("it is free");
    {
        let mut waiting = Box::pin(b.acquire(10));
        assert!(poll(waiting.as_mut()).is_pending());
    }
    drop(b);
    for _ in 0..99 {
        let mut waiting = Box::pin(c.acquire(5));
        assert!(poll(waiting.as_mut()).is_pending());
    }
    assert!(budget.holder.pool.lock().waiting.len() <= 1);
    let mut waiting = pin!(c.acquire(5));
    assert!(poll(waiting.as_mut()).is_pending());
    drop(first);
    assert!(poll(waiting.as_mut()).is_ready());
}

proptest! {
    /// Whatever is taken and given back, nothing is lost, nobody is forgotten, and no more than half of the total
    /// is ever beyond it.
    #[test]
    fn report_c1_nothing_is_lost_and_nobody_forgotten(steps in proptest::collection::vec((0..4usize, 0..3usize, 0..150usize), 0..200)) {
        let budget = ByteBudget::new(100);
        let tasks: Vec<ByteBudget> = (0..4).map(|_| budget.for_holder()).collect();
        let mut held: Vec<Vec<BytePermit>> = (0..4).map(|_| Vec::new()).collect();
        let mut waiting = Vec::new();
        for (task, what, bytes) in steps {
            match what {
                0 => held[task].extend(tasks[task].try_acquire(bytes)),
                1 => {
                    let own = tasks[task].clone();
                    waiting.push((task, Box::pin(async move { own.acquire(bytes).await })));
                }
                _ => drop(held[task].pop()),
            }
            let mut still = Vec::new();
            for (task, mut future) in waiting {
                match poll(future.as_mut()) {
                    Poll::Ready(permit) => held[task].push(permit),
                    Poll::Pending => still.push((task, future)),
                }
            }
            waiting = still;
            let taken: usize = held.iter().flatten().map(BytePermit::bytes).sum();
            prop_assert!(taken <= 150, "{taken} are taken");
        }
        held.clear();
        // All that wait get their turn, one after the other.
        let mut rounds = 0;
        while !waiting.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 400, "{} wait for ever", waiting.len());
            waiting.retain_mut(|(_, future)| poll(future.as_mut()).is_pending());
        }
        prop_assert_eq!(budget.available(), 100);
    }
}
