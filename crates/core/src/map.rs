//! Map: a Java map as Connect's converters make it. Its iteration order is part of the output
//! (JSON objects keep it), so a hash map here carries Java's table order and table size.

mod table;

use crate::value::Value;
use std::collections::HashMap;

/// Key-value pairs in Java's iteration order.
#[derive(Clone, Debug)]
pub struct Map {
    entries: Vec<(Value, Value)>,
    order: Order,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    /// `java.util.HashMap` with this number of slots: by slot, then by insertion.
    Hashed { slots: u32 },
    /// `java.util.LinkedHashMap`: by insertion.
    Linked,
}

/// Java's default table size; it doubles when more than three quarters are in use.
const DEFAULT_SLOTS: u32 = 16;

/// Java's bound on a table.
const MAX_SLOTS: u32 = 1 << 30;

impl Map {
    /// A `new HashMap()` filled in this order; a repeated key keeps its first place and its last value.
    pub fn hashed(pairs: impl IntoIterator<Item = (Value, Value)>) -> Self {
        Map::hashed_in(DEFAULT_SLOTS, pairs)
    }

    /// A `LinkedHashMap` filled in this order.
    pub fn linked(pairs: impl IntoIterator<Item = (Value, Value)>) -> Self {
        Map {
            entries: without_repeats(pairs),
            order: Order::Linked,
        }
    }

    /// Java's `new HashMap(capacity)` filled in this order.
    pub fn hashed_with_capacity(
        capacity: usize,
        pairs: impl IntoIterator<Item = (Value, Value)>,
    ) -> Self {
        Map::hashed_in(table_size_for(capacity), pairs)
    }

    /// Java's `new HashMap(other)`: the table is sized for the entries beforehand, then filled in the other's order.
    pub fn copied_from(self) -> Self {
        // Java 9 and later: the threshold is (size / 0.75) + 1, rounded up to a power of two.
        let wanted = (self.entries.len() as f32 / 0.75 + 1.0) as usize;
        let slots = if self.entries.is_empty() {
            DEFAULT_SLOTS
        } else {
            table_size_for(wanted)
        };
        // A table of the same size, no slot of which can hold a tree, keeps its order.
        let is_same = matches!(self.order, Order::Hashed { slots: old } if old == slots);
        if is_same && self.entries.len() <= table::LONG_CHAIN {
            return self;
        }
        Map::in_table(slots, self.entries)
    }

    fn hashed_in(slots: u32, pairs: impl IntoIterator<Item = (Value, Value)>) -> Self {
        Map::in_table(slots, without_repeats(pairs))
    }

    /// No key twice.
    fn in_table(slots: u32, entries: Vec<(Value, Value)>) -> Self {
        let mut map = Map {
            entries,
            order: Order::Hashed { slots },
        };
        if map.has_long_chain(slots) {
            map.play_through(slots);
        } else {
            map.settle();
        }
        map
    }

    /// Whether so many keys meet in one slot that Java treats them apart; growing only parts them.
    fn has_long_chain(&self, slots: u32) -> bool {
        if self.entries.len() <= table::LONG_CHAIN {
            return false;
        }
        // Larger tables are looked at as if they were this small, which only errs on the safe side.
        let mut chains = [0usize; DEFAULT_SLOTS as usize];
        let mask = slots.min(DEFAULT_SLOTS) - 1;
        self.entries.iter().any(|(key, _)| {
            let chain = &mut chains[(slot_hash(key.java_hash()) & mask) as usize];
            *chain += 1;
            *chain > table::LONG_CHAIN
        })
    }

    fn play_through(&mut self, slots: u32) {
        let keys: Vec<&Value> = self.entries.iter().map(|(key, _)| key).collect();
        let (order, slots) = table::play(&keys, slots, MAX_SLOTS);
        let mut entries: Vec<_> = self.entries.drain(..).map(Some).collect();
        self.entries
            .extend(order.into_iter().filter_map(|entry| entries[entry].take()));
        self.order = Order::Hashed { slots };
    }

    /// Grows the table as Java would have while inserting, then puts the entries in table order.
    /// A split of a chain keeps its relative order, so the end does not depend on when the table grew.
    fn settle(&mut self) {
        if let Order::Hashed { slots } = &mut self.order {
            while self.entries.len() > fill_of(*slots) && *slots < MAX_SLOTS {
                *slots *= 2;
            }
            sort_by_slot(&mut self.entries, *slots);
        }
    }

    /// Puts a pair as Java's `put` does: a known key keeps its place.
    pub fn insert(&mut self, key: Value, value: Value) {
        match self.entries.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = value,
            None => match self.order {
                // All others stay where they are in a table that does not grow.
                Order::Hashed { slots } if self.entries.len() < fill_of(slots) => {
                    let slot = slot_of(&key, slots);
                    let place = self
                        .entries
                        .partition_point(|(known, _)| slot_of(known, slots) <= slot);
                    self.entries.insert(place, (key, value));
                }
                Order::Hashed { .. } | Order::Linked => {
                    self.entries.push((key, value));
                    self.settle();
                }
            },
        }
    }

    /// As `insert`, with a name that becomes a key only where there is none yet.
    pub fn put_str(&mut self, name: &str, value: Value) {
        let is_name = |key: &Value| matches!(key, Value::String(text) if text == name);
        match self.entries.iter_mut().find(|(key, _)| is_name(key)) {
            Some((_, old)) => *old = value,
            None => self.insert(Value::from(name), value),
        }
    }

    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        let index = self.entries.iter().position(|(k, _)| k == key)?;
        Some(self.entries.remove(index).1)
    }

    pub fn get(&self, key: &Value) -> Option<&Value> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Looks up a field by its name.
    pub fn get_str(&self, key: &str) -> Option<&Value> {
        self.entries
            .iter()
            .find(|(k, _)| matches!(k, Value::String(text) if text == key))
            .map(|(_, v)| v)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Value, Value)> {
        self.entries.iter()
    }

    /// Values may change in place: they have no part in the order.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Value> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    pub fn into_entries(self) -> Vec<(Value, Value)> {
        self.entries
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn is_linked(&self) -> bool {
        matches!(self.order, Order::Linked)
    }
}

/// Java's spread of a hash code over the low bits.
pub fn slot_hash(hash: i32) -> u32 {
    let hash = hash as u32;
    hash ^ (hash >> 16)
}

fn slot_of(key: &Value, slots: u32) -> u32 {
    slot_hash(key.java_hash()) & (slots - 1)
}

/// The entries that a table of this size takes before it grows.
fn fill_of(slots: u32) -> usize {
    (u64::from(slots) * 3 / 4) as usize
}

/// Stable, as a slot's entries are in the order of their insertion.
fn sort_by_slot(entries: &mut [(Value, Value)], slots: u32) {
    // Most maps are small, and their keys are hashed once each without an allocation.
    let mut known = [0; DEFAULT_SLOTS as usize];
    if entries.len() > known.len() {
        entries.sort_by_cached_key(|(key, _)| slot_of(key, slots));
        return;
    }
    for at in 0..entries.len() {
        let slot = slot_of(&entries[at].0, slots);
        let place = known[..at].partition_point(|&before| before <= slot);
        known.copy_within(place..at, place + 1);
        known[place] = slot;
        entries[place..=at].rotate_right(1);
    }
}

fn table_size_for(capacity: usize) -> u32 {
    (capacity.max(1).min(MAX_SLOTS as usize) as u32).next_power_of_two()
}

fn without_repeats(pairs: impl IntoIterator<Item = (Value, Value)>) -> Vec<(Value, Value)> {
    // Below this many entries a scan is cheaper than a table of hashes.
    const SCAN_LIMIT: usize = 16;
    // What fits into a default table is given its place at once.
    const ROOM: usize = 12;
    let pairs = pairs.into_iter();
    let (least, most) = pairs.size_hint();
    let room = most.map_or(least, |most| most.min(ROOM).max(least));
    let mut entries: Vec<(Value, Value)> = Vec::with_capacity(room);
    let mut by_hash: HashMap<i32, Vec<usize>> = HashMap::new();
    for (key, value) in pairs {
        if entries.len() == SCAN_LIMIT && by_hash.is_empty() {
            for (index, (known, _)) in entries.iter().enumerate() {
                by_hash.entry(known.java_hash()).or_default().push(index);
            }
        }
        let known = if entries.len() < SCAN_LIMIT {
            entries.iter().position(|(k, _)| *k == key)
        } else {
            by_hash
                .get(&key.java_hash())
                .and_then(|places| places.iter().copied().find(|&i| entries[i].0 == key))
        };
        match known {
            Some(index) => entries[index].1 = value,
            None => {
                if entries.len() >= SCAN_LIMIT {
                    by_hash
                        .entry(key.java_hash())
                        .or_default()
                        .push(entries.len());
                }
                entries.push((key, value));
            }
        }
    }
    entries
}

/// Equal as Java's maps are: the same pairs, whatever their order.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .entries
                .iter()
                .all(|(key, value)| other.get(key) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inserted: &str, iterated: &str) {
        let map = Map::hashed(inserted.split(' ').map(|k| (Value::from(k), Value::Null)));
        let keys: Vec<String> = map.iter().map(|(k, _)| k.to_string()).collect();
        assert_eq!(keys.join(" "), iterated);
    }

    #[test]
    fn iterates_in_java_table_order() {
        check("id name", "name id");
        check(
            "order_id customer total items",
            "total order_id items customer",
        );
        check("Aa BB C#", "Aa BB C#");
        check(
            "k1 k2 k3 k4 k5 k6 k7 k8 k9 k10 k11 k12 k13",
            "k1 k2 k3 k4 k5 k11 k6 k10 k7 k13 k8 k12 k9",
        );
        check("a b a", "a b");
        // Sixteen keys of one hash: a tree, whose root comes first.
        check(
            "AaAaAaAa AaAaAaBB AaAaBBAa AaAaBBBB AaBBAaAa AaBBAaBB AaBBBBAa AaBBBBBB \
             BBAaAaAa BBAaAaBB BBAaBBAa BBAaBBBB BBBBAaAa BBBBAaBB BBBBBBAa BBBBBBBB",
            "AaAaBBBB AaAaAaAa AaAaAaBB AaAaBBAa AaBBAaAa AaBBAaBB AaBBBBAa AaBBBBBB \
             BBAaAaAa BBAaAaBB BBAaBBAa BBAaBBBB BBBBAaAa BBBBAaBB BBBBBBAa BBBBBBBB",
        );
    }

    #[test]
    fn a_key_that_is_put_later_stands_where_it_would_have_been_put_first() {
        for count in [1, 2, 5, 6, 7, 11, 12, 13, 16, 17, 40, 100] {
            let keys: Vec<Value> = (0..count)
                .map(|i| Value::from(format!("field_{}", i * 7919)))
                .collect();
            let pairs = || keys.iter().map(|key| (key.clone(), Value::Null));
            let whole = Map::hashed(pairs());
            let mut grown = Map::hashed([]);
            for (key, value) in pairs() {
                grown.insert(key, value);
            }
            let names =
                |map: &Map| -> Vec<String> { map.iter().map(|(key, _)| key.to_string()).collect() };
            assert_eq!(names(&grown), names(&whole), "{count}");
            let copy = whole.clone().copied_from();
            let entries = whole.into_entries();
            let slots = table_size_for((count as f32 / 0.75 + 1.0) as usize);
            let anew = Map::hashed_with_capacity(slots as usize, entries);
            assert_eq!(names(&copy), names(&anew), "{count}");
        }
    }

    #[test]
    fn repeated_keys_keep_their_first_place_beyond_the_scan_limit() {
        let keys: Vec<String> = (0..40).map(|i| format!("k{}", i % 20)).collect();
        let map = Map::hashed(keys.iter().map(|k| (Value::from(k.as_str()), Value::Null)));
        assert_eq!(map.len(), 20);
    }
}
