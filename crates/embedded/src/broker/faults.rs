//! Faults by request: the nth call of an API, perhaps only for one topic, is answered with an error, delayed, or cut off. What
//! happens to the bytes of a connection, whatever they mean, is `crate::faults`.

use std::sync::Mutex;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;

use super::lock;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ApiAction {
    /// It is answered with this Kafka error code, without any effect.
    Error(i16),
    /// It is handled after this time.
    Delay(Duration),
    /// The connection closes before it is handled.
    Disconnect,
    /// It is handled, then the connection closes instead of the answer.
    LoseAnswer,
}

/// Which requests of an API are hit, and how.
#[derive(Debug, Clone)]
pub struct ApiFault {
    api: ApiKey,
    topic: Option<String>,
    /// Matching requests that still pass.
    skip: u32,
    /// Matching requests that are hit after those.
    times: u32,
    action: ApiAction,
}

impl ApiFault {
    /// Hits the next request of this API.
    pub fn new(api: ApiKey, action: ApiAction) -> Self {
        Self {
            api,
            topic: None,
            skip: 0,
            times: 1,
            action,
        }
    }

    /// Counts only requests that name this topic.
    pub fn on_topic(mut self, topic: &str) -> Self {
        self.topic = Some(topic.to_owned());
        self
    }

    /// Hits the nth matching request from now, counted from 1.
    pub fn nth(mut self, nth: u32) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }

    /// Hits this many requests in a row.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// The faults a broker still has to play.
#[derive(Debug, Default)]
pub struct ApiFaults {
    faults: Mutex<Vec<ApiFault>>,
}

impl ApiFaults {
    /// Adds a fault.
    pub fn add(&self, fault: ApiFault) {
        lock(&self.faults).push(fault);
    }

    /// Forgets all faults that have not happened.
    pub fn clear(&self) {
        lock(&self.faults).clear();
    }

    /// Requests that are still to be hit.
    pub fn left(&self) -> u32 {
        lock(&self.faults).iter().map(|fault| fault.times).sum()
    }

    /// The fault for this request, with the topic it is limited to.
    pub(crate) fn take(
        &self,
        api: ApiKey,
        topics: impl FnOnce() -> Vec<String>,
    ) -> Option<(ApiAction, Option<String>)> {
        let mut faults = lock(&self.faults);
        if !faults.iter().any(|fault| fault.api == api) {
            return None;
        }
        let topics = topics();
        let names = |fault: &ApiFault| {
            fault
                .topic
                .as_ref()
                .is_none_or(|topic| topics.contains(topic))
        };
        let mut hit = None;
        for fault in faults
            .iter_mut()
            .filter(|fault| fault.api == api && names(fault))
        {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if hit.is_none() && fault.times > 0 {
                fault.times -= 1;
                hit = Some((fault.action, fault.topic.clone()));
            }
        }
        faults.retain(|fault| fault.times > 0);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_the_nth_request_of_a_topic() {
        let faults = ApiFaults::default();
        faults.add(
            ApiFault::new(ApiKey::Produce, ApiAction::Error(6))
                .on_topic("t")
                .nth(2),
        );
        let take = |api, topic: &str| {
            faults
                .take(api, || vec![topic.to_owned()])
                .map(|(action, _)| action)
        };
        assert_eq!(take(ApiKey::Produce, "t"), None);
        assert_eq!(take(ApiKey::Produce, "other"), None);
        assert_eq!(take(ApiKey::Fetch, "t"), None);
        assert_eq!(take(ApiKey::Produce, "t"), Some(ApiAction::Error(6)));
        assert_eq!(take(ApiKey::Produce, "t"), None);
        assert_eq!(faults.left(), 0);
    }
}
