//! Edits: what transforms do to a schemaless object, member by member, where the members' names alone tell it. What no edit
//! touches need not become a value then, and the order in which Java's maps yield the members is found once for all objects
//! with these names.

use crate::map::Map;
use crate::value::Value;
use std::sync::Arc;

/// One step of a transform on a schemaless object.
pub enum Edit {
    /// Java's `new HashMap(map)`.
    Copy,
    /// The member gets a value that does not depend on the one it had, if there was any.
    Put { name: String },
    /// The member gets a value that is made of the one it had.
    Change { name: String, missing: Missing },
    /// Into a `new HashMap(size)`, in order: each member under the name that stands for its own, or not at all.
    Select(Selection),
    /// A record that is null is refused. Without this it stays null.
    RefuseNull,
}

/// A member's new name; `None` leaves it out.
pub type Selection = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What becomes of a member that is to be changed and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is made of a null.
    Added,
    /// Nothing.
    Left,
    /// The record is refused.
    Refused,
}

/// What a record tells beside its key and value.
pub struct Origin<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A member of the object as it was read, by its number.
    Member(usize),
    /// A step before, by its number.
    Step(usize),
}

/// A value to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage's number in its chain.
    pub stage: usize,
    /// The edit's number in its stage.
    pub edit: usize,
    /// What it is made of; `None`: of a null.
    pub old: Option<Place>,
}

/// What becomes of all objects that have the same names in the same order.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// To be made one after the other. That of a member which a later edit drops may be refused all the same.
    pub steps: Vec<Step>,
    /// Names and values in the order in which they are to be written.
    pub members: Vec<(String, Place)>,
}

impl Layout {
    /// `stages`: the numbers of stages with their edits. `None` if a name stands twice or a stage refuses such objects.
    pub fn new(names: &[&str], stages: &[(usize, Vec<Edit>)]) -> Option<Layout> {
        let named = names.iter().enumerate();
        let mut map =
            Map::hashed(named.map(|(at, name)| (Value::from(*name), mark(Place::Member(at)))));
        if map.len() < names.len() {
            return None;
        }
        let mut steps = Vec::new();
        for (stage, edits) in stages {
            for (edit, what) in edits.iter().enumerate() {
                let mut put = |map: &mut Map, name: &str, old| {
                    map.put_str(name, mark(Place::Step(steps.len())));
                    let stage = *stage;
                    steps.push(Step { stage, edit, old });
                };
                match what {
                    Edit::Copy => map = map.copied_from(),
                    Edit::Put { name } => put(&mut map, name, None),
                    Edit::Change { name, missing } => {
                        match (map.get_str(name).map(marked), missing) {
                            (None, Missing::Left) => {}
                            (None, Missing::Refused) => return None,
                            (old, _) => put(&mut map, name, old),
                        }
                    }
                    Edit::Select(selection) => map = select(map, selection),
                    Edit::RefuseNull => {}
                }
            }
        }
        let members = map.iter();
        let members = members.map(|(name, place)| (name.to_string(), marked(place)));
        let members = members.collect();
        Some(Layout { steps, members })
    }
}

fn select(map: Map, selection: &Selection) -> Map {
    let size = map.len();
    let selected = map.into_entries().into_iter();
    let selected = selected.filter_map(|(name, place)| {
        let renamed = selection(&name.to_string())?;
        Some((Value::from(renamed), place))
    });
    Map::hashed_with_capacity(size, selected)
}

/// Stands for a value in a map, whose order depends on its keys alone.
fn mark(place: Place) -> Value {
    Value::Int64(match place {
        Place::Member(at) => at as i64,
        Place::Step(at) => -1 - at as i64,
    })
}

fn marked(mark: &Value) -> Place {
    match mark {
        Value::Int64(at @ 0..) => Place::Member(*at as usize),
        Value::Int64(at) => Place::Step((-1 - at) as usize),
        _ => unreachable!("a layout's values are marks"),
    }
}

/// Who knows the edits of a batch.
pub trait Editor {
    /// What becomes of objects with these names. `None` if that cannot be told.
    fn layout(&self, names: &[&str]) -> Option<Layout>;

    /// Whether a record that is null stays null.
    fn keeps_null(&self) -> bool;

    /// The value that a step makes. `None` if the transform itself has to say what becomes of the row.
    fn value(&mut self, row: usize, step: Step, old: &Value) -> Option<Value>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_follows_what_becomes_of_each_name() {
        let change = |name: &str, missing| Edit::Change {
            name: name.to_owned(),
            missing,
        };
        let renamed: Selection = Arc::new(|name| (name != "a").then(|| name.replace('b', "bb")));
        let put = Edit::Put {
            name: "c".to_owned(),
        };
        let edits = vec![
            (1, vec![Edit::Copy, change("a", Missing::Added), put]),
            (
                3,
                vec![
                    Edit::Select(renamed),
                    change("c", Missing::Added),
                    change("x", Missing::Left),
                ],
            ),
        ];
        let layout = Layout::new(&["a", "b"], &edits).unwrap();
        let step = |stage, edit, old| Step { stage, edit, old };
        let steps = [
            step(1, 1, Some(Place::Member(0))),
            step(1, 2, None),
            step(3, 1, Some(Place::Step(1))),
        ];
        assert_eq!(layout.steps, steps);
        let members = [
            ("bb".to_owned(), Place::Member(1)),
            ("c".to_owned(), Place::Step(2)),
        ];
        assert_eq!(layout.members, members);
        assert_eq!(Layout::new(&["a", "a"], &edits), None);
        let refused = vec![(0, vec![change("x", Missing::Refused)])];
        assert_eq!(Layout::new(&["a"], &refused), None);
    }
}
