//! Names: what Java's metrics are called in Prometheus by those who chart them. Both families come of the JMX exporter, whose
//! rules turn a group's name and an attribute's into one; a hyphen becomes an underscore.

use super::exposition::Kind;

/// A group of attributes, as Java's beans have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Worker,
    /// The worker's, by connector.
    WorkerConnector,
    Rebalance,
    Coordinator,
    /// The worker's client in its group.
    Connect,
    Connector,
    ConnectorTask,
    SinkTask,
    SourceTask,
    TaskError,
    Consumer,
    ConsumerFetch,
    Producer,
    /// MongoDB's own, of its sink.
    MongoSink,
}

/// By whose rules names are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Confluent,
    Strimzi,
}

/// Which names are shown (`millstream.metrics.names`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Confluent,
    Strimzi,
    Both,
}

impl Names {
    /// Reads the setting, which has been validated.
    pub(crate) fn of(setting: &str) -> Self {
        match setting {
            "strimzi" => Names::Strimzi,
            "both" => Names::Both,
            _ => Names::Confluent,
        }
    }

    pub(super) fn families(self) -> &'static [Family] {
        match self {
            Names::Confluent => &[Family::Confluent],
            Names::Strimzi => &[Family::Strimzi],
            Names::Both => &[Family::Confluent, Family::Strimzi],
        }
    }
}

impl Group {
    /// Java's `type` of the bean.
    #[cfg(test)]
    pub(super) fn java(self) -> &'static str {
        match self {
            Group::Worker | Group::WorkerConnector => "connect-worker-metrics",
            Group::Rebalance => "connect-worker-rebalance-metrics",
            Group::Coordinator => "connect-coordinator-metrics",
            Group::Connect => "connect-metrics",
            Group::Connector => "connector-metrics",
            Group::ConnectorTask => "connector-task-metrics",
            Group::SinkTask | Group::MongoSink => "sink-task-metrics",
            Group::SourceTask => "source-task-metrics",
            Group::TaskError => "task-error-metrics",
            Group::Consumer => "consumer-metrics",
            Group::ConsumerFetch => "consumer-fetch-manager-metrics",
            Group::Producer => "producer-metrics",
        }
    }

    fn prefix(self, family: Family) -> &'static str {
        match family {
            Family::Confluent => match self {
                Group::Worker | Group::WorkerConnector => "kafka_connect_connect_worker_metrics_",
                Group::Rebalance => "kafka_connect_connect_worker_rebalance_metrics_",
                Group::Coordinator => "kafka_connect_connect_coordinator_metrics_",
                Group::Connect => "kafka_connect_connect_metrics_",
                Group::Connector => "kafka_connect_connector_metrics_",
                Group::ConnectorTask => "kafka_connect_connector_task_metrics_",
                Group::SinkTask => "kafka_connect_sink_task_metrics_",
                Group::SourceTask => "kafka_connect_source_task_metrics_",
                Group::TaskError => "kafka_connect_task_error_metrics_",
                Group::Consumer => "kafka_consumer_consumer_metrics_",
                Group::ConsumerFetch => "kafka_consumer_consumer_fetch_manager_metrics_",
                Group::Producer => "kafka_producer_producer_metrics_",
                Group::MongoSink => "kafka_connect_mongodb_sink_task_metrics_",
            },
            Family::Strimzi => match self {
                Group::Worker | Group::WorkerConnector => "kafka_connect_worker_",
                Group::Rebalance => "kafka_connect_worker_rebalance_",
                Group::Coordinator => "kafka_connect_coordinator_",
                Group::Connect => "kafka_connect_",
                Group::Connector => "kafka_connect_connector_",
                Group::ConnectorTask => "kafka_connect_connector_task_",
                Group::SinkTask => "kafka_connect_sink_task_",
                Group::SourceTask => "kafka_connect_source_task_",
                Group::TaskError => "kafka_connect_task_error_",
                Group::Consumer => "kafka_consumer_",
                Group::ConsumerFetch => "kafka_consumer_fetch_manager_",
                Group::Producer => "kafka_producer_",
                // Strimzi's rules know no MongoDB.
                Group::MongoSink => "kafka_connect_mongodb_sink_task_",
            },
        }
    }

    pub(super) fn name(self, family: Family, attribute: &str) -> String {
        format!("{}{}", self.prefix(family), attribute.replace('-', "_"))
    }
}

/// A total is a counter whatever it is called: two of Connect's names do not end in `_total`.
pub(super) fn kind_of(attribute: &str, is_total: bool) -> Kind {
    if is_total || attribute.ends_with("-total") {
        Kind::Counter
    } else {
        Kind::Gauge
    }
}
