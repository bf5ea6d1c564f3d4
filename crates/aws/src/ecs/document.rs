//! The documents of the task metadata endpoint. They grow without a new version: what is not known is left out.

use serde_json::Value as Json;
use std::net::IpAddr;

/// What the documents say about the address of this task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Others reach it here.
    Here(IpAddr),
    /// It shares the network of its host, and the documents do not name that.
    OfHost,
    /// The address is the container's own, and its ports are mapped: nobody outside reaches it.
    Bridge,
    /// The network is not there yet.
    NotYet,
}

/// Where the task runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    pub arn: Option<String>,
    pub availability_zone: Option<String>,
    pub launch_type: Option<String>,
    /// Whether the host says that its clock is wrong: signatures and partitions by time depend on it.
    pub clock_is_wrong: bool,
}

/// The address of a task: by the document of its own container, and if that has no network yet, by those of the others, which
/// share it.
pub fn address(own: Option<&Json>, task: Option<&Json>) -> Address {
    match own.map_or(Address::NotYet, of_container) {
        Address::NotYet => {}
        known => return known,
    }
    let containers = task.and_then(|task| task.get("Containers"));
    let containers = containers.and_then(Json::as_array).into_iter().flatten();
    let mut shared = containers.map(of_container);
    // In bridge mode every container has an address of its own, so that others tell nothing of ours.
    let found = shared.find(|address| matches!(address, Address::Here(_) | Address::OfHost));
    found.unwrap_or(Address::NotYet)
}

fn of_container(container: &Json) -> Address {
    let networks = container.get("Networks").and_then(Json::as_array);
    let networks: Vec<&Json> = networks.into_iter().flatten().collect();
    let has_mode = |mode: &str| {
        let mut modes = networks
            .iter()
            .filter_map(|network| network.get("NetworkMode"));
        modes.any(|other| other.as_str() == Some(mode))
    };
    if has_mode("host") {
        return Address::OfHost;
    }
    if has_mode("bridge") || has_mode("default") {
        return Address::Bridge;
    }
    // A task in both families is reached by the one that everybody speaks.
    let found = ["IPv4Addresses", "IPv6Addresses"]
        .iter()
        .find_map(|family| {
            let lists = networks.iter().filter_map(|network| network.get(family));
            let texts = lists.filter_map(Json::as_array).flatten();
            let mut addresses = texts.filter_map(|text| text.as_str()?.trim().parse().ok());
            addresses.next()
        });
    found.map_or(Address::NotYet, Address::Here)
}

/// What the document of the task says.
pub fn task(document: &Json) -> Task {
    let text = |name: &str| {
        let text = document.get(name).and_then(Json::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let clock = document.pointer("/ClockDrift/ClockSynchronizationStatus");
    Task {
        arn: text("TaskARN"),
        availability_zone: text("AvailabilityZone"),
        launch_type: text("LaunchType"),
        clock_is_wrong: clock.and_then(Json::as_str) == Some("NOT_SYNCHRONIZED"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn others_tell_nothing_in_bridge_mode() {
        let bridge =
            json!({"Networks": [{"NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"]}]});
        let all = json!({"Containers": [bridge]});
        assert_eq!(address(Some(&json!({})), Some(&all)), Address::NotYet);
        assert_eq!(address(Some(&bridge), None), Address::Bridge);
        assert_eq!(address(None, None), Address::NotYet);
    }

    #[test]
    fn reads_whether_the_clock_is_wrong() {
        let read = |status: &str| {
            task(&json!({"ClockDrift": {"ClockSynchronizationStatus": status}})).clock_is_wrong
        };
        assert!(read("NOT_SYNCHRONIZED") && !read("SYNCHRONIZED"));
    }

    proptest! {
        #[test]
        fn takes_any_document(document in crate::services::any_json(&[
            "Networks", "NetworkMode", "IPv4Addresses", "IPv6Addresses", "Containers", "TaskARN", "ClockDrift",
        ])) {
            let _ = address(Some(&document), Some(&document));
            let _ = address(None, Some(&document));
            let _ = task(&document);
        }
    }
}
