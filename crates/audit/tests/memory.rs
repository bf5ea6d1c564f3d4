//! Memory of many names: a sixteenth of a million, within a sixteenth of what is stated for a million. Tables double as they grow, so
//! that both fill them alike.
#![allow(clippy::unwrap_used)]

use millstream_audit::judge::{EndBy, Expected, Rules, TopicExpected, judge};
use millstream_audit::ledger::{Ledger, Listed};
use millstream_audit::names::NameSettings;
use peak_alloc::PeakAlloc;
use std::collections::BTreeMap;
use std::fmt::Write;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const SHARE: i64 = 16;
const OBJECTS: i64 = 1_000_000 / SHARE;
const FLUSH: i64 = 1000;
/// As `docs/audit.md` says of a million.
const STATED: usize = 64_000_000 / SHARE as usize;

#[test]
fn objects_by_name_stay_within_the_stated_memory() {
    for partitions in [1, 50] {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let mut ledger = Ledger::new(NameSettings::default());
        let mut key = String::new();
        for partition in 0..partitions {
            for object in 0..OBJECTS / partitions {
                // One is gone in each partition.
                if object == 500 {
                    continue;
                }
                key.clear();
                let start = object * FLUSH;
                write!(
                    key,
                    "topics/orders/partition={partition}/orders+{partition}+{start:010}.json"
                )
                .unwrap();
                let (key, size, is_archived) = (key.as_str(), 100_000, false);
                let listed = Listed {
                    key,
                    size,
                    is_archived,
                };
                ledger.list(listed).unwrap();
            }
        }
        let due = |_| Expected {
            from: Some(0),
            to: Some((OBJECTS / partitions * FLUSH, EndBy::Flag)),
            ..Expected::default()
        };
        let each = (0..partitions as i32).map(|partition| (partition, due(partition)));
        let topic = TopicExpected {
            partitions: Some(partitions as i32),
            each: each.collect(),
        };
        let expected = BTreeMap::from([("orders".to_owned(), topic)]);
        let rules = Rules {
            flush_size: Some(FLUSH),
            ..Rules::default()
        };
        let verdict = judge(ledger, &rules, &expected);
        let (findings, _) = verdict.findings.sorted();
        assert_eq!(findings.len(), partitions as usize);
        assert_eq!(
            (findings[0].from, findings[0].to),
            (Some(499_000), Some(501_000))
        );
        let peak = MEMORY.peak_usage() - before;
        assert!(peak < STATED, "{partitions} partitions: {peak} bytes");
    }
}
