//! The deliveries of one channel, in their order, and which acknowledgements they come to. RabbitMQ closes the channel for a
//! tag that it does not know or that was acknowledged before, so each tag leaves here once.

use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    /// To be acknowledged.
    Settled,
    /// Acknowledged or given back: the broker knows it no more.
    Gone,
}

/// An acknowledgement to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) tag: u64,
    /// All that is outstanding up to the tag.
    pub(crate) multiple: bool,
}

/// Tags rise by one with each delivery, so that a place in the queue is a tag.
#[derive(Debug)]
pub(crate) struct Ring {
    /// The tag of the first entry.
    first: u64,
    entries: VecDeque<State>,
    /// How many deliveries can be outstanding at a time; single acknowledgements begin at half of it.
    capacity: usize,
    /// Since `take_gone`: deliveries that were acknowledged or given back.
    gone: usize,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Ring {
            first: 1,
            entries: VecDeque::new(),
            capacity,
            gone: 0,
        }
    }

    /// How many deliveries the broker knows no more since the last call.
    pub(crate) fn take_gone(&mut self) -> usize {
        std::mem::take(&mut self.gone)
    }

    /// Takes the tag of a new delivery; `false` if it is not the next one, which no broker sends.
    pub(crate) fn deliver(&mut self, tag: u64) -> bool {
        let is_next = tag == self.first + self.entries.len() as u64;
        if is_next {
            self.entries.push_back(State::Held);
        }
        is_next
    }

    /// Marks a held tag as settled; `false` if it is not held.
    pub(crate) fn settle(&mut self, tag: u64) -> bool {
        self.change(tag, State::Settled)
    }

    /// Marks a held tag as given back; `false` if it is not held.
    pub(crate) fn give_back(&mut self, tag: u64) -> bool {
        self.change(tag, State::Gone)
    }

    fn change(&mut self, tag: u64, state: State) -> bool {
        let Some(place) = tag.checked_sub(self.first) else {
            return false;
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        match self.entries.get_mut(place) {
            Some(entry @ State::Held) => {
                *entry = state;
                self.gone += usize::from(state == State::Gone);
                true
            }
            _ => false,
        }
    }

    /// The acknowledgements that are due: one for all that is settled before the first tag that is held, and single ones
    /// for what is settled behind it once more than half of what may be outstanding waits here.
    pub(crate) fn due(&mut self) -> Vec<Ack> {
        let mut acks = Vec::from_iter(self.prefix());
        if self.entries.len() > self.capacity / 2 {
            acks.extend(self.singles());
        }
        acks
    }

    /// Everything that is settled, whatever is still held.
    pub(crate) fn all(&mut self) -> Vec<Ack> {
        let mut acks = Vec::from_iter(self.prefix());
        acks.extend(self.singles());
        acks
    }

    fn prefix(&mut self) -> Option<Ack> {
        let mut last = None;
        let mut settled = 0;
        while let Some(state @ (State::Settled | State::Gone)) = self.entries.front() {
            if *state == State::Settled {
                last = Some(self.first);
                settled += 1;
            }
            self.entries.pop_front();
            self.first += 1;
        }
        self.gone += settled;
        let multiple = settled > 1;
        last.map(|tag| Ack { tag, multiple })
    }

    fn singles(&mut self) -> Vec<Ack> {
        let mut acks = Vec::new();
        for (place, state) in self.entries.iter_mut().enumerate() {
            if *state == State::Settled {
                *state = State::Gone;
                self.gone += 1;
                let tag = self.first + place as u64;
                acks.push(Ack {
                    tag,
                    multiple: false,
                });
            }
        }
        acks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ring(tags: u64, capacity: usize) -> Ring {
        let mut ring = Ring::new(capacity);
        for tag in 1..=tags {
            assert!(ring.deliver(tag));
        }
        ring
    }

    fn ack(tag: u64, multiple: bool) -> Ack {
        Ack { tag, multiple }
    }

    #[test]
    fn acknowledges_what_lies_before_the_first_held_tag_at_once() {
        let mut ring = ring(6, 100);
        for tag in [2, 3, 5] {
            assert!(ring.settle(tag));
        }
        assert_eq!(ring.due(), []);
        assert!(ring.settle(1));
        assert_eq!(ring.due(), [ack(3, true)]);
        assert!(ring.settle(4));
        assert_eq!(ring.due(), [ack(5, true)]);
        assert!(ring.settle(6));
        assert_eq!(ring.due(), [ack(6, false)]);
        assert_eq!(ring.due(), []);
    }

    #[test]
    fn goes_round_a_tag_that_is_held_for_long_once_half_is_used() {
        let mut ring = ring(5, 8);
        for tag in [2, 4] {
            assert!(ring.settle(tag));
        }
        assert_eq!(ring.due(), [ack(2, false), ack(4, false)]);
        for tag in [1, 3] {
            assert!(ring.settle(tag));
        }
        // Not up to 4, which the broker does not know any more.
        assert_eq!(ring.due(), [ack(3, true)]);
    }

    #[test]
    fn takes_each_tag_once_and_in_order() {
        let mut ring = ring(2, 8);
        assert!(!ring.deliver(2) && !ring.deliver(4));
        assert!(ring.give_back(1) && !ring.give_back(1) && !ring.settle(1));
        assert!(ring.settle(2) && !ring.settle(2));
        assert_eq!(ring.due(), [ack(2, false)]);
        assert!(!ring.settle(2) && !ring.settle(0) && !ring.settle(3));
    }

    /// A broker's view: what is outstanding, and that no acknowledgement is refused.
    #[derive(Default)]
    struct Broker {
        outstanding: BTreeSet<u64>,
        acknowledged: BTreeSet<u64>,
    }

    impl Broker {
        fn take(&mut self, acks: &[Ack]) {
            for ack in acks {
                assert!(self.outstanding.remove(&ack.tag), "406 for {ack:?}");
                self.acknowledged.insert(ack.tag);
                if ack.multiple {
                    let behind = self.outstanding.split_off(&ack.tag);
                    let before = std::mem::replace(&mut self.outstanding, behind);
                    self.acknowledged.extend(before);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_broker_hears_of_every_settled_tag_and_of_no_other(
            steps in proptest::collection::vec((0u8..4, 0u64..40), 0..200),
            capacity in 1usize..60,
        ) {
            let mut ring = Ring::new(capacity);
            let mut broker = Broker::default();
            let (mut next, mut settled) = (1, BTreeSet::new());
            for (step, choice) in steps {
                match step {
                    0 => {
                        prop_assert!(ring.deliver(next));
                        broker.outstanding.insert(next);
                        next += 1;
                    }
                    1 if ring.settle(choice) => prop_assert!(settled.insert(choice)),
                    2 if ring.give_back(choice) => {
                        prop_assert!(broker.outstanding.remove(&choice));
                    }
                    _ => broker.take(&ring.due()),
                }
                prop_assert!(broker.acknowledged.is_subset(&settled));
            }
            broker.take(&ring.all());
            prop_assert_eq!(&broker.acknowledged, &settled);
            let known = next - 1 - broker.outstanding.len() as u64;
            prop_assert_eq!(ring.take_gone() as u64, known);
            prop_assert!(ring.entries.len() <= broker.outstanding.len() + settled.len() + 200);
        }
    }
}
