//! Readiness: whether a worker should be sent requests. A failed task is no reason not to: the task would only fail elsewhere.

use std::time::Duration;

/// What is known of a worker.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// It was told to stop.
    pub is_draining: bool,
    /// Its listeners take connections, or it has none.
    pub serves: bool,
    /// It has been given its work once.
    pub has_joined: bool,
    /// What keeps the group from its work, and waiting does not help.
    pub trouble: Option<String>,
    /// Since its start.
    pub age: Duration,
    /// How long after its start a worker counts as ready that has not joined.
    pub grace: Duration,
}

/// # Errors
/// Why it is not ready.
pub fn readiness(standing: &Standing) -> Result<(), String> {
    if standing.is_draining {
        return Err("the worker is stopping".to_owned());
    }
    if !standing.serves {
        return Err("the worker is starting: what its cluster shares is being opened, and its REST API does not listen yet".to_owned());
    }
    if let Some(trouble) = &standing.trouble {
        return Err(format!("the group cannot work: {trouble}"));
    }
    if standing.has_joined || standing.age < standing.grace {
        return Ok(());
    }
    Err(format!(
        "the worker has not joined its group within {} s of its start",
        standing.grace.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_ready_while_it_may_be_sent_requests() {
        let ready = Standing {
            serves: true,
            has_joined: true,
            age: Duration::from_secs(61),
            grace: Duration::from_secs(60),
            ..Standing::default()
        };
        let late = Standing {
            has_joined: false,
            ..ready.clone()
        };
        let young = Standing {
            age: Duration::from_secs(59),
            ..late.clone()
        };
        for (standing, expected) in [
            (ready.clone(), None),
            (young.clone(), None),
            (late, Some("has not joined")),
            (
                Standing {
                    serves: false,
                    ..young
                },
                Some("is starting"),
            ),
            (
                Standing {
                    is_draining: true,
                    ..ready.clone()
                },
                Some("is stopping"),
            ),
            (
                Standing {
                    trouble: Some("x".to_owned()),
                    ..ready
                },
                Some("cannot work: x"),
            ),
        ] {
            let why = readiness(&standing).err();
            let fits = match (&why, expected) {
                (Some(why), Some(part)) => why.contains(part),
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "{standing:?}: {why:?}");
        }
    }
}
