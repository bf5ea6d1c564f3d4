//! The verdict: each fault by itself, and random buckets against what was put into them.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::ledger::{Listed, Noted};
use crate::names::{NameSettings, Part};
use proptest::prelude::*;

/// A bucket: (folder, start, records; −1 is not counted, −2 cannot be read).
fn ledger(objects: &[(&str, i64, i64)]) -> Ledger {
    let names = NameSettings::default();
    let mut ledger = Ledger::new(names.clone());
    for (folder, start, records) in objects {
        let key = names.key("t", folder, 0, *start, Part::Values, ".json");
        let listed = Listed {
            key: &key,
            size: 1,
            is_archived: false,
        };
        let Noted::Object(id) = ledger.list(listed).unwrap() else {
            panic!("{key} is an object")
        };
        match records {
            -1 => {}
            -2 => ledger.unreadable(&id, Kind::Unreadable, "cut"),
            records => ledger.counted(&id, *records as u64),
        }
    }
    ledger
}

fn due(expected: Expected) -> BTreeMap<String, TopicExpected> {
    let each = BTreeMap::from([(0, expected)]);
    BTreeMap::from([(
        "t".to_owned(),
        TopicExpected {
            partitions: Some(1),
            each,
        },
    )])
}

fn said(ledger: Ledger, rules: &Rules, expected: Expected) -> (String, PartitionVerdict) {
    let verdict = judge(ledger, rules, &due(expected));
    let (findings, _) = verdict.findings.sorted();
    let said = findings.iter().map(|finding| {
        let place = finding
            .from
            .map_or_else(String::new, |from| format!(" {from}"));
        let end = finding.to.map_or_else(String::new, |to| format!("..{to}"));
        let note = if finding.severity == Severity::Note {
            " (note)"
        } else {
            ""
        };
        format!("{}{place}{end}{note}", finding.kind.name())
    });
    (
        said.collect::<Vec<_>>().join(", "),
        verdict.partitions[0].clone(),
    )
}

fn flush(size: i64) -> Rules {
    Rules {
        flush_size: Some(size),
        ..Rules::default()
    }
}

fn to(end: i64, by: EndBy) -> Expected {
    Expected {
        from: Some(0),
        to: Some((end, by)),
        ..Expected::default()
    }
}

#[test]
fn counts_meet_offsets_or_tell_where_not() {
    let one = "partition=0";
    let table: [(&[(&str, i64, i64)], &str, Proof); 18] = [
        (&[(one, 0, 3), (one, 3, 3), (one, 6, 4)], "", Proof::Counted),
        (
            &[(one, 0, 3), (one, 5, 3), (one, 8, 2)],
            "gap 3..5",
            Proof::Faulty,
        ),
        (
            &[(one, 0, 3), (one, 3, 2), (one, 6, 4)],
            "gap 5..6",
            Proof::Faulty,
        ),
        (&[(one, 0, 3), (one, 2, 8)], "overlap 2..3", Proof::Faulty),
        (&[(one, 1, 9)], "gap-at-start 0..1", Proof::Faulty),
        (&[(one, 0, 9)], "gap-at-end 9..10", Proof::Faulty),
        // More than the group has committed is there after a crash.
        (&[(one, 0, 3), (one, 3, 9)], "", Proof::Counted),
        (
            &[(one, 0, 3), (one, 3, -2), (one, 6, 4)],
            "unreadable 3",
            Proof::Faulty,
        ),
        (
            &[(one, 0, -1), (one, 3, -1), (one, 6, -1)],
            "",
            Proof::Names,
        ),
        (
            &[(one, 0, -1), (one, 5, -1), (one, 9, -1)],
            "gap 0..5",
            Proof::Faulty,
        ),
        // Three folders are open at a time, and closed together.
        (
            &[
                ("a", 0, 2),
                ("b", 1, 1),
                ("c", 2, 1),
                ("a", 4, 3),
                ("b", 5, 3),
            ],
            "",
            Proof::Counted,
        ),
        (
            &[("a", 0, 2), ("b", 1, 1), ("a", 4, 3), ("b", 5, 3)],
            "gap 3..4",
            Proof::Faulty,
        ),
        // The one of a folder begins before the last of the folder ended.
        (
            &[("a", 0, 4), ("b", 1, 1), ("a", 3, 5)],
            "overlap 3..4, gap-at-end 9..10",
            Proof::Faulty,
        ),
        // More than a rotation stores.
        (
            &[("a", 0, 3), ("b", 1, 3), ("c", 2, 3), ("a", 6, 4)],
            "overlap 2..4",
            Proof::Faulty,
        ),
        // One that is not counted hides those beside it until the rotation is over.
        (
            &[("a", 0, 3), ("b", 1, -1), ("c", 3, 1), ("a", 6, 4)],
            "",
            Proof::Names,
        ),
        (
            &[("a", 0, 3), ("a", 0, 3)],
            "duplicate-start 0, gap-at-end 3..10",
            Proof::Faulty,
        ),
        (
            &[("a", 0, 3), ("b", 0, 3), ("c", 3, 7)],
            "duplicate-start 0",
            Proof::Faulty,
        ),
        (&[], "missing-partition 0..10", Proof::Names),
    ];
    for (objects, expected, proof) in table {
        if objects.is_empty() {
            let verdict = judge(ledger(objects), &flush(4), &due(to(10, EndBy::Group)));
            let (findings, _) = verdict.findings.sorted();
            assert_eq!(findings[0].kind, Kind::MissingPartition);
            continue;
        }
        let (found, verdict) = said(ledger(objects), &flush(4), to(10, EndBy::Group));
        assert_eq!(
            (found.as_str(), verdict.proof),
            (expected, proof),
            "{objects:?}"
        );
    }
}

#[test]
fn who_says_where_the_end_is_decides_what_is_missing() {
    let one = "partition=0";
    let objects = [(one, 0, 3), (one, 3, 3)];
    let topic = Expected {
        topic_end: Some(8),
        ..to(8, EndBy::Topic)
    };
    let (found, verdict) = said(ledger(&objects), &flush(4), topic.clone());
    assert_eq!(found, "gap-at-end 6..8 (note)");
    assert_eq!(
        (verdict.proof, verdict.proven_to, verdict.missing),
        (Proof::Counted, Some(6), 0)
    );
    let short = Expected {
        topic_end: Some(5),
        ..to(5, EndBy::Topic)
    };
    assert_eq!(said(ledger(&objects), &flush(4), short).0, "overlap 3..5");
    let anew = Expected {
        topic_end: Some(2),
        ..to(2, EndBy::Topic)
    };
    assert_eq!(said(ledger(&objects), &flush(4), anew).0, "beyond-end 3");
    let later = Expected {
        from: Some(4),
        ..to(6, EndBy::Flag)
    };
    let gap = [(one, 0, 2), (one, 3, 3), (one, 8, 1)];
    assert_eq!(said(ledger(&gap), &flush(4), later).0, "");
}

#[test]
fn gaps_that_are_explained_are_notes() {
    let one = "partition=0";
    let rules = Rules {
        gaps_explained: Some("records are filtered".to_owned()),
        ..flush(4)
    };
    let (found, verdict) = said(
        ledger(&[(one, 0, 3), (one, 5, 5)]),
        &rules,
        to(10, EndBy::Group),
    );
    assert_eq!(
        (found.as_str(), verdict.proof),
        ("gap 3..5 (note)", Proof::Counted)
    );
    let mut existing = Existing::default();
    for offset in [0, 1, 2, 5, 6, 9] {
        existing.record(offset).unwrap();
    }
    existing.reach(12).unwrap();
    let compacted = Expected {
        existing,
        ..to(12, EndBy::Group)
    };
    let (found, verdict) = said(ledger(&[(one, 0, 4), (one, 6, 2)]), &flush(4), compacted);
    assert_eq!(
        (found.as_str(), verdict.proof, verdict.without_record),
        ("", Proof::Counted, 6)
    );
}

#[test]
fn values_keys_and_headers_belong_together() {
    let names = NameSettings::default();
    let judged = |objects: &[(&str, i64, Part, u64)]| {
        let mut ledger = Ledger::new(names.clone());
        for (folder, start, part, records) in objects {
            let key = names.key("t", folder, 0, *start, *part, ".json");
            let listed = Listed {
                key: &key,
                size: 1,
                is_archived: false,
            };
            let Noted::Object(id) = ledger.list(listed).unwrap() else {
                panic!("{key}")
            };
            ledger.counted(&id, *records);
        }
        said(ledger, &flush(4), to(6, EndBy::Group)).0
    };
    use Part::{Headers, Keys, Values};
    assert_eq!(
        judged(&[
            ("a", 0, Values, 3),
            ("a", 0, Keys, 3),
            ("a", 3, Values, 3),
            ("a", 3, Keys, 3)
        ]),
        ""
    );
    assert_eq!(
        judged(&[("a", 0, Values, 3), ("a", 0, Keys, 3), ("a", 3, Values, 3)]),
        "missing-keys 3"
    );
    assert_eq!(
        judged(&[
            ("a", 0, Values, 3),
            ("a", 0, Headers, 2),
            ("a", 3, Values, 3),
            ("a", 3, Headers, 3)
        ]),
        "wrong-count 0"
    );
    assert_eq!(
        judged(&[("a", 0, Values, 3), ("a", 0, Keys, 3), ("a", 3, Keys, 3)]),
        "missing-values 3"
    );
    assert_eq!(
        judged(&[
            ("a", 0, Values, 3),
            ("a", 0, Keys, 3),
            ("tombstone", 3, Keys, 3)
        ]),
        ""
    );
}

#[test]
fn batches_of_a_queue_are_counted() {
    let names = NameSettings::default();
    let mut ledger = Ledger::new(names);
    let id = "01HF7YAT00Z6V2M3QK8D5T9RWE";
    for (key, records) in [
        (format!("topics/q/partition=0/q+0+{id}+3.json"), 3),
        (format!("topics/q/other/q+0+{id}+3.json"), 3),
        (
            "topics/q/partition=0/q+0+01HF7YAT00Z6V2M3QK8D5T9RWF+3.json".to_owned(),
            2,
        ),
        (
            "topics/q/partition=0/q+0+01HF7YAT00Z6V2M3QK8D5T9RWG.json".to_owned(),
            5,
        ),
    ] {
        let listed = Listed {
            key: &key,
            size: 1,
            is_archived: false,
        };
        let Noted::Object(id) = ledger.list(listed).unwrap() else {
            panic!("{key}")
        };
        ledger.counted(&id, records);
    }
    let verdict = judge(ledger, &Rules::default(), &BTreeMap::new());
    let (findings, _) = verdict.findings.sorted();
    let kinds: Vec<Kind> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::DuplicateBatch, Kind::WrongCount]);
    assert_eq!(verdict.partitions[0].records, Some(13));
}

proptest! {
    /// A sink's own rule: rows go to folders, and all open objects are closed together.
    #[test]
    fn what_a_sink_stores_is_clean_and_one_that_is_gone_is_seen(
        rows in proptest::collection::vec((0usize..3, 0u8..8), 1..80), flush_size in 1i64..9, gone in any::<proptest::sample::Index>(), has_one_folder in any::<bool>(),
    ) {
        let folders = if has_one_folder { ["a"; 3] } else { ["a", "b", "c"] };
        let rules = Rules { interleaves: has_one_folder, ..flush(flush_size) };
        let mut objects: Vec<(&str, i64, i64)> = Vec::new();
        let mut open: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        for (offset, (folder, rotates)) in rows.iter().enumerate() {
            open.entry(*folder).or_insert((offset as i64, 0)).1 += 1;
            let total: i64 = open.values().map(|file| file.1).sum();
            if total >= flush_size || *rotates == 0 || offset + 1 == rows.len() {
                objects.extend(open.iter().map(|(folder, (start, records))| (folders[*folder], *start, *records)));
                open.clear();
            }
        }
        let end = rows.len() as i64;
        let (found, verdict) = said(ledger(&objects), &rules, to(end, EndBy::Group));
        prop_assert_eq!(found.as_str(), "");
        prop_assert_eq!((verdict.proof, verdict.records), (Proof::Counted, Some(end as u64)));
        let gone = gone.index(objects.len());
        let records = objects.remove(gone).2;
        if objects.is_empty() {
            return Ok(());
        }
        let (found, verdict) = said(ledger(&objects), &rules, to(end, EndBy::Group));
        prop_assert!(!found.is_empty());
        prop_assert_eq!(verdict.missing, records);
    }

    #[test]
    fn any_bucket_is_judged(
        objects in proptest::collection::vec((0usize..3, 0i64..50, -2i64..20), 1..30), flush_size in -1i64..9, end in 0i64..60,
    ) {
        let objects: Vec<(&str, i64, i64)> = objects.iter().map(|(folder, start, records)| (["a", "b", "c"][*folder], *start, *records)).collect();
        let _ = said(ledger(&objects), &flush(flush_size), to(end, EndBy::Flag));
    }
}
