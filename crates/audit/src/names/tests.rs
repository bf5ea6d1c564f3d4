//! Names: each form that the sink makes, those it does not, and anything else.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn known() -> NameSettings {
    NameSettings {
        values: Some(".json.gz".to_owned()),
        keys: Some(".json.gz".to_owned()),
        headers: Some(".json".to_owned()),
        ..NameSettings::default()
    }
}

fn object<'a>(settings: &NameSettings, key: &'a str) -> ObjectName<'a> {
    match settings.read(key) {
        Named::Object(object) => object,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn names_are_taken_apart() {
    let any = NameSettings::default();
    for (key, topic, folder, partition, start, part, extension) in [
        (
            "topics/t/partition=3/t+3+0000000042.json",
            "t",
            "partition=3",
            3,
            42,
            Part::Values,
            ".json",
        ),
        (
            "topics/t/a=b/c/t+3+42.bin.gz",
            "t",
            "a=b/c",
            3,
            42,
            Part::Values,
            ".bin.gz",
        ),
        (
            "topics/t/partition=0/t+0+0000000000.keys.avro",
            "t",
            "partition=0",
            0,
            0,
            Part::Keys,
            ".avro",
        ),
        (
            "topics/t/partition=0/t+0+7.headers.snappy.parquet",
            "t",
            "partition=0",
            0,
            7,
            Part::Headers,
            ".snappy.parquet",
        ),
        // A folder that looks like a name, and a name in it.
        (
            "topics/t/v=/t+1+5.json/t+2+6.json",
            "t",
            "v=/t+1+5.json",
            2,
            6,
            Part::Values,
            ".json",
        ),
        (
            "topics/a.b-c/x/a.b-c+0+9223372036854775807.avro",
            "a.b-c",
            "x",
            0,
            i64::MAX,
            Part::Values,
            ".avro",
        ),
    ] {
        let read = object(&any, key);
        assert!(
            matches!(read.place, Place::Offset { start: found, .. } if found == start),
            "{key}: {read:?}"
        );
        assert_eq!(
            (read.topic, read.folder, read.partition),
            (topic, folder, partition),
            "{key}"
        );
        assert_eq!((read.part, read.extension), (part, extension), "{key}");
    }
    let underscored = NameSettings {
        directory_delim: "_".to_owned(),
        file_delim: "#".to_owned(),
        ..NameSettings::default()
    };
    let read = object(
        &underscored,
        "topics_my_topic_year=2017_my_topic#12#0000000003.json",
    );
    assert_eq!(
        (read.topic, read.folder, read.partition),
        ("my_topic", "year=2017", 12)
    );
}

#[test]
fn a_batch_of_a_queue_has_an_id_and_may_have_a_number() {
    let any = NameSettings::default();
    let key = "topics/orders/partition=0/orders+0+01HF7YAT00Z6V2M3QK8D5T9RWE";
    let batch = |ending: &str| object(&any, &format!("{key}{ending}")).place;
    let id = match batch(".json") {
        Place::Batch { id, records: None } => id,
        other => panic!("{other:?}"),
    };
    assert_eq!(ulid_text(id), "01HF7YAT00Z6V2M3QK8D5T9RWE");
    assert_eq!(
        batch("+1000.json"),
        Place::Batch {
            id,
            records: Some(1000)
        }
    );
    assert_eq!(
        any.read("topics/_millstream/c/01HF7YAT00Z6V2M3QK8D5T9RWE"),
        Named::Ledger
    );
}

#[test]
fn what_is_foreign_says_why() {
    for (key, why) in [
        ("other/t/partition=0/t+0+0.json.gz", Foreign::Outside),
        ("topics/t/partition=0/u+0+0.json.gz", Foreign::Topic),
        ("topics/t/readme.txt", Foreign::Topic),
        ("topics/t+0+0.json.gz", Foreign::Topic),
        ("topics/t/partition=0/t+x+0.json.gz", Foreign::Partition),
        ("topics/t/partition=0/t+00+0.json.gz", Foreign::Partition),
        (
            "topics/t/partition=0/t+99999999999+0.json.gz",
            Foreign::Partition,
        ),
        ("topics/t/partition=0/t+0", Foreign::Partition),
        ("topics/t/partition=0/t+0+.json.gz", Foreign::Start),
        ("topics/t/partition=0/t+0+-1.json.gz", Foreign::Start),
        (
            "topics/t/partition=0/t+0+99999999999999999999.json.gz",
            Foreign::Start,
        ),
        ("topics/t/partition=0/t+0+0", Foreign::Extension),
        ("topics/t/partition=0/t+0+0.json.gz.tmp", Foreign::Extension),
        ("topics/t/partition=0/t+0+0.keys", Foreign::Extension),
    ] {
        assert_eq!(known().read(key), Named::Foreign(why), "{key}");
    }
}

#[test]
fn another_formats_ending_is_told_apart() {
    for (ending, is_as_set) in [
        (".json.gz", true),
        (".json", false),
        (".snappy.parquet", false),
        (".keys.json.gz", true),
        (".keys.json", false),
        (".headers.json", true),
    ] {
        let key = format!("topics/t/partition=0/t+0+0{ending}");
        assert_eq!(object(&known(), &key).is_as_set, is_as_set, "{key}");
    }
}

proptest! {
    #[test]
    fn what_is_made_is_read(
        topic in "[a-zA-Z0-9._-]{1,20}", folder in "[a-z=/+0-9 _]{0,20}", partition in 0..i32::MAX,
        start in 0..i64::MAX, width in 1usize..20, part in 0usize..3, delims in 0usize..3,
    ) {
        let part = [Part::Values, Part::Keys, Part::Headers][part];
        let (dir, file) = [("/", "+"), ("|", "#"), ("//", "::")][delims];
        let settings = NameSettings {
            directory_delim: dir.to_owned(), file_delim: file.to_owned(),
            offset_width: Some(width), ..NameSettings::default()
        };
        let key = settings.key(&topic, &folder, partition, start, part, ".json");
        let read = object(&settings, &key);
        prop_assert_eq!((read.topic, read.folder, read.partition), (topic.as_str(), folder.as_str(), partition));
        prop_assert_eq!((read.part, read.extension), (part, ".json"));
        let digits = width.max(start.to_string().len());
        prop_assert_eq!(read.place, Place::Offset { start, digits });
    }

    #[test]
    fn anything_is_read_or_foreign(key in "(topics/)?[-t/+#0-9a-zé=.]{0,60}") {
        let _ = NameSettings::default().read(&key);
        let _ = known().read(&key);
    }
}
