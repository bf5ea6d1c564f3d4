//! Where a group's offset of a partition is moved to. Pure: what the brokers know comes in as facts.

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTarget {
    Earliest,
    Latest,
    Current,
    Offset(i64),
    ShiftBy(i64),
    /// Milliseconds since 1970.
    Time(i64),
}

/// What is known of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub start: i64,
    pub end: i64,
    pub committed: Option<i64>,
    /// The first record of the target's time or later, where a time was asked for.
    pub at_time: Option<i64>,
}

/// The new offset, and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    pub offset: i64,
    pub warning: Option<String>,
}

/// # Errors
/// If the group's own offset is needed, and there is none.
pub fn new_offset(target: ResetTarget, partition: &str, facts: Facts) -> Result<Reset, String> {
    let plain = |offset| Reset {
        offset,
        warning: None,
    };
    Ok(match target {
        ResetTarget::Earliest => plain(facts.start),
        ResetTarget::Latest => plain(facts.end),
        ResetTarget::Offset(offset) => within(offset, partition, facts),
        ResetTarget::ShiftBy(by) => {
            let committed = facts.committed.ok_or_else(|| {
                format!("Cannot shift offset for partition {partition} since there is no current committed offset")
            })?;
            within(committed.saturating_add(by), partition, facts)
        }
        ResetTarget::Current => match facts.committed {
            Some(committed) => within(committed, partition, facts),
            None => plain(facts.end),
        },
        ResetTarget::Time(_) => match facts.at_time {
            Some(offset) => plain(offset),
            None => Reset {
                offset: facts.end,
                warning: Some(format!(
                    "partition {partition} has no record of that time or later: its end is taken"
                )),
            },
        },
    })
}

fn within(offset: i64, partition: &str, facts: Facts) -> Reset {
    let (taken, what) = if offset > facts.end {
        (facts.end, "higher than latest")
    } else if offset < facts.start {
        (facts.start, "lower than earliest")
    } else {
        let warning = None;
        return Reset { offset, warning };
    };
    Reset {
        offset: taken,
        warning: Some(format!(
            "New offset ({offset}) is {what} offset for topic partition {partition}. Value will be set to {taken}"
        )),
    }
}
