//! Walk: what is asked of a worker for a verdict, one question after the other, and what the answers come to. It asks nobody
//! itself.

use crate::policy::Policy;
use crate::python::{items, loads, shown};
use crate::verdict::{ConnectorStatus, Findings, Verdict};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use std::collections::VecDeque;

/// What is escaped in a segment of a path (RFC 3986, 3.3).
pub const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A worker's answer; why there is none is a text.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub enum Step {
    /// GET this path, which comes behind the URL of the worker.
    Ask(String),
    Done(Verdict),
}

/// A check that goes on.
pub struct Walk<'a> {
    policy: &'a Policy,
    waiting: VecDeque<Json>,
    statuses: Vec<ConnectorStatus>,
    asked: Asked,
}

enum Asked {
    Names,
    Status(Json),
    /// Of the first connector, with what was found before.
    Details(Findings),
    Nothing,
}

impl<'a> Walk<'a> {
    /// A check, and what it asks first.
    pub fn begin(policy: &'a Policy) -> (Self, String) {
        let walk = Walk {
            policy,
            waiting: VecDeque::new(),
            statuses: Vec::new(),
            asked: Asked::Names,
        };
        (walk, "/connectors".to_owned())
    }

    /// Takes the answer to what was asked. The status code counts for a connector's details alone.
    pub fn answer(&mut self, answer: Result<Answer, String>) -> Step {
        let taken = match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Names => self.take_names(answer),
            Asked::Status(name) => self.take_status(name, answer),
            Asked::Details(found) => {
                let is_told =
                    answer.is_ok_and(|answer| answer.status < 400 && loads(&answer.body).is_ok());
                let first = self.statuses.first().map(|status| &status.name);
                let lost = first.filter(|_| !is_told);
                return Step::Done(found.verdict(self.policy, &self.statuses, lost));
            }
            Asked::Nothing => Err("nothing was asked".to_owned()),
        };
        let next = taken.and_then(|()| self.next());
        next.unwrap_or_else(|error| Step::Done(Verdict::failed(self.policy, &error)))
    }

    fn take_names(&mut self, answer: Result<Answer, String>) -> Result<(), String> {
        self.waiting = items(&loads(&answer?.body)?)?.into();
        Ok(())
    }

    fn take_status(&mut self, name: Json, answer: Result<Answer, String>) -> Result<(), String> {
        let status = ConnectorStatus::read(name, &loads(&answer?.body)?)?;
        self.statuses.push(status);
        Ok(())
    }

    fn next(&mut self) -> Result<Step, String> {
        if let Some(name) = self.waiting.pop_front() {
            let path = format!("{}/status", path_of(&name));
            self.asked = Asked::Status(name);
            return Ok(Step::Ask(path));
        }
        let found = Findings::of(self.policy, &self.statuses)?;
        let first = self.statuses.first().filter(|_| !found.has_connector_here);
        let Some(first) = first else {
            return Ok(Step::Done(found.verdict(self.policy, &self.statuses, None)));
        };
        let path = path_of(&first.name);
        self.asked = Asked::Details(found);
        Ok(Step::Ask(path))
    }
}

fn path_of(name: &Json) -> String {
    let name = shown(name);
    format!("/connectors/{}", utf8_percent_encode(&name, PATH_SEGMENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Each answer in turn; the verdict, and what was asked.
    fn walk(answers: &[&str]) -> (Verdict, Vec<String>) {
        let policy = Policy::default();
        let (mut walk, first) = Walk::begin(&policy);
        let mut asked = vec![first];
        for body in answers {
            let body = body.as_bytes().to_vec();
            match walk.answer(Ok(Answer { status: 200, body })) {
                Step::Ask(path) => asked.push(path),
                Step::Done(verdict) => return (verdict, asked),
            }
        }
        panic!("more was asked than answered: {asked:?}")
    }

    #[test]
    fn names_are_asked_for_as_one_part_of_a_path() {
        for (name, path) in [
            ("a b", "/connectors/a%20b"),
            ("h\u{e9}", "/connectors/h%C3%A9"),
            ("a?b#c/d%e", "/connectors/a%3Fb%23c%2Fd%25e"),
            ("a-b_c.d:e", "/connectors/a-b_c.d:e"),
        ] {
            assert_eq!(path_of(&json!(name)), path);
        }
    }

    #[test]
    fn what_is_no_status_is_told_in_python_s_words() {
        for (answers, error) in [
            (&["7"][..], "'int' object is not iterable"),
            (&["null"], "'NoneType' object is not iterable"),
            (
                &["[\"a\"]", "[]"],
                "list indices must be integers or slices, not str",
            ),
            (
                &["[\"a\"]", "{\"connector\": {\"state\": 1}}"],
                "'int' object has no attribute 'upper'",
            ),
            (
                &[
                    "[\"a\"]",
                    "{\"connector\": {\"state\": \"x\", \"worker_id\": \"y\"}}",
                ],
                "'tasks'",
            ),
        ] {
            let (verdict, _) = walk(answers);
            let expected = format!("\"error\": \"{error}\"");
            assert!(verdict.body.contains(&expected), "{}", verdict.body);
        }
    }

    proptest! {
        #[test]
        fn any_answer_ends_in_a_verdict_or_a_question(bodies in proptest::collection::vec("[\\[\\]{}\",:a-c0-9 ]{0,40}", 4)) {
            let policy = Policy::default();
            let (mut walk, _) = Walk::begin(&policy);
            for body in bodies {
                let body = body.into_bytes();
                if let Step::Done(_) = walk.answer(Ok(Answer { status: 200, body })) {
                    break;
                }
            }
        }
    }
}
