//! Settings that are in order, and everything that is wrong with others.

use super::*;

const URLS: (&str, &str) = (URL, "http://a:1,https://b/path/");

fn resolved(pairs: &[(&str, &str)]) -> Result<(ClientSettings, SchemaSettings), String> {
    let properties = Properties::from_iter(pairs.iter().copied());
    resolve(&properties, ConverterUse::Value).map_err(|errors| {
        let errors = errors.into_iter().map(|(key, why)| format!("{key}|{why}"));
        errors.collect::<Vec<_>>().join("\n")
    })
}

#[test]
fn reads_what_java_users_write() {
    let (client, schemas) = resolved(&[
        URLS,
        ("auto.register.schemas", "FALSE"),
        ("use.latest.version", "true"),
        (
            "value.subject.name.strategy",
            "io.confluent.kafka.serializers.subject.RecordNameStrategy",
        ),
        ("request.header.X-Team", "a"),
        ("max.schemas.per.subject", "7"),
    ])
    .unwrap();
    let urls: Vec<String> = client.urls.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["http://a:1", "https://b:443/path"]);
    assert_eq!((client.max_schemas, client.tls.is_some()), (7, true));
    assert_eq!(client.headers["x-team"], "a");
    assert_eq!(schemas.choice, Choice::Latest { is_strict: true });
    assert_eq!(schemas.strategy, SubjectStrategy::Record);
}

#[test]
fn an_address_hides_its_user() {
    let url = RegistryUrl::parse("http://me%40x:s3cret@[::1]:8081").unwrap();
    assert_eq!(url.to_string(), "http://[::1]:8081");
    assert_eq!(url.user_info.unwrap().reveal(), "me@x:s3cret");
    for bad in [
        "mock://x",
        "localhost:8081",
        "ftp://x",
        "http://",
        "not a url",
        "",
    ] {
        assert!(RegistryUrl::parse(bad).is_err(), "{bad}");
    }
}

/// The words that stand in the answer, each of which has to name its key.
#[test]
fn says_everything_that_is_wrong_at_once() {
    for (pairs, words) in [
        (&[][..], &["schema.registry.url|Missing required"][..]),
        (&[(URL, "http://user:s3cret@x:y")], &["address 1"]),
        (
            &[
                URLS,
                ("basic.auth.credentials.source", "USER_INFO"),
                ("proxy.host", "p"),
                ("auto.register.schemas", "false"),
                ("use.latest.with.metadata", "a"),
                ("schema.registry.ssl.truststore.location", "/nowhere.pem"),
                (
                    "value.schema.id.serializer",
                    "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer",
                ),
                ("context.name.strategy", "my.Strategy"),
            ],
            &[
                "basic.auth.user.info|",
                "proxy.port|",
                "use.latest.with.metadata|",
                "schema.registry.ssl.truststore.location|",
                "value.schema.id.serializer|",
                "context.name.strategy|",
            ],
        ),
        (
            &[URLS, ("bearer.auth.credentials.source", "OAUTHBEARER")],
            &[
                "bearer.auth.issuer.endpoint.url|",
                "bearer.auth.client.id|",
                "bearer.auth.client.secret|",
            ],
        ),
        (
            &[URLS, ("bearer.auth.credentials.source", "CUSTOM")],
            &["STATIC_TOKEN and OAUTHBEARER"],
        ),
        (
            &[URLS, ("value.subject.name.strategy", "my.Strategy")],
            &["there are io.confluent"],
        ),
        (
            &[URLS, ("basic.auth.credentials.source", "SASL_INHERIT")],
            &["sasl.jaas.config|"],
        ),
    ] {
        let Err(said) = resolved(pairs) else {
            panic!("{pairs:?}")
        };
        for word in words {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn every_key_is_defined_once() {
    let definition = definition(Vec::new());
    let mut names: Vec<&str> = definition.keys().iter().map(|key| &*key.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(
        definition
            .key("schema.registry.ssl.keystore.location")
            .is_some()
    );
}
