//! MSK: where a cluster's brokers are, by way of signing in.

use super::ESCAPED;
use crate::client::endpoint::region_of_arn;
use crate::client::{Asks, Call, Service};
use percent_encoding::utf8_percent_encode;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What every member of the answer begins with.
const MEMBER: &str = "bootstrapBrokerString";

/// How clients sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignIn {
    Iam,
    Scram,
    Tls,
    Plaintext,
}

/// From where clients come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The cluster's own network.
    Private,
    Public,
    /// Another network, by multi-VPC connectivity.
    Vpc,
    Ipv6,
}

/// A way to reach the brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    pub network: Network,
    pub sign_in: SignIn,
}

impl Listener {
    /// The member of the answer that has its brokers.
    pub fn member(self) -> String {
        let sign_in = match self.sign_in {
            SignIn::Iam => "SaslIam",
            SignIn::Scram => "SaslScram",
            SignIn::Tls => "Tls",
            SignIn::Plaintext => "",
        };
        match self.network {
            Network::Private => format!("{MEMBER}{sign_in}"),
            Network::Public => format!("{MEMBER}Public{sign_in}"),
            Network::Vpc => format!("{MEMBER}VpcConnectivity{sign_in}"),
            Network::Ipv6 => format!("{MEMBER}{sign_in}Ipv6"),
        }
    }

    pub(crate) fn all() -> impl Iterator<Item = Listener> {
        let networks = [
            Network::Private,
            Network::Public,
            Network::Vpc,
            Network::Ipv6,
        ];
        networks.into_iter().flat_map(|network| {
            let ways = [SignIn::Iam, SignIn::Scram, SignIn::Tls, SignIn::Plaintext];
            ways.map(|sign_in| Listener { network, sign_in })
        })
    }
}

/// The brokers, `host:port,host:port`, by listener.
pub type Brokers = BTreeMap<Listener, String>;

/// Whether a text is the ARN of a cluster of MSK.
pub fn is_cluster(text: &str) -> bool {
    let mut fields = text.splitn(6, ':');
    let mut next = || fields.next().unwrap_or_default();
    let (arn, partition, service, region) = (next(), next(), next(), next());
    let (_account, resource) = (next(), next());
    arn == "arn"
        && partition.starts_with("aws")
        && service == "kafka"
        && !region.is_empty()
        && resource.starts_with("cluster/")
}

/// The brokers of a cluster. The region in its name is asked: another one would know nothing of it.
pub fn get_bootstrap_brokers(arn: &str) -> Call {
    let escaped = utf8_percent_encode(arn, ESCAPED);
    Call {
        service: Service::Msk,
        operation: "GetBootstrapBrokers",
        region: region_of_arn(arn).map(str::to_owned),
        asks: Asks::Path(format!("/v1/clusters/{escaped}/bootstrap-brokers")),
    }
}

/// Reads the listeners. Members that are not known are left out, as is what is blank.
pub fn parse_brokers(answer: &Json) -> Result<Brokers, String> {
    let members = answer.as_object().ok_or("the answer is no object")?;
    let brokers = Listener::all().filter_map(|listener| {
        let brokers = members.get(&listener.member())?.as_str()?.trim();
        (!brokers.is_empty()).then(|| (listener, brokers.to_owned()))
    });
    Ok(brokers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::any_json;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn knows_every_member() {
        let members: Vec<String> = Listener::all().map(Listener::member).collect();
        for member in [
            "bootstrapBrokerString",
            "bootstrapBrokerStringTls",
            "bootstrapBrokerStringSaslScram",
            "bootstrapBrokerStringSaslIam",
            "bootstrapBrokerStringPublicTls",
            "bootstrapBrokerStringPublicSaslScram",
            "bootstrapBrokerStringPublicSaslIam",
            "bootstrapBrokerStringVpcConnectivityTls",
            "bootstrapBrokerStringVpcConnectivitySaslScram",
            "bootstrapBrokerStringVpcConnectivitySaslIam",
            "bootstrapBrokerStringIpv6",
            "bootstrapBrokerStringTlsIpv6",
            "bootstrapBrokerStringSaslScramIpv6",
            "bootstrapBrokerStringSaslIamIpv6",
        ] {
            assert!(members.iter().any(|known| known == member), "{member}");
        }
    }

    #[test]
    fn reads_brokers() {
        let answer = json!({
            "bootstrapBrokerStringTls": "b-1:9094,b-2:9094",
            "bootstrapBrokerStringSaslIam": " ",
            "bootstrapBrokerStringOfTheFuture": "x:1",
            "bootstrapBrokerString": 7,
        });
        let read = parse_brokers(&answer).unwrap();
        let tls = Listener {
            network: Network::Private,
            sign_in: SignIn::Tls,
        };
        assert_eq!(read, [(tls, "b-1:9094,b-2:9094".to_owned())].into());
        assert!(parse_brokers(&json!({})).unwrap().is_empty());
    }

    #[test]
    fn asks_in_the_region_of_the_cluster() {
        let arn = "arn:aws:kafka:eu-west-1:111122223333:cluster/m/0a1b-7";
        assert!(is_cluster(arn));
        let call = get_bootstrap_brokers(arn);
        assert_eq!(call.region.as_deref(), Some("eu-west-1"));
        let path = "/v1/clusters/arn%3Aaws%3Akafka%3Aeu-west-1%3A111122223333%3Acluster%2Fm%2F0a1b-7/bootstrap-brokers";
        assert_eq!(call.asks, Asks::Path(path.to_owned()));
        for other in [
            "arn:aws:kafka:eu-west-1:1:topic/m",
            "arn:aws:s3:::b",
            "b:9092",
            "",
        ] {
            assert!(!is_cluster(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn takes_any_answer(answer in any_json(&["bootstrapBrokerStringTls", "bootstrapBrokerString"]), arn in ".{0,80}") {
            let _ = parse_brokers(&answer);
            let _ = is_cluster(&arn);
            let _ = get_bootstrap_brokers(&arn);
        }
    }
}
