//! The transform against the digests of single values.

use super::*;
use millstream_core::{Map, Struct, Text};

fn hash(settings: &[(&str, &str)]) -> Hash {
    let properties: Properties = settings.iter().copied().collect();
    Hash::new(&properties, Part::Value).unwrap()
}

fn text(value: &str) -> SchemaAndValue {
    SchemaAndValue {
        schema: Some(Arc::new(Schema::of(SchemaType::String))),
        value: Value::from(value),
    }
}

#[test]
fn hashes_the_whole_value() {
    let mut md5 = hash(&[("function", "md5")]);
    let hashed = md5
        .whole(text("jerry@big-corp.com"), None)
        .unwrap()
        .unwrap();
    assert_eq!(hashed, text("10e5756d5d4c9c1cadd5e1b952071378"));
    let schemaless = SchemaAndValue {
        schema: None,
        value: Value::from("x"),
    };
    assert!(md5.whole(schemaless, None).is_err());
    let mut null = text("");
    null.value = Value::Null;
    assert!(md5.whole(null.clone(), None).is_err());
    let mut skip = hash(&[("function", "md5"), ("null.value", "skip")]);
    assert_eq!(skip.whole(null.clone(), None), Ok(None));
    let mut pass = hash(&[("function", "md5"), ("skip.missing.or.null", "true")]);
    assert_eq!(pass.whole(null.clone(), None), Ok(Some(null)));
    let mut raw = hash(&[("function", "sha224"), ("input", "raw")]);
    let hashed = raw.whole(text("\u{fffd}"), Some(&[0xFF])).unwrap().unwrap();
    let expected = Text::from("e33f9d75e6ae1369dbabf81b96b4591ae46bba30b591a6b6c62542b5");
    assert_eq!(hashed.value, Value::String(expected));
}

#[test]
fn hashes_fields_in_place() {
    let mut md5 = hash(&[
        ("function", "MD5"),
        ("field.names", "a.b"),
        ("encoding", "binary"),
    ]);
    let inner = Map::hashed([(Value::from("b"), Value::from("x"))]);
    let outer = Map::hashed([(Value::from("a"), Value::Map(inner))]);
    let taken = SchemaAndValue {
        schema: None,
        value: Value::Map(outer),
    };
    let steps = md5.fields[0].clone();
    let changed = md5
        .field(
            taken,
            Path {
                steps: &steps,
                at: 0,
            },
        )
        .unwrap();
    let Value::Map(outer) = changed.value else {
        panic!("a map stays a map");
    };
    let Some(Value::Map(inner)) = outer.get_str("a") else {
        panic!("a map stays a map");
    };
    assert!(matches!(inner.get_str("b"), Some(Value::Bytes(digest)) if digest.len() == 16));

    let mut schema = Schema::of(SchemaType::Struct);
    let field = Arc::new(Schema::optional(SchemaType::String));
    super::super::add_field(&mut schema, "f", field).unwrap();
    let mut record = Struct::new(Arc::new(schema));
    record.values[0] = Value::from("x");
    let taken = SchemaAndValue {
        schema: Some(record.schema.clone()),
        value: Value::Struct(Box::new(record)),
    };
    let steps = ["f".to_owned()];
    let changed = md5
        .field(
            taken.clone(),
            Path {
                steps: &steps,
                at: 0,
            },
        )
        .unwrap();
    assert_eq!(
        changed.schema.unwrap().fields[0].schema.kind,
        SchemaType::Bytes
    );
    let steps = ["g".to_owned()];
    assert!(
        md5.field(
            taken,
            Path {
                steps: &steps,
                at: 0
            }
        )
        .is_err()
    );
}

/// A struct of optional texts.
fn texts(schema: &SchemaRef, values: [Option<&str>; 2]) -> SchemaAndValue {
    let mut record = Struct::new(schema.clone());
    record.values = values
        .map(|value| value.map_or(Value::Null, Value::from))
        .to_vec();
    SchemaAndValue {
        schema: Some(schema.clone()),
        value: Value::Struct(Box::new(record)),
    }
}

#[test]
fn report_b10_a_schema_does_not_depend_on_the_row() {
    let mut schema = Schema::of(SchemaType::Struct);
    for name in ["a", "b"] {
        let field = Arc::new(Schema::optional(SchemaType::String));
        super::super::add_field(&mut schema, name, field).unwrap();
    }
    let schema = Arc::new(schema);
    let rows = [
        [Some("x"), Some("y")],
        [None, Some("y")],
        [Some("x"), None],
        [None, None],
    ];
    // Each row first for once, so that what is cached comes from each.
    for first in 0..rows.len() {
        let mut md5 = hash(&[
            ("function", "md5"),
            ("field.names", "a,b"),
            ("encoding", "binary"),
            ("skip.missing.or.null", "true"),
        ]);
        let fields = md5.fields.clone();
        let mut schemas = Vec::new();
        for row in (0..rows.len()).map(|row| rows[(first + row) % rows.len()]) {
            let mut taken = texts(&schema, row);
            for steps in &fields {
                taken = md5.field(taken, Path { steps, at: 0 }).unwrap();
            }
            let Value::Struct(record) = taken.value else {
                panic!("a struct stays a struct");
            };
            for ((value, text), field) in record.values.iter().zip(row).zip(&record.schema.fields) {
                assert_eq!(field.schema.kind, SchemaType::Bytes);
                assert!(field.schema.optional);
                assert_eq!(matches!(value, Value::Bytes(_)), text.is_some());
            }
            schemas.push(record.schema);
        }
        assert!(
            schemas
                .iter()
                .all(|schema| Arc::ptr_eq(schema, &schemas[0]))
        );
    }
}

#[test]
fn report_b16_a_failure_names_the_field() {
    let mut md5 = hash(&[("function", "md5")]);
    let inner = Map::hashed([(Value::from("b"), Value::Array(vec![Value::from("x")]))]);
    let taken = SchemaAndValue {
        schema: None,
        value: Value::Map(Map::hashed([
            (Value::from("a"), Value::Map(inner)),
            (Value::from("n"), Value::Null),
        ])),
    };
    let mut failure = |path: &str| {
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        let path = Path {
            steps: &steps,
            at: 0,
        };
        md5.field(taken.clone(), path).unwrap_err().message
    };
    for (path, message) in [
        ("a", "a schema type in value must be STRING"),
        ("a.b", "a.b schema type in value must be STRING"),
        (
            "a.b.c",
            "a.b in value must be a struct or a map if a.b.c is to be hashed",
        ),
        ("a.c", "a.c in value schema can't be missing"),
        ("n", "n in value can't be null"),
        ("n.x", "n in value can't be null if n.x is to be hashed"),
    ] {
        assert_eq!(failure(path), message);
    }
}

#[test]
fn refuses_keys_that_do_not_fit() {
    let refused = |settings: &[(&str, &str)]| {
        let properties: Properties = settings.iter().copied().collect();
        Hash::new(&properties, Part::Value).is_err()
    };
    assert!(refused(&[("function", "hmac-sha256")]));
    assert!(refused(&[("function", "md5"), ("key", "x")]));
    assert!(refused(&[("function", "blake3_keyed"), ("key", "short")]));
    assert!(refused(&[("function", "crc32")]));
    assert!(!refused(&[
        ("function", "hmac_md5"),
        ("key", "00ff"),
        ("key.encoding", "hex")
    ]));
}
