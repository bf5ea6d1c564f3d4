//! The seam to what the tasks count: the text that `/metrics` answers with.

/// Gives the metrics of everything that runs here, in Prometheus' text format.
pub trait MetricsSource: Send + Sync {
    fn render(&self) -> String;
}
