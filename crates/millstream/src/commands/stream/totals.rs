//! Totals as flags and variables ask for them, and what does not go together with them.

use crate::cli::{KeyForm, StreamArgs};
use crate::preset::Totals;

/// The field in which the hash of a whole value stands.
const WHOLE: &str = "value";

/// What the job does with totals.
pub(super) struct Asked<'a> {
    pub(super) totals: Totals<'a>,
    /// Fields that are hashed in place.
    pub(super) hashed: Vec<String>,
    /// Whether values are JSON.
    pub(super) reads_json: bool,
    pub(super) warnings: Vec<String>,
}

/// `None`: the records themselves are written.
///
/// # Errors
/// All that is wrong, each by itself.
pub(super) fn asked(args: &StreamArgs) -> Result<Option<Asked<'_>>, Vec<String>> {
    let (given, hashing) = (&args.aggregate, &args.hashing);
    if !given.aggregate {
        return Ok(None);
    }
    let mut wrong = Vec::new();
    let mut hashed = hashing.fields();
    if args.input.is_some() {
        wrong.push("AGGREGATE (--aggregate) needs a topic: a queue gives its messages no offsets by which one that comes again would be told; leave INPUT_URL (--input) out".to_owned());
    }
    if given.aggregate_window_ms <= 0 {
        wrong.push(format!("AGGREGATE_WINDOW_MS (--aggregate-window-ms) is {}: a window takes a millisecond at least", given.aggregate_window_ms));
    }
    let key = given.aggregate_key.as_deref().map(str::trim);
    let key = key.filter(|key| !key.is_empty());
    match (key, given.aggregate_key_as) {
        (None, _) if !given.fields().is_empty() || !hashed.is_empty() => {
            wrong.push("AGGREGATE_KEY (--aggregate-key) is missing: AGGREGATE_FIELDS and HASH_FIELDS are about fields of JSON values, and so is the key of totals then".to_owned());
        }
        (None, KeyForm::Plain) => {
            wrong.push("AGGREGATE_KEY_AS=plain (--aggregate-key-as) needs AGGREGATE_KEY: values as a whole are told apart by their hash".to_owned());
        }
        (Some(key), KeyForm::Plain) if hashed.iter().any(|field| field == key) => {
            wrong.push(format!("AGGREGATE_KEY_AS=plain (--aggregate-key-as), and HASH_FIELDS names {key}, too: leave one of them out"));
        }
        (Some(key), KeyForm::Hash) if !hashed.iter().any(|field| field == key) => {
            hashed.push(key.to_owned());
        }
        _ => {}
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let unused = [
        (hashing.provenance, "PROVENANCE (--provenance)"),
        (hashing.hash_key_id.is_some(), "HASH_KEY_ID (--hash-key-id)"),
    ];
    let unused = unused.iter().filter(|(is_set, _)| *is_set);
    Ok(Some(Asked {
        totals: Totals {
            key: key.unwrap_or(WHOLE),
            window_ms: given.aggregate_window_ms,
            fields: given.fields().join(","),
            lateness_ms: given.aggregate_lateness_ms,
            linger_ms: given.aggregate_linger_ms,
            without_key: args.on_null_value.setting(),
        },
        hashed,
        reads_json: key.is_some(),
        warnings: unused
            .map(|(_, name)| {
                format!(
                    "{name} has no effect with AGGREGATE (--aggregate): totals are of many records"
                )
            })
            .collect(),
    }))
}

/// Variables about totals that are set without them.
pub(super) fn unused(args: &StreamArgs) -> Vec<String> {
    let given = &args.aggregate;
    if given.aggregate {
        return Vec::new();
    }
    let set = [
        (
            given.aggregate_key.is_some(),
            "AGGREGATE_KEY (--aggregate-key)",
        ),
        (
            !given.fields().is_empty(),
            "AGGREGATE_FIELDS (--aggregate-fields)",
        ),
        (
            given.aggregate_lateness_ms.is_some(),
            "AGGREGATE_LATENESS_MS (--aggregate-lateness-ms)",
        ),
    ];
    set.iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| format!("{name} has no effect without AGGREGATE=true (--aggregate)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::settings::StreamSettings;
    use crate::cli::{Cli, Command};

    fn read(flags: &[&str]) -> Result<StreamSettings, String> {
        let whole = [
            "stream",
            "--topic",
            "T",
            "--bootstrap-servers",
            "b:1",
            "--mongodb-uri",
            "mongodb://d",
        ];
        let flags: Vec<&str> = whole.iter().chain(flags).copied().collect();
        match Cli::of(&flags, &[]).expect("the flags are right").command {
            Command::Stream(args) => StreamSettings::read(&args),
            other => panic!("{other:?} is not stream"),
        }
    }

    fn check(flags: &[&str], expected: &[(&str, Option<&str>)]) {
        let settings = read(flags).expect("whole");
        for (key, value) in expected {
            assert_eq!(settings.connector.get(key), *value, "{key}");
        }
    }

    #[test]
    fn totals_have_the_hash_of_a_field_the_field_or_the_hash_of_the_value() {
        let key = "millstream.mongo.aggregate.key";
        check(
            &[
                "--aggregate",
                "--aggregate-key",
                "a.b",
                "--aggregate-fields",
                "sum:n, last:s",
            ],
            &[
                (key, Some("a.b")),
                ("millstream.mongo.aggregate.window.ms", Some("60000")),
                ("millstream.mongo.aggregate.fields", Some("sum:n,last:s")),
                ("millstream.mongo.aggregate.without.key", Some("skip")),
                ("millstream.mongo.aggregate.lateness.ms", None),
                ("transforms.hash.field.names", Some("a.b")),
                ("transforms", Some("drop,hash")),
                ("document.id.strategy", None),
                ("consumer.override.group.id", Some("millstream-totals-T")),
            ],
        );
        check(
            &[
                "--aggregate",
                "--aggregate-key",
                "k",
                "--aggregate-key-as",
                "plain",
                "--on-null-value",
                "fail",
            ],
            &[
                (key, Some("k")),
                ("millstream.mongo.aggregate.without.key", Some("fail")),
                ("transforms", None),
                ("transforms.hash.type", None),
                (
                    "value.converter",
                    Some("org.apache.kafka.connect.json.JsonConverter"),
                ),
            ],
        );
        check(
            &["--aggregate"],
            &[(key, Some("value")), ("transforms", Some("hash,wrap"))],
        );
        check(&[], &[(key, None), ("transforms", Some("hash,wrap"))]);
    }

    #[test]
    fn what_does_not_go_together_with_totals_is_told_at_once() {
        let wrong = [
            "--aggregate",
            "--aggregate-fields",
            "sum:n",
            "--aggregate-window-ms=0",
            "--input",
            "sqs://eu-west-1/123456789012/q",
        ];
        let error = read(&wrong).expect_err("three are wrong");
        for part in [
            "needs a topic",
            "is 0: a window",
            "AGGREGATE_KEY (--aggregate-key) is missing",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let twice = [
            "--aggregate",
            "--aggregate-key",
            "k",
            "--aggregate-key-as",
            "plain",
            "--hash-fields",
            "k",
        ];
        let error = read(&twice).expect_err("hashed and plain");
        assert!(error.contains("HASH_FIELDS names k"), "{error}");
        let settings = read(&["--aggregate-key", "k"]).expect("right");
        assert!(
            settings.warnings[0].contains("without AGGREGATE=true"),
            "{:?}",
            settings.warnings
        );
        let settings = read(&["--aggregate", "--provenance"]).expect("right");
        assert!(
            settings.warnings[0].contains("PROVENANCE"),
            "{:?}",
            settings.warnings
        );
    }

    #[test]
    fn a_setting_of_totals_is_called_by_what_was_typed() {
        let settings = read(&["--aggregate"]).expect("right");
        let told = settings.in_typed_words(
            "Invalid value x for configuration millstream.mongo.aggregate.fields: no",
        );
        assert_eq!(
            told,
            "Invalid value x for AGGREGATE_FIELDS (--aggregate-fields): no"
        );
    }
}
