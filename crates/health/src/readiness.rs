//! Readiness: whether a worker should be sent requests. A failed task is no reason not to: the task would only fail elsewhere.

use std::time::Duration;

/// What is known of a worker.
#[derive(Clone, Debug, Default)]
pub struct WorkerState {
    /// It was told to stop.
    pub is_draining: bool,
    /// Its listeners take connections, or it has none.
    pub serves: bool,
    /// It has been given its work once.
    pub has_joined: bool,
    /// What keeps the group from its work, and waiting does not help.
    pub group_error: Option<String>,
    /// How many connectors its cluster has.
    pub connectors: usize,
    /// Why connectors that are to be there are not.
    pub lacking: Vec<String>,
    /// Since its start.
    pub age: Duration,
    /// How long after its start a worker counts as ready that has not joined.
    pub grace: Duration,
}

/// # Errors
/// Why it is not ready.
pub fn readiness(state: &WorkerState) -> Result<(), String> {
    if state.is_draining {
        return Err("the worker is stopping".to_owned());
    }
    if !state.serves {
        return Err("the worker is starting: what its cluster shares is being opened, and its REST API does not listen yet".to_owned());
    }
    if let Some(group_error) = &state.group_error {
        return Err(format!("the group cannot work: {group_error}"));
    }
    // A worker that is of use already is not taken away from its cluster for what comes on top.
    if state.connectors == 0 && !state.lacking.is_empty() {
        let why = state.lacking.join("; ");
        return Err(format!("no connector is there yet: {why}"));
    }
    if state.has_joined || state.age < state.grace {
        return Ok(());
    }
    Err(format!(
        "the worker has not joined its group within {} s of its start",
        state.grace.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ready_while_it_may_be_sent_requests() {
        let ready = WorkerState {
            serves: true,
            has_joined: true,
            age: Duration::from_secs(61),
            grace: Duration::from_secs(60),
            ..WorkerState::default()
        };
        let late = WorkerState {
            has_joined: false,
            ..ready.clone()
        };
        let young = WorkerState {
            age: Duration::from_secs(59),
            ..late.clone()
        };
        for (state, expected) in [
            (ready.clone(), None),
            (young.clone(), None),
            (late, Some("has not joined")),
            (
                WorkerState {
                    serves: false,
                    ..young
                },
                Some("is starting"),
            ),
            (
                WorkerState {
                    is_draining: true,
                    ..ready.clone()
                },
                Some("is stopping"),
            ),
            (
                WorkerState {
                    lacking: vec!["x".to_owned(), "y".to_owned()],
                    ..ready.clone()
                },
                Some("no connector is there yet: x; y"),
            ),
            (
                WorkerState {
                    connectors: 1,
                    lacking: vec!["x".to_owned()],
                    ..ready.clone()
                },
                None,
            ),
            (
                WorkerState {
                    group_error: Some("x".to_owned()),
                    ..ready
                },
                Some("cannot work: x"),
            ),
        ] {
            let why = readiness(&state).err();
            let fits = match (&why, expected) {
                (Some(why), Some(part)) => why.contains(part),
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "{state:?}: {why:?}");
        }
    }
}
