//! Open files: the limit that the process starts with is often 1,024 where 500,000 are allowed, and each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// With fewer, a worker with tens of connectors has to wait for descriptors.
const COMFORTABLE: u64 = 1_024;

/// Raises the limit as far as it may go without privileges, as a JVM does, and warns where that is not far.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = ?limit.current, "the limit of open files could not be raised");
    }
    if let Some(limit) = getrlimit(Resource::Nofile)
        .current
        .filter(|l| *l < COMFORTABLE)
    {
        tracing::warn!(
            limit,
            "few files may be open at once, and each connection is one: raise the limit with ulimit -Hn, or LimitNOFILE in a systemd unit"
        );
    }
}
