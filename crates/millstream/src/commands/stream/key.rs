//! The key of a keyed hash: from a file, a variable or Secrets Manager, and never in what is shown.

use crate::cli::StreamArgs;
use millstream_core::Properties;
use millstream_core::digest::HashFunction;
use millstream_worker::config::ConfigProviders;
use std::fs;
use std::path::Path;

/// Where the key is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HashKey {
    /// Known; whoever needs it is given a reference.
    Text(String),
    /// In Secrets Manager, by the reference that stands for it.
    Secret(String),
}

/// The provider of references to Secrets Manager, and its class as a worker names it.
pub(super) const SECRETS: &str = "aws-secrets";
pub(super) const SECRETS_CLASS: &str =
    "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider";

const FILE: &str = "HASH_KEY_FILE (--hash-key-file)";
const TEXT: &str = "HASH_KEY (--hash-key)";
const SECRET: &str = "HASH_KEY_SECRET (--hash-key-secret)";

/// The key, if the function takes one.
///
/// # Errors
/// There is none where one is needed, one where none is, or more than one.
pub(super) fn of(args: &StreamArgs) -> Result<Option<HashKey>, String> {
    let function = args.hash_algorithm;
    let name = function.name();
    let hashing = &args.hashing;
    let given: Vec<&str> = [
        (args.hash_key_file.is_some(), FILE),
        (hashing.hash_key.is_some(), TEXT),
        (hashing.hash_key_secret.is_some(), SECRET),
    ]
    .into_iter()
    .filter_map(|(is_set, name)| is_set.then_some(name))
    .collect();
    match (given.as_slice(), function.needs_key()) {
        ([], false) => {
            if hashing.hash_key_id.is_some() {
                return Err(format!(
                    "HASH_KEY_ID (--hash-key-id) is set, but {name} takes no key; {}",
                    keyed_instead(function, "leave it out")
                ));
            }
            return Ok(None);
        }
        ([], true) => {
            return Err(format!(
                "HASH_ALGORITHM={name} needs a key: set {FILE} to a file that holds it, {TEXT} or {SECRET}"
            ));
        }
        ([one, ..], false) => {
            let leave = if *one == FILE {
                "leave the file out"
            } else {
                "leave it out"
            };
            return Err(format!(
                "{one} is set, but {name} takes no key; {}",
                keyed_instead(function, leave)
            ));
        }
        ([_], true) => {}
        ([first, second, ..], true) => {
            return Err(format!(
                "{first} and {second} are both set; a hash has one key"
            ));
        }
    }
    if let Some(path) = &args.hash_key_file {
        return of_file(path, name).map(Some);
    }
    if let Some(secret) = &hashing.hash_key_secret {
        return of_secret(secret).map(Some);
    }
    let text = hashing.hash_key.clone().unwrap_or_default();
    if text.is_empty() {
        return Err(format!("{TEXT} is empty; it is to be the key of {name}"));
    }
    Ok(Some(HashKey::Text(text)))
}

/// The file's text without its last line break.
fn of_file(path: &Path, name: &str) -> Result<HashKey, String> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{FILE}: cannot read {shown}: {error}"))?;
    let key = text.trim_end_matches(['\r', '\n']);
    if key.is_empty() {
        return Err(format!(
            "{FILE}: {shown} is empty; it is to hold the key of {name}"
        ));
    }
    Ok(HashKey::Text(key.to_owned()))
}

/// By the name of a secret, which has no colon, or its ARN, which has six; behind one more stands a value's name. A reference
/// ends with the first brace.
fn of_secret(secret: &str) -> Result<HashKey, String> {
    let colons = secret.matches(':').count();
    let fits = match secret.starts_with("arn:") {
        true => colons == 6 || colons == 7,
        false => colons < 2,
    };
    let name = secret.split(':').next().unwrap_or_default();
    if name.trim().is_empty() || !fits || secret.contains(['{', '}', '$']) {
        return Err(format!(
            "{SECRET} is the name or the ARN of a secret, and behind a colon the name of a value in it: hashing/key, hashing:key \
             or arn:aws:secretsmanager:eu-west-1:111122223333:secret:hashing-AbCdEf:key"
        ));
    }
    Ok(HashKey::Secret(reference(secret)))
}

/// What the worker has in place of the key, until it is needed.
fn reference(secret: &str) -> String {
    format!("${{{SECRETS}:{secret}}}")
}

/// Looks the key up once before anything is started: whoever runs the job learns at once what is wrong with the secret, and
/// not from a task.
///
/// # Errors
/// There is no such secret or value, or it cannot be read; never what it holds.
pub(super) async fn look_up(providers: &ConfigProviders, secret: &str) -> Result<(), String> {
    const KEY: &str = "key";
    let reference = reference(secret);
    let wanted = Properties::from_iter([(KEY, reference.as_str())]);
    match providers.resolve(&wanted).await {
        Err(error) => Err(format!("{SECRET}: {error}")),
        Ok(found) if found.properties.get(KEY) == Some(reference.as_str()) => Err(format!(
            "{SECRET}: Secrets Manager has no secret {secret} here, or no such value in it; make it, or correct the variable. \
             NAME is a secret whose text is the key, NAME:VALUE one whose text is a JSON object with the key as VALUE"
        )),
        Ok(_) => Ok(()),
    }
}

fn keyed_instead(function: HashFunction, leave: &str) -> String {
    match keyed(function) {
        Some(other) => format!("use {}, or {leave}", other.name()),
        None => format!("{leave}, or choose a function with a key, such as hmac_sha256"),
    }
}

/// The function with a key that is nearest to one without.
fn keyed(function: HashFunction) -> Option<HashFunction> {
    let name = function.name();
    HashFunction::by_name(&format!("hmac_{name}"))
        .or_else(|| HashFunction::by_name(&format!("{name}_keyed")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn key(flags: &[&str]) -> Result<Option<HashKey>, String> {
        let flags: Vec<&str> = ["stream"].iter().chain(flags).copied().collect();
        match Cli::of(&flags, &[]).expect("the flags are right").command {
            Command::Stream(args) => of(&args),
            other => panic!("{other:?} is not stream"),
        }
    }

    #[test]
    fn a_key_comes_from_one_place() {
        const HMAC: [&str; 2] = ["--hash-algorithm", "hmac_sha256"];
        let keyed = |more: &[&str]| key(&[&HMAC, more].concat());
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(
            keyed(&["--hash-key", "k"]),
            Ok(Some(HashKey::Text("k".to_owned())))
        );
        assert_eq!(
            keyed(&["--hash-key-secret", "hashing/job:key"]),
            Ok(Some(HashKey::Secret(
                "${aws-secrets:hashing/job:key}".to_owned()
            )))
        );
        for (flags, part) in [
            (
                &["--hash-key", "k", "--hash-key-secret", "s"][..],
                "both set",
            ),
            (&["--hash-key", ""], "is empty"),
            (&[], "needs a key"),
        ] {
            let error = keyed(flags).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
        let arn = "arn:aws:secretsmanager:eu-west-1:1:secret:y-AbCdEf";
        let in_arn = format!("{arn}:key");
        for right in ["hashing", "hashing:key", arn, &in_arn] {
            let found = keyed(&["--hash-key-secret", right]);
            let wanted = format!("${{aws-secrets:{right}}}");
            assert_eq!(found, Ok(Some(HashKey::Secret(wanted))));
        }
        for wrong in ["", ":key", "a:b:c", "arn:aws:secretsmanager:y", "a}"] {
            let error = keyed(&["--hash-key-secret", wrong]).expect_err(wrong);
            assert!(error.contains("HASH_KEY_SECRET"), "{error}");
        }
        for flags in [["--hash-key", "k"], ["--hash-key-id", "v1"]] {
            let error = key(&flags).expect_err("md5 has no key");
            assert!(error.contains("md5 takes no key; use hmac_md5"), "{error}");
        }
    }
}
