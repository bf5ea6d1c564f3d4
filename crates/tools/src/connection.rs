//! What every command needs to know about the cluster, under the names that Kafka's scripts have for it.

use crate::UsageError;
use crate::pairs::pairs;
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, Args)]
pub struct ConnectionArgs {
    /// Brokers to ask first, as host:port, separated by commas; where nothing says them, those of CONNECT_BOOTSTRAP_SERVERS, or
    /// those that NAMESPACE and MSK_SERVICE lead to in AWS.
    #[arg(
        long,
        visible_alias = "bootstrap-servers",
        alias = "broker-list",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        value_name = "HOST:PORT,…"
    )]
    pub bootstrap_server: Option<String>,
    /// A client.properties file: TLS, SASL and further settings of the Kafka client.
    #[arg(
        long,
        env = "KAFKA_PROPERTIES",
        aliases = ["consumer.config", "producer.config", "consumer-config", "producer-config"],
        value_name = "FILE"
    )]
    pub command_config: Option<PathBuf>,
    /// One setting of the client, as key=value; goes before those of the file. Others see it in the list of processes:
    /// passwords belong in the file.
    #[arg(
        long,
        aliases = ["consumer-property", "producer-property"],
        value_name = "KEY=VALUE",
        hide_env_values = true
    )]
    pub command_property: Vec<String>,
}

impl ConnectionArgs {
    /// The settings given one by one.
    ///
    /// # Errors
    /// If one is no `key=value`.
    pub fn properties(&self) -> Result<Vec<(String, String)>, UsageError> {
        pairs("--command-property", &self.command_property)
    }
}
