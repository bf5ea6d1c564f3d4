//! Deadlines: how long a task may take over what others wait for.

use millstream_core::limits;
use std::time::Duration;

/// How long a stop or a revocation may wait for what is closed or in flight, by the time that the worker gives a stop and
/// by `max.poll.interval.ms`, if that is known. The rest of a stop's time is for aborted uploads, the last commit and
/// leaving the group; a revocation has to have committed before the group goes on.
pub fn finish(stop: Duration, max_poll_interval: Option<Duration>) -> Duration {
    let stop = stop.mul_f64(0.6);
    max_poll_interval.map_or(stop, |interval| stop.min(interval / 2))
}

/// How long a sink's `put` may wait for room: a member that does not ask for longer loses its partitions.
pub fn longest_put(max_poll_interval: Duration) -> Duration {
    limits::LONGEST_PUT.min(max_poll_interval / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_done_before_whoever_waits_for_it_gives_up() {
        let seconds = Duration::from_secs;
        assert_eq!(finish(seconds(5), None), seconds(3));
        assert_eq!(finish(seconds(5), Some(seconds(300))), seconds(3));
        assert_eq!(finish(seconds(5), Some(seconds(4))), seconds(2));
        assert_eq!(longest_put(seconds(3)), seconds(1));
        assert_eq!(longest_put(seconds(300)), limits::LONGEST_PUT);
    }
}
