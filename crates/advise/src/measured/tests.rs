//! What points, settings and counters come to.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn points(points: &[(f64, f64)]) -> Vec<Point> {
    let point = |(seconds_ago, records): &(f64, f64)| Point {
        seconds_ago: *seconds_ago,
        records: *records,
    };
    points.iter().map(point).collect()
}

#[test]
fn a_flow_is_what_came_since_the_first_record() {
    // 100 records were there a day ago, 964 are there now; 432 of them came in one hour.
    let found = flow(&points(&[
        (86_400.0, 100.0),
        (7200.0, 400.0),
        (3600.0, 832.0),
        (0.0, 964.0),
    ]));
    let found = found.unwrap();
    assert_eq!((found.messages_per_day, found.over), (864.0, 86_400.0));
    assert!((found.burst - 12.0).abs() < 1e-9, "{found:?}");
    // A topic that is two hours old: the first hour counts from its first record on, which nobody knows, so it is left out.
    let found = flow(&points(&[(86_400.0, 0.0), (3600.0, 50.0), (0.0, 150.0)])).unwrap();
    assert_eq!((found.messages_per_day, found.records), (2400.0, 100.0));
    assert_eq!(found.burst, 1.0);
}

#[test]
fn a_topic_that_tells_nothing_is_told() {
    for (of, told) in [
        (points(&[]), "no records"),
        (points(&[(10.0, 0.0), (0.0, 0.0)]), "no records"),
        (points(&[(10.0, 0.0), (0.0, 7.0)]), "within seconds"),
        (
            points(&[(86_400.0, 7.0), (0.0, 7.0)]),
            "none came for a day",
        ),
    ] {
        let why = flow(&of).unwrap_err();
        assert!(
            why.contains(told) && why.contains("--messages-per-day"),
            "{why}"
        );
    }
}

#[test]
fn a_configuration_tells_job_and_files() {
    let answer = json!({"name": "s3-sink", "config": {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "a, b", "flush.size": "3",
        "rotate.schedule.interval.ms": "60000", "s3.part.size": "5242880"}});
    let found = configured(&answer, 2.0).unwrap();
    assert_eq!(found.job, Job::Archive);
    assert_eq!(
        (found.files.flush_size, found.files.rotate_schedule),
        (3.0, Some(60.0))
    );
    assert_eq!(
        (found.files.rotate_interval, found.files.buckets),
        (None, 2.0)
    );
    let of = |class: &str, key: &str, value: &str| {
        configured(
            &json!({"config": {"connector.class": class, key: value}}),
            1.0,
        )
    };
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let found = of(
        "io.confluent.connect.s3.S3SinkConnector",
        "value.converter",
        json,
    );
    assert_eq!(found.unwrap().job, Job::ArchiveJson);
    let found = of(
        "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics",
        "a",
    );
    assert_eq!(found.unwrap().job, Job::Documents);
    let told = of("FileStreamSink", "topics", "a").unwrap_err();
    assert!(told.contains("neither"), "{told}");
    let told = of("io.confluent.connect.s3.S3SinkConnector", "flush.size", "x").unwrap_err();
    assert_eq!(told, "its flush.size is no number");
}

#[test]
fn counters_are_those_of_the_connector() {
    let text = "# HELP x\n\
        kafka_connect_sink_task_metrics_sink_record_read_total{connector=\"a\",task=\"0\"} 100\n\
        kafka_connect_sink_task_metrics_sink_record_read_total{connector=\"a\",task=\"1\"} 50\n\
        kafka_connect_sink_task_sink_record_read_total{connector=\"a\",task=\"0\"} 100\n\
        kafka_connect_sink_task_metrics_sink_record_read_total{connector=\"b\",task=\"0\"} 7\n\
        millstream_kafka_bytes_in_total{connector=\"a\",task=\"0\"} 1.5e4\n\
        millstream_task_position_lag_records{connector=\"a\",task=\"0\"} 9\n\
        millstream_task_position_lag_records{connector=\"a\",task=\"1\"} NaN\n";
    let mut counted = Counted::default();
    add(&mut counted, text, "a");
    let expected = Counted {
        records: 150.0,
        bytes: 15_000.0,
        backlog: 9.0,
    };
    assert_eq!(counted, expected);
    let later = Counted {
        records: 210.0,
        bytes: 21_000.0,
        backlog: 3.0,
    };
    let load = between(&counted, &later, 60.0).unwrap();
    assert_eq!(
        (load.messages_per_day, load.size, load.backlog),
        (86_400.0, 100.0, 3.0)
    );
    assert!(
        between(&later, &counted, 60.0)
            .unwrap_err()
            .contains("--over 10m")
    );
}

#[test]
fn looks_go_from_the_past_to_now() {
    assert!(LOOKED_AT.windows(2).all(|pair| pair[0] > pair[1]));
}

proptest! {
    #[test]
    fn any_growth_is_a_flow_or_refused(steps in proptest::collection::vec((0.1f64..1e4, 0.0f64..1e6), 0..40)) {
        let (mut ago, mut records) = (steps.iter().map(|step| step.0).sum::<f64>(), 0.0);
        let mut points = Vec::new();
        for (long, more) in &steps {
            points.push(Point { seconds_ago: ago, records });
            ago -= long;
            records += more;
        }
        points.push(Point { seconds_ago: 0.0, records });
        if let Ok(found) = flow(&points) {
            prop_assert!(found.messages_per_day > 0.0 && found.burst >= 1.0 && found.over > 0.0);
        }
    }

    #[test]
    fn any_answer_is_read_or_refused(text in ".{0,60}", key in "[a-z.]{0,20}") {
        let _ = configured(&json!({"config": {"connector.class": "x.S3SinkConnector", key: text.clone()}}), 1.0);
        let mut counted = Counted::default();
        add(&mut counted, &format!("millstream_kafka_bytes_in_total{text}"), "a");
        prop_assert!(counted.bytes.is_finite());
    }
}
