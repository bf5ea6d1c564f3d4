//! Rows are independent of each other: a batch must fare as its rows one by one, each through a chain of its own. That
//! finds what a transform remembers from one row to the next.
use crate::{CONVERTERS, PREDICATES, TRANSFORMS};
use millstream_core::batch::FetchedColumns;
use millstream_core::chain::{self, ChainStage};
use millstream_core::{
    ByteColumn, Converter, ConverterUse, Decoded, Destination, Header, Headers, Payload,
    Properties, RecordBatch, Rejected, SchemaAndValue, TimestampType, TopicPartition, Value,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

mod edits;

const CONNECT: &str = "org.apache.kafka.connect.transforms";

/// Class and settings; `#` before a class stands for the package of Kafka's own.
const STAGES: &[(&str, &[(&str, &str)])] = &[
    ("#Cast$Value", &[("spec", "a:string,n:int8")]),
    ("#Cast$Value", &[("spec", "string")]),
    ("#DropHeaders", &[("headers", "h")]),
    ("#ExtractField$Value", &[("field", "a")]),
    ("#Filter", &[]),
    ("#Flatten$Value", &[("delimiter", "_")]),
    (
        "#HeaderFrom$Value",
        &[("fields", "a,n"), ("headers", "h,i"), ("operation", "move")],
    ),
    ("#HoistField$Value", &[("field", "x")]),
    (
        "#InsertField$Value",
        &[
            ("offset.field", "o"),
            ("timestamp.field", "ts"),
            ("topic.field", "topic"),
        ],
    ),
    (
        "#InsertHeader",
        &[("header", "j"), ("value.literal", "1.5")],
    ),
    ("#MaskField$Value", &[("fields", "a,n")]),
    (
        "#RegexRouter",
        &[("regex", "t(.*)"), ("replacement", "u$1")],
    ),
    (
        "#ReplaceField$Value",
        &[("exclude", "a"), ("renames", "n:a")],
    ),
    (
        "#SetSchemaMetadata$Value",
        &[("schema.name", "named"), ("schema.version", "2")],
    ),
    (
        "#TimestampConverter$Value",
        &[("field", "n"), ("target.type", "Timestamp")],
    ),
    (
        "#TimestampConverter$Value",
        &[
            ("field", "n"),
            ("target.type", "string"),
            ("format", "yyyy-MM-dd"),
        ],
    ),
    (
        "#TimestampRouter",
        &[
            ("topic.format", "${topic}-${timestamp}"),
            ("timestamp.format", "yyyyMMdd"),
        ],
    ),
    ("#ValueToKey", &[("fields", "a,n")]),
    (
        "io.aiven.kafka.connect.transforms.Hash$Value",
        &[
            ("function", "md5"),
            ("field.names", "a,s.a"),
            ("encoding", "binary"),
            ("skip.missing.or.null", "true"),
        ],
    ),
    (
        "io.aiven.kafka.connect.transforms.Hash$Value",
        &[("function", "sha256"), ("field.name", "a")],
    ),
];

const CONDITIONS: &[(&str, &[(&str, &str)])] = &[
    ("HasHeaderKey", &[("name", "h")]),
    ("RecordIsTombstone", &[]),
    ("TopicNameMatches", &[("pattern", "u.*")]),
];

#[derive(Clone, Debug)]
struct Stage {
    number: usize,
    condition: Option<(usize, bool)>,
}

fn stage() -> impl Strategy<Value = Stage> {
    let condition = proptest::option::of((0..CONDITIONS.len(), any::<bool>()));
    (0..STAGES.len(), condition).prop_map(|(number, condition)| Stage { number, condition })
}

fn chain_of(stages: &[Stage]) -> Vec<ChainStage> {
    chain_from(STAGES, stages)
}

/// Of the stages of a table.
fn chain_from(table: &[(&str, &[(&str, &str)])], stages: &[Stage]) -> Vec<ChainStage> {
    let mut properties = Properties::default();
    let mut aliases = Vec::new();
    for (place, stage) in stages.iter().enumerate() {
        let (class, settings) = table[stage.number];
        let mut set = |name: &str, value: &str| {
            properties.insert(format!("transforms.s{place}.{name}"), value);
        };
        set("type", &class.replace('#', &format!("{CONNECT}.")));
        for (name, value) in settings {
            set(name, value);
        }
        if let Some((number, negate)) = stage.condition {
            set("predicate", &format!("p{place}"));
            set("negate", &negate.to_string());
            let (class, settings) = CONDITIONS[number];
            let class = format!("{CONNECT}.predicates.{class}");
            properties.insert(format!("predicates.p{place}.type"), class);
            for (name, value) in settings {
                properties.insert(format!("predicates.p{place}.{name}"), *value);
            }
        }
        aliases.push(place);
    }
    let list = |prefix: &str, wanted: &dyn Fn(usize) -> bool| {
        let named = aliases.iter().filter(|place| wanted(**place));
        let named: Vec<String> = named.map(|place| format!("{prefix}{place}")).collect();
        named.join(",")
    };
    properties.insert("transforms", list("s", &|_| true));
    let conditions = list("p", &|place| stages[place].condition.is_some());
    if !conditions.is_empty() {
        properties.insert("predicates", conditions);
    }
    chain::build(&properties, TRANSFORMS, PREDICATES).unwrap()
}

/// A record's value as JSON with its schema, or without any.
#[derive(Clone, Debug)]
struct Row {
    value: Option<String>,
    has_schema: bool,
    has_header: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let text = select(vec!["null", "\"x\"", "\"\"", "\"2024-01-01\""]);
    let number = select(vec!["null", "0", "7", "300", "1700000000000"]);
    let inner = select(vec!["null", "{}", "{\"a\":null}", "{\"a\":\"y\"}"]);
    let fields = (text, number, inner);
    let plain = fields
        .clone()
        .prop_map(|(a, n, s)| format!("{{\"a\":{a},\"n\":{n},\"s\":{s}}}"));
    let odd = select(vec![
        "{}",
        "5",
        "\"text\"",
        "[1]",
        "{\"a\":[1]}",
        "{\"n\":\"x\",\"a\":1}",
    ]);
    let with_schema = (fields, any::<bool>()).prop_map(|((a, n, s), named)| {
        let name = if named { r#","name":"N","version":1"# } else { "" };
        format!(
            r#"{{"schema":{{"type":"struct","optional":true{name},"fields":[{{"field":"a","type":"string","optional":true}},
            {{"field":"n","type":"int64","optional":true,"default":5}},{{"field":"s","type":"struct","optional":true,"fields":
            [{{"field":"a","type":"string","optional":true}}]}}]}},"payload":{{"a":{a},"n":{n},"s":{s}}}}}"#
        )
    });
    let value = prop_oneof![
        4 => with_schema.prop_map(|text| (Some(text), true)),
        3 => plain.prop_map(|text| (Some(text), false)),
        2 => odd.prop_map(|text| (Some(text.to_owned()), false)),
        1 => Just((None, false)),
    ];
    (value, any::<bool>()).prop_map(|((value, has_schema), has_header)| Row {
        value,
        has_schema,
        has_header,
    })
}

struct Converters {
    plain: Box<dyn Converter>,
    with_schema: Box<dyn Converter>,
}

impl Converters {
    fn new() -> Self {
        let make = |enable: &str| {
            let class = "org.apache.kafka.connect.json.JsonConverter";
            let plugin = CONVERTERS
                .iter()
                .find(|plugin| plugin.class == class)
                .unwrap();
            let properties = Properties::from_iter([("schemas.enable", enable)]);
            (plugin.make)(&properties, ConverterUse::Value).unwrap()
        };
        Converters {
            plain: make("false"),
            with_schema: make("true"),
        }
    }

    fn read(&mut self, row: &Row) -> SchemaAndValue {
        let converter = if row.has_schema {
            &mut self.with_schema
        } else {
            &mut self.plain
        };
        converter
            .decode("t", row.value.as_deref().map(str::as_bytes))
            .unwrap()
    }
}

fn batch_of(rows: &[(usize, SchemaAndValue, bool)]) -> RecordBatch {
    let topic: Arc<str> = Arc::from("t1");
    let offsets: Vec<i64> = rows.iter().map(|(offset, ..)| *offset as i64).collect();
    let column = |values: Vec<SchemaAndValue>| {
        let mut decoded = Decoded::with_capacity(ByteColumn::nulls(values.len()));
        values.into_iter().for_each(|value| decoded.push(value));
        Payload::Decoded(decoded)
    };
    let header = |has: bool| Header {
        key: if has { "h" } else { "other" }.to_owned(),
        schema: None,
        value: Value::from("v"),
    };
    RecordBatch {
        origin: TopicPartition {
            topic: topic.clone(),
            partition: 0,
        },
        destination: Destination::Uniform(topic),
        first_offset: offsets[0],
        next_offset: offsets[offsets.len() - 1] + 1,
        timestamps: offsets.iter().map(|offset| offset * 40_000_000).collect(),
        offsets,
        timestamp_type: TimestampType::CreateTime,
        keys: column(vec![SchemaAndValue::NULL; rows.len()]),
        values: column(rows.iter().map(|(_, value, _)| value.clone()).collect()),
        headers: Headers::Decoded {
            rows: rows.iter().map(|(.., has)| vec![header(*has)]).collect(),
            raw: None,
        },
        fetched: FetchedColumns::default(),
        permit: None,
    }
}

/// What became of each row, in words, by offset.
fn outcome(chain: &mut [ChainStage], mut batch: RecordBatch) -> Vec<(i64, String)> {
    let mut rejected = Rejected::default();
    chain::apply(chain, &mut batch, &mut rejected);
    let mut told: Vec<(i64, String)> = rejected
        .rows
        .iter()
        .map(|row| {
            (
                row.offset,
                format!("refused by {}: {}", row.class, row.error),
            )
        })
        .collect();
    let Headers::Decoded { rows: headers, .. } = &batch.headers else {
        panic!("headers stay decoded");
    };
    let part = |payload: &Payload, row: usize| {
        let decoded = payload.decoded().unwrap();
        format!("{:?} {:?}", decoded.schemas[row], decoded.values[row])
    };
    for (row, offset) in batch.offsets.iter().enumerate() {
        let (topic, time) = (batch.destination.topic(row), batch.timestamps[row]);
        let (key, value) = (part(&batch.keys, row), part(&batch.values, row));
        told.push((
            *offset,
            format!("{topic} {time} {key} {value} {:?}", headers[row]),
        ));
    }
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn report_b10_a_batch_fares_as_its_rows(
        stages in proptest::collection::vec(stage(), 1..4),
        rows in proptest::collection::vec(row(), 1..6),
    ) {
        let mut converters = Converters::new();
        let rows: Vec<(usize, SchemaAndValue, bool)> = rows
            .iter()
            .enumerate()
            .map(|(offset, row)| (offset, converters.read(row), row.has_header))
            .collect();
        let together = outcome(&mut chain_of(&stages), batch_of(&rows));
        let mut apart = Vec::new();
        for row in &rows {
            apart.extend(outcome(&mut chain_of(&stages), batch_of(std::slice::from_ref(row))));
        }
        prop_assert_eq!(together, apart);
    }
}

/// What the connector's configuration or the start of a task says, and what the REST API shows for a key.
fn refusal(settings: &[(&str, &str)], key: &str) -> (String, Vec<String>) {
    let properties: Properties = settings.iter().copied().collect();
    let shown = chain::validate(&properties, TRANSFORMS, PREDICATES, &|_| None);
    let errors = shown.into_iter().find(|(_, value)| value.name == key);
    let built = chain::build(&properties, TRANSFORMS, PREDICATES);
    (
        built
            .err()
            .map(|error| error.cause.message)
            .unwrap_or_default(),
        errors.map(|(_, value)| value.errors).unwrap_or_default(),
    )
}

const HOIST: &str = "org.apache.kafka.connect.transforms.HoistField$Value";

#[test]
fn report_f10_a_predicate_that_is_not_declared_ends_the_start() {
    let message = |predicate: &str, more: &[(&str, &str)]| {
        let mut settings = vec![
            ("transforms", "a"),
            ("transforms.a.type", HOIST),
            ("transforms.a.field", "x"),
            ("transforms.a.predicate", predicate),
        ];
        settings.extend_from_slice(more);
        refusal(&settings, "transforms.a.predicate").0
    };
    let declared = [
        ("predicates", "p"),
        (
            "predicates.p.type",
            "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        ),
    ];
    let unknown = |name: &str| format!("Unknown configuration 'predicates.{name}.plugin.version'");
    assert_eq!(message("nope", &[]), unknown("nope"));
    assert_eq!(message("nope", &declared), unknown("nope"));
    assert_eq!(message("", &[]), unknown(""));
    assert_eq!(message(" p ", &declared), unknown(" p "));
    assert_eq!(message("p", &declared), "");
    // Declared means listed.
    assert_eq!(message("p", &declared[1..]), unknown("p"));
}

#[test]
fn report_f11_blanks_around_a_class_and_a_missing_class_end_as_in_java() {
    let cast = "org.apache.kafka.connect.transforms.Cast$Value";
    let check = |key: &str, class: Option<&str>, built: &str, shown: &[&str]| {
        let (list, _) = key.split_once('.').unwrap();
        let mut settings = vec![(list, "a")];
        settings.extend(class.map(|class| (key, class)));
        settings.push(("transforms.a.spec", "int32"));
        let (message, errors) = refusal(&settings, key);
        assert_eq!(message, built);
        assert_eq!(errors, shown);
    };
    let blanks = format!(" {cast} ");
    check(
        "transforms.a.type",
        Some(&blanks),
        &format!(
            "Invalid value {blanks} for configuration transforms.a.type: Error getting config definition from \
             Transformation: {blanks}"
        ),
        &[],
    );
    let not_found = "Invalid value  Cast$Value for configuration transforms.a.type: Class  Cast$Value could not be found.";
    check(
        "transforms.a.type",
        Some(" Cast$Value"),
        not_found,
        &[not_found],
    );
    check(
        "predicates.a.type",
        None,
        "Invalid value null for configuration predicates.a.type: Not a Predicate",
        &["Missing required configuration \"predicates.a.type\" which has no default value."],
    );
    let other = "Class class java.lang.Integer does not implement the Transformation interface";
    check(
        "transforms.a.type",
        Some("java.lang.Integer"),
        other,
        &[other],
    );
}
