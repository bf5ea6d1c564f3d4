//! Puts the seams of a worker's cluster together.

use crate::membership::{GroupMembership, MembershipSettings};
use crate::open::Stores;
use millstream_worker::WorkerIdentity;
use millstream_worker::cluster::{Cluster, GroupProtocol};
use millstream_worker::config::DistributedConfig;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// The seams of the worker that others reach here. Leaves of the group go on in `leave_tasks`.
pub fn join(
    stores: Stores,
    config: &DistributedConfig,
    identity: WorkerIdentity,
    leave_tasks: TaskTracker,
) -> Cluster {
    let membership = MembershipSettings {
        group_id: config.group_id.clone(),
        url: identity.url.to_string(),
        // Another name was refused when the settings were read.
        protocol: GroupProtocol::configured(&config.protocol).unwrap_or_default(),
        session_timeout: millis(config.session_timeout_ms),
        rebalance_timeout: millis(config.rebalance_timeout_ms),
        heartbeat_interval: millis(config.heartbeat_interval_ms),
        max_delay: millis(config.max_delay_ms),
        sync_timeout: config.sync_timeout(),
    };
    let mut client = stores.group;
    // As Java names the member, unless the user has.
    if config.client_id.is_empty() {
        client.config.client_id = format!("connect-{}", identity.worker_id);
    }
    let membership = GroupMembership::new(client, membership, identity.submitter, leave_tasks);
    Cluster {
        group_health: membership.group_health(),
        configs: Box::new(stores.configs),
        statuses: Box::new(stores.statuses),
        membership: Box::new(membership),
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
