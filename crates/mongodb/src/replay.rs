//! Replays: what a record that is read again changes, as far as the settings tell. A crash between a write and the commit of
//! its offset has records read again; most settings make that change nothing, and those that do not are told at validation.

use crate::document_id::IdStrategy;
use crate::extensions::{DUPLICATE_POLICY, DuplicatePolicy};
use crate::settings::{ID_STRATEGY, TopicSettings};
use crate::write_model::WriteStrategy;

const WRITES: &str = "writemodel.strategy";
const DELETES: &str = "delete.writemodel.strategy";

/// Why a record that is read again may change something: the setting, and a sentence about it.
pub(crate) fn hazards(
    settings: &TopicSettings,
    duplicates: DuplicatePolicy,
) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if settings.time_series.is_some() {
        found.push((
            "timeseries.timefield",
            "a time series collection may hold an _id twice, so that a record that is read again after a crash is stored again",
        ));
        return found;
    }
    if let Some(handler) = &settings.cdc {
        if handler.format.needs_keys() {
            found.push((
                "change.data.capture.handler",
                "an event without a key gets an _id that is made up, or is found by its old values: read again after a crash \
                 it may make a second document; have the source put the primary key into the record's key",
            ));
        }
        return found;
    }
    let is_insert = settings.write == WriteStrategy::InsertOneDefault;
    let takes_ids = matches!(
        settings.write,
        WriteStrategy::InsertOneDefault
            | WriteStrategy::ReplaceOneDefault
            | WriteStrategy::UpdateOneDefault
            | WriteStrategy::UpdateOneTimestamps
    );
    if takes_ids && settings.ids.is_fresh() {
        found.push((
            ID_STRATEGY,
            "each attempt makes a new _id, so that a record without one that is read again after a crash becomes a second \
             document; KafkaMetaDataStrategy and the strategies that read _id from records do not",
        ));
    } else if is_insert && !settings.ids.names_the_offset() {
        found.push((
            WRITES,
            "an insert under an _id that the record brings is refused as a duplicate key when it is read again after a crash; \
             ReplaceOneDefaultStrategy writes the same document once more",
        ));
    } else if is_insert && duplicates == DuplicatePolicy::Error {
        found.push((
            DUPLICATE_POLICY,
            "error: a record that is read again after a crash is refused as a duplicate key; auto takes it as done",
        ));
    }
    match settings.write {
        WriteStrategy::UpdateOneTimestamps | WriteStrategy::UpdateOneBusinessKeyTimestamp => {
            found.push((
                WRITES,
                "_modifiedTS is the time of the write: a record that is read again after a crash changes it",
            ));
        }
        WriteStrategy::DeleteOneBusinessKey | WriteStrategy::DeleteOneTombstoneBusinessKey => {
            found.push((WRITES, SEVERAL));
        }
        _ => {}
    }
    if settings.delete == Some(WriteStrategy::DeleteOneTombstoneBusinessKey) {
        found.push((DELETES, SEVERAL));
    }
    let follows_others = !(is_insert
        && (settings.ids.names_the_offset() || settings.ids.is_fresh()))
        && !matches!(settings.ids, IdStrategy::BsonOid);
    if !settings.ordered && follows_others {
        found.push((
            "bulk.write.ordered",
            "false: of two records of one document the older may be written last, and a replay may end differently",
        ));
    }
    found
}

const SEVERAL: &str = "one document with the business key is deleted: where several have it, a record that is read again after \
                       a crash deletes another; a unique index on its fields keeps them apart";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions::Extensions;
    use crate::topics;
    use millstream_core::Properties;

    const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";

    fn keys(more: &[(&str, &str)]) -> Vec<&'static str> {
        let mut properties = Properties::from_iter([("topics", "t"), ("database", "d")]);
        for (key, value) in more {
            let is_class = value.contains("Strategy") || value.contains("Handler");
            let class = if is_class {
                format!("{PACKAGE}{value}")
            } else {
                (*value).to_owned()
            };
            properties.insert(*key, class);
        }
        let policy = Extensions::parse(&properties, true).expect("right").policy;
        let all = topics::of_all(&properties);
        assert_eq!(all.len(), 1, "{more:?}");
        let found = hazards(&all[0].1, policy.duplicates);
        found.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn the_setting_that_keeps_a_replay_from_being_harmless_is_named() {
        const PLACE: (&str, &str) = (ID_STRATEGY, "processor.id.strategy.KafkaMetaDataStrategy");
        const KEY: (&str, &str) = (ID_STRATEGY, "processor.id.strategy.FullKeyStrategy");
        const INSERT: (&str, &str) = (WRITES, "writemodel.strategy.InsertOneDefaultStrategy");
        const STAMPS: (&str, &str) = (WRITES, "writemodel.strategy.UpdateOneTimestampsStrategy");
        const UNORDERED: (&str, &str) = ("bulk.write.ordered", "false");
        const HANDLER: &str = "change.data.capture.handler";
        let cases: [(&[(&str, &str)], &[&str]); 14] = [
            (&[], &[ID_STRATEGY]),
            (&[INSERT], &[ID_STRATEGY]),
            (&[PLACE], &[]),
            (&[PLACE, INSERT, UNORDERED], &[]),
            (
                &[PLACE, INSERT, (DUPLICATE_POLICY, "error")],
                &[DUPLICATE_POLICY],
            ),
            (&[KEY], &[]),
            (&[KEY, INSERT], &[WRITES]),
            (&[KEY, UNORDERED], &["bulk.write.ordered"]),
            (&[KEY, STAMPS], &[WRITES]),
            (&[STAMPS], &[ID_STRATEGY, WRITES]),
            (
                &[PLACE, ("timeseries.timefield", "t")],
                &["timeseries.timefield"],
            ),
            (&[(HANDLER, "cdc.debezium.rdbms.RdbmsHandler")], &[HANDLER]),
            (&[(HANDLER, "cdc.qlik.rdbms.RdbmsHandler")], &[HANDLER]),
            (&[(HANDLER, "cdc.mongodb.ChangeStreamHandler")], &[]),
        ];
        for (settings, expected) in cases {
            assert_eq!(keys(settings), expected, "{settings:?}");
        }
    }
}
