//! Outage: what is told of a topic that is out of reach, once for each reason.

use millstream_core::{ConsumerError, Degraded};
use tokio::sync::mpsc;

#[derive(Debug)]
pub(crate) struct Outage {
    topic: &'static str,
    reason: Option<String>,
    failed: mpsc::Sender<String>,
}

impl Outage {
    pub(crate) fn new(topic: &'static str, failed: mpsc::Sender<String>) -> Self {
        Outage {
            topic,
            reason: None,
            failed,
        }
    }

    pub(crate) fn on_degraded(&mut self, degraded: &Degraded) {
        let reason = Some(&degraded.reason);
        if self.reason.as_ref() != reason {
            tracing::warn!(
                reason = degraded.reason,
                "{} is unavailable, retrying",
                self.topic
            );
            self.reason = reason.cloned();
        }
    }

    pub(crate) fn on_recovered(&mut self) {
        if self.reason.take().is_some() {
            tracing::info!("{} has recovered", self.topic);
        }
    }

    /// Nothing more is heard of the topic, so the worker is of no use.
    pub(crate) fn on_failed(&self, error: &ConsumerError) {
        let why = format!("{} cannot be read any more: {}", self.topic, error.message);
        tracing::error!("{why}");
        // Whoever waits for this needs the first reason alone.
        let _ = self.failed.try_send(why);
    }
}
