//! What the workshop's services are given to find the rest by: names in Cloud Map, and the region. Nothing is asked here.

use crate::note::Note;
use crate::resolved::{Origin, Resolved};
use crate::variables::Variables;

/// The name that the workshop's start script has in it, for it passes none to the worker.
pub const WORKSHOP_NAMESPACE: &str = "FargateWorkshopNamespace";

/// Where the region is looked for, in order.
pub const REGION: [&str; 3] = ["REGION", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// Where ECS says that it answers, newest first.
pub const METADATA: [&str; 2] = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
];

/// What is read beside the settings, for whoever looks for a slip of the pen.
pub const NAMES: [&str; 19] = [
    "NAMESPACE",
    "MSK_SERVICE",
    "DDB_SERVICE",
    "REGION",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
    "TOPIC_NAME",
    "MSK_INSTANCE_ID",
    "MSK_NETWORK",
    "MSK_SCRAM_SECRET",
    "ALLOW_PLAINTEXT",
    "DOCDB_USER",
    "DOCDB_PASSWORD",
    "DOCDB_CA_FILE",
    "DOCDB_OPTIONS",
    "DISCOVERY_TIMEOUT",
    "DISCOVERY_INTERVAL",
];

/// Whoever may find out a value that no variable has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finder {
    /// Cloud Map tells the cluster, Amazon MSK its brokers.
    Brokers,
    /// Cloud Map tells the database, and with it or in a secret how to sign in.
    Database,
    /// The task's metadata, else the network interface, else the host's name.
    AdvertisedHost,
}

/// The names to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Services {
    pub namespace: Option<Resolved>,
    pub kafka: Option<Resolved>,
    pub database: Option<Resolved>,
    /// Without one the task's metadata may tell it.
    pub region: Option<Resolved>,
    /// Where the task's metadata is.
    pub metadata: Option<Resolved>,
}

impl Services {
    /// As the variables have them.
    pub fn read(variables: &Variables) -> Self {
        let first = |names: &[&str]| {
            let found = variables.first(names);
            found.map(|(name, value)| Resolved::of_variable(name, value))
        };
        Services {
            namespace: first(&["NAMESPACE"]),
            kafka: first(&["MSK_SERVICE"]),
            database: first(&["DDB_SERVICE"]),
            region: first(&REGION),
            metadata: first(&METADATA),
        }
    }

    /// With the workshop's namespace where a service is named and no namespace: its worker is not given one.
    pub fn with_workshop_namespace(mut self, notes: &mut Vec<Note>) -> Self {
        if self.namespace.is_none() && self.kafka.is_some() {
            let text = format!("is not set; {WORKSHOP_NAMESPACE} is taken");
            let note = Note::warning("NAMESPACE", text);
            notes.push(note.with_remedy("set NAMESPACE to the Cloud Map namespace of MSK_SERVICE"));
            self.namespace = Some(Resolved::new(WORKSHOP_NAMESPACE, Origin::Default));
        }
        self
    }

    /// What would be done to find a value, in words; `None` if the names do not suffice.
    pub fn way(&self, finder: Finder) -> Option<String> {
        let value = |resolved: &Option<Resolved>| resolved.as_ref().map(|it| it.value.clone());
        let namespace = value(&self.namespace);
        let region = value(&self.region).unwrap_or_else(|| "the task's region".to_owned());
        match finder {
            Finder::Brokers => {
                let (namespace, service) = (namespace?, value(&self.kafka)?);
                Some(format!(
                    "would ask Cloud Map for service {service} in namespace {namespace}, then Amazon MSK for its brokers, in {region}"
                ))
            }
            Finder::Database => {
                let (namespace, service) = (namespace?, value(&self.database)?);
                Some(format!(
                    "would ask Cloud Map for service {service} in namespace {namespace}, in {region}"
                ))
            }
            Finder::AdvertisedHost => Some(match &self.metadata {
                Some(metadata) => format!("would ask the task's metadata ({})", metadata.from),
                None => "would take the address of the network interface, else the host's name"
                    .to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workshop_s_namespace_is_taken_with_a_warning_and_only_where_one_is_needed() {
        let mut notes = Vec::new();
        let none = Services::read(&Variables::default()).with_workshop_namespace(&mut notes);
        assert_eq!((none, notes.len()), (Services::default(), 0));
        let variables =
            Variables::from_iter([("MSK_SERVICE", "KafkaSvc"), ("REGION", "eu-west-1")]);
        let services = Services::read(&variables).with_workshop_namespace(&mut notes);
        assert_eq!(notes.len(), 1);
        assert_eq!(
            services.way(Finder::Brokers).as_deref(),
            Some(
                "would ask Cloud Map for service KafkaSvc in namespace FargateWorkshopNamespace, then Amazon MSK for its brokers, in eu-west-1"
            )
        );
        assert_eq!(services.way(Finder::Database), None);
    }

    #[test]
    fn the_region_is_that_of_the_workshop_first() {
        let variables = Variables::from_iter([
            ("AWS_DEFAULT_REGION", "c"),
            ("AWS_REGION", "b"),
            ("REGION", ""),
        ]);
        let region = Services::read(&variables).region;
        assert_eq!(region, Some(Resolved::of_variable("AWS_REGION", "b")));
    }
}
