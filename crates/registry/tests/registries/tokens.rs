//! Tokens of a token endpoint (OAuth 2.0, client credentials) for the registry.

use super::converters::{converter, message, read, registry};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millstream_core::Value;
use millstream_embedded::token_endpoint::{Reply, TokenEndpoint, TokenRule};
use serde_json::json;
use std::time::Duration;

fn settings(endpoint: &str, secret: &'static str) -> Vec<(&'static str, String)> {
    [
        ("bearer.auth.credentials.source", "OAUTHBEARER"),
        ("bearer.auth.issuer.endpoint.url", endpoint),
        ("bearer.auth.client.id", "mill"),
        ("bearer.auth.client.secret", secret),
        ("bearer.auth.scope", "schemas"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec()
}

/// A token without a signature that is valid until then.
fn token(expires_at: i64) -> String {
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(json!({"alg": "none"}));
    let claims = part(json!({"sub": "mill", "iat": 0, "exp": expires_at, "scope": "schemas"}));
    format!("{header}.{claims}.")
}

async fn endpoint() -> TokenEndpoint {
    TokenEndpoint::start(TokenRule {
        client_id: "mill".to_owned(),
        client_secret: Some("s3cret".to_owned()),
        scopes: vec!["schemas".to_owned()],
        signed_with: None,
        lifetime: Duration::from_secs(3600),
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn asks_for_a_token_and_keeps_it() {
    let (registry, endpoint) = (registry().await, endpoint().await);
    let token = token(i64::from(i32::MAX));
    endpoint.reply(Some(Reply {
        status: 200,
        content_type: "application/json".to_owned(),
        body: json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600})
            .to_string(),
    }));
    registry.want(&format!("Bearer {token}"));
    let ids = [r#""int""#, r#""long""#].map(|text| registry.register("t-value", "AVRO", text));
    let settings = settings(&endpoint.url(), "s3cret");
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, &**v)).collect();
    let mut converter = converter(&registry.url(), &settings);
    for (id, value) in ids.into_iter().zip([Value::Int32(1), Value::Int64(1)]) {
        let record = message(id, &[2]);
        let came = read(converter.as_mut(), &[Some(&record)], None).await;
        assert_eq!(came.unwrap().values, [value]);
    }
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    // mill:s3cret
    assert_eq!(
        asked[0].authorization.as_deref(),
        Some("Basic bWlsbDpzM2NyZXQ=")
    );
    assert_eq!(asked[0].field("grant_type"), Some("client_credentials"));
    assert_eq!(asked[0].field("scope"), Some("schemas"));
}

/// Without a token the records wait, and the reason names the settings as they are called here.
#[tokio::test]
async fn waits_for_a_token() {
    let (registry, endpoint) = (registry().await, endpoint().await);
    let id = registry.register("t-value", "AVRO", r#""int""#);
    let record = message(id, &[2]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("http://{}/token", silent.local_addr().unwrap());
    drop(silent);
    for (url, secret, words) in [
        (
            endpoint.url(),
            "wr0ng",
            &["invalid_client", "bearer.auth.client.secret"][..],
        ),
        (away, "s3cret", &["bearer.auth.issuer.endpoint.url"]),
    ] {
        let settings = settings(&url, secret);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, &**v)).collect();
        let mut converter = converter(&registry.url(), &settings);
        let Err(unavailable) = read(converter.as_mut(), &[Some(&record)], None).await else {
            panic!("there is no token")
        };
        for word in words {
            assert!(unavailable.reason.contains(word), "{unavailable}");
        }
        assert!(!unavailable.reason.contains(secret), "{unavailable}");
    }
    assert!(registry.calls().is_empty(), "{:?}", registry.calls());
}
