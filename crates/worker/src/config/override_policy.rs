//! `connector.client.config.override.policy`: what a connector may say about the Kafka clients that work for it.

/// Which client settings a connector may override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverridePolicy {
    All,
    None,
    /// Only who the connector is to the brokers.
    Principal,
}

impl OverridePolicy {
    /// The policy of a name or of Java's class name.
    pub fn find(name: &str) -> Option<Self> {
        let simple = name.rsplit('.').next().unwrap_or(name);
        match simple
            .strip_suffix("ConnectorClientConfigOverridePolicy")
            .unwrap_or(simple)
        {
            "All" => Some(OverridePolicy::All),
            "None" => Some(OverridePolicy::None),
            "Principal" => Some(OverridePolicy::Principal),
            _ => None,
        }
    }

    /// Java's refusal of a setting (without its prefix), if it is refused.
    pub fn refuse(self, setting: &str) -> Option<String> {
        let (is_allowed, name) = match self {
            OverridePolicy::All => (true, "All"),
            OverridePolicy::None => (false, "None"),
            OverridePolicy::Principal => {
                let allowed = ["sasl.jaas.config", "sasl.mechanism", "security.protocol"];
                (allowed.contains(&setting), "Principal")
            }
        };
        (!is_allowed).then(|| {
            format!("The '{name}' policy does not allow '{setting}' to be overridden in the connector configuration.")
        })
    }
}
