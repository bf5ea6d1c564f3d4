//! What settings are read as, and what is refused.

use super::*;
use crate::amqp::AmqpBroker;
use millstream_core::Properties;

fn config(more: &[(&str, &str)]) -> RabbitConfig {
    let mut properties = Properties::from_iter([("rabbitmq.queue", "orders")]);
    for (key, value) in more {
        properties.insert(*key, *value);
    }
    let (config, values) = RabbitConfig::parse(&properties);
    config.unwrap_or_else(|| panic!("{values:?}"))
}

fn endpoint(host: &str, port: u16, is_tls: bool) -> Endpoint {
    let host = host.to_owned();
    Endpoint { host, port, is_tls }
}

fn older(choice: RabbitChoice) -> RabbitSettings {
    match choice.reader {
        RabbitReader::Amqp091(settings) => settings,
        RabbitReader::Amqp1(settings) => panic!("{settings:?}"),
    }
}

#[test]
fn the_newer_protocol_has_the_same_settings() {
    let more = [
        ("rabbitmq.protocol", "amqp1"),
        ("rabbitmq.virtual.host", "shop"),
    ];
    let choice = config(&more).settings("").unwrap();
    let RabbitReader::Amqp1(settings) = choice.reader else {
        panic!("{choice:?}");
    };
    assert_eq!(settings.broker, AmqpBroker::RabbitMq);
    assert_eq!(settings.virtual_host.as_deref(), Some("shop"));
    assert_eq!(settings.endpoints, [endpoint("localhost", 5672, false)]);
}

#[test]
fn the_defaults_are_those_of_the_connector_that_people_have() {
    let choice = config(&[]).settings("archive-0").unwrap();
    assert!(choice.warnings.is_empty());
    let settings = older(choice);
    assert_eq!(settings.endpoints, [endpoint("localhost", 5672, false)]);
    assert_eq!(
        (settings.username.as_str(), settings.password.reveal()),
        ("guest", "guest")
    );
    assert_eq!(
        (settings.virtual_host.as_str(), settings.queue.as_str()),
        ("/", "orders")
    );
    assert_eq!(settings.prefetch, None);
    assert_eq!(settings.consumer_timeout, Duration::from_secs(1800));
}

#[test]
fn a_url_says_where_and_who() {
    let url = "amqps://u:p%2Fw@b-1.mq.example,amqp://b-2:5673/shop";
    let settings = older(config(&[("rabbitmq.host", url)]).settings("").unwrap());
    let expected = [
        endpoint("b-1.mq.example", 5671, true),
        endpoint("b-2", 5673, false),
    ];
    assert_eq!(settings.endpoints, expected);
    assert_eq!(
        (settings.username.as_str(), settings.password.reveal()),
        ("u", "p/w")
    );
    assert_eq!(settings.virtual_host, "shop");
    let more = [
        ("rabbitmq.host", "a, b"),
        ("rabbitmq.security.protocol", "SSL"),
        ("rabbitmq.port", "9"),
    ];
    let settings = older(config(&more).settings("").unwrap());
    assert_eq!(
        settings.endpoints,
        [endpoint("a", 9, true), endpoint("b", 9, true)]
    );
}

#[test]
fn tells_every_error_at_once() {
    let long = "v".repeat(256);
    let more = [
        ("rabbitmq.queue", "a,b"),
        ("rabbitmq.host", "http://h,amqp://"),
        ("rabbitmq.port", "70000"),
        ("rabbitmq.virtual.host", long.as_str()),
    ];
    let errors = config(&more).settings("").unwrap_err();
    let keys: Vec<_> = errors.iter().map(|(key, _)| *key).collect();
    let expected = [
        "rabbitmq.queue",
        "rabbitmq.host",
        "rabbitmq.host",
        "rabbitmq.port",
        "rabbitmq.virtual.host",
    ];
    assert_eq!(keys, expected, "{errors:?}");
    let errors = config(&[("rabbitmq.host", ",")]).settings("").unwrap_err();
    assert_eq!(errors[0].1, "no host is named");
}

#[test]
fn a_stream_is_begun_at_an_offset() {
    let stream = |text| config(&[(STREAM, text)]).settings("").unwrap().stream;
    let begins = |text| stream(text).map(|(start, _)| start);
    assert_eq!((begins("first"), begins(" 17 ")), (Some(0), Some(17)));
    assert_eq!(stream("17"), Some((17, Reset::Earliest)));
    let strict = config(&[(STREAM, "17"), (STREAM_RESET, "none")]);
    let reset = strict.settings("").unwrap().stream.unwrap().1;
    assert!(matches!(reset, Reset::Fail { .. }), "{reset:?}");
    assert_eq!(config(&[]).settings("").unwrap().stream, None);
    for text in ["last", "-1", "1.5"] {
        let properties = Properties::from_iter([("rabbitmq.queue", "s"), (STREAM, text)]);
        let values = RabbitConfig::definition().validate(&properties);
        let mut errors = values.into_iter().flat_map(|value| value.errors);
        let error = errors.next().unwrap();
        assert!(error.ends_with("write first, or an offset"), "{error}");
    }
    let newer = config(&[(STREAM, "first"), ("rabbitmq.protocol", "amqp1")]);
    assert_eq!(newer.settings("").unwrap_err()[0].0, "rabbitmq.protocol");
}

#[test]
fn a_global_prefetch_is_warned_of() {
    let more = [
        ("rabbitmq.prefetch.global", "true"),
        ("rabbitmq.prefetch.count", "50"),
    ];
    let choice = config(&more).settings("").unwrap();
    assert!(choice.warnings[0].contains("rabbitmq.prefetch.count"));
    assert_eq!(older(choice).prefetch, Some(50));
}
