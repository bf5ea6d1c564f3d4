//! Fetches the documents, and falls back on what the machine itself knows.

use super::document::{self, Address, Task};
use crate::environment::Environment;
use crate::http::{Http, Request, Way};
use bytes::Bytes;
use serde_json::Value as Json;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

/// The current place of the documents, and that of platforms before 1.4.0.
const PLACES: [&str; 2] = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
];

/// The agent stands beside the task, and may be late in its first second.
const PATIENCE: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Addresses that are nobody's, for asking which way packets would go. None is sent.
const ELSEWHERE: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// Who knew the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Ecs,
    DefaultRoute,
}

/// The address under which others reach this process; nothing if only its host name is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub address: Option<(IpAddr, Source)>,
    /// What somebody has to set, where the address cannot be known.
    pub warning: Option<String>,
}

/// What ECS says; empty outside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Nothing outside of ECS, and where it did not answer.
    pub address: Option<Address>,
    pub task: Task,
    /// What went wrong.
    pub warning: Option<String>,
}

impl Metadata {
    /// Whether this process is a task of ECS.
    pub fn is_there(environment: &Environment) -> bool {
        PLACES.iter().any(|place| environment.get(place).is_some())
    }

    /// Asks the newest place that the environment names, then the older one.
    pub async fn fetch(environment: &Environment, http: &Http) -> Self {
        let mut warnings = Vec::new();
        for place in PLACES {
            let Some(url) = environment.get(place) else {
                continue;
            };
            match fetch_at(url.trim_end_matches('/'), http).await {
                Ok(metadata) => return metadata,
                Err(why) => warnings.push(format!("{place}: {why}")),
            }
        }
        Metadata {
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
            ..Metadata::default()
        }
    }

    /// The address to be told to others.
    pub fn advertised(&self) -> Advertised {
        self.advertised_beside(default_route())
    }

    fn advertised_beside(&self, route: Option<IpAddr>) -> Advertised {
        let route = route.map(|address| (address, Source::DefaultRoute));
        let (address, warning) = match &self.address {
            Some(Address::Here(address)) => (Some((*address, Source::Ecs)), None),
            Some(Address::Bridge) => (
                None,
                Some(
                    "this task has a bridge network, where nobody outside reaches the address of a container: set \
                     CONNECT_REST_ADVERTISED_HOST_NAME and CONNECT_REST_ADVERTISED_PORT to the host's"
                        .to_owned(),
                ),
            ),
            Some(Address::OfHost | Address::NotYet) | None => (route, self.warning.clone()),
        };
        Advertised { address, warning }
    }
}

async fn fetch_at(url: &str, http: &Http) -> Result<Metadata, String> {
    let mut pause = FIRST_PAUSE;
    let mut tries = 1;
    loop {
        let own = get(url, http).await;
        let all = match &own {
            Ok(_) => get(&format!("{url}/task"), http).await.ok(),
            Err(_) => None,
        };
        let address = document::address(own.as_ref().ok(), all.as_ref());
        if address != Address::NotYet || tries == TRIES {
            own?;
            return Ok(Metadata {
                address: Some(address),
                task: all.as_ref().map(document::task).unwrap_or_default(),
                warning: None,
            });
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        tries += 1;
    }
}

async fn get(url: &str, http: &Http) -> Result<Json, String> {
    let request = Request {
        method: "GET",
        url: url.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
    };
    let answer = http.send(Way::Neighbour, request, PATIENCE).await?;
    if !answer.is_success() {
        return Err(format!("answered with status {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|_| "the answer is not JSON".to_owned())
}

/// The address of the interface that packets to elsewhere would leave by.
fn default_route() -> Option<IpAddr> {
    ELSEWHERE.iter().find_map(|(any, elsewhere)| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(elsewhere).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_unspecified() && !address.is_loopback()).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_back_on_the_default_route() {
        let route: IpAddr = "10.9.9.9".parse().unwrap();
        let told = |address| {
            let metadata = Metadata {
                address,
                ..Metadata::default()
            };
            metadata.advertised_beside(Some(route))
        };
        let by_route = Some((route, Source::DefaultRoute));
        assert_eq!(told(None).address, by_route);
        assert_eq!(told(Some(Address::OfHost)).address, by_route);
        assert_eq!(told(Some(Address::NotYet)).address, by_route);
        let own: IpAddr = "10.0.1.23".parse().unwrap();
        let here = told(Some(Address::Here(own)));
        assert_eq!(here.address, Some((own, Source::Ecs)));
        let bridge = told(Some(Address::Bridge));
        assert_eq!(bridge.address, None);
        let warning = bridge.warning.unwrap();
        assert!(
            warning.contains("CONNECT_REST_ADVERTISED_HOST_NAME"),
            "{warning}"
        );
    }
}
