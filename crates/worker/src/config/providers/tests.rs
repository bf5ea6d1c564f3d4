//! What references stand for, and whom they ask.
#![allow(clippy::unwrap_used)]
use super::*;
use std::sync::Mutex;

fn check(providers: &ConfigProviders, text: &str, expected: &str) {
    let resolved = providers.resolve_text(text, &mut Told::new(), &mut Vec::new());
    assert_eq!(resolved.unwrap(), expected);
}

#[test]
fn looks_up_files_directories_and_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    std::fs::write(folder.path().join("s.properties"), "user=u\npassword=p w").unwrap();
    let providers = ConfigProviders::new(&Properties::from_iter([
        ("config.providers", "file, dir,env"),
        (
            "config.providers.file.class",
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        ),
        ("config.providers.dir.class", "Directory"),
        ("config.providers.dir.param.allowed.paths", path.as_str()),
        ("config.providers.env.class", "EnvVarConfigProvider"),
        ("config.providers.env.param.allowlist.pattern", "PA.*"),
    ]))
    .unwrap();
    let user = format!("${{file:{path}/s.properties:user}}");
    check(&providers, &format!("a-{user}-{user}-b"), "a-u-u-b");
    check(
        &providers,
        &format!("${{dir:{path}:s.properties}}"),
        "user=u\npassword=p w",
    );
    check(&providers, "${dir:/etc:hostname}", "${dir:/etc:hostname}");
    check(
        &providers,
        &format!("${{dir:{path}/../..:x}}"),
        &format!("${{dir:{path}/../..:x}}"),
    );
    check(&providers, "${env:PATH}", &std::env::var("PATH").unwrap());
    check(&providers, "${env:HOME}", "${env:HOME}");
    check(&providers, "${unknown:x}", "${unknown:x}");
    let missing = "${file:/no/such/file:x}";
    let missing = providers.resolve_text(missing, &mut Told::new(), &mut Vec::new());
    assert!(missing.is_err_and(|error| !error.is_transient));
}

#[test]
fn a_file_may_be_out_of_reach_for_a_while() {
    let kinds = [
        (ErrorKind::StaleNetworkFileHandle, true),
        (ErrorKind::TimedOut, true),
        (ErrorKind::NotFound, false),
        (ErrorKind::PermissionDenied, false),
    ];
    for (kind, expected) in kinds {
        let error = ProviderError::of_file(String::new(), &kind.into());
        assert_eq!(error.is_transient, expected, "{kind}");
    }
}

/// Tells of each value what it is called, and counts what it is asked.
#[derive(Default)]
struct Asked(Mutex<Vec<RemoteValue>>);

impl RemoteValues for Asked {
    fn get(&self, value: &RemoteValue) -> Result<Option<String>, RemoteError> {
        self.0.lock().unwrap().push(value.clone());
        match value {
            RemoteValue::Secret(id) if id == "gone" => Ok(None),
            RemoteValue::Secret(id) if id == "away" => Err(RemoteError {
                message: "secret away: 500".to_owned(),
                is_transient: true,
            }),
            RemoteValue::Secret(id) => Ok(Some(format!(
                r#"{{"user":"u","password":"{id}/password"}}"#
            ))),
            RemoteValue::Parameter(name) => Ok(Some(name.clone())),
        }
    }
}

fn of_aws() -> ConfigProviders {
    ConfigProviders::new(&Properties::from_iter([
        ("config.providers", "aws-secrets,ssm"),
        (
            "config.providers.aws-secrets.class",
            "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider",
        ),
        ("config.providers.ssm.class", "SsmParamStoreConfigProvider"),
    ]))
    .unwrap()
}

#[tokio::test]
async fn asks_services_and_hides_what_they_say() {
    let providers = of_aws();
    let resolve = |text: &str| providers.resolve_text(text, &mut Told::new(), &mut Vec::new());
    assert!(resolve("${ssm:/a/b}").is_err_and(|error| !error.is_transient));
    providers.ask_with(Arc::<Asked>::default());
    let whole = r#"{"user":"u","password":"name/password"}"#;
    check(&providers, "${aws-secrets:name}", whole);
    check(&providers, "${aws-secrets:name:password}", "name/password");
    check(
        &providers,
        "${aws-secrets:name:other}",
        "${aws-secrets:name:other}",
    );
    check(&providers, "${ssm:/a/b}", "/a/b");
    check(&providers, "${ssm:/a/b:3}", "/a/b:3");
    check(&providers, "${aws-secrets:gone}", "${aws-secrets:gone}");
    let away = resolve("${aws-secrets:away}");
    assert!(away.is_err_and(|error| error.is_transient));
    let settings = Properties::from_iter([("connection.uri", "${aws-secrets:name:password}")]);
    let resolved = providers.resolve(&settings).await.unwrap();
    assert_eq!(
        resolved.properties.get("connection.uri"),
        Some("name/password")
    );
    let line = providers.hide("cannot reach name/password");
    assert!(line.is_some_and(|line| !line.contains("name/password")));
}

#[tokio::test]
async fn asks_once_in_a_pass_for_what_several_references_mean() {
    let providers = of_aws();
    let asked = Arc::<Asked>::default();
    providers.ask_with(asked.clone());
    let connector = Properties::from_iter([
        ("user", "${aws-secrets:name:user}"),
        ("password", "${aws-secrets:name:password}"),
        ("flush.size", "${ssm:/a/b}"),
    ]);
    let task = Properties::from_iter([("uri", "${aws-secrets:name:user}@${ssm:/a/b}")]);
    let pass = async || {
        providers
            .resolve_together([&connector, &task])
            .await
            .unwrap()
    };
    let [_, resolved] = pass().await;
    assert_eq!(resolved.properties.get("uri"), Some("u@/a/b"));
    let once = [
        RemoteValue::Secret("name".to_owned()),
        RemoteValue::Parameter("/a/b".to_owned()),
    ];
    assert_eq!(*asked.0.lock().unwrap(), once);
    // Nothing is kept: the next pass sees what has been rotated.
    pass().await;
    assert_eq!(asked.0.lock().unwrap().len(), 4);
}

#[test]
fn values_of_the_program_may_change() {
    let values = SharedValues::from(Properties::from_iter([("uri", "old")]));
    let providers = ConfigProviders::default().with_values("stream", values.clone());
    check(&providers, "${stream:uri}", "old");
    values.set("uri", "new");
    check(&providers, "${stream:uri}", "new");
}

#[test]
fn refuses_unknown_providers() {
    let properties = Properties::from_iter([
        ("config.providers", "v"),
        ("config.providers.v.class", "Vault"),
    ]);
    assert_eq!(ConfigProviders::new(&properties).unwrap_err().len(), 1);
}
