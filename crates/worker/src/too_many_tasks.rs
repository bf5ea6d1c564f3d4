//! More tasks than `tasks.max` allows: refused when a connector plans them, and when somebody has set them.

use millstream_core::{Properties, RecordError};

const EXCEPTION: &str = "org.apache.kafka.connect.runtime.TooManyTasksException";

pub(crate) fn too_many_tasks(name: &str, tasks: usize, max: usize) -> RecordError {
    let text = format!(
        "The connector {name} has generated {tasks} tasks, which is greater than {max}, the maximum number of tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect."
    );
    RecordError::new(EXCEPTION, text)
}

/// Whether so many tasks are more than the configuration allows. References in it are not resolved; one in the place of a
/// number allows any.
pub(crate) fn check_tasks(
    name: &str,
    config: &Properties,
    tasks: usize,
) -> Result<(), RecordError> {
    let max = config
        .get("tasks.max")
        .map_or(Ok(1), |max| max.trim().parse());
    let enforces = config.get("tasks.max.enforce").unwrap_or("true");
    match max {
        Ok(max) if tasks > max && enforces.trim().eq_ignore_ascii_case("true") => {
            Err(too_many_tasks(name, tasks, max))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_somebody_has_set() {
        for (settings, tasks, is_right) in [
            (&[][..], 1, true),
            (&[], 2, false),
            (&[("tasks.max", "2")], 2, true),
            (&[("tasks.max", " 2 ")], 3, false),
            (&[("tasks.max", "${env:N}")], 3, true),
            (&[("tasks.max.enforce", "false")], 3, true),
        ] {
            let config = Properties::from_iter(settings.iter().copied());
            let found = check_tasks("c", &config, tasks);
            assert_eq!(found.is_ok(), is_right, "{settings:?} {tasks}");
        }
    }
}
