//! The brokers that the cluster shows: their addresses, which of them are up, and who coordinates what.

use std::net::SocketAddr;
use std::sync::RwLock;

use super::{read_lock, write_lock};

/// One advertised broker.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_up: bool,
}

/// All of them; ids count from 1.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    list: RwLock<Vec<Node>>,
}

impl Nodes {
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let node = |(index, address): (usize, &SocketAddr)| Node {
            id: index as i32 + 1,
            host: address.ip().to_string(),
            port: address.port(),
            is_up: true,
        };
        Self {
            list: RwLock::new(addresses.iter().enumerate().map(node).collect()),
        }
    }

    pub(crate) fn up(&self) -> Vec<Node> {
        read_lock(&self.list)
            .iter()
            .filter(|node| node.is_up)
            .cloned()
            .collect()
    }

    pub(crate) fn change(&self, id: i32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = write_lock(&self.list).iter_mut().find(|node| node.id == id) {
            change(node);
        }
    }

    /// The node that coordinates this group or transactional id.
    pub(crate) fn coordinator(&self, key: &str) -> Option<i32> {
        let up = self.up();
        let sum: usize = key.bytes().map(usize::from).sum();
        up.get(sum.checked_rem(up.len())?).map(|node| node.id)
    }
}
