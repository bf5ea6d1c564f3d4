//! SharedMap: values by name, in the order of the names, shared by all copies until they change. A copy is published after
//! nearly every event, so it costs little however many names there are, and a change copies a few neighbours at most.

use std::sync::Arc;

/// Names that are copied together with one that changes; the copy of a map is one pointer for as many.
const MOST_IN_CHUNK: usize = 64;

#[derive(Clone)]
pub(super) struct SharedMap<V> {
    /// In order, and none of them empty.
    chunks: Vec<Arc<Vec<Entry<V>>>>,
}

type Entry<V> = (Arc<str>, Arc<V>);

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        SharedMap { chunks: Vec::new() }
    }
}

impl<V> SharedMap<V> {
    pub(super) fn get(&self, name: &str) -> Option<(&Arc<str>, &V)> {
        let chunk = self.chunks.get(self.chunk_of(name))?;
        let (name, value) = &chunk[place_in(chunk, name).ok()?];
        Some((name, value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        let entries = self.chunks.iter().flat_map(|chunk| chunk.iter());
        entries.map(|(name, value)| (name, &**value))
    }

    /// The chunk that has the name, or would have it.
    fn chunk_of(&self, name: &str) -> usize {
        let begins_before = |chunk: &Arc<Vec<Entry<V>>>| *chunk[0].0 <= *name;
        self.chunks.partition_point(begins_before).saturating_sub(1)
    }
}

impl<V: Clone + Default> SharedMap<V> {
    /// Changes the value of a name, which begins as the default one.
    pub(super) fn change<T>(&mut self, name: &Arc<str>, change: impl FnOnce(&mut V) -> T) -> T {
        let number = self.chunk_of(name);
        if self.chunks.is_empty() {
            self.chunks.push(Arc::default());
        }
        let chunk = Arc::make_mut(&mut self.chunks[number]);
        let place = place_in(chunk, name).unwrap_or_else(|place| {
            chunk.insert(place, (name.clone(), Arc::default()));
            place
        });
        let result = change(Arc::make_mut(&mut chunk[place].1));
        if chunk.len() > MOST_IN_CHUNK {
            let rest = chunk.split_off(MOST_IN_CHUNK / 2);
            self.chunks.insert(number + 1, Arc::new(rest));
        }
        result
    }

    pub(super) fn remove(&mut self, name: &str) {
        let number = self.chunk_of(name);
        let Some(chunk) = self.chunks.get_mut(number) else {
            return;
        };
        if let Ok(place) = place_in(chunk, name) {
            let chunk = Arc::make_mut(chunk);
            chunk.remove(place);
            if chunk.is_empty() {
                self.chunks.remove(number);
            }
        }
    }
}

fn place_in<V>(chunk: &[Entry<V>], name: &str) -> Result<usize, usize> {
    chunk.binary_search_by(|(known, _)| (**known).cmp(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn name(number: u16) -> Arc<str> {
        format!("c{number}").into()
    }

    proptest! {
        #[test]
        fn is_a_map(deeds in prop::collection::vec((0..300u16, any::<bool>()), 0..1_000)) {
            let (mut map, mut model) = (SharedMap::<u32>::default(), BTreeMap::new());
            for (number, is_change) in deeds {
                let name = name(number);
                if is_change {
                    map.change(&name, |value| *value += 1);
                    *model.entry(name).or_default() += 1;
                } else {
                    map.remove(&name);
                    model.remove(&name);
                }
            }
            let all = map.iter().map(|(name, value)| (name.clone(), *value));
            prop_assert!(all.eq(model.clone()));
            for number in 0..300 {
                let name = name(number);
                let found = map.get(&name).map(|(_, value)| *value);
                prop_assert_eq!(found, model.get(&name).copied());
            }
        }
    }

    #[test]
    fn a_change_copies_few_of_many() {
        let mut map = SharedMap::<u32>::default();
        for number in 0..1_000 {
            map.change(&name(number), |value| *value = 1);
        }
        let copy = map.clone();
        map.change(&name(500), |value| *value = 2);
        let pairs = || copy.chunks.iter().zip(&map.chunks);
        let copied = pairs().filter(|(before, after)| !Arc::ptr_eq(before, after));
        assert_eq!(copied.count(), 1);
        let values = |map: &SharedMap<u32>| map.iter().map(|(_, value)| *value).sum::<u32>();
        assert_eq!((values(&copy), values(&map)), (1_000, 1_001));
    }
}
