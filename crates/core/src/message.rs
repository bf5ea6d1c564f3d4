//! Messages of a queue behind the rows of a batch, for sinks that make ids and names of them: the offsets of a queue's records
//! count one run, and mean nothing to the next.

use crate::meters::QueueMeters;
use crate::value::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The key that says that a sink's records come from a queue, and from which kind.
pub const INPUT_TYPE: &str = "input.type";

/// A key of ours, which a sink sees whose input is a log: offsets of its records mean what those of Kafka do.
pub const INPUT_IS_LOG: &str = "input.is.log";

/// The key that says what tells a message when it comes again, and its value for "nothing".
pub const INPUT_ID: &str = "input.id";
pub const NO_ID: &str = "none";

/// Which messages the rows of a batch were made of. A row keeps its offset through all stages, so that it is looked up by that.
#[derive(Debug)]
pub struct Messages {
    /// The name of the queue.
    pub queue: Arc<str>,
    /// Rising.
    offsets: Vec<i64>,
    ids: Vec<MessageId>,
}

/// What is known of a message beside what its record holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageId {
    /// What stays the same when the message comes again, as `input.id` says; `None` where it has nothing of the kind.
    pub id: Option<Arc<str>>,
    /// The id, made so that no other message has it: one that a sender has chosen stands with a hash of the content.
    pub mark: Option<Arc<str>>,
    /// The queue says that it has been delivered before.
    pub is_redelivered: bool,
    /// It may be stored already: the queue says so, or is one that would not.
    pub may_be_stored: bool,
    /// What it says of itself in types, where that was asked for.
    pub details: Option<Box<MessageDetails>>,
}

/// What a message says of itself with the types that its protocol has, where its headers have texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageDetails {
    pub body: BodyKind,
    /// What the protocol has a place for, by names that whoever asks for them knows.
    pub fields: Vec<(&'static str, Value)>,
    /// What the sender has added, in its order.
    pub properties: Vec<(String, Value)>,
}

/// What a body is, beside its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum BodyKind {
    #[default]
    Bytes,
    Text,
    /// The bytes are JSON; these are the entries with their types, in their order.
    Map(Vec<(String, Value)>),
    /// Values one after the other; the bytes are JSON.
    List,
    /// An object in Java's own serialization.
    Object,
}

impl MessageDetails {
    /// The value of a field; `Null` where the message has none.
    pub fn field(&self, name: &str) -> &Value {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map_or(&Value::Null, |(_, value)| value)
    }

    /// The memory that they take, about.
    pub fn size(&self) -> usize {
        let value = |value: &Value| match value {
            Value::String(text) => text.as_str().map_or(0, str::len),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        let entry = size_of::<(String, Value)>();
        let pairs = |pairs: &[(String, Value)]| -> usize {
            let sizes = pairs
                .iter()
                .map(|(name, of)| entry + name.len() + value(of));
            sizes.sum()
        };
        let fields: usize = self.fields.iter().map(|(_, of)| entry + value(of)).sum();
        let entries = match &self.body {
            BodyKind::Map(entries) => pairs(entries),
            BodyKind::Bytes | BodyKind::Text | BodyKind::List | BodyKind::Object => 0,
        };
        fields + pairs(&self.properties) + entries
    }
}

impl Messages {
    /// The messages of rows with these offsets, which rise.
    pub fn new(queue: &str, rows: impl IntoIterator<Item = (i64, MessageId)>) -> Self {
        let (offsets, ids) = rows.into_iter().unzip();
        Messages {
            queue: queue.into(),
            offsets,
            ids,
        }
    }

    /// The message that the row with this offset was made of.
    pub fn of(&self, offset: i64) -> Option<&MessageId> {
        // Nearly always none of them is missing.
        let ahead = offset.checked_sub(*self.offsets.first()?)?;
        let place = usize::try_from(ahead).ok()?;
        let place = match self.offsets.get(place) {
            Some(there) if *there == offset => place,
            _ => self.offsets.binary_search(&offset).ok()?,
        };
        self.ids.get(place)
    }

    /// Whether some of them may be stored already.
    pub fn any_may_be_stored(&self) -> bool {
        self.ids.iter().any(|id| id.may_be_stored)
    }
}

/// What a sink is told of the queue that its records come from.
#[derive(Clone, Debug)]
pub struct QueueContext {
    /// Whether a sink that cannot write a message twice without a second copy is to keep a ledger: `input.ledger`.
    pub has_ledger: bool,
    /// When the task started, epoch milliseconds.
    pub started: i64,
    /// What the queue has taken note of.
    pub settled: Arc<SettledOffsets>,
    pub meters: Arc<QueueMeters>,
}

/// Offsets of messages that their queue has let go of: they do not come again. Kept only for a sink that wants to know; they
/// are no more than messages that were settled since it looked last.
#[derive(Debug, Default)]
pub struct SettledOffsets {
    /// `None` where nobody wants to know.
    offsets: Mutex<Option<Vec<i64>>>,
}

impl SettledOffsets {
    /// From now on they are kept.
    pub fn want(&self) {
        self.lock().get_or_insert_default();
    }

    pub fn add(&self, settled: impl IntoIterator<Item = i64>) {
        if let Some(offsets) = &mut *self.lock() {
            offsets.extend(settled);
        }
    }

    /// Those since the last call.
    pub fn take(&self) -> Vec<i64> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<i64>>> {
        // Each change is whole or not made.
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_looked_up_by_its_offset() {
        let id = |text: &str| MessageId {
            id: Some(text.into()),
            ..MessageId::default()
        };
        let messages = Messages::new("q", [(3, id("a")), (7, id("b")), (8, MessageId::default())]);
        assert_eq!(messages.of(7), Some(&id("b")));
        assert_eq!(messages.of(8), Some(&MessageId::default()));
        assert_eq!(messages.of(5), None);
        assert!(!messages.any_may_be_stored());
    }

    #[test]
    fn what_is_settled_is_kept_for_who_wants_it() {
        let settled = SettledOffsets::default();
        settled.add([1, 2]);
        settled.want();
        assert!(settled.take().is_empty());
        settled.add([3, 5]);
        assert_eq!(settled.take(), [3, 5]);
        assert!(settled.take().is_empty());
    }
}
