//! How long a start goes on asking.

use super::trouble::Trouble;
use crate::client::Class;
use std::time::Duration;

/// Permissions of a first deployment arrive some seconds after the task.
const DENIED_FOR: Duration = Duration::from_secs(30);

/// First and longest pause, by class. The client has tried some times already, except for what is not ready.
const THROTTLED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));
const TRANSIENT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const NOT_READY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// The attempts of a start.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
    denied_since: Option<Duration>,
}

impl Patience {
    /// The pause until the next attempt; nothing if this was the last. `elapsed` is the time since the start, `dice` from 0
    /// to 1.
    pub(super) fn pause_after(
        &mut self,
        trouble: &Trouble,
        elapsed: Duration,
        timeout: Duration,
        dice: f64,
    ) -> Option<Duration> {
        let doubled = |(first, longest): (Duration, Duration), failures: u32| {
            first.saturating_mul(1 << failures.min(16)).min(longest)
        };
        let failures = self.failures;
        self.failures += 1;
        let is_denied = matches!(
            trouble.class,
            Some(Class::Denied | Class::Expired | Class::Skewed)
        );
        let denied_since = match is_denied {
            true => Some(*self.denied_since.get_or_insert(elapsed)),
            false => None,
        };
        self.denied_since = denied_since;
        let pause = match trouble.class? {
            Class::NoCredentials => return None,
            Class::Throttled => doubled(THROTTLED, failures).mul_f64(dice),
            Class::Transient => doubled(TRANSIENT, failures).mul_f64(0.5 + dice / 2.0),
            // Stacks are made in any order: what is missing may be on its way.
            Class::NotReady | Class::Permanent => doubled(NOT_READY, failures),
            Class::Denied | Class::Expired | Class::Skewed => doubled(NOT_READY, failures),
        };
        let denied_too_long =
            denied_since.is_some_and(|since| elapsed + pause >= since + DENIED_FOR);
        (!denied_too_long && elapsed + pause < timeout).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::trouble::Ending;

    /// The pauses in milliseconds of a start that meets one trouble, each attempt taking no time.
    fn pauses(class: Option<Class>, timeout: u64) -> Vec<u128> {
        let trouble = Trouble {
            class,
            ending: Ending::Unavailable,
            message: String::new(),
        };
        let (mut patience, mut elapsed) = (Patience::default(), Duration::ZERO);
        let timeout = Duration::from_secs(timeout);
        std::iter::from_fn(|| {
            let pause = patience.pause_after(&trouble, elapsed, timeout, 1.0)?;
            elapsed += pause;
            Some(pause.as_millis())
        })
        .collect()
    }

    #[test]
    fn waits_by_the_class() {
        let ready = [2000, 4000, 8000, 10_000, 10_000, 10_000];
        assert_eq!(pauses(Some(Class::NotReady), 50), ready);
        assert_eq!(pauses(Some(Class::Permanent), 50), ready);
        // Half a minute for permissions, whatever the timeout.
        assert_eq!(pauses(Some(Class::Denied), 600), [2000, 4000, 8000, 10_000]);
        assert_eq!(pauses(Some(Class::Throttled), 30), [1000, 2000, 4000, 8000]);
        let transient = pauses(Some(Class::Transient), 20);
        assert_eq!(transient[..4], [100, 200, 400, 800]);
        assert_eq!(transient.last(), Some(&5000));
        assert!(pauses(Some(Class::NoCredentials), 600).is_empty());
        assert!(pauses(None, 600).is_empty());
    }

    #[test]
    fn counts_denials_from_the_first_of_a_row() {
        let trouble = |class| Trouble {
            class: Some(class),
            ending: Ending::Permission,
            message: String::new(),
        };
        let (denied, away) = (trouble(Class::Denied), trouble(Class::Transient));
        let timeout = Duration::from_secs(600);
        let mut patience = Patience::default();
        let at = Duration::from_secs;
        assert!(patience.pause_after(&denied, at(0), timeout, 1.0).is_some());
        assert!(patience.pause_after(&away, at(40), timeout, 1.0).is_some());
        assert!(
            patience
                .pause_after(&denied, at(45), timeout, 1.0)
                .is_some()
        );
        assert!(
            patience
                .pause_after(&denied, at(80), timeout, 1.0)
                .is_none()
        );
    }
}
