//! What validation and the start of a connector say; the original was asked the same.

use millstream_core::{Connector, Properties};
use millstream_s3::S3SinkConnector;

fn properties(more: &[(&str, &str)]) -> Properties {
    let mut properties = Properties::from_iter([
        ("s3.bucket.name", "b"),
        ("flush.size", "3"),
        ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
        (
            "format.class",
            "io.confluent.connect.s3.format.json.JsonFormat",
        ),
    ]);
    for (key, value) in more {
        properties.insert(*key, *value);
    }
    properties
}

fn errors(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let values = S3SinkConnector.validate(&properties(more)).into_iter();
    values
        .flat_map(|value| {
            let name = value.name;
            value
                .errors
                .into_iter()
                .map(move |error| (name.clone(), error))
        })
        .collect()
}

#[test]
fn report_f16_validation_speaks_as_the_original() {
    let provider = "s3.credentials.provider.class";
    assert_eq!(
        errors(&[(provider, "java.lang.Integer")]),
        [(
            provider.to_owned(),
            "Invalid value class java.lang.Integer for configuration s3.credentials.provider.class: Class must extend: \
             interface software.amazon.awssdk.auth.credentials.AwsCredentialsProvider"
                .to_owned()
        )]
    );
    assert_eq!(
        errors(&[("timezone", "GMT+5")]),
        [(
            "timezone".to_owned(),
            "Invalid value GMT+5 for configuration timezone: Invalid format: \"+5\" is malformed at \"5\"".to_owned()
        )]
    );
    let accelerated = errors(&[("s3.wan.mode", "true")]);
    let sentence = "Both accelerate mode and path style access are being enabled. These options are mutually exclusive \
                    and cannot be enabled together. Please disable one of them";
    let keys: Vec<&str> = accelerated.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["s3.wan.mode", "s3.path.style.access.enabled"]);
    assert!(accelerated.iter().all(|(_, error)| error == sentence));
}

#[test]
fn report_f16_a_key_of_the_start_alone_fails_at_the_start() {
    let soon = [("shutdown.timeout.ms", "soon")];
    assert_eq!(errors(&soon), []);
    let refused = S3SinkConnector.check_start(&properties(&soon)).unwrap_err();
    assert_eq!(
        refused.message,
        "Invalid value soon for configuration shutdown.timeout.ms: Not a number of type LONG"
    );
    let fine = [("shutdown.timeout.ms", "5")];
    assert!(S3SinkConnector.check_start(&properties(&fine)).is_ok());
}

/// A partitioner of the original's own that nobody configures: it is a class, and hides no key.
#[test]
fn report_f16_another_partitioner_hides_no_key() {
    let partitioner = "io.confluent.connect.s3.util.TombstoneSupportedPartitioner";
    let properties = properties(&[("partitioner.class", partitioner)]);
    let values = S3SinkConnector.validate(&properties);
    let hidden: Vec<&str> = values
        .iter()
        .filter(|value| !value.visible)
        .map(|value| value.name.as_str())
        .collect();
    assert_eq!(
        hidden,
        [
            "avro.codec",
            "parquet.codec",
            "s3.sse.kms.key.id",
            "keys.format.class",
            "headers.format.class"
        ]
    );
    assert!(values.iter().all(|value| value.errors.is_empty()));
}

/// Every class that Java finds passes for storage, format and partitioner: the checks across settings still run, as they do
/// beside what the original does not check.
#[test]
fn a_class_of_another_kind_is_refused_by_the_task_alone() {
    let filter = "org.apache.kafka.connect.transforms.Filter";
    for class in [
        filter,
        "org.apache.kafka.connect.transforms.Cast",
        "org.apache.kafka.connect.storage.StringConverter",
        "java.lang.Integer",
        "io.confluent.connect.storage.partitioner.DefaultPartitioner",
    ] {
        for key in ["storage.class", "format.class", "partitioner.class"] {
            assert_eq!(errors(&[(key, class)]), [], "{key}={class}");
        }
    }
    let named = |settings: &[(&str, &str)]| -> Vec<String> {
        errors(settings).into_iter().map(|(key, _)| key).collect()
    };
    let tombstones = ("behavior.on.null.values", "write");
    let across = ["behavior.on.null.values", "store.kafka.keys"];
    assert_eq!(named(&[tombstones, ("storage.class", filter)]), across);
    let with_own = [
        "s3.bucket.name",
        "behavior.on.null.values",
        "store.kafka.keys",
    ];
    assert_eq!(named(&[tombstones, ("s3.bucket.name", "")]), with_own);
    assert_eq!(named(&[tombstones, ("flush.size", "x")]), ["flush.size"]);
}

/// An alias stands for a plugin of its own kind, which none of these settings wants, and so do names of connectors.
#[test]
fn the_alias_of_a_plugin_is_no_class_here() {
    for name in ["String", "io.confluent.connect.s3.S3SinkConnector"] {
        let error = format!(
            "Invalid value {name} for configuration format.class: Class {name} could not be found."
        );
        let expected = [("format.class".to_owned(), error)];
        assert_eq!(errors(&[("format.class", name)]), expected);
    }
}

/// The original fails on a null while it reads all settings, whichever key has it.
#[test]
fn a_null_is_an_error_of_its_key() {
    for key in S3SinkConnector.config_def().keys() {
        let mut properties = properties(&[]);
        properties.insert_null(&*key.name);
        let values = S3SinkConnector.validate(&properties);
        let wrong: Vec<(&str, usize)> = values
            .iter()
            .filter(|value| !value.errors.is_empty())
            .map(|value| (value.name.as_str(), value.errors.len()))
            .collect();
        assert_eq!(wrong, [(&*key.name, 1)]);
        assert!(
            S3SinkConnector.check_start(&properties).is_err(),
            "{}",
            key.name
        );
    }
}
