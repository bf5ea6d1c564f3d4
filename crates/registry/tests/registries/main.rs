//! The client and its converters against a registry that is slow, away, strange, behind TLS or a proxy, or wants to know who asks.
#![allow(clippy::unwrap_used)]

mod converters;
mod reach;
mod tokens;

use bytes::Bytes;
use converters::{TOPIC, converter, message, nowhere, read, registry, write};
use millstream_core::{
    ByteColumn, Decoded, Destination, RawHeaders, Schema, SchemaAndValue, SchemaType, Value,
};
use millstream_embedded::registry::RegistryFault;
use std::sync::Arc;

/// However few schemas are kept, no record is blamed for that.
#[tokio::test]
async fn more_schemas_than_are_kept() {
    let registry = registry().await;
    let int = registry.register("t-value", "AVRO", r#""int""#);
    let long = registry.register("t-value", "AVRO", r#""long""#);
    let mut converter = converter(&registry.url(), &[("max.schemas.per.subject", "1")]);
    let (int, long) = (message(int, &[2]), message(long, &[4]));
    for rows in [
        vec![&int],
        vec![&int, &long, &int, &long],
        vec![&long, &int],
    ] {
        let given: Vec<Option<&[u8]>> = rows.iter().map(|row| Some(&row[..])).collect();
        let read = read(converter.as_mut(), &given, None).await.unwrap();
        assert!(read.errors.is_empty(), "{:?}", read.errors);
    }
    let schemas = [SchemaType::Int32, SchemaType::Int64];
    let schemas = schemas.map(|kind| Some(Arc::new(Schema::of(kind))));
    let values = [Value::Int32(1), Value::Int64(1)];
    for places in [vec![0], vec![0, 1, 0, 1], vec![1, 0]] {
        let mut rows = Decoded::with_capacity(ByteColumn::new());
        for place in places.iter().copied() {
            rows.push(SchemaAndValue {
                schema: schemas[place].clone(),
                value: values[place].clone(),
            });
        }
        let topics = Destination::Uniform(TOPIC.into());
        if let Some(preparation) = converter.prepare_encode(&topics, &rows) {
            preparation.await.unwrap();
        }
        for place in places {
            let written = converter.encode(TOPIC, schemas[place].as_ref(), &values[place]);
            assert!(written.is_ok(), "{written:?}");
        }
    }
}

#[tokio::test]
async fn each_schema_is_asked_for_once() {
    let registry = registry().await;
    let id = registry.register("t-value", "AVRO", r#""int""#);
    let mut converter = converter(&registry.url(), &[]);
    for _ in 0..3 {
        let one = message(id, &[2]);
        let read = read(converter.as_mut(), &[Some(&one), None, Some(&one)], None)
            .await
            .unwrap();
        assert_eq!(read.values, [Value::Int32(1), Value::Null, Value::Int32(1)]);
        assert!(read.errors.is_empty());
    }
    assert_eq!(
        registry.calls(),
        [
            "GET /schemas/ids/1?fetchMaxId=false&subject=t-value",
            "POST /subjects/t-value?normalize=false&deleted=true"
        ]
    );
    for _ in 0..3 {
        let written = write(
            converter.as_mut(),
            Value::Int64(1),
            Schema::of(SchemaType::Int64),
        )
        .await;
        assert_eq!(written.unwrap().unwrap().unwrap(), message(2, &[2]));
    }
    assert_eq!(registry.calls().len(), 3);
}

/// An unknown id is the record's fault, and may be known a moment later; a registry that is away is nobody's.
#[tokio::test]
async fn what_is_not_there_is_told_from_who_is_not_there() {
    let registry = registry().await;
    let mut converter = converter(&registry.url(), &[("http.read.timeout.ms", "200")]);
    let unknown = message(1, &[2]);
    let came = read(converter.as_mut(), &[Some(&unknown), Some(b"x")], None)
        .await
        .unwrap();
    let [(0, error), (1, other)] = &came.errors[..] else {
        panic!("{:?}", came.errors)
    };
    assert!(
        error
            .to_string()
            .ends_with("Schema 1 not found; error code: 40403"),
        "{error}"
    );
    assert!(
        other.to_string().ends_with("Unknown magic byte!"),
        "{other}"
    );

    registry.register("t-value", "AVRO", r#""int""#);
    for (fault, words) in [
        (
            RegistryFault::Answer {
                status: 500,
                body: r#"{"error_code":50001,"message":"Error in the backend data store"}"#.into(),
            },
            "HTTP 500: Error in the backend",
        ),
        (
            RegistryFault::Answer {
                status: 404,
                body: r#""Not Found""#.into(),
            },
            "check schema.registry.url",
        ),
        (
            RegistryFault::Answer {
                status: 401,
                body: "<html>".into(),
            },
            "check basic.auth",
        ),
        (
            RegistryFault::Answer {
                status: 200,
                body: "<html>".into(),
            },
            "is not that of a schema registry",
        ),
        (
            RegistryFault::Answer {
                status: 200,
                body: "{}".into(),
            },
            "is not that of a schema registry",
        ),
        (RegistryFault::Silence, "no answer within 200 ms"),
    ] {
        registry.fail_next("/schemas/ids/", fault);
        let Err(unavailable) = read(converter.as_mut(), &[Some(&unknown)], None).await else {
            panic!("{words}")
        };
        assert!(unavailable.reason.contains(words), "{unavailable}");
    }
    let came = read(converter.as_mut(), &[Some(&unknown)], None)
        .await
        .unwrap();
    assert_eq!(came.values, [Value::Int32(1)]);
}

#[tokio::test]
async fn the_next_address_is_asked_where_one_does_not_answer() {
    let registry = registry().await;
    registry.register("t-value", "AVRO", r#""int""#);
    let urls = format!("{},{}/", nowhere(), registry.url());
    let mut there = converter(&urls, &[]);
    let one = message(1, &[2]);
    let came = read(there.as_mut(), &[Some(&one)], None).await.unwrap();
    assert_eq!(came.values, [Value::Int32(1)]);
    let mut away = converter(&nowhere(), &[]);
    let Err(unavailable) = read(away.as_mut(), &[Some(&one)], None).await else {
        panic!("nobody is there")
    };
    assert!(
        unavailable
            .reason
            .starts_with("the schema registry cannot be asked: http://127.0.0.1:")
    );
}

/// Whoever asks says who it is; the secret is in no message.
#[tokio::test]
async fn signs_in_in_every_way() {
    let registry = registry().await;
    registry.register("t-value", "AVRO", r#""int""#);
    registry.want("Basic dXNlcjpzM2NyZXQ="); // user:s3cret
    let with_user = registry.url().replace("://", "://user:s3cret@");
    let info = [
        ("basic.auth.credentials.source", "USER_INFO"),
        ("basic.auth.user.info", "user:s3cret"),
    ];
    let line = r#"M required username="user" password="s3cret";"#;
    let sasl = [
        ("basic.auth.credentials.source", "SASL_INHERIT"),
        ("sasl.jaas.config", line),
    ];
    let one = message(1, &[2]);
    for (url, more) in [
        (&with_user, &[][..]),
        (&registry.url(), &info),
        (&registry.url(), &sasl),
    ] {
        let came = read(converter(url, more).as_mut(), &[Some(&one)], None)
            .await
            .unwrap();
        assert_eq!(came.values, [Value::Int32(1)]);
    }
    let wrong = registry.url().replace("://", "://user:s3cret-not@");
    let Err(unavailable) = read(converter(&wrong, &[]).as_mut(), &[Some(&one)], None).await else {
        panic!("the password is wrong")
    };
    assert!(
        unavailable.reason.contains("HTTP 401: Unauthorized"),
        "{unavailable}"
    );
    assert!(!unavailable.reason.contains("s3cret"), "{unavailable}");
    registry.want("Bearer t0ken");
    let token = [
        ("bearer.auth.credentials.source", "STATIC_TOKEN"),
        ("bearer.auth.token", "t0ken"),
    ];
    let came = read(
        converter(&registry.url(), &token).as_mut(),
        &[Some(&one)],
        None,
    )
    .await
    .unwrap();
    assert_eq!(came.values, [Value::Int32(1)]);
}

fn headers(rows: &[&[(&str, &[u8])]]) -> RawHeaders {
    let mut headers = RawHeaders {
        starts: vec![0],
        ..RawHeaders::default()
    };
    for row in rows {
        for (key, value) in *row {
            headers
                .keys
                .push(Some(Bytes::copy_from_slice(key.as_bytes())));
            headers.values.push(Some(Bytes::copy_from_slice(value)));
        }
        headers.starts.push(headers.keys.len() as u32);
    }
    headers
}

/// The form with a GUID in a header: the value may be empty, and the header goes before a prefix.
#[tokio::test]
async fn reads_the_id_from_a_header() {
    let registry = registry().await;
    let empty = r#"{"type":"record","name":"R","fields":[]}"#;
    let id = registry.register("t-value", "AVRO", empty);
    let int = registry.register("t-value", "AVRO", r#""int""#);
    let guid = |id| {
        let text = registry.guid(id).unwrap().replace('-', "");
        let bytes = (0..32)
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
        [1].into_iter().chain(bytes).collect::<Vec<u8>>()
    };
    let (of_record, of_int) = (guid(id), guid(int));
    let headers = headers(&[
        &[("__value_schema_id", &of_record)],
        &[("__value_schema_id", &of_int)],
        &[("__key_schema_id", &of_record)],
        &[("apicurio.value.globalId", &[0, 0, 0, 0, 0, 0, 0, 9])],
    ]);
    let mut converter = converter(&registry.url(), &[]);
    let prefixed = message(int, &[4]);
    let rows = [Some(&[][..]), Some(&[2]), Some(&prefixed), Some(&[9, 9])];
    let came = read(converter.as_mut(), &rows, Some(&headers))
        .await
        .unwrap();
    assert!(
        matches!(came.values[0], Value::Struct(_)),
        "{:?}",
        came.errors
    );
    assert_eq!(came.values[1..3], [Value::Int32(1), Value::Int32(2)]);
    let [(3, error)] = &came.errors[..] else {
        panic!("{:?}", came.errors)
    };
    assert!(error.to_string().contains("Apicurio"), "{error}");

    // A registry that serves no GUIDs answers as to any path that it does not know.
    for body in [r#""Not Found""#, ""] {
        let mut fresh = self::converter(&registry.url(), &[]);
        registry.fail_next(
            "/schemas/guids/",
            RegistryFault::Answer {
                status: 404,
                body: body.to_owned(),
            },
        );
        let by_guid = self::headers(&[&[("__value_schema_id", &of_int)]]);
        let came = read(fresh.as_mut(), &[Some(&[2])], Some(&by_guid)).await;
        let [(0, error)] = &came.unwrap().errors[..] else {
            panic!("it has no schema")
        };
        assert!(
            error.to_string().contains("does not serve GUIDs"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_schema_to_write_with_is_chosen_as_asked() {
    let registry = registry().await;
    let int = || Schema::of(SchemaType::Int32);
    let look_up = [("auto.register.schemas", "false")];
    let mut looking = converter(&registry.url(), &look_up);
    let error = write(looking.as_mut(), Value::Int32(1), int())
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Error retrieving Avro schema\"int\": Subject 't-value' not found."),
        "{error}"
    );
    registry.register("t-value", "AVRO", r#""long""#);
    let latest = [look_up[0], ("use.latest.version", "true")];
    let written = write(
        converter(&registry.url(), &latest).as_mut(),
        Value::Int64(1),
        Schema::of(SchemaType::Int64),
    )
    .await;
    assert_eq!(written.unwrap().unwrap().unwrap(), message(1, &[2]));
    registry.register("t-value", "AVRO", r#""string""#);
    let by_id = [look_up[0], ("use.schema.id", "1")];
    let written = write(
        converter(&registry.url(), &by_id).as_mut(),
        Value::Int64(1),
        Schema::of(SchemaType::Int64),
    )
    .await;
    assert_eq!(written.unwrap().unwrap().unwrap(), message(1, &[2]));
    let error = write(
        converter(&registry.url(), &latest).as_mut(),
        Value::Int32(1),
        int(),
    )
    .await;
    let error = error.unwrap().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Incompatible schema of type 'AVRO'"),
        "{error}"
    );
    // What was refused a moment ago is asked for again.
    registry.register("t-value", "AVRO", r#""int""#);
    let written = write(looking.as_mut(), Value::Int32(1), int()).await;
    assert_eq!(written.unwrap().unwrap().unwrap(), message(3, &[2]));
    registry.fail_next(
        "/versions",
        RegistryFault::Answer {
            status: 409,
            body: r#"{"error_code":409,"message":"Incompatible"}"#.into(),
        },
    );
    let error = write(
        converter(&registry.url(), &[]).as_mut(),
        Value::Int32(1),
        int(),
    )
    .await;
    assert!(
        error
            .unwrap()
            .unwrap_err()
            .to_string()
            .ends_with("Incompatible; error code: 409")
    );
}

/// What a schema refers to is fetched first, each once, however deep.
#[tokio::test]
async fn references_are_followed() {
    let registry = registry().await;
    registry.register(
        "inner",
        "AVRO",
        r#"{"type":"record","name":"a.Inner","fields":[{"name":"i","type":"int"}]}"#,
    );
    let reference = |name: &str, subject: &str| serde_json::json!({"name": name, "subject": subject, "version": 1});
    registry.register_with(
        "middle",
        "AVRO",
        r#"{"type":"record","name":"a.Middle","fields":[{"name":"m","type":"a.Inner"}]}"#,
        vec![reference("a.Inner", "inner")],
    );
    let outer = r#"{"type":"record","name":"a.Outer","fields":[{"name":"x","type":"a.Middle"},{"name":"y","type":"a.Inner"}]}"#;
    let id = registry.register_with(
        "t-value",
        "AVRO",
        outer,
        vec![
            reference("a.Middle", "middle"),
            reference("a.Inner", "inner"),
        ],
    );
    let came = read(
        converter(&registry.url(), &[]).as_mut(),
        &[Some(&message(id, &[2, 4]))],
        None,
    )
    .await
    .unwrap();
    assert!(
        matches!(came.values[0], Value::Struct(_)),
        "{:?}",
        came.errors
    );
    let asked = registry.calls();
    assert_eq!(
        asked
            .iter()
            .filter(|call| call.contains("/versions/"))
            .count(),
        2,
        "{asked:?}"
    );
}
