//! Verdict: whether connectors and tasks are healthy, as kafka-connect-healthcheck decides and words it.

use crate::policy::Policy;
use crate::python::{dumps, index, items, text};
use serde_json::{Map, Value as Json, json};

/// What stands in the body when nothing could be decided.
const EXCEPTION: &str =
    "Exception raised while attempting to calculate health result, assuming unhealthy.";

/// A connector's status, as far as it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorStatus {
    pub name: Json,
    /// In capitals.
    pub state: String,
    pub worker_id: Json,
    /// Each as it was told; what it lacks is an error for those alone who need it.
    pub tasks: Vec<Json>,
}

impl ConnectorStatus {
    /// From the body of a status.
    pub(crate) fn read(name: Json, body: &Json) -> Result<Self, String> {
        let connector = index(body, "connector")?;
        let state = text(index(connector, "state")?, "upper")?.to_uppercase();
        let worker_id = index(connector, "worker_id")?.clone();
        let tasks = items(index(body, "tasks")?)?;
        Ok(ConnectorStatus {
            name,
            state,
            worker_id,
            tasks,
        })
    }
}

/// What is answered, and what there is to log.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub is_healthy: bool,
    pub body: String,
    /// A line for each thing that is wrong.
    pub remarks: Vec<String>,
}

impl Verdict {
    /// Nothing could be decided.
    pub fn failed(policy: &Policy, error: &str) -> Self {
        let body = json!({
            "healthy": false,
            "message": EXCEPTION,
            "error": error,
            "failure_states": policy.unhealthy_states,
        });
        Verdict {
            is_healthy: false,
            body: dumps(&body),
            remarks: vec![format!("the health of the worker is not known: {error}")],
        }
    }
}

/// What the statuses tell, before anybody has asked whether the brokers answer.
pub(crate) struct Findings {
    failures: Vec<Json>,
    remarks: Vec<String>,
    /// A connector was found on the worker that is asked about.
    pub(crate) has_connector_here: bool,
}

impl Findings {
    pub(crate) fn of(policy: &Policy, statuses: &[ConnectorStatus]) -> Result<Self, String> {
        let mut found = Findings {
            failures: Vec::new(),
            remarks: Vec::new(),
            has_connector_here: false,
        };
        for status in statuses {
            found.look_at_connector(policy, status)?;
            if policy.considers("task") {
                for task in &status.tasks {
                    found.look_at_task(policy, status, task)?;
                }
            }
        }
        Ok(found)
    }

    fn look_at_connector(
        &mut self,
        policy: &Policy,
        status: &ConnectorStatus,
    ) -> Result<(), String> {
        let ConnectorStatus {
            name,
            state,
            worker_id,
            ..
        } = status;
        if !is_here(policy, worker_id)? || !policy.considers("connector") {
            return Ok(());
        }
        self.has_connector_here = true;
        if policy.is_unhealthy(state) {
            self.remarks.push(format!("connector {name} is {state}"));
            let mut failure = failure("connector", name);
            failure.insert("state".to_owned(), state.as_str().into());
            failure.insert("worker_id".to_owned(), worker_id.clone());
            self.failures.push(failure.into());
        }
        Ok(())
    }

    fn look_at_task(
        &mut self,
        policy: &Policy,
        of: &ConnectorStatus,
        task: &Json,
    ) -> Result<(), String> {
        let worker_id = index(task, "worker_id")?;
        if !is_here(policy, worker_id)? {
            return Ok(());
        }
        let (state, id) = (index(task, "state")?, index(task, "id"));
        let is_unhealthy = policy.is_unhealthy(text(state, "upper")?);
        let id = id?;
        if is_unhealthy {
            self.remarks
                .push(format!("task {id} of connector {} is {state}", of.name));
            let mut failure = failure("task", &of.name);
            failure.insert("id".to_owned(), id.clone());
            failure.insert("state".to_owned(), state.clone());
            failure.insert("worker_id".to_owned(), worker_id.clone());
            let trace = task.get("trace").cloned().unwrap_or_default();
            failure.insert("trace".to_owned(), trace);
            self.failures.push(failure.into());
        }
        Ok(())
    }

    /// The verdict. `lost` is the connector that was asked for in vain, which speaks for the brokers.
    pub(crate) fn verdict(
        mut self,
        policy: &Policy,
        statuses: &[ConnectorStatus],
        lost: Option<&Json>,
    ) -> Verdict {
        let failed = self.failures.len();
        if let Some(name) = lost {
            self.remarks
                .push(format!("connector {name} cannot be asked for"));
            self.failures.push(failure("broker", name).into());
        }
        let mut count = 0;
        if policy.considers("connector") {
            count += statuses.len();
        }
        if policy.considers("task") {
            count += statuses
                .iter()
                .map(|status| status.tasks.len())
                .sum::<usize>();
        }
        let failed = failed + usize::from(lost.is_some() && policy.considers("broker"));
        let rate = match count {
            0 => 0.0,
            count => failed as f64 / count as f64,
        };
        let is_healthy = rate <= policy.threshold && lost.is_none();
        let body = json!({
            "failures": self.failures,
            "failure_states": policy.unhealthy_states,
            "failure_rate": rate,
            "failure_threshold": policy.threshold,
            "healthy": is_healthy,
        });
        Verdict {
            is_healthy,
            body: dumps(&body),
            remarks: self.remarks,
        }
    }
}

/// The verdict where nobody has to be asked: `can_work` says whether the brokers would answer.
pub fn judge(policy: &Policy, statuses: &[ConnectorStatus], can_work: bool) -> Verdict {
    match Findings::of(policy, statuses) {
        Ok(found) => {
            let first = statuses.first().map(|status| &status.name);
            let lost = first.filter(|_| !found.has_connector_here && !can_work);
            found.verdict(policy, statuses, lost)
        }
        Err(error) => Verdict::failed(policy, &error),
    }
}

fn failure(kind: &str, connector: &Json) -> Map<String, Json> {
    let mut failure = Map::new();
    failure.insert("type".to_owned(), kind.into());
    failure.insert("connector".to_owned(), connector.clone());
    failure
}

fn is_here(policy: &Policy, worker_id: &Json) -> Result<bool, String> {
    if policy.worker_id.is_none() {
        return Ok(true);
    }
    Ok(policy.is_here(text(worker_id, "lower")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: &str, task: &str, worker_id: &str) -> ConnectorStatus {
        ConnectorStatus {
            name: json!("a"),
            state: state.to_owned(),
            worker_id: json!(worker_id),
            tasks: vec![json!({"id": 0, "state": task, "worker_id": worker_id})],
        }
    }

    /// What the original tells nobody (T24): the task of a worker that is known by its host.
    #[test]
    fn a_failed_task_is_found_by_the_bare_host() {
        let policy = Policy {
            worker_id: Some("10.0.0.1".to_owned()),
            ..Policy::default()
        };
        let verdict = judge(
            &policy,
            &[status("RUNNING", "FAILED", "10.0.0.1:8083")],
            true,
        );
        assert!(!verdict.is_healthy, "{}", verdict.body);
        assert!(
            verdict.body.contains("\"failure_rate\": 0.5"),
            "{}",
            verdict.body
        );
    }

    #[test]
    fn brokers_count_where_the_worker_has_no_connector() {
        let policy = Policy {
            worker_id: Some("elsewhere:1".to_owned()),
            ..Policy::default()
        };
        let statuses = [status("RUNNING", "RUNNING", "10.0.0.1:8083")];
        assert!(judge(&policy, &statuses, true).is_healthy);
        let lost = judge(&policy, &statuses, false);
        assert!(!lost.is_healthy);
        assert!(
            lost.body
                .starts_with(r#"{"failures": [{"type": "broker", "connector": "a"}]"#)
        );
        assert!(
            judge(&policy, &[], false).is_healthy,
            "there is nothing to ask for"
        );
        assert!(judge(&Policy::default(), &statuses, false).is_healthy);
    }
}
