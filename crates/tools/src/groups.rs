//! `millstream groups`: flags of kafka-consumer-groups, for classic, consumer and share groups.

mod reset;
mod show;

pub use reset::{Facts, Reset, ResetTarget, new_offset};
pub use show::{
    GroupState, ListColumns, OffsetRow, deleted_text, group_json, list_json, list_text,
    members_text, offsets_text, reset_json, reset_text, state_text,
};

use crate::UsageError;
use crate::connection::ConnectionArgs;
use crate::instant::{parse_duration, parse_time};
use clap::{ArgGroup, Args};

/// List, describe, reset and delete groups, with the flags of kafka-consumer-groups.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("action").required(true).args(["list", "describe", "reset_offsets", "delete"]),
    group = ArgGroup::new("target").args(["to_earliest", "to_latest", "to_current", "to_offset", "to_datetime", "shift_by", "by_duration"]),
    group = ArgGroup::new("which").args(["group", "all_groups"]).multiple(false),
)]
pub struct GroupsArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print the names of groups of consumers; with --type or --state their kinds and states, too.
    #[arg(long)]
    pub list: bool,
    /// Print how far a group has read and how far it is behind; or its members or its state.
    #[arg(long, requires = "which")]
    pub describe: bool,
    /// Move the offsets of a group that has no members, of a share group to where it begins to read. Only shows what it would do,
    /// unless --execute is given.
    #[arg(long, requires = "which", requires = "target")]
    pub reset_offsets: bool,
    /// Delete groups that have no members.
    #[arg(long, requires = "which")]
    pub delete: bool,
    /// The group; may be repeated.
    #[arg(long)]
    pub group: Vec<String>,
    /// All groups of consumers.
    #[arg(long)]
    pub all_groups: bool,
    /// With --describe: the members.
    #[arg(long, requires = "describe", conflicts_with = "state")]
    pub members: bool,
    /// With --describe: how far the group has read, which is the default.
    #[arg(long, requires = "describe", conflicts_with_all = ["members", "state"])]
    pub offsets: bool,
    /// With --describe: state, coordinator and assignor; with --list a column of states, or only groups in these.
    #[arg(long, num_args = 0..=1, default_missing_value = "", value_name = "STATES")]
    pub state: Option<String>,
    /// With --list: a column of kinds, or only groups of these: classic, consumer, share, streams, or all.
    #[arg(long = "type", num_args = 0..=1, default_missing_value = "", requires = "list", value_name = "KINDS")]
    pub kind: Option<String>,
    /// With --describe: epochs, and with --members the partitions of each.
    #[arg(long, requires = "describe")]
    pub verbose: bool,
    /// The topics to reset, as topic or topic:0,1; may be repeated.
    #[arg(long, requires = "reset_offsets")]
    pub topic: Vec<String>,
    /// Reset all topics of which the group has offsets.
    #[arg(long, requires = "reset_offsets", conflicts_with = "topic")]
    pub all_topics: bool,
    /// To the first record.
    #[arg(long)]
    pub to_earliest: bool,
    /// To the next record to come.
    #[arg(long)]
    pub to_latest: bool,
    /// To where the group is.
    #[arg(long)]
    pub to_current: bool,
    /// To this offset.
    #[arg(long, value_name = "OFFSET")]
    pub to_offset: Option<i64>,
    /// To the first record of this time or later, as 2026-12-01T10:00:00.000 (UTC, unless Z or +01:00 is behind it).
    #[arg(long, value_name = "TIME")]
    pub to_datetime: Option<String>,
    /// By so many records, back with a minus.
    #[arg(long, allow_negative_numbers = true, value_name = "RECORDS")]
    pub shift_by: Option<i64>,
    /// To the first record of so long ago or later, as PT1H30M or 90m.
    #[arg(long, value_name = "DURATION")]
    pub by_duration: Option<String>,
    /// Only show what would be done; this is the default.
    #[arg(long, requires = "reset_offsets", conflicts_with = "execute")]
    pub dry_run: bool,
    /// Do it.
    #[arg(long, requires = "reset_offsets")]
    pub execute: bool,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
    /// Delete without asking.
    #[arg(long)]
    pub yes: bool,
}

/// What the flags come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupsAction {
    List(ListColumns),
    Describe {
        groups: Which,
        what: Aspect,
        verbose: bool,
    },
    Reset {
        groups: Which,
        topics: ResetTopics,
        target: ResetTarget,
    },
    Delete(Which),
}

/// Which groups are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Named(Vec<String>),
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    Offsets,
    Members,
    State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetTopics {
    /// All of which the group has offsets.
    Known,
    Named(Vec<TopicPartitions>),
}

/// A topic, and which of its partitions; all of them without a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    pub topic: String,
    pub partitions: Option<Vec<i32>>,
}

const KINDS: [&str; 5] = ["classic", "consumer", "share", "streams", "all"];

/// Of groups of all kinds.
const STATES: [&str; 8] = [
    "Assigning",
    "CompletingRebalance",
    "Dead",
    "Empty",
    "NotReady",
    "PreparingRebalance",
    "Reconciling",
    "Stable",
];

impl GroupsArgs {
    /// What is asked for; `now` in milliseconds since 1970.
    ///
    /// # Errors
    /// If flags are missing or do not go together.
    pub fn action(&self, now: i64) -> Result<GroupsAction, UsageError> {
        if self.list {
            return Ok(GroupsAction::List(self.columns()?));
        }
        let groups = match self.all_groups {
            true => Which::All,
            false => Which::Named(self.group.clone()),
        };
        if self.describe {
            let what = match (self.members, &self.state) {
                (true, _) => Aspect::Members,
                (false, Some(_)) => Aspect::State,
                (false, None) => Aspect::Offsets,
            };
            let verbose = self.verbose;
            return Ok(GroupsAction::Describe {
                groups,
                what,
                verbose,
            });
        }
        if self.delete {
            return Ok(GroupsAction::Delete(groups));
        }
        if self.topic.is_empty() && !self.all_topics {
            return Err(UsageError::new(
                "--reset-offsets needs --topic or --all-topics",
            ));
        }
        let topics = match self.all_topics {
            true => ResetTopics::Known,
            false => {
                let topics = self.topic.iter().map(|text| topic_partitions(text));
                ResetTopics::Named(topics.collect::<Result<_, _>>()?)
            }
        };
        Ok(GroupsAction::Reset {
            groups,
            topics,
            target: self.target(now)?,
        })
    }

    fn columns(&self) -> Result<ListColumns, UsageError> {
        let words = |text: &Option<String>| -> Option<Vec<String>> {
            let words = text.as_ref()?.split(',').map(str::trim);
            let words = words.filter(|word| !word.is_empty());
            Some(words.map(str::to_lowercase).collect())
        };
        let known = |flag: &str, words: Option<Vec<String>>, known: &[&str]| {
            let is_unknown =
                |word: &&String| !known.iter().any(|known| known.eq_ignore_ascii_case(word));
            match words.iter().flatten().find(is_unknown) {
                Some(unknown) => Err(UsageError::new(format!(
                    "{flag} {unknown}: there are {}",
                    known.join(", ")
                ))),
                None => Ok(words),
            }
        };
        Ok(ListColumns {
            kinds: known("--type", words(&self.kind), &KINDS)?,
            states: known("--state", words(&self.state), &STATES)?,
        })
    }

    fn target(&self, now: i64) -> Result<ResetTarget, UsageError> {
        if self.to_earliest {
            return Ok(ResetTarget::Earliest);
        }
        if self.to_latest {
            return Ok(ResetTarget::Latest);
        }
        if let Some(offset) = self.to_offset {
            return Ok(ResetTarget::Offset(offset));
        }
        if let Some(by) = self.shift_by {
            return Ok(ResetTarget::ShiftBy(by));
        }
        if let Some(time) = &self.to_datetime {
            let time =
                parse_time(time).map_err(|why| UsageError::new(format!("--to-datetime: {why}")))?;
            return Ok(ResetTarget::Time(time));
        }
        if let Some(duration) = &self.by_duration {
            let long = parse_duration(duration)
                .map_err(|why| UsageError::new(format!("--by-duration: {why}")))?;
            return Ok(ResetTarget::Time(now.saturating_sub(long)));
        }
        // The flags are a group of which one is there.
        Ok(ResetTarget::Current)
    }
}

/// `topic`, or `topic:0,1`.
fn topic_partitions(text: &str) -> Result<TopicPartitions, UsageError> {
    let wrong = || {
        UsageError::new(format!(
            "--topic {text}: write a topic, or a topic and partitions, such as MyTopic:0,1"
        ))
    };
    let (topic, partitions) = match text.split_once(':') {
        None => (text, None),
        Some((topic, partitions)) => {
            let number = |part: &str| part.trim().parse().ok().filter(|number| *number >= 0);
            let numbers: Option<Vec<i32>> = partitions.split(',').map(number).collect();
            (topic, Some(numbers.ok_or_else(wrong)?))
        }
    };
    match topic.is_empty() {
        true => Err(wrong()),
        false => Ok(TopicPartitions {
            topic: topic.to_owned(),
            partitions,
        }),
    }
}

#[cfg(test)]
mod tests;
