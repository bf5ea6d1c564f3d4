//! Time series collections as the settings ask for them. Pure; `series_maker` makes them.

use crate::namespace::Namespace;
use bson::{Document, doc};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The oldest servers with such collections are MongoDB 5.0.
pub(crate) const LEAST_WIRE_VERSION: i32 = 13;

/// Hosts of a product that has none.
const DOCUMENTDB: &str = ".docdb.amazonaws.com";

/// Namespaces that are known to be right; records may name them, so there is a bound, after which they are looked at again.
const MOST_KNOWN: usize = 10_000;

/// What a topic's collections are made with.
#[derive(Debug)]
pub(crate) struct TimeSeries {
    pub(crate) time_field: String,
    pub(crate) meta_field: String,
    /// In lower case; empty for the server's choice.
    pub(crate) granularity: String,
    /// Zero: documents stay.
    pub(crate) expire_after_seconds: i64,
    pub(crate) known: Mutex<HashSet<Namespace>>,
}

impl TimeSeries {
    /// Whether the collection was seen to be there.
    pub(crate) fn is_known(&self, namespace: &Namespace) -> bool {
        self.known().contains(namespace)
    }

    pub(crate) fn note(&self, namespace: &Namespace) {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(namespace.clone());
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<Namespace>> {
        // A set of names is whole after any step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The command that makes the collection.
    pub(crate) fn create(&self, namespace: &Namespace) -> Document {
        let mut series = doc! {"timeField": &self.time_field};
        if !self.meta_field.is_empty() {
            series.insert("metaField", &self.meta_field);
        }
        if !self.granularity.is_empty() {
            series.insert("granularity", &self.granularity);
        }
        let mut create = doc! {"create": &*namespace.collection, "capped": false};
        if self.expire_after_seconds > 0 {
            create.insert("expireAfterSeconds", self.expire_after_seconds);
        }
        create.insert("timeseries", series);
        create
    }
}

/// Why a server that has such a name has no time series.
pub(crate) fn refuses(host: &str) -> Option<String> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.ends_with(DOCUMENTDB).then(|| {
        format!("Amazon DocumentDB ({name}) has no time series collections; write to an ordinary collection without timeseries.timefield")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> TimeSeries {
        TimeSeries {
            time_field: "t".to_owned(),
            meta_field: String::new(),
            granularity: String::new(),
            expire_after_seconds: 0,
            known: Mutex::default(),
        }
    }

    fn namespace() -> Namespace {
        Namespace {
            database: "d".into(),
            collection: "c".into(),
        }
    }

    #[test]
    fn a_collection_is_made_as_the_original_does() {
        assert_eq!(
            series().create(&namespace()),
            doc! {"create": "c", "capped": false, "timeseries": {"timeField": "t"}}
        );
        let all = TimeSeries {
            meta_field: "m".to_owned(),
            granularity: "hours".to_owned(),
            expire_after_seconds: 60,
            ..series()
        };
        assert_eq!(
            all.create(&namespace()),
            doc! {"create": "c", "capped": false, "expireAfterSeconds": 60i64,
            "timeseries": {"timeField": "t", "metaField": "m", "granularity": "hours"}}
        );
    }

    #[test]
    fn documentdb_is_told_by_its_name() {
        assert!(refuses("a.cluster-x.eu-west-1.docdb.amazonaws.com:27017").is_some());
        assert!(refuses("localhost:27017").is_none());
    }
}
