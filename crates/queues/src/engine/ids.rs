//! What tells a message when it comes again: the queue's own id, what a sender has put into a property, or a hash of the
//! content, as `input.id` says. Pure.

use crate::input::Message;
use std::sync::Arc;

/// The header that has the routing key of a message of RabbitMQ.
const ROUTING_KEY: &str = "rabbitmq.routing.key";

/// 128 bits of BLAKE3.
const HASH_BYTES: usize = 16;

/// How ids are found: `input.id` and `input.id.missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRules {
    pub source: IdSource,
    pub missing: MissingId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdSource {
    /// What the queue gives, or the sender as far as the protocol has a place for that.
    Queue,
    /// The header of this name.
    Property(String),
    /// Body and routing key: equal messages are one.
    BodyHash,
    None,
}

/// What a message is of which the source knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingId {
    BodyHash,
    /// It has no id, which is counted.
    None,
    /// It ends the task.
    Fail,
}

impl Default for IdRules {
    fn default() -> Self {
        IdRules {
            source: IdSource::Queue,
            missing: MissingId::None,
        }
    }
}

/// A message of which `input.id` knows nothing, where `input.id.missing` is `fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoId;

/// What tells a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// By which it is known while it is held.
    pub(crate) held: Option<Mark>,
    /// By which a sink knows it: an id that its sender has chosen stands with a hash of the content, since senders repeat ids.
    pub(crate) sink: Option<Arc<str>>,
    /// It ought to have an id, and has none.
    pub(crate) is_missing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) text: Arc<str>,
    /// The queue has made it: no two messages share it.
    pub(crate) is_of_queue: bool,
}

impl IdRules {
    /// Gives a message the id that these rules find, in place of the transport's. `makes_ids`: the transport's is the queue's own.
    pub(crate) fn identify(&self, message: &mut Message, makes_ids: bool) -> Result<Marks, NoId> {
        let own = message.id.take();
        let mut is_hash = false;
        let mut hashed = |message: &Message| {
            is_hash = true;
            Some(Arc::from(content_hash(message)))
        };
        let found = match &self.source {
            IdSource::Queue => own.clone(),
            IdSource::Property(name) => property(message, name),
            IdSource::BodyHash => hashed(message),
            IdSource::None => None,
        };
        let wants_id = self.source != IdSource::None;
        message.id = match (found, self.missing) {
            (None, MissingId::BodyHash) if wants_id => hashed(message),
            (None, MissingId::Fail) if wants_id => return Err(NoId),
            (found, _) => found,
        };
        let is_queues_own = makes_ids && self.source == IdSource::Queue;
        let sink: Option<Arc<str>> = message.id.as_ref().map(|id| {
            if is_queues_own || is_hash {
                Arc::clone(id)
            } else {
                [&**id, "#", &content_hash(message)].concat().into()
            }
        });
        let held = match own.filter(|_| makes_ids) {
            Some(own) => Some(Mark {
                text: own,
                is_of_queue: true,
            }),
            None => sink.clone().map(|text| Mark {
                text,
                is_of_queue: false,
            }),
        };
        Ok(Marks {
            held,
            sink,
            is_missing: wants_id && message.id.is_none(),
        })
    }
}

/// The value of the first header of this name, if it is a text.
fn property(message: &Message, name: &str) -> Option<Arc<str>> {
    let header = message.headers.get(name);
    let text = header.and_then(|value| std::str::from_utf8(value).ok());
    text.filter(|text| !text.is_empty()).map(Arc::from)
}

/// BLAKE3 of the routing key, if the queue has one, and of the body, cut to 128 bits, as hexadecimal digits.
fn content_hash(message: &Message) -> String {
    let mut hasher = blake3::Hasher::new();
    let routing_key = message.headers.get(ROUTING_KEY).unwrap_or_default();
    // With its length the key cannot run into the body, and no body is not an empty one.
    hasher.update(&(routing_key.len() as u64).to_le_bytes());
    hasher.update(routing_key);
    hasher.update(&[u8::from(message.body.is_some())]);
    hasher.update(message.body.as_deref().unwrap_or_default());
    let hex = hasher.finalize().to_hex();
    hex[..2 * HASH_BYTES].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::MessageHeaders;
    use crate::input::Token;
    use bytes::Bytes;

    fn message(id: Option<&str>, body: Option<&'static str>) -> Message {
        Message {
            id: id.map(Arc::from),
            body: body.map(|body| Bytes::from_static(body.as_bytes())),
            headers: MessageHeaders::from_iter([("order", "17")]),
            ..Message::bare(Token::Tag(1))
        }
    }

    fn rules(source: IdSource, missing: MissingId) -> IdRules {
        IdRules { source, missing }
    }

    /// The id that the record shows, the sink's mark and the engine's.
    fn identified(
        rules: &IdRules,
        mut message: Message,
        makes_ids: bool,
    ) -> (Option<String>, Option<String>, Option<String>) {
        let marks = rules.identify(&mut message, makes_ids).unwrap();
        (
            message.id.map(|id| id.to_string()),
            marks.sink.map(|mark| mark.to_string()),
            marks.held.map(|mark| mark.text.to_string()),
        )
    }

    #[test]
    fn a_queues_own_id_stands_alone_and_a_senders_with_the_content() {
        let rules = IdRules::default();
        let some = |text: &str| Some(text.to_owned());
        let of = |id, body, makes_ids| identified(&rules, message(id, body), makes_ids);
        assert_eq!(
            of(Some("m"), Some("b"), true),
            (some("m"), some("m"), some("m"))
        );
        let (id, first, held) = of(Some("m"), Some("b"), false);
        assert_eq!((id, &held), (some("m"), &first));
        let (_, second, _) = of(Some("m"), Some("c"), false);
        assert!(first.as_ref().is_some_and(|mark| mark.starts_with("m#")));
        assert_ne!(first, second);
        let (id, mark, held) = of(None, Some("b"), false);
        assert_eq!((id, mark, held), (None, None, None));
    }

    #[test]
    fn a_property_is_an_id_and_the_queues_own_still_tells_what_is_held() {
        let rules = rules(IdSource::Property("order".to_owned()), MissingId::None);
        let (id, mark, held) = identified(&rules, message(Some("m"), None), true);
        assert_eq!((id.as_deref(), held.as_deref()), (Some("17"), Some("m")));
        assert!(mark.is_some_and(|mark| mark.starts_with("17#")));
    }

    #[test]
    fn what_has_no_id_is_hashed_or_counted_or_ends_the_task() {
        let missing = |missing| rules(IdSource::Property("absent".to_owned()), missing);
        let mut counted = message(Some("m"), Some("b"));
        let marks = missing(MissingId::None).identify(&mut counted, false);
        assert!(marks.unwrap().is_missing);
        assert_eq!(counted.id, None);
        let failed = missing(MissingId::Fail).identify(&mut message(None, None), false);
        assert_eq!(failed, Err(NoId));
        let (id, mark, _) = identified(
            &missing(MissingId::BodyHash),
            message(Some("m"), Some("b")),
            false,
        );
        assert_eq!(id, mark);
        // Nobody asked for an id.
        let none = rules(IdSource::None, MissingId::Fail);
        let marks = none.identify(&mut message(Some("m"), None), false).unwrap();
        assert!(!marks.is_missing && marks.sink.is_none());
    }

    #[test]
    fn a_hash_is_of_the_routing_key_and_the_body() {
        let hash = |routing: &'static [u8], body: Option<&'static str>| {
            let mut message = message(None, body);
            message.headers.push(ROUTING_KEY, routing);
            content_hash(&message)
        };
        let all = [
            hash(b"", None),
            hash(b"", Some("")),
            hash(b"ab", Some("c")),
            hash(b"a", Some("bc")),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.iter().all(|hash| hash.len() == 2 * HASH_BYTES));
        // An empty routing key is none.
        assert_eq!(
            hash(b"", Some("order-1")),
            content_hash(&message(None, Some("order-1")))
        );
    }
}
