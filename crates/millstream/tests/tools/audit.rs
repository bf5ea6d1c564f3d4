//! `millstream audit` as a process, over buckets that our sink has filled: good ones are proven, and each planted fault is told.

use super::bucket::{Store, copy};
use super::stage::{Ended, run};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

const WITH_PARTS: [(&str, &str); 2] = [
    ("store.kafka.keys", "true"),
    ("store.kafka.headers", "true"),
];
const GZIP: [(&str, &str); 1] = [("s3.compression.type", "gzip")];

async fn audit(store: &Store, file: &Path, more: &[&str]) -> Ended {
    let words = [&["--json", file.to_str().unwrap()], more].concat();
    run(store.folder.path(), "audit", &words, "").await
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// The kinds that were found, but for notes.
fn kinds(report: &Value) -> BTreeSet<String> {
    let counts = report["counts"].as_array().unwrap().iter();
    let counts = counts.filter(|count| count["severity"] != "note");
    counts
        .map(|count| count["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_buckets_are_proven_for_each_partitioner_and_format() {
    let store = Store::new().await;
    let time = |class| {
        vec![
            ("partitioner.class", class),
            ("timestamp.extractor", "Record"),
            ("timezone", "UTC"),
            ("locale", "en"),
            ("partition.duration.ms", "3600000"),
            ("path.format", "'h'=HH"),
        ]
    };
    let cases: [(&str, Vec<(&str, &str)>); 7] = [
        ("plain", Vec::new()),
        ("parts", WITH_PARTS.to_vec()),
        ("zipped", [GZIP.as_slice(), &WITH_PARTS].concat()),
        (
            "hourly",
            time("io.confluent.connect.storage.partitioner.HourlyPartitioner"),
        ),
        (
            "daily",
            time("io.confluent.connect.storage.partitioner.DailyPartitioner"),
        ),
        (
            "timed",
            time("io.confluent.connect.storage.partitioner.TimeBasedPartitioner"),
        ),
        (
            "names",
            vec![
                ("file.delim", "__"),
                ("filename.offset.zero.pad.width", "1"),
                ("topics.dir", ""),
            ],
        ),
    ];
    for (bucket, settings) in cases {
        store.fill(bucket, &settings).await;
        let file = store.file(bucket, &settings, "connector.json");
        let deep = audit(&store, &file, &["--deep", "--from", "0", "--to", "30"]).await;
        assert_eq!(deep.code, 0, "{bucket}: {deep:?}");
        let told = report(&deep);
        assert_eq!(told["outcome"], "proven", "{bucket}: {told}");
        assert_eq!(
            told["findings"],
            Value::Array(Vec::new()),
            "{bucket}: {told}"
        );
        let records: u64 = told["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["records"].as_u64().unwrap())
            .sum();
        assert_eq!(records, 60, "{bucket}");
        let names = audit(&store, &file, &["--from", "0"]).await;
        assert_eq!(
            (names.code, report(&names)["outcome"].as_str()),
            (0, Some("nothing-found")),
            "{bucket}: {names:?}"
        );
    }
    // Without a connector, by flags alone.
    let endpoint = store.server.endpoint();
    let words = [
        "--bucket",
        "plain",
        "--endpoint",
        &endpoint,
        "--deep",
        "--setting",
        "aws.access.key.id=test",
        "--setting",
        "aws.secret.access.key=test",
    ];
    let page = store.folder.path().join("report.html");
    let more = [words.as_slice(), &["--html", page.to_str().unwrap()]].concat();
    let ended = run(store.folder.path(), "audit", &more, "").await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("Proven: every offset"), "{ended:?}");
    assert!(
        fs::read_to_string(page)
            .unwrap()
            .contains("proven by count")
    );
}

fn object(partition: i32, start: i64, ending: &str) -> String {
    format!("topics/orders/partition={partition}/orders+{partition}+{start:010}{ending}")
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

type Plant = fn(&Path);

/// Which bucket, what is done to it, and what has to be found of that, and nothing else.
fn faults() -> Vec<(&'static str, Plant, &'static [&'static str])> {
    fn rename(root: &Path, from: &str, to: &str) {
        let to = root.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(root.join(from), to).unwrap();
    }
    fn double(root: &Path, from: &str, to: &str) {
        let to = root.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join(from), to).unwrap();
    }
    vec![
        (
            "plain",
            |it| fs::remove_file(it.join(object(0, 10, ".json"))).unwrap(),
            &["gap"],
        ),
        (
            "plain",
            |it| fs::remove_file(it.join(object(0, 0, ".json"))).unwrap(),
            &["gap-at-start"],
        ),
        (
            "plain",
            |it| fs::remove_file(it.join(object(1, 25, ".json"))).unwrap(),
            &["gap-at-end"],
        ),
        (
            "plain",
            |it| fs::remove_dir_all(it.join("topics/orders/partition=0")).unwrap(),
            &["missing-partition"],
        ),
        (
            "plain",
            |it| double(it, &object(0, 5, ".json"), &object(0, 6, ".json")),
            &["overlap"],
        ),
        (
            "plain",
            |it| double(it, &object(0, 5, ".json"), &object(0, 5, ".json.gz")),
            &["duplicate-start", "other-extension", "unreadable"],
        ),
        (
            "plain",
            |it| {
                double(
                    it,
                    &object(0, 5, ".json"),
                    "topics/orders/old/orders+0+0000000005.json",
                )
            },
            &["duplicate-start"],
        ),
        (
            "plain",
            |it| {
                double(
                    it,
                    &object(0, 5, ".json"),
                    "topics/orders/partition=1/orders+0+0000000005.json",
                )
            },
            &["duplicate-start", "wrong-folder"],
        ),
        (
            "plain",
            |it| fs::write(it.join("topics/orders/README"), "x").unwrap(),
            &["foreign"],
        ),
        (
            "plain",
            |it| double(it, &object(0, 5, ".json"), &object(0, 5, ".json.tmp")),
            &["foreign"],
        ),
        (
            "plain",
            |it| {
                double(
                    it,
                    &object(0, 5, ".json"),
                    "topics/orders/partition=0/other+0+0000000005.json",
                )
            },
            &["foreign"],
        ),
        (
            "plain",
            |it| {
                double(
                    it,
                    &object(0, 5, ".json"),
                    "topics/orders/partition=0/orders+0+x.json",
                )
            },
            &["foreign"],
        ),
        (
            "plain",
            |it| {
                rename(
                    it,
                    &object(0, 5, ".json"),
                    "topics/orders/partition=0/orders+0+5.json",
                )
            },
            &["offset-width"],
        ),
        (
            "plain",
            |it| rename(it, &object(0, 5, ".json"), &object(0, 7, ".json")),
            &["gap", "overlap"],
        ),
        (
            "plain",
            |it| rename(it, &object(0, 5, ".json"), &object(3, 5, ".json")),
            &["gap", "missing-partition", "gap-at-start", "gap-at-end"],
        ),
        (
            "plain",
            |it| fs::write(it.join(object(0, 5, ".json")), "").unwrap(),
            &["empty"],
        ),
        (
            "plain",
            |it| {
                edit(&it.join(object(0, 5, ".json")), |bytes| {
                    bytes.truncate(bytes.len() / 2 + 1)
                })
            },
            &["unreadable"],
        ),
        (
            "plain",
            |it| {
                edit(&it.join(object(0, 5, ".json")), |bytes| {
                    bytes.truncate(bytes.len() - 1)
                })
            },
            &["unreadable"],
        ),
        (
            "plain",
            |it| edit(&it.join(object(0, 5, ".json")), |bytes| bytes[3] = b'\n'),
            &["unreadable"],
        ),
        (
            "plain",
            |it| fs::write(it.join(object(0, 5, ".json")), "<html>sign in</html>\n").unwrap(),
            &["unreadable"],
        ),
        (
            "plain",
            |it| {
                edit(&it.join(object(0, 5, ".json")), |bytes| {
                    bytes.extend(b"1\n")
                })
            },
            &["overlap"],
        ),
        (
            "plain",
            |it| fs::write(it.join(object(0, 5, ".json")), "1\n2\n3\n4\n").unwrap(),
            &["gap"],
        ),
        (
            "parts",
            |it| fs::remove_file(it.join(object(0, 5, ".keys.json"))).unwrap(),
            &["missing-keys"],
        ),
        (
            "parts",
            |it| fs::remove_file(it.join(object(0, 5, ".headers.json"))).unwrap(),
            &["missing-headers"],
        ),
        (
            "parts",
            |it| fs::remove_file(it.join(object(0, 5, ".json"))).unwrap(),
            &["missing-values"],
        ),
        (
            "parts",
            |it| {
                edit(&it.join(object(0, 5, ".keys.json")), |bytes| {
                    bytes.extend(b"1\n")
                })
            },
            &["wrong-count"],
        ),
        (
            "parts",
            |it| {
                edit(&it.join(object(0, 5, ".headers.json")), |bytes| {
                    bytes.extend(b"1\n")
                })
            },
            &["wrong-count"],
        ),
        (
            "parts",
            |it| fs::write(it.join(object(0, 5, ".headers.json")), "").unwrap(),
            &["empty"],
        ),
        (
            "zipped",
            |it| {
                edit(&it.join(object(0, 5, ".json.gz")), |bytes| {
                    bytes.truncate(bytes.len() - 3)
                })
            },
            &["unreadable"],
        ),
        (
            "zipped",
            |it| {
                edit(&it.join(object(0, 5, ".json.gz")), |bytes| {
                    let at = bytes.len() - 6;
                    bytes[at] ^= 1;
                })
            },
            &["unreadable"],
        ),
        (
            "zipped",
            |it| fs::write(it.join(object(0, 5, ".json.gz")), "1\n2\n3\n4\n5\n").unwrap(),
            &["unreadable"],
        ),
        (
            "zipped",
            |it| fs::write(it.join(object(0, 5, ".json.gz")), gzip("1\n2\n3\n")).unwrap(),
            &["gap"],
        ),
        (
            "plain",
            |it| rename(it, &object(0, 5, ".json"), &object(0, 5, ".avro")),
            &["other-extension", "unreadable"],
        ),
        (
            "plain",
            |it| rename(it, &object(0, 5, ".json"), &object(0, 5, ".snappy.parquet")),
            &["other-extension", "unreadable"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_planted_fault_is_found_and_all_at_once() {
    let store = Store::new().await;
    for (bucket, settings) in [
        ("plain", &[][..]),
        ("parts", &WITH_PARTS),
        ("zipped", &GZIP),
    ] {
        store.fill(bucket, settings).await;
    }
    let faults = faults();
    assert!(faults.len() >= 30);
    let settings = |bucket: &str| match bucket {
        "parts" => WITH_PARTS.to_vec(),
        "zipped" => GZIP.to_vec(),
        _ => Vec::new(),
    };
    for (number, (origin, plant, expected)) in faults.iter().enumerate() {
        let bucket = format!("fault-{number}");
        let root = store.folder.path().join(&bucket);
        copy(&store.folder.path().join(origin), &root);
        plant(&root);
        let file = store.file(&bucket, &settings(origin), "connector.json");
        let ended = audit(&store, &file, &["--deep", "--from", "0", "--to", "30"]).await;
        let told = report(&ended);
        let expected: BTreeSet<String> = expected.iter().map(|kind| (*kind).to_owned()).collect();
        assert_eq!(kinds(&told), expected, "fault {number} in {origin}: {told}");
        assert_eq!(
            ended.code,
            i32::from(!expected.is_empty()),
            "fault {number}: {ended:?}"
        );
    }
    // Those that leave each other alone, in one bucket: each is still there.
    let root = store.folder.path().join("many");
    copy(&store.folder.path().join("parts"), &root);
    let places = [
        (object(0, 0, ".json"), "gap-at-start"),
        (object(0, 10, ".keys.json"), "missing-keys"),
        (object(1, 10, ".headers.json"), "missing-headers"),
    ];
    fs::remove_file(root.join(object(0, 0, ".keys.json"))).unwrap();
    fs::remove_file(root.join(object(0, 0, ".headers.json"))).unwrap();
    for (key, _) in &places {
        fs::remove_file(root.join(key)).unwrap();
    }
    edit(&root.join(object(0, 15, ".json")), |bytes| {
        bytes.extend(b"1\n")
    });
    edit(&root.join(object(0, 25, ".json")), |bytes| {
        bytes.truncate(bytes.len() - 1)
    });
    fs::copy(
        root.join(object(1, 5, ".json")),
        root.join(object(1, 6, ".json")),
    )
    .unwrap();
    fs::write(root.join(object(1, 20, ".json")), "").unwrap();
    fs::write(root.join("topics/orders/_SUCCESS"), "x").unwrap();
    let file = store.file("many", &WITH_PARTS, "connector.json");
    let ended = audit(&store, &file, &["--deep", "--from", "0", "--to", "30"]).await;
    let found = kinds(&report(&ended));
    let expected = [
        "gap-at-start",
        "missing-keys",
        "missing-headers",
        "wrong-count",
        "overlap",
        "unreadable",
        "empty",
        "foreign",
    ];
    for kind in expected {
        assert!(found.contains(kind), "{kind}: {ended:?}");
    }
}
