//! The objects of a restore, in the order in which their records are written: by partition and start.

use crate::commands::Exit;
use crate::commands::archive_input::ArchiveInput;
use crate::commands::kafka_tool::ToolError;
use millstream_audit::ledger::MOST_OBJECTS;
use millstream_audit::names::{Named, Part, Place};
use millstream_s3::Archive;
use std::collections::BTreeMap;

/// One object with values, and those beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) partition: i32,
    pub(super) start: i64,
    pub(super) values: Option<String>,
    pub(super) keys: Option<String>,
    pub(super) headers: Option<String>,
    /// What the name of the values ends in.
    pub(super) extension: String,
    pub(super) keys_extension: String,
    pub(super) size: u64,
    /// Where the next object of the partition begins.
    pub(super) next: Option<i64>,
}

/// Which objects are meant.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) topic: String,
    pub(super) partitions: Vec<i32>,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

/// Lists the objects.
///
/// # Errors
/// If S3 cannot be asked, or what is there is no set of objects that can be restored.
pub(super) async fn plan(
    archive: &Archive,
    input: &ArchiveInput,
    wanted: &Wanted,
) -> Result<Vec<Source>, ToolError> {
    let names = input.names();
    let prefix = names.prefix(Some(&wanted.topic));
    let mut sources: BTreeMap<(i32, i64, String), Source> = BTreeMap::new();
    let mut next: Option<String> = None;
    let mut count = 0u64;
    loop {
        let page = archive
            .list(&prefix, None, next.as_deref())
            .await
            .map_err(Exit::unavailable)?;
        for object in page.objects {
            let Named::Object(name) = names.read(&object.key) else {
                tracing::warn!("{} is none of the sink's objects, and left out", object.key);
                continue;
            };
            let Place::Offset { start, .. } = name.place else {
                return Err(
                    "objects of a queue's messages have no offsets and no topic to go back to"
                        .into(),
                );
            };
            let is_wanted =
                wanted.partitions.is_empty() || wanted.partitions.contains(&name.partition);
            if name.topic != wanted.topic || !is_wanted || wanted.to.is_some_and(|to| start >= to) {
                continue;
            }
            count += 1;
            if count > MOST_OBJECTS {
                return Err(Exit::usage(format!(
                    "more than {MOST_OBJECTS} objects: restore partition by partition (--partition)"
                ))
                .into());
            }
            let place = (name.partition, start, name.folder.to_owned());
            let (extension, part) = (name.extension.to_owned(), name.part);
            let source = sources.entry(place).or_default();
            (source.partition, source.start) = (name.partition, start);
            source.size += object.size;
            let slot = match part {
                Part::Values => {
                    source.extension = extension;
                    &mut source.values
                }
                Part::Keys => {
                    source.keys_extension = extension;
                    &mut source.keys
                }
                Part::Headers => &mut source.headers,
            };
            if let Some(other) = slot.replace(object.key) {
                return Err(format!(
                    "two objects hold the same {}: {other} is one of them; audit the bucket first",
                    part.name()
                )
                .into());
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    ordered(sources.into_values().collect(), wanted)
}

fn ordered(mut sources: Vec<Source>, wanted: &Wanted) -> Result<Vec<Source>, ToolError> {
    sources.sort_by_key(|source| (source.partition, source.start));
    for at in 1..sources.len() {
        let (before, after) = (at - 1, &sources[at]);
        if sources[before].partition != after.partition {
            continue;
        }
        if sources[before].start == after.start {
            let of = |source: &Source| {
                source
                    .values
                    .clone()
                    .or(source.keys.clone())
                    .unwrap_or_default()
            };
            let (one, other) = (of(&sources[before]), of(after));
            return Err(format!(
                "two objects begin with the same offset, {one} and {other}: audit the bucket first"
            )
            .into());
        }
        sources[before].next = Some(after.start);
    }
    // Those that end before the range begins.
    let from = wanted.from.unwrap_or(0);
    sources.retain(|source| source.next.is_none_or(|next| next > from));
    Ok(sources)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn objects_come_in_order_and_those_before_the_range_do_not() {
        let source = |partition, start| Source {
            partition,
            start,
            values: Some(format!("{partition}-{start}")),
            ..Source::default()
        };
        let wanted = |from| Wanted {
            topic: "t".to_owned(),
            partitions: Vec::new(),
            from,
            to: None,
        };
        let all = vec![source(1, 0), source(0, 5), source(0, 0), source(0, 9)];
        let found = ordered(all.clone(), &wanted(Some(6))).unwrap();
        let places: Vec<(i32, i64, Option<i64>)> = found
            .iter()
            .map(|it| (it.partition, it.start, it.next))
            .collect();
        assert_eq!(places, [(0, 5, Some(9)), (0, 9, None), (1, 0, None)]);
        let twice = [all, vec![source(0, 5)]].concat();
        assert!(
            ordered(twice, &wanted(None))
                .unwrap_err()
                .to_string()
                .contains("audit the bucket")
        );
    }
}
