//! Sign-in that fails while the archive's connector works: its session ends every few seconds, and what a renewal needs is away,
//! refused or no longer good.

use crate::case::{Case, Shows, heal, play_all, see_one};
use crate::stage::{ARCHIVE, Stage};
use Shows::{Degraded, Failed};
use millstream_embedded::broker::{BrokerSettings, IamRule, JwtRule, SaslSettings};
use millstream_embedded::token_endpoint::{Reply, TokenEndpoint, TokenRule};
use std::time::Duration;

const SESSION: Duration = Duration::from_secs(2);
const ISSUER: &[u8] = b"issuer";

/// The worker's own clients, and those of its connectors.
fn everywhere(settings: &[(&str, String)]) -> Vec<(String, String)> {
    let prefixes = ["", "consumer.", "producer.", "admin."];
    let of = |prefix: &str| -> Vec<(String, String)> {
        let keyed = settings.iter();
        let keyed = keyed.map(|(key, value)| (format!("{prefix}{key}"), value.clone()));
        keyed.collect()
    };
    prefixes.into_iter().flat_map(of).collect()
}

async fn play(
    sasl: SaslSettings,
    settings: Vec<(&'static str, String)>,
    shows: Shows,
    begin: impl FnOnce(&Stage),
    end: impl FnOnce(&Stage),
) -> String {
    let broker = BrokerSettings {
        sasl: Some(SaslSettings {
            session: Some(SESSION),
            ..sasl
        }),
        ..BrokerSettings::of_nodes(1)
    };
    let stage = Stage::with(broker).await;
    stage.produce(3);
    let settings = everywhere(&settings);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (&**k, &**v)).collect();
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let worker = stage.standalone_in("worker", &settings, &keys).await;
    stage.post_archive(&worker, &[]).await;
    stage.archived().await;
    begin(&stage);
    let fits = |reason: &str| reason.contains("token endpoint");
    let seen = see_one(&stage, &worker, ARCHIVE, shows, fits).await;
    end(&stage);
    stage.produce(6);
    heal(&worker, ARCHIVE, shows).await;
    stage.archived().await;
    assert!(!worker.log().contains("client-secret"));
    seen
}

/// Tokens of an endpoint, with which something happens.
async fn of_endpoint(shows: Shows, happens: impl FnOnce(&TokenEndpoint)) -> String {
    let rule = TokenRule {
        client_id: "archive".to_owned(),
        client_secret: Some("client-secret".to_owned()),
        scopes: vec!["kafka".to_owned()],
        signed_with: Some(ISSUER.to_vec()),
        lifetime: Duration::from_secs(3),
    };
    let endpoint = TokenEndpoint::start(rule.clone()).await.unwrap();
    let sasl = SaslSettings {
        jwt: Some(JwtRule {
            secret: Some(ISSUER.to_vec()),
            scope: Some("kafka".to_owned()),
            audience: None,
        }),
        ..SaslSettings::default()
    };
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    let jaas = format!(
        r#"{module} required clientId="archive" clientSecret="client-secret" scope="kafka";"#
    );
    let settings = vec![
        ("security.protocol", "SASL_PLAINTEXT".to_owned()),
        ("sasl.mechanism", "OAUTHBEARER".to_owned()),
        ("sasl.jaas.config", jaas),
        ("sasl.oauthbearer.token.endpoint.url", endpoint.url()),
        ("sasl.login.retry.backoff.max.ms", "100".to_owned()),
    ];
    let mends = |_: &Stage| {
        endpoint.reply(None);
        endpoint.change(|now| *now = rule);
    };
    let seen = play(sasl, settings, shows, |_| happens(&endpoint), mends).await;
    seen.replace(&endpoint.url(), "http://idp/token")
}

fn reply(status: u16, content_type: &str, body: &str) -> Reply {
    Reply {
        status,
        content_type: content_type.to_owned(),
        body: body.to_owned(),
    }
}

/// Signatures that the cluster does not take any more.
async fn of_iam(mechanism: &str, key: &'static str, class: &str, module: &str) -> String {
    let rule = IamRule {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned(),
        session_token: None,
        region: "eu-west-1".to_owned(),
    };
    let sasl = SaslSettings {
        iam: Some(rule),
        ..SaslSettings::default()
    };
    let settings = vec![
        ("security.protocol", "SASL_PLAINTEXT".to_owned()),
        ("sasl.mechanism", mechanism.to_owned()),
        ("sasl.jaas.config", format!("{module} required;")),
        (key, class.to_owned()),
    ];
    let knows = |secret: &'static str| {
        move |stage: &Stage| {
            stage.broker.change_sasl(|sasl| {
                if let Some(rule) = &mut sasl.iam {
                    rule.secret_access_key = secret.to_owned();
                }
            });
        }
    };
    play(sasl, settings, Failed, knows("another"), knows("secret")).await
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |place: &str, fault: &str, shows, play| {
        cases.push(Case {
            place: place.to_owned(),
            fault: fault.to_owned(),
            shows,
            play,
        });
    };
    let endpoint = "the token endpoint";
    add(
        endpoint,
        "answers 500",
        Degraded,
        Box::pin(of_endpoint(Degraded, |at| {
            at.reply(Some(reply(500, "text/plain", "down")));
        })),
    );
    add(
        endpoint,
        "answers 200 with a page",
        Degraded,
        Box::pin(of_endpoint(Degraded, |at| {
            at.reply(Some(reply(200, "text/html", "<html>")));
        })),
    );
    add(
        endpoint,
        "does not know the scope any more",
        Failed,
        Box::pin(of_endpoint(Failed, |at| {
            at.change(|rule| rule.scopes.clear());
        })),
    );
    add(
        endpoint,
        "has another secret of the client",
        Failed,
        Box::pin(of_endpoint(Failed, |at| {
            at.change(|rule| rule.client_secret = Some("another".to_owned()));
        })),
    );
    add(
        "a token",
        "is of another issuer",
        Failed,
        Box::pin(of_endpoint(Failed, |at| {
            at.change(|rule| rule.signed_with = Some(b"another".to_vec()));
        })),
    );
    add(
        "a token",
        "has expired when it comes",
        Failed,
        Box::pin(of_endpoint(Failed, |at| {
            at.change(|rule| rule.lifetime = Duration::ZERO);
        })),
    );
    let iam = "software.amazon.msk.auth.iam.";
    let (client, login) = (
        format!("{iam}IAMClientCallbackHandler"),
        format!("{iam}IAMOAuthBearerLoginCallbackHandler"),
    );
    add(
        "AWS_MSK_IAM",
        "denied",
        Failed,
        Box::pin(async move {
            let module = format!("{iam}IAMLoginModule");
            of_iam(
                "AWS_MSK_IAM",
                "sasl.client.callback.handler.class",
                &client,
                &module,
            )
            .await
        }),
    );
    add(
        "OAUTHBEARER with IAM",
        "denied",
        Failed,
        Box::pin(async move {
            let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
            of_iam(
                "OAUTHBEARER",
                "sasl.login.callback.handler.class",
                &login,
                module,
            )
            .await
        }),
    );
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_in_faults() {
    let rows = play_all(cases(), 8).await;
    crate::table::check("Authentication", &rows);
}
