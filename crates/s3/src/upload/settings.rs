//! What uploads need of the settings.

use crate::config::S3Config;
use crate::store::{Existing, Tags};

pub(crate) struct UploadSettings {
    pub(crate) part_size: usize,
    /// Pause after an attempt that failed for a reason that may pass, in milliseconds.
    pub(crate) retry_backoff: i64,
    /// What becomes of an object that is there already.
    pub(crate) existing: Existing,
    pub(super) tagging: Option<Tagging>,
}

/// How objects are tagged once they are stored.
pub(super) struct Tagging {
    /// Tags beside those of the offsets; they may replace them.
    extra: Tags,
    pub(super) must_succeed: bool,
    /// Attempts, where tagging must succeed.
    pub(super) attempts: u32,
    /// Pause after the first failure; each further one doubles it.
    pub(super) backoff: i64,
}

impl UploadSettings {
    /// The error is what Java says as soon as a partition is assigned.
    /// `makes_names`: objects have names of their own making, and not of offsets.
    pub(crate) fn new(config: &S3Config, makes_names: bool) -> Result<Self, String> {
        let extra = extra_tags(&config.object_tagging_key_value_pairs)?;
        let stores_siblings = config.store_kafka_keys || config.store_kafka_headers;
        let tagging = config.object_tagging.then(|| Tagging {
            extra,
            must_succeed: config
                .object_behavior_on_tagging_error
                .eq_ignore_ascii_case("fail"),
            attempts: u32::try_from(config.part_retries).unwrap_or(0).max(1),
            backoff: config.request_backoff,
        });
        Ok(UploadSettings {
            part_size: usize::try_from(config.part_size).unwrap_or(usize::MAX),
            retry_backoff: config.retry_backoff.max(0),
            existing: match config.enable_conditional_writes {
                true if makes_names => Existing::Own,
                true if config.rotate_schedule_interval != -1 && !stores_siblings => Existing::Keep,
                _ => Existing::Replace,
            },
            tagging,
        })
    }

    /// The tags of an object with these records.
    pub(crate) fn tags(&self, start: i64, end: i64, records: usize) -> Option<Tags> {
        let tagging = self.tagging.as_ref()?;
        let mut tags: Tags = vec![
            ("startOffset".to_owned(), start.to_string()),
            ("endOffset".to_owned(), end.to_string()),
            ("recordCount".to_owned(), records.to_string()),
        ];
        for (key, value) in &tagging.extra {
            match tags.iter_mut().find(|(known, _)| known == key) {
                Some((_, old)) => old.clone_from(value),
                None => tags.push((key.clone(), value.clone())),
            }
        }
        Some(tags)
    }
}

/// `k:v` each; of more pieces the second is the value.
fn extra_tags(pairs: &[String]) -> Result<Tags, String> {
    pairs
        .iter()
        .map(|pair| {
            let mut pieces = pair.split(':');
            match (pieces.next(), pieces.next()) {
                (Some(key), Some(value)) if !value.is_empty() || pieces.next().is_some() => {
                    Ok((key.to_owned(), value.to_owned()))
                }
                _ => Err(format!(
                    "Invalid value {pair} for configuration s3.object.tagging.key.value.pairs: a tag needs a value after a colon"
                )),
            }
        })
        .collect()
}
