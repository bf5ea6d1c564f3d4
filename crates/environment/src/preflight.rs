//! `CONNECT_CUB_KAFKA_…`: how many brokers have to be there before the worker starts, and how long they are waited for.

use crate::note::Note;
use crate::resolved::{Origin, Resolved};
use crate::variables::Variables;
use std::time::Duration;

pub const MIN_BROKERS: &str = "CONNECT_CUB_KAFKA_MIN_BROKERS";
pub const TIMEOUT: &str = "CONNECT_CUB_KAFKA_TIMEOUT";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// None: nothing is waited for.
    pub min_brokers: u32,
    pub timeout: Duration,
    /// The same as they were written.
    pub settings: [(&'static str, Resolved); 2],
}

impl Preflight {
    pub fn read(variables: &Variables, notes: &mut Vec<Note>) -> Self {
        let mut number = |name: &'static str, default: u32| {
            let Some(text) = variables.get(name) else {
                return (default, Resolved::new(default.to_string(), Origin::Default));
            };
            let given = Resolved::of_variable(name, text);
            match text.trim().parse() {
                Ok(number) => (number, given),
                Err(_) => {
                    let note = Note::problem(name, "is no whole number");
                    let remedy = format!("set a number such as {default}, or leave {name} out");
                    notes.push(note.with_remedy(remedy));
                    (default, given)
                }
            }
        };
        let (min_brokers, brokers) = number(MIN_BROKERS, 1);
        let (seconds, timeout) = number(TIMEOUT, 40);
        Preflight {
            min_brokers,
            timeout: Duration::from_secs(seconds.into()),
            settings: [(MIN_BROKERS, brokers), (TIMEOUT, timeout)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_a_problem() {
        let read = |pairs: &[(&str, &str)]| {
            let mut notes = Vec::new();
            let preflight = Preflight::read(&pairs.iter().copied().collect(), &mut notes);
            (
                preflight.min_brokers,
                preflight.timeout.as_secs(),
                notes.len(),
            )
        };
        assert_eq!(read(&[]), (1, 40, 0));
        assert_eq!(read(&[(MIN_BROKERS, "3"), (TIMEOUT, " 5 ")]), (3, 5, 0));
        assert_eq!(read(&[(MIN_BROKERS, "all"), (TIMEOUT, "-1")]), (1, 40, 2));
        assert_eq!(
            read(&[(MIN_BROKERS, ""), (TIMEOUT, "99999999999")]),
            (1, 40, 1)
        );
    }
}
