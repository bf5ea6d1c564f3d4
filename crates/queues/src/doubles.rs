//! What is stored twice of what a queue makes come twice, in one sentence for whoever configures it: by queue, ids and sink.

use crate::engine::{IdRules, IdSource, MissingId};
use millstream_core::Properties;
use millstream_core::message::INPUT_ID;

/// Whether the S3 sink keeps a ledger.
pub(crate) const LEDGER: &str = "input.ledger";

const ID_STRATEGY: &str = "document.id.strategy";

/// The sentence. `comes_again`: what the queue makes come again, and when. `makes_ids`: its messages have ids of its own making.
pub(crate) fn sentence(
    comes_again: &str,
    makes_ids: bool,
    ids: &IdRules,
    has_ledger: bool,
    properties: &Properties,
) -> String {
    format!(
        "{comes_again}; {}",
        kept_out(makes_ids, ids, has_ledger, properties)
    )
}

fn kept_out(makes_ids: bool, ids: &IdRules, has_ledger: bool, properties: &Properties) -> String {
    let class = properties.get("connector.class").unwrap_or_default();
    let is_mongo = class.ends_with("MongoSinkConnector");
    let has_strategy = properties
        .get(ID_STRATEGY)
        .is_some_and(|strategy| !strategy.trim().is_empty());
    if is_mongo && has_strategy {
        return format!("whether that makes a second document is up to {ID_STRATEGY}");
    }
    if ids.source == IdSource::None {
        return format!("with {INPUT_ID}=none nothing tells such doubles, and they are stored");
    }
    let told_by = match &ids.source {
        IdSource::Queue if makes_ids => "the queue's own id".to_owned(),
        IdSource::Property(name) => format!("its property {name}"),
        IdSource::BodyHash => "its content, so that equal messages become one".to_owned(),
        IdSource::Queue | IdSource::None => "the id that its sender gave it".to_owned(),
    };
    let may_lack = match &ids.source {
        IdSource::Queue => !makes_ids,
        IdSource::Property(_) => true,
        IdSource::BodyHash | IdSource::None => false,
    };
    let without = match ids.missing {
        MissingId::None if may_lack => ", while one without is stored twice",
        MissingId::BodyHash if may_lack => ", and one without by its content",
        _ => "",
    };
    if is_mongo {
        format!("in the collection it is one document, since its _id is made of {told_by}{without}")
    } else if class.ends_with("S3SinkConnector") && has_ledger {
        format!(
            "the ledger keeps out of S3 what comes again because it was not settled, told by {told_by}{without}"
        )
    } else if class.ends_with("S3SinkConnector") {
        format!("in S3 it is stored twice, since {LEDGER} is false")
    } else {
        "it is stored twice".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3: &str = "io.confluent.connect.s3.S3SinkConnector";
    const MONGO: &str = "com.mongodb.kafka.connect.MongoSinkConnector";

    fn check(source: IdSource, missing: MissingId, makes_ids: bool, expected: [&str; 2]) {
        let ids = IdRules { source, missing };
        for (class, expected) in [S3, MONGO].into_iter().zip(expected) {
            let properties = Properties::from_iter([("connector.class", class)]);
            assert_eq!(kept_out(makes_ids, &ids, true, &properties), expected);
        }
    }

    #[test]
    fn the_sentence_tells_what_is_true_of_queue_ids_and_sink() {
        check(
            IdSource::Queue,
            MissingId::None,
            true,
            [
                "the ledger keeps out of S3 what comes again because it was not settled, told by the queue's own id",
                "in the collection it is one document, since its _id is made of the queue's own id",
            ],
        );
        check(
            IdSource::Queue,
            MissingId::None,
            false,
            [
                "the ledger keeps out of S3 what comes again because it was not settled, told by the id that its sender gave it, while one without is stored twice",
                "in the collection it is one document, since its _id is made of the id that its sender gave it, while one without is stored twice",
            ],
        );
        check(
            IdSource::None,
            MissingId::None,
            true,
            ["with input.id=none nothing tells such doubles, and they are stored"; 2],
        );
    }

    #[test]
    fn what_the_user_chose_is_told() {
        let ids = IdRules::default();
        let own = Properties::from_iter([("connector.class", MONGO), (ID_STRATEGY, "x")]);
        assert_eq!(
            kept_out(true, &ids, true, &own),
            "whether that makes a second document is up to document.id.strategy"
        );
        let without = Properties::from_iter([("connector.class", S3)]);
        assert_eq!(
            kept_out(true, &ids, false, &without),
            "in S3 it is stored twice, since input.ledger is false"
        );
    }
}
