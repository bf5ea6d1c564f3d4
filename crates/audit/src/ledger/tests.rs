//! The ledger: its size, the keys that it makes again, and what names and sizes tell.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn an_entry_is_as_small_as_is_told() {
    assert_eq!(size_of::<Entry>(), ENTRY);
}

#[test]
fn keys_are_made_again() {
    let mut ledger = Ledger::new(NameSettings::default());
    let key = "topics/t/a=b/t+3+0000000042.keys.avro";
    let listed = Listed {
        key,
        size: 5,
        is_archived: false,
    };
    let Noted::Object(id) = ledger.list(listed).unwrap() else {
        panic!("it is an object")
    };
    ledger.unreadable(&id, Kind::Unreadable, "cut");
    let told = ledger.findings.iter().next().unwrap();
    assert_eq!(told.key.as_deref(), Some(key));
    assert_eq!((told.partition, told.from), (Some(3), Some(42)));
}

#[test]
fn names_and_sizes_tell_of_their_faults() {
    let names = NameSettings {
        offset_width: Some(10),
        values: Some(".json".to_owned()),
        ..NameSettings::default()
    };
    let mut ledger = Ledger::new(names);
    for (key, size, is_archived) in [
        ("topics/t/partition=1/t+0+0000000000.json", 1, false),
        ("topics/t/partition=0/t+0+1.json", 1, false),
        ("topics/t/partition=0/t+0+0000000002.avro", 1, false),
        ("topics/t/partition=0/t+0+0000000003.json", 0, false),
        ("topics/t/partition=0/t+0+0000000004.json", 1, true),
        ("topics/t/partition=0/README", 1, false),
        ("topics/_millstream/c/01HF7YAT00Z6V2M3QK8D5T9RWE", 1, false),
    ] {
        ledger
            .list(Listed {
                key,
                size,
                is_archived,
            })
            .unwrap();
    }
    let kinds: Vec<Kind> = ledger.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::WrongFolder,
            Kind::OffsetWidth,
            Kind::OtherExtension,
            Kind::Empty,
            Kind::Archived,
            Kind::Foreign,
            Kind::LedgerEntry,
        ]
    );
}
