//! The image's own case, the order of what is required, and the workshop's task definition.

use super::*;
use crate::note::Severity;
use proptest::prelude::*;

/// The variables of the image's own test of its default.
const IMAGE: [(&str, &str); 13] = [
    ("CONNECT_BOOTSTRAP_SERVERS", "kafka:9092"),
    ("CONNECT_GROUP_ID", "default"),
    ("CONNECT_CONFIG_STORAGE_TOPIC", "default.config"),
    ("CONNECT_OFFSET_STORAGE_TOPIC", "default.offsets"),
    ("CONNECT_STATUS_STORAGE_TOPIC", "default.status"),
    ("CONNECT_KEY_CONVERTER", JSON),
    ("CONNECT_VALUE_CONVERTER", JSON),
    ("CONNECT_INTERNAL_KEY_CONVERTER", JSON),
    ("CONNECT_INTERNAL_VALUE_CONVERTER", JSON),
    ("CONNECT_REST_ADVERTISED_HOST_NAME", "localhost"),
    ("CONNECT_ZOOKEEPER_CONNECT", "zookeeper:2181"),
    ("CONNECT_REST_PORT", ""),
    ("PATH", "/usr/bin"),
];

fn read(pairs: &[(&str, &str)]) -> ConnectEnvironment {
    ConnectEnvironment::read(&pairs.iter().copied().collect())
}

fn texts(settings: &BTreeMap<String, Resolved>) -> Vec<(&str, &str)> {
    let pairs = settings.iter();
    pairs
        .map(|(key, value)| (key.as_str(), value.value.as_str()))
        .collect()
}

#[test]
fn the_image_s_own_default_is_rendered_as_the_image_renders_it() {
    let environment = read(&IMAGE);
    let expected = [
        ("bootstrap.servers", "kafka:9092"),
        ("config.storage.topic", "default.config"),
        ("group.id", "default"),
        ("internal.key.converter", JSON),
        ("internal.key.converter.schemas.enable", "false"),
        ("internal.value.converter", JSON),
        ("internal.value.converter.schemas.enable", "false"),
        ("key.converter", JSON),
        ("offset.storage.topic", "default.offsets"),
        ("rest.advertised.host.name", "localhost"),
        ("rest.port", "8083"),
        ("status.storage.topic", "default.status"),
        ("value.converter", JSON),
        ("zookeeper.connect", "zookeeper:2181"),
    ];
    assert_eq!(texts(environment.rendered()), expected);
    let expected = [
        ("bootstrap.servers", "kafka:9092"),
        ("config.storage.topic", "default.config"),
        ("group.id", "default"),
        ("key.converter", JSON),
        ("listeners", "http://:8083"),
        ("offset.storage.topic", "default.offsets"),
        ("rest.advertised.host.name", "localhost"),
        ("status.storage.topic", "default.status"),
        ("value.converter", JSON),
    ];
    assert_eq!(texts(environment.settings()), expected);
    assert!(environment.missing.is_empty());
    let told: Vec<(&str, Severity)> = environment
        .notes
        .iter()
        .map(|note| (note.about.as_str(), note.severity))
        .collect();
    let expected = [
        ("CONNECT_ZOOKEEPER_CONNECT", Severity::Warning),
        ("CONNECT_INTERNAL_KEY_CONVERTER", Severity::Warning),
        ("CONNECT_INTERNAL_VALUE_CONVERTER", Severity::Warning),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_required_is_told_in_the_image_s_words_and_order() {
    let messages = |pairs: &[(&str, &str)]| -> Vec<String> {
        read(pairs).lacking().map(Missing::message).collect()
    };
    let all = REQUIRED.map(|name| format!("{name} is required."));
    assert_eq!(messages(&[]), all);
    // Empty is absent.
    let empty: Vec<(&str, &str)> = REQUIRED.iter().map(|name| (*name, "")).collect();
    assert_eq!(messages(&empty), all);
    assert!(!read(&empty).rendered().contains_key("group.id"));
    for (missing, message) in all.iter().enumerate() {
        let mut pairs: Vec<(&str, &str)> = REQUIRED.iter().map(|name| (*name, "x")).collect();
        pairs.remove(missing);
        assert_eq!(messages(&pairs).join(" "), *message);
    }
    let mut avro: Vec<(&str, &str)> = REQUIRED.iter().map(|name| (*name, "x")).collect();
    avro[5].1 = AVRO;
    avro[6].1 = AVRO;
    avro.push(("CONNECT_VALUE_CONVERTER_SCHEMA_REGISTRY_URL", "http://r"));
    assert_eq!(
        messages(&avro),
        ["CONNECT_KEY_CONVERTER_SCHEMA_REGISTRY_URL is required."]
    );
}

#[test]
fn mesos_tells_where_a_container_is_reached() {
    let settings = |pairs: &[(&str, &str)]| -> Vec<String> {
        let environment = read(pairs);
        let keys = ["rest.advertised.host.name", "rest.advertised.port"];
        keys.iter()
            .map(|key| {
                environment
                    .settings()
                    .get(*key)
                    .map_or("", |it| &it.value)
                    .to_owned()
            })
            .collect()
    };
    let mesos = [("HOST", "agent-1"), ("PORT0", "31005")];
    assert_eq!(settings(&mesos), ["agent-1", "31005"]);
    let own = [
        mesos[0],
        mesos[1],
        (ADVERTISED_HOST, "me"),
        ("CONNECT_REST_ADVERTISED_PORT", "1"),
    ];
    assert_eq!(settings(&own), ["me", "1"]);
}

/// The variables of the workshop's task definition, without what its start script computes.
const WORKSHOP: [(&str, &str); 20] = [
    ("CONNECT_PLUGIN_PATH", "/usr/share/java"),
    ("CONNECT_GROUP_ID", "KcS3SinkGroup"),
    ("CONNECT_CONFIG_STORAGE_TOPIC", "kc_config"),
    ("CONNECT_OFFSET_STORAGE_TOPIC", "kc_offset"),
    ("CONNECT_STATUS_STORAGE_TOPIC", "kc_status"),
    (
        "CONNECT_KEY_CONVERTER",
        "org.apache.kafka.connect.storage.StringConverter",
    ),
    (
        "CONNECT_VALUE_CONVERTER",
        "org.apache.kafka.connect.storage.StringConverter",
    ),
    ("CONNECT_REST_PORT", "8083"),
    ("CONNECT_CONSUMER_AUTO_OFFSET_RESET", "latest"),
    ("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "120000"),
    ("CONNECT_OFFSET_FLUSH_TIMEOUT_MS", "20000"),
    ("CONNECT_INTERNAL_KEY_CONVERTER", JSON),
    ("CONNECT_INTERNAL_VALUE_CONVERTER", JSON),
    ("CONNECT_INTERNAL_KEY_CONVERTER_SCHEMAS_ENABLE", "false"),
    ("CONNECT_INTERNAL_VALUE_CONVERTER_SCHEMAS_ENABLE", "false"),
    ("CONNECT_SECURITY_PROTOCOL", "SSL"),
    ("CONNECT_CONSUMER_SECURITY_PROTOCOL", "SSL"),
    ("CONNECT_PRODUCER_SECURITY_PROTOCOL", "SSL"),
    ("MSK_SERVICE", "KafkaSvc"),
    ("REGION", "eu-west-1"),
];

#[test]
fn the_workshop_s_worker_leaves_open_what_its_script_computes() {
    let mut environment = read(&WORKSHOP);
    assert_eq!(environment.lacking().count(), 0);
    let open: Vec<(&str, Finder)> = environment
        .open()
        .map(|(missing, finder)| (missing.variable, finder))
        .collect();
    assert_eq!(
        open,
        [
            (BROKERS, Finder::Brokers),
            (ADVERTISED_HOST, Finder::AdvertisedHost)
        ]
    );
    let namespace = environment.services.namespace.as_ref().unwrap();
    assert_eq!(namespace.from, Origin::Default);
    let warned = environment
        .notes
        .iter()
        .any(|note| note.about == "NAMESPACE");
    assert!(warned);
    environment.found(
        Finder::Brokers,
        "b-1:9094,b-2:9094",
        "GetBootstrapBrokers, TLS",
    );
    environment.found(Finder::AdvertisedHost, "10.0.0.7", "the task's metadata");
    assert!(environment.missing.is_empty());
    let properties = environment.properties();
    assert_eq!(
        properties.get("bootstrap.servers"),
        Some("b-1:9094,b-2:9094")
    );
    assert_eq!(
        properties.get("rest.advertised.host.name"),
        Some("10.0.0.7")
    );
    assert_eq!(properties.get("consumer.auto.offset.reset"), Some("latest"));
    assert_eq!(properties.get("listeners"), Some("http://:8083"));
    assert_eq!(properties.get("offset.flush.interval.ms"), Some("120000"));
}

#[test]
fn an_explicit_value_needs_nobody_to_find_it() {
    let pairs = [
        ("MSK_SERVICE", "KafkaSvc"),
        (BROKERS, "b:1"),
        (ADVERTISED_HOST, "me"),
    ];
    let environment = read(&pairs);
    assert_eq!(environment.open().count(), 0);
    assert!(environment.services.namespace.is_none());
}

#[test]
fn two_names_of_one_key_leave_a_word_and_reporters_are_left_out() {
    let environment = read(&[
        ("CONNECT_a", "1"),
        ("CONNECT_A", "2"),
        (LEFT_OUT, "x.Reporter"),
        ("CONNECT_", "nothing"),
    ]);
    assert_eq!(environment.rendered()["a"].value, "1");
    assert!(!environment.rendered().contains_key("metric.reporters"));
    assert!(environment.rendered().contains_key(""));
    assert!(!environment.settings().contains_key(""));
    let about: Vec<&str> = environment
        .notes
        .iter()
        .map(|note| note.about.as_str())
        .collect();
    assert_eq!(about, ["CONNECT_A", LEFT_OUT]);
}

#[test]
fn nothing_of_it_prints_a_value() {
    let environment = read(&[
        ("CONNECT_SASL_JAAS_CONFIG", "s3cr3t"),
        ("MSK_SERVICE", "s3cr3t"),
    ]);
    let text = format!("{environment:?}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

proptest! {
    #[test]
    fn any_environment_is_read(
        pairs in proptest::collection::vec(("(CONNECT_[A-Z_]{0,12}|\\PC{0,9})", "\\PC{0,12}"), 0..12),
    ) {
        let variables: Variables = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let environment = ConnectEnvironment::read(&variables);
        let named = variables.iter().filter(|(name, _)| name.starts_with(PREFIX));
        // Its defaults beside them, and no key for a name that is left out.
        prop_assert!(environment.rendered().len() <= named.count() + 5);
        prop_assert!(environment.missing.len() <= REQUIRED.len() + 2);
    }
}
