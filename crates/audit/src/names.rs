//! Names of objects, read as the sink makes them: `[topics.dir dd] topic dd folder dd topic fd partition fd start ext`
//! (`docs/audit.md`; Confluent's S3 sink 12.1 names them alike). A folder may hold anything, the delimiters too.

use std::fmt;

/// Digits of an offset at most: those of 2^63.
const MOST_DIGITS: usize = 64;
/// Length of a ULID in Crockford's base 32.
const ULID: usize = 26;

/// What a connector's settings say of its names. What is `None` is taken as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSettings {
    /// `topics.dir`; may be empty.
    pub topics_dir: String,
    pub directory_delim: String,
    pub file_delim: String,
    /// `filename.offset.zero.pad.width`, where a connector says it.
    pub offset_width: Option<usize>,
    /// What names of objects with values end in, compression included.
    pub values: Option<String>,
    /// The same of the objects with keys and with headers, without `.keys` and `.headers`.
    pub keys: Option<String>,
    pub headers: Option<String>,
    /// The folder of records without a value, of which keys and headers alone are stored.
    pub tombstones: String,
}

impl Default for NameSettings {
    fn default() -> Self {
        NameSettings {
            topics_dir: "topics".to_owned(),
            directory_delim: "/".to_owned(),
            file_delim: "+".to_owned(),
            offset_width: None,
            values: None,
            keys: None,
            headers: None,
            tombstones: "tombstone".to_owned(),
        }
    }
}

/// Which part of its records an object holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Values,
    Keys,
    Headers,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Part::Values => "values",
            Part::Keys => "keys",
            Part::Headers => "headers",
        }
    }

    /// What stands before the extension.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Part::Values => "",
            Part::Keys => ".keys",
            Part::Headers => ".headers",
        }
    }
}

/// What an object's name says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of Kafka's records: the offset of the first, and with how many digits it is written.
    Offset { start: i64, digits: usize },
    /// Of a queue's messages: the ULID of the batch, and how many messages, where the name says so.
    Batch { id: u128, records: Option<u64> },
}

/// The name of an object of a sink, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectName<'a> {
    pub topic: &'a str,
    pub folder: &'a str,
    /// The partition, or the number of a queue's task.
    pub partition: i32,
    pub place: Place,
    pub part: Part,
    /// What the name ends in, without `.keys` or `.headers`.
    pub extension: &'a str,
    /// Whether it ends as the settings say; where they say nothing, it does.
    pub is_as_set: bool,
}

/// What a key of the bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    Object(ObjectName<'a>),
    /// An entry of the ledger that a sink over a queue keeps.
    Ledger,
    Foreign(Foreign),
}

/// Why a key is no name that the sink makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It stands outside of `topics.dir`.
    Outside,
    /// The last part of the name does not begin with the topic of its folder.
    Topic,
    /// No partition stands behind the topic.
    Partition,
    /// No offset, and no ULID, stands behind the partition.
    Start,
    /// It ends in something that is neither in the settings nor a format's own.
    Extension,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::Outside => "it stands outside of topics.dir",
            Foreign::Topic => "its last part does not begin with the topic that its folder names",
            Foreign::Partition => "no number of a partition stands behind the topic",
            Foreign::Start => "no offset stands behind the partition",
            Foreign::Extension => "it does not end as the objects of a format do",
        })
    }
}

impl NameSettings {
    /// What all keys begin with; of one topic, where that is given.
    pub fn prefix(&self, topic: Option<&str>) -> String {
        let mut prefix = String::new();
        if !self.topics_dir.is_empty() {
            prefix.push_str(&self.topics_dir);
            prefix.push_str(&self.directory_delim);
        }
        if let Some(topic) = topic {
            prefix.push_str(topic);
            prefix.push_str(&self.directory_delim);
        }
        prefix
    }

    /// The key of an object; `start` has the digits of the settings, or ten.
    pub fn key(
        &self,
        topic: &str,
        folder: &str,
        partition: i32,
        start: i64,
        part: Part,
        extension: &str,
    ) -> String {
        let (dir, file) = (&self.directory_delim, &self.file_delim);
        let width = self.offset_width.unwrap_or(10);
        let part = part.suffix();
        format!(
            "{}{folder}{dir}{topic}{file}{partition}{file}{start:0width$}{part}{extension}",
            self.prefix(Some(topic))
        )
    }

    /// Takes a key apart.
    pub fn read<'a>(&self, key: &'a str) -> Named<'a> {
        let Some(rest) = self.below(key) else {
            return Named::Foreign(Foreign::Outside);
        };
        let ledger = format!("_millstream{}", self.directory_delim);
        if rest.starts_with(&ledger) {
            return Named::Ledger;
        }
        match self.object(rest) {
            Ok(object) => Named::Object(object),
            Err(why) => Named::Foreign(why),
        }
    }

    fn below<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.prefix(None).as_str())
    }

    fn object<'a>(&self, rest: &'a str) -> Result<ObjectName<'a>, Foreign> {
        let dir = self.directory_delim.as_str();
        if dir.is_empty() || self.file_delim.is_empty() {
            return Err(Foreign::Topic);
        }
        // A topic may hold the delimiter (`_`), so every place of it may be the topic's end.
        let mut why = Foreign::Topic;
        for (end, _) in rest.match_indices(dir) {
            let topic = &rest[..end];
            if topic.is_empty() {
                continue;
            }
            match self.within(topic, rest, end) {
                Ok(object) => return Ok(object),
                Err(Foreign::Topic) => {}
                Err(other) => why = other,
            }
        }
        Err(why)
    }

    /// The object, if its topic ends at `end`.
    fn within<'a>(
        &self,
        topic: &'a str,
        rest: &'a str,
        end: usize,
    ) -> Result<ObjectName<'a>, Foreign> {
        let dir = &self.directory_delim;
        let head = format!("{dir}{topic}{}", self.file_delim);
        let at = rest[end..].rfind(&head).ok_or(Foreign::Topic)? + end;
        let folder = rest.get(end + dir.len()..at).unwrap_or("");
        let name = &rest[at + head.len()..];
        let (partition, name) = name
            .split_once(self.file_delim.as_str())
            .ok_or(Foreign::Partition)?;
        let partition = number(partition).ok_or(Foreign::Partition)?;
        let (place, ending) = self.place(name)?;
        let (part, extension) = part_of(ending);
        let known = match part {
            Part::Values => &self.values,
            Part::Keys => &self.keys,
            Part::Headers => &self.headers,
        };
        let is_as_set = known.as_deref().is_none_or(|known| known == extension);
        if !(known.is_some() && is_as_set || is_of_format(extension)) {
            return Err(Foreign::Extension);
        }
        Ok(ObjectName {
            topic,
            folder,
            partition,
            place,
            part,
            extension,
            is_as_set,
        })
    }

    fn place<'a>(&self, name: &'a str) -> Result<(Place, &'a str), Foreign> {
        if let Some(id) = name.get(..ULID).and_then(ulid) {
            let rest = &name[ULID..];
            let Some(counted) = rest.strip_prefix(self.file_delim.as_str()) else {
                return Ok((Place::Batch { id, records: None }, rest));
            };
            let digits = digits(counted);
            let records = counted[..digits].parse().map_err(|_| Foreign::Start)?;
            let records = Some(records);
            return Ok((Place::Batch { id, records }, &counted[digits..]));
        }
        let digits = digits(name);
        if digits > MOST_DIGITS {
            return Err(Foreign::Start);
        }
        let start = name[..digits].parse().map_err(|_| Foreign::Start)?;
        Ok((Place::Offset { start, digits }, &name[digits..]))
    }
}

/// The part of an ending `.keys.json`, and what is left of it. No format of values ends so.
fn part_of(ending: &str) -> (Part, &str) {
    for (prefix, part) in [(".keys", Part::Keys), (".headers", Part::Headers)] {
        if let Some(extension) = ending.strip_prefix(prefix) {
            return (part, extension);
        }
    }
    (Part::Values, ending)
}

/// Whether a format writes objects that end so, unless its settings say otherwise.
fn is_of_format(extension: &str) -> bool {
    const CODECS: [&str; 8] = [
        "",
        ".snappy",
        ".gz",
        ".zstd",
        ".lz4hadoop",
        ".lz4raw",
        ".br",
        ".lzo",
    ];
    let is_parquet = |codec: &&str| CODECS.contains(codec);
    matches!(
        extension,
        ".json" | ".json.gz" | ".json.zst" | ".avro" | ".bin" | ".bin.gz" | ".bin.zst"
    ) || extension
        .strip_suffix(".parquet")
        .as_ref()
        .is_some_and(is_parquet)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// A number as Java writes it: no sign, no leading zero.
fn number(text: &str) -> Option<i32> {
    let is_plain = digits(text) == text.len() && (text.len() == 1 || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// The digits of a ULID: Crockford's.
const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A ULID as names have it.
pub(crate) fn ulid_text(id: u128) -> String {
    let digit = |at: usize| char::from(BASE32[(id >> (5 * (ULID - 1 - at)) & 31) as usize]);
    (0..ULID).map(digit).collect()
}

/// The number that 26 characters of Crockford's base 32 stand for; the first carries three bits.
fn ulid(text: &str) -> Option<u128> {
    let mut id = 0u128;
    for (at, byte) in text.bytes().enumerate() {
        let digit = BASE32.iter().position(|digit| *digit == byte)?;
        if at == 0 && digit > 7 {
            return None;
        }
        id = id << 5 | digit as u128;
    }
    Some(id)
}

#[cfg(test)]
mod tests;
