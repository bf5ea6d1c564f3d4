//! The names of objects as a tree: which names follow which, what stands within them, and in what order Java's map yields
//! the members of an object that ends at one of them. A topic's objects are alike, so that each name is known by a
//! comparison with the one that is expected.

use super::skip_blanks;
use super::strings::StringSpan;
use millstream_core::{Map, Value};

const LANES: usize = 16;

/// Of more nodes the tree is forgotten, so that it is bounded where no object is like another.
const MAX_NODES: usize = 2048;

/// Bytes of names, likewise.
const MAX_TEXT: usize = 64 * 1024;

/// With more names in one place there is no use in expecting one of them.
const MAX_FOLLOWERS: usize = 32;

/// Longer names take the slow way.
const MAX_NAME: usize = 1000;

/// No node: the root follows nothing.
const NONE: u16 = 0;

/// A node: the beginning of objects, or a member behind those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u16);

impl Place {
    /// The beginning of a record's object, or of those in a record's list.
    pub(super) const ROOT: Place = Place(NONE);
}

pub(super) struct Names {
    nodes: Vec<Node>,
    /// The names with their quotes and colons, one behind the other.
    text: Vec<u8>,
    /// That of the nodes that have one, from 1 on.
    orders: Vec<Order>,
    full: bool,
}

/// In what order members are to be written.
pub(super) struct Order {
    pub(super) places: Vec<u8>,
    /// They stand in this order.
    pub(super) kept: bool,
}

impl Default for Names {
    fn default() -> Self {
        Names {
            nodes: vec![Node::default()],
            text: Vec::new(),
            orders: Vec::new(),
            full: false,
        }
    }
}

impl Names {
    /// Whether the tree has become too large.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Forgets a tree that has become too large. No place from before may be used then.
    #[inline]
    pub(super) fn begin(&mut self) {
        if self.full {
            *self = Names::default();
        }
    }

    /// Where the name at `at` ends and where it goes on behind its colon. `place` is what comes before the member, and then the
    /// member.
    #[inline(always)]
    pub(super) fn member(
        &mut self,
        record: &[u8],
        at: usize,
        place: &mut Place,
    ) -> Option<(usize, usize)> {
        if let Some((next, len)) = self.next(*place, record.get(at..)?) {
            *place = next;
            return Some((at + len - 1, at + len));
        }
        let (next, name_end, colon) = self.odd_member(record, at, *place)?;
        *place = next;
        Some((name_end, colon + 1))
    }

    /// A member whose name is not known or has its colon apart: its place, where the name ends, and the place of the colon.
    #[inline(never)]
    fn odd_member(
        &mut self,
        record: &[u8],
        at: usize,
        before: Place,
    ) -> Option<(Place, usize, usize)> {
        if record.get(at) != Some(&b'"') {
            return None;
        }
        let name = StringSpan::scan(record, at)?;
        // The order is that of the names without escapes.
        if name.escapes || name.must_rewrite(record, at) || name.end - at > MAX_NAME {
            return None;
        }
        let colon = skip_blanks(record, name.end);
        if record.get(colon) != Some(&b':') {
            return None;
        }
        let place = self.find_or_learn(before, &record[at..name.end])?;
        Some((place, name.end, colon))
    }

    /// The member at the beginning of a text, if it is a known one that has its colon right behind it, and the length of that.
    #[inline]
    pub(super) fn next(&self, place: Place, ahead: &[u8]) -> Option<(Place, usize)> {
        let first = self.nodes[usize::from(place.0)].follower;
        let node = &self.nodes[usize::from(first)];
        if node.is_short()
            && let Some(head) = ahead.first_chunk()
            && node.heads(head)
        {
            return Some((Place(first), node.len.into()));
        }
        self.next_of_any(first, ahead)
    }

    /// As `next`, from a candidate on.
    #[inline(never)]
    fn next_of_any(&self, mut candidate: u16, ahead: &[u8]) -> Option<(Place, usize)> {
        while candidate != NONE {
            let node = &self.nodes[usize::from(candidate)];
            if node.stands_at(ahead, &self.text) {
                return Some((Place(candidate), node.len.into()));
            }
            candidate = node.sibling;
        }
        None
    }

    /// The member of this name, known or not. `None` if the name is not UTF-8 or there is no room for it.
    fn find_or_learn(&mut self, place: Place, quoted: &[u8]) -> Option<Place> {
        let with_colon = [quoted, b":"].concat();
        if let Some((known, _)) = self.next(place, &with_colon) {
            return Some(known);
        }
        std::str::from_utf8(quoted).ok()?;
        let mut siblings = 0;
        let mut link = self.nodes[usize::from(place.0)].follower;
        let mut last = NONE;
        while link != NONE {
            siblings += 1;
            last = link;
            link = self.nodes[usize::from(link)].sibling;
        }
        if self.text.len() + with_colon.len() > MAX_TEXT {
            self.full = true;
            return None;
        }
        self.full |= siblings >= MAX_FOLLOWERS;
        let node = Node::new(&with_colon, self.text.len());
        let new = self.push(node)?;
        self.text.extend_from_slice(&with_colon);
        // Behind the others: what was seen first is seen most.
        match last {
            NONE => self.nodes[usize::from(place.0)].follower = new.0,
            last => self.nodes[usize::from(last)].sibling = new.0,
        }
        Some(new)
    }

    /// The beginning of the objects that are a member's value or stand in it.
    #[inline]
    pub(super) fn inside(&mut self, place: Place) -> Option<Place> {
        if let Some(known) = self.known_inside(place) {
            return Some(known);
        }
        let beginning = self.push(Node::default())?;
        self.nodes[usize::from(place.0)].inside = beginning.0;
        Some(beginning)
    }

    /// As `inside`, where that is known.
    #[inline]
    pub(super) fn known_inside(&self, place: Place) -> Option<Place> {
        let inside = self.nodes[usize::from(place.0)].inside;
        (inside != NONE).then_some(Place(inside))
    }

    /// The number of the place, below that of a tree's nodes.
    pub(super) fn number(place: Place) -> usize {
        place.0.into()
    }

    /// Whether an object that ends at this place is known to be in Java's order.
    #[inline]
    pub(super) fn is_kept(&self, place: Place) -> bool {
        self.nodes[usize::from(place.0)].kept
    }

    /// The order of the members of these names, of an object that ends at this place. `None` if a name stands twice or is not UTF-8.
    #[inline]
    pub(super) fn order<'n>(
        &mut self,
        place: Place,
        names: impl Iterator<Item = Option<&'n str>>,
    ) -> Option<&Order> {
        let known = usize::from(self.nodes[usize::from(place.0)].order);
        if known == 0 {
            let order = Order::new(names)?;
            let node = &mut self.nodes[usize::from(place.0)];
            node.kept = order.kept;
            self.orders.push(order);
            node.order = self.orders.len() as u16;
            return self.orders.last();
        }
        self.orders.get(known - 1)
    }

    fn push(&mut self, node: Node) -> Option<Place> {
        if self.nodes.len() == MAX_NODES {
            self.full = true;
            return None;
        }
        self.nodes.push(node);
        Some(Place((self.nodes.len() - 1) as u16))
    }
}

impl Order {
    fn new<'n>(names: impl Iterator<Item = Option<&'n str>>) -> Option<Self> {
        let mut pairs = Vec::new();
        for (place, name) in names.enumerate() {
            pairs.push((Value::from(name?), Value::Int64(place as i64)));
        }
        let count = pairs.len();
        let map = Map::hashed(pairs);
        if map.len() < count {
            return None;
        }
        let place = |(_, place): &(Value, Value)| match place {
            Value::Int64(place) => *place as u8,
            _ => 0,
        };
        let places: Vec<u8> = map.iter().map(place).collect();
        Some(Order {
            kept: places.is_sorted(),
            places,
        })
    }
}

/// A name laid out for a quick comparison, and what is known of what comes with it.
#[derive(Default)]
struct Node {
    /// Its first sixteen bytes, zeros behind.
    head: u128,
    /// Ones where `head` has bytes of the name.
    mask: u128,
    /// Its last sixteen bytes, if it has more than that.
    tail: u128,
    /// Where the name stands in the text.
    start: u32,
    len: u16,
    /// The first of the names behind this one.
    follower: u16,
    /// The next of the names that stand in this place.
    sibling: u16,
    inside: u16,
    /// The number of the order, from 1 on.
    order: u16,
    /// The order is that in which the names stand.
    kept: bool,
}

impl Node {
    fn new(name: &[u8], start: usize) -> Self {
        let mut head = [0; LANES];
        let len = name.len().min(LANES);
        head[..len].copy_from_slice(&name[..len]);
        Node {
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (8 * (LANES - len)),
            tail: name
                .last_chunk()
                .map_or(0, |tail| u128::from_le_bytes(*tail)),
            start: start as u32,
            len: name.len() as u16,
            ..Node::default()
        }
    }

    /// Whether it has a name, of which `head` holds all.
    #[inline]
    fn is_short(&self) -> bool {
        (1..=LANES).contains(&usize::from(self.len))
    }

    #[inline]
    fn heads(&self, head: &[u8; LANES]) -> bool {
        u128::from_le_bytes(*head) & self.mask == self.head
    }

    #[inline]
    fn stands_at(&self, ahead: &[u8], text: &[u8]) -> bool {
        let len = usize::from(self.len);
        match (ahead.first_chunk(), ahead.get(..len)) {
            (Some(head), Some(_)) if len <= LANES => self.heads(head),
            (Some(head), Some(name)) => {
                let tail = name.last_chunk::<LANES>();
                self.heads(head)
                    && tail.is_some_and(|tail| u128::from_le_bytes(*tail) == self.tail)
                    && (len <= 2 * LANES || *name == text[self.start as usize..][..len])
            }
            _ => ahead.starts_with(&text[self.start as usize..][..len]),
        }
    }
}
