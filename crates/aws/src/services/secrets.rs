//! Secrets Manager: a secret, and the user and password in it.

use super::document;
use crate::client::endpoint::region_of_arn;
use crate::client::{Call, Service};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::Password;
use serde_json::Value as Json;

/// The version that counts. A secret that is being rotated has others.
const CURRENT: &str = "AWSCURRENT";

/// A user of a database or of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: Password,
}

/// What the secret of a database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSecret {
    pub login: Login,
    pub host: Option<String>,
    pub port: Option<u16>,
}

/// A secret by its name or ARN. An ARN is asked in its own region.
pub fn get_secret_value(id: &str) -> Call {
    let members = [("SecretId", id), ("VersionStage", CURRENT)];
    let targets = "secretsmanager";
    Call {
        region: region_of_arn(id).map(str::to_owned),
        ..document(Service::SecretsManager, targets, "GetSecretValue", &members)
    }
}

/// The text of a secret.
pub fn parse_secret(answer: &Json) -> Result<Password, String> {
    if let Some(text) = answer.get("SecretString").and_then(Json::as_str) {
        return Ok(Password::new(text));
    }
    let binary = answer.get("SecretBinary").and_then(Json::as_str);
    let binary = binary.ok_or("the answer has neither SecretString nor SecretBinary")?;
    let bytes = STANDARD.decode(binary);
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Password::new)
        .ok_or_else(|| "SecretBinary is no text".to_owned())
}

/// The user and password in a secret, as the service's own rotation writes them.
///
/// # Errors
/// Which member is missing; never what the others hold.
pub fn parse_database_secret(secret: &Password) -> Result<DatabaseSecret, String> {
    let document: Option<Json> = serde_json::from_str(secret.reveal()).ok();
    let document = document
        .filter(Json::is_object)
        .ok_or("is no JSON object with username and password")?;
    let text = |name: &str| {
        let text = document.get(name).and_then(Json::as_str);
        text.filter(|text| !text.is_empty())
    };
    let required = |name: &str| text(name).ok_or_else(|| format!("lacks {name}"));
    let port = document.get("port").and_then(|port| match port {
        Json::String(port) => port.parse().ok(),
        port => u16::try_from(port.as_u64()?).ok(),
    });
    Ok(DatabaseSecret {
        login: Login {
            user: required("username")?.to_owned(),
            password: Password::new(required("password")?),
        },
        host: text("host").map(str::to_owned),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::any_json;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn reads_secrets() {
        let text = |answer| parse_secret(&answer).map(|secret| secret.reveal().to_owned());
        assert_eq!(text(json!({"SecretString": "s"})), Ok("s".to_owned()));
        assert_eq!(text(json!({"SecretBinary": "cw=="})), Ok("s".to_owned()));
        assert!(text(json!({"SecretBinary": "?"})).is_err());
        assert!(text(json!({})).is_err());
    }

    #[test]
    fn reads_logins() {
        let read = |text: &str| parse_database_secret(&Password::new(text));
        let secret = read(
            r#"{"username":"u","password":"p@:/%","host":"h","port":27017,"engine":"mongo","ssl":true}"#,
        );
        let secret = secret.unwrap();
        assert_eq!(secret.login.password.reveal(), "p@:/%");
        assert_eq!(
            (secret.host.as_deref(), secret.port),
            (Some("h"), Some(27017))
        );
        assert!(!format!("{secret:?}").contains("p@"));
        assert_eq!(
            read(r#"{"username":"u"}"#),
            Err("lacks password".to_owned())
        );
        let port = read(r#"{"username":"u","password":"p","port":"27018"}"#);
        assert_eq!(port.map(|secret| secret.port), Ok(Some(27018)));
        assert!(read("hush").is_err_and(|why| !why.contains("hush")));
    }

    proptest! {
        #[test]
        fn takes_any_answer(answer in any_json(&["SecretString", "SecretBinary", "username", "password", "port"]), text in ".*") {
            let _ = parse_secret(&answer);
            for secret in [Password::new(answer.to_string()), Password::new(text)] {
                let _ = parse_database_secret(&secret);
            }
        }
    }
}
