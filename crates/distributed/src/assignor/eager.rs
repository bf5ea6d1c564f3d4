//! The eager assignor, as Java's: everything is shared out anew, to each member in turn.

use super::{Share, configured};
use millstream_worker::cluster::Inventory;
use std::collections::BTreeMap;

/// The shares by member id: connectors by name, then tasks, each to the next member; tasks go on where connectors ended.
pub(crate) fn share_out(inventory: &Inventory, members: &[String]) -> BTreeMap<String, Share> {
    let mut members = members.to_vec();
    members.sort();
    let mut shares = vec![Share::default(); members.len()];
    if !shares.is_empty() {
        let work = configured(inventory);
        let turns = shares.len();
        let connectors = work.connectors.len();
        for (turn, name) in work.connectors.into_iter().enumerate() {
            shares[turn % turns].assigned.connectors.push(name);
        }
        for (turn, id) in work.tasks.into_iter().enumerate() {
            shares[(connectors + turn) % turns].assigned.tasks.push(id);
        }
    }
    for share in &mut shares {
        share.all = share.assigned.clone();
    }
    members.into_iter().zip(shares).collect()
}
