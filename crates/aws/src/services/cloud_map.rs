//! Cloud Map: which instances are registered under a name.

use super::document;
use crate::client::{Call, Service};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt;

const TARGETS: &str = "Route53AutoNaming_v20170314";

/// What somebody has registered.
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    /// Values may be secrets: the workshop registers a password.
    pub attributes: BTreeMap<String, String>,
}

impl Instance {
    /// An attribute, unless it is blank.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let value = self.attributes.get(name).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .field("attributes", &self.attributes.keys())
            .finish()
    }
}

/// The instances at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    pub instances: Vec<Instance>,
    /// Changes when they do.
    pub revision: Option<i64>,
}

/// Those that are healthy; all, if none is. The service has no health check in the workshop, and then tells all.
pub fn discover(namespace: &str, service: &str) -> Call {
    document(
        Service::CloudMap,
        TARGETS,
        "DiscoverInstances",
        &[
            ("NamespaceName", namespace),
            ("ServiceName", service),
            ("HealthStatus", "HEALTHY_OR_ELSE_ALL"),
        ],
    )
}

/// The revision alone.
pub fn discover_revision(namespace: &str, service: &str) -> Call {
    document(
        Service::CloudMap,
        TARGETS,
        "DiscoverInstancesRevision",
        &[("NamespaceName", namespace), ("ServiceName", service)],
    )
}

/// Reads the instances. What has no id or is no text is left out.
pub fn parse_instances(answer: &Json) -> Result<Instances, String> {
    let instances = answer.get("Instances").and_then(Json::as_array);
    let instances = instances.ok_or("the answer lacks Instances")?;
    let instances = instances.iter().filter_map(|instance| {
        let attributes = instance.get("Attributes").and_then(Json::as_object);
        let attributes = attributes.into_iter().flatten();
        Some(Instance {
            id: instance.get("InstanceId")?.as_str()?.to_owned(),
            attributes: attributes
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        })
    });
    Ok(Instances {
        instances: instances.collect(),
        revision: answer.get("InstancesRevision").and_then(Json::as_i64),
    })
}

pub fn parse_revision(answer: &Json) -> Result<i64, String> {
    let revision = answer.get("InstancesRevision").and_then(Json::as_i64);
    revision.ok_or_else(|| "the answer lacks InstancesRevision".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::any_json;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn reads_instances() {
        let answer = json!({"Instances": [
            {"InstanceId": "a", "HealthStatus": "HEALTHY", "Attributes": {"x": "1", "y": 2, "z": " "}},
            {"InstanceId": 7},
            {"InstanceId": "b"},
        ], "InstancesRevision": 7});
        let read = parse_instances(&answer).unwrap();
        assert_eq!(read.revision, Some(7));
        let ids: Vec<&str> = read.instances.iter().map(|i| &*i.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(read.instances[0].attribute("x"), Some("1"));
        assert_eq!(read.instances[0].attribute("z"), None);
        assert!(parse_instances(&json!({})).is_err());
        assert_eq!(parse_revision(&answer), Ok(7));
        let mut secret = read.instances[0].clone();
        secret.attributes.insert("password".into(), "hush".into());
        assert!(!format!("{secret:?}").contains("hush"));
    }

    proptest! {
        #[test]
        fn takes_any_answer(answer in any_json(&["Instances", "InstanceId", "Attributes", "InstancesRevision"])) {
            let _ = parse_instances(&answer);
            let _ = parse_revision(&answer);
        }
    }
}
