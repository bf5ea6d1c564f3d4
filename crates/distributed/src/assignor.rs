//! Assignors: how the leader shares out connectors and tasks. Pure, and with the answers of Java's.

mod eager;
mod incremental;

pub(crate) use eager::share_out;
pub(crate) use incremental::{Incremental, Round};

use crate::protocol::{Items, can_be_told};
use millstream_worker::TaskId;
use millstream_worker::cluster::{Inventory, Work};
use std::sync::Arc;

/// A member with what it says to hold.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) id: String,
    /// Each item once.
    pub(crate) holds: Items,
}

/// What one round brings a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// To be run; eager: everything, incremental: beside what it keeps.
    pub(crate) assigned: Items,
    pub(crate) revoked: Items,
    /// Everything that is the member's after the round.
    pub(crate) all: Items,
}

/// What can be shared out: all that is configured and whose name the protocol has room for.
fn configured(inventory: &Inventory) -> Work {
    let mut work = Work::of(inventory);
    work.connectors.retain(|name| can_be_told(name));
    work.tasks.retain(|id| can_be_told(&id.connector));
    work
}

/// One of the two kinds of work.
trait Kind: Clone + Ord {
    fn of(items: &Items) -> &Vec<Self>;
    fn of_mut(items: &mut Items) -> &mut Vec<Self>;
}

impl Kind for Arc<str> {
    fn of(items: &Items) -> &Vec<Self> {
        &items.connectors
    }

    fn of_mut(items: &mut Items) -> &mut Vec<Self> {
        &mut items.connectors
    }
}

impl Kind for TaskId {
    fn of(items: &Items) -> &Vec<Self> {
        &items.tasks
    }

    fn of_mut(items: &mut Items) -> &mut Vec<Self> {
        &mut items.tasks
    }
}
