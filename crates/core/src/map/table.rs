//! `java.util.HashMap`'s table played through, insertion by insertion. Only maps with many colliding keys need it:
//! a chain of nine makes a small table grow early, and a large one turn the chain into a tree, whose root comes first.

use crate::value::Value;
use std::cmp::Ordering;

/// From this many entries on, one more makes Java do something about a chain.
pub(super) const LONG_CHAIN: usize = 8;

/// Below this size the table grows rather than turn a chain into a tree.
const LEAST_SLOTS_FOR_TREES: u32 = 64;

/// A tree with so few entries becomes a chain again when the table grows.
const SHORT_CHAIN: usize = 6;

/// The entries in iteration order, by their numbers, and the size of the table.
pub(super) fn play(keys: &[&Value], slots: u32, max_slots: u32) -> (Vec<usize>, u32) {
    let hashes = keys.iter().map(|key| super::slot_hash(key.java_hash()));
    let mut table = Table {
        keys,
        hashes: hashes.collect(),
        bins: empty_bins(slots),
        max_slots,
        len: 0,
    };
    for entry in 0..keys.len() {
        table.put(entry);
    }
    let slots = table.slots();
    let order = table.bins.into_iter().flat_map(|bin| bin.chain).collect();
    (order, slots)
}

fn empty_bins(slots: u32) -> Vec<Bin> {
    (0..slots).map(|_| Bin::default()).collect()
}

struct Table<'a> {
    keys: &'a [&'a Value],
    hashes: Vec<u32>,
    bins: Vec<Bin>,
    max_slots: u32,
    len: usize,
}

/// The entries of one slot in the order of their links, and the tree over them if there is one.
#[derive(Default)]
struct Bin {
    chain: Vec<usize>,
    tree: Option<Tree>,
}

impl Table<'_> {
    fn slots(&self) -> u32 {
        self.bins.len() as u32
    }

    fn put(&mut self, entry: usize) {
        let slot = (self.hashes[entry] & (self.slots() - 1)) as usize;
        let bin = &mut self.bins[slot];
        match &mut bin.tree {
            Some(tree) => {
                let parent = tree.insert(entry, |a, b| compare(self.keys, &self.hashes, a, b));
                let at = bin.chain.iter().position(|&e| e == parent);
                bin.chain
                    .insert(at.map_or(bin.chain.len(), |at| at + 1), entry);
                bin.move_root_to_front();
            }
            None => {
                bin.chain.push(entry);
                if bin.chain.len() > LONG_CHAIN {
                    if self.slots() < LEAST_SLOTS_FOR_TREES {
                        self.grow();
                    } else {
                        self.treeify(slot);
                    }
                }
            }
        }
        self.len += 1;
        if self.len as u64 > u64::from(self.slots()) * 3 / 4 {
            self.grow();
        }
    }

    fn treeify(&mut self, slot: usize) {
        let mut tree = Tree::default();
        for &entry in &self.bins[slot].chain {
            tree.insert(entry, |a, b| compare(self.keys, &self.hashes, a, b));
        }
        let bin = &mut self.bins[slot];
        bin.tree = Some(tree);
        bin.move_root_to_front();
    }

    fn grow(&mut self) {
        let old = self.slots();
        if old >= self.max_slots {
            return;
        }
        let bins = std::mem::replace(&mut self.bins, empty_bins(old * 2));
        for (slot, bin) in bins.into_iter().enumerate() {
            let was_tree = bin.tree.is_some();
            let (high, low): (Vec<usize>, Vec<usize>) = bin
                .chain
                .into_iter()
                .partition(|&entry| self.hashes[entry] & old != 0);
            let is_whole = low.is_empty() || high.is_empty();
            let mut tree = bin.tree;
            for (slot, chain) in [(slot, low), (slot + old as usize, high)] {
                let len = chain.len();
                self.bins[slot].chain = chain;
                if !was_tree || len <= SHORT_CHAIN {
                    continue;
                }
                if is_whole {
                    self.bins[slot].tree = tree.take();
                } else {
                    self.treeify(slot);
                }
            }
        }
    }
}

impl Bin {
    fn move_root_to_front(&mut self) {
        let root = self.tree.as_ref().and_then(Tree::root);
        if let Some(at) = self.chain.iter().position(|&entry| Some(entry) == root) {
            let root = self.chain.remove(at);
            self.chain.insert(0, root);
        }
    }
}

/// Java's order inside a tree: by hash, then by the strings themselves.
fn compare(keys: &[&Value], hashes: &[u32], a: usize, b: usize) -> Ordering {
    let by_hash = (hashes[a] as i32).cmp(&(hashes[b] as i32));
    by_hash.then_with(|| match (keys[a], keys[b]) {
        (Value::String(a), Value::String(b)) => a.utf16().cmp(b.utf16()),
        // By identity in Java, so any order will do.
        _ => Ordering::Less,
    })
}

/// A red-black tree that balances as Java's does; only its shape matters.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    root: Option<usize>,
}

struct Node {
    entry: usize,
    parent: Option<usize>,
    children: [Option<usize>; 2],
    is_red: bool,
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl Tree {
    fn root(&self) -> Option<usize> {
        self.root.map(|node| self.nodes[node].entry)
    }

    /// Inserts an entry and returns the one it hangs from; itself, if it is the first.
    fn insert(&mut self, entry: usize, compare: impl Fn(usize, usize) -> Ordering) -> usize {
        let new = self.nodes.len();
        let mut place = None;
        let mut next = self.root;
        while let Some(node) = next {
            let side = match compare(entry, self.nodes[node].entry) {
                Ordering::Greater => RIGHT,
                Ordering::Less | Ordering::Equal => LEFT,
            };
            place = Some((node, side));
            next = self.nodes[node].children[side];
        }
        self.nodes.push(Node {
            entry,
            parent: place.map(|(parent, _)| parent),
            children: [None, None],
            is_red: true,
        });
        match place {
            Some((parent, side)) => self.nodes[parent].children[side] = Some(new),
            None => self.root = Some(new),
        }
        self.balance(new);
        place.map_or(entry, |(parent, _)| self.nodes[parent].entry)
    }

    fn is_red(&self, node: Option<usize>) -> bool {
        node.is_some_and(|node| self.nodes[node].is_red)
    }

    fn balance(&mut self, mut node: usize) {
        loop {
            let Some(parent) = self.nodes[node].parent else {
                self.nodes[node].is_red = false;
                return;
            };
            let grandparent = self.nodes[parent].parent;
            let (true, Some(grandparent)) = (self.nodes[parent].is_red, grandparent) else {
                return;
            };
            let side = usize::from(self.nodes[grandparent].children[RIGHT] == Some(parent));
            let uncle = self.nodes[grandparent].children[1 - side];
            if let (true, Some(uncle)) = (self.is_red(uncle), uncle) {
                self.nodes[uncle].is_red = false;
                self.nodes[parent].is_red = false;
                self.nodes[grandparent].is_red = true;
                node = grandparent;
                continue;
            }
            let mut top = parent;
            if self.nodes[parent].children[1 - side] == Some(node) {
                self.rotate(parent, side);
                top = node;
                node = parent;
            }
            self.nodes[top].is_red = false;
            self.nodes[grandparent].is_red = true;
            self.rotate(grandparent, 1 - side);
        }
    }

    /// Moves a node down to a side; its child on the other side takes its place.
    fn rotate(&mut self, node: usize, side: usize) {
        let Some(up) = self.nodes[node].children[1 - side] else {
            return;
        };
        let inner = self.nodes[up].children[side];
        self.nodes[node].children[1 - side] = inner;
        if let Some(inner) = inner {
            self.nodes[inner].parent = Some(node);
        }
        let parent = self.nodes[node].parent;
        self.nodes[up].parent = parent;
        match parent {
            Some(parent) => {
                let at = usize::from(self.nodes[parent].children[RIGHT] == Some(node));
                self.nodes[parent].children[at] = Some(up);
            }
            None => self.root = Some(up),
        }
        self.nodes[up].children[side] = Some(node);
        self.nodes[node].parent = Some(up);
    }
}
