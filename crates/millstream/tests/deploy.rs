//! What the files of `deploy/` tell the binary is something that it knows: each variable, each flag, each command; and what
//! they set it to passes the checks of a start, connectors included.
#![allow(clippy::unwrap_used)]

use millstream_environment::names::key_of;
use millstream_environment::{discovery, helpers};
use millstream_worker::worker::worker_keys;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Of AWS's own variables those that a file may name: the chain of credentials reads them.
const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

const BOOTSTRAP: &str = "MILLSTREAM_BOOTSTRAP_CONNECTORS";

/// A process that a file starts.
#[derive(Debug, Default)]
struct Started {
    /// For messages.
    place: String,
    command: String,
    /// With their values, as far as those stand there.
    variables: BTreeMap<String, Option<String>>,
    flags: BTreeSet<String>,
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(name: &str) -> String {
    fs::read_to_string(deploy().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn found(text: &str, pattern: &str) -> Vec<Vec<String>> {
    let pattern = Regex::new(pattern).unwrap();
    let captures = pattern.captures_iter(text);
    captures
        .map(|found| {
            let groups = found.iter().skip(1);
            let texts = groups.map(|group| group.map_or("", |it| it.as_str()).to_owned());
            texts.collect()
        })
        .collect()
}

impl Started {
    /// By the words that follow the name of the program.
    fn of(place: &str, words: &str) -> Started {
        let words = words
            .split([' ', ','])
            .map(|word| word.trim_matches(['\'', '"']));
        let mut words = words.filter(|word| !word.is_empty());
        let mut started = Started {
            place: place.to_owned(),
            command: words.next().unwrap_or_default().to_owned(),
            ..Started::default()
        };
        let flags = words.filter(|word| word.starts_with("--"));
        let names = flags.filter_map(|flag| flag.split('=').next());
        started.flags = names.map(str::to_owned).collect();
        started
    }

    fn with(mut self, pairs: impl IntoIterator<Item = (String, Option<String>)>) -> Started {
        self.variables.extend(pairs);
        self
    }
}

/// Names and values of a pattern's first two groups.
fn pairs(text: &str, pattern: &str) -> Vec<(String, Option<String>)> {
    let pairs = found(text, pattern).into_iter();
    pairs
        .map(|groups| {
            let value = groups[1].trim().trim_matches('"').to_owned();
            (groups[0].clone(), Some(value))
        })
        .collect()
}

fn compose() -> Vec<Started> {
    let text = read("compose.yaml");
    let ours = found(&text, r"(?sm)^  (\w+):\n    <<: \*millstream\n(.*?\n)\n");
    let mut all: Vec<Started> = ours
        .iter()
        .map(|service| {
            let (name, rest) = (&service[0], &service[1]);
            let command = found(rest, r"command: \[(.*)\]").concat().concat();
            let set = pairs(rest, r"\n      ([A-Z][A-Z0-9_]+): (.*)");
            Started::of(&format!("compose.yaml, {name}"), &command).with(set)
        })
        .collect();
    let health = found(&text, r"test: \[CMD, /millstream, (.*)\]");
    all.extend(health.iter().map(|it| Started::of("compose.yaml", &it[0])));
    all
}

fn kubernetes() -> Vec<Started> {
    let one = |file: &str, command: Option<&str>| {
        let text = read(&format!("kubernetes/{file}.yaml"));
        let args = found(&text, r"args: \[(.*)\]").concat().concat();
        let command = command.map_or(args, str::to_owned);
        let set = pairs(
            &text,
            r#"- \{name: ([A-Z][A-Z0-9_]+), value: ("[^"]*"|[^}]*)\}"#,
        );
        let elsewhere = found(&text, r"(?m)^ +- name: ([A-Z][A-Z0-9_]+)$");
        let elsewhere = elsewhere.into_iter().map(|name| (name.concat(), None));
        Started::of(&format!("kubernetes/{file}.yaml"), &command)
            .with(set)
            .with(elsewhere)
    };
    vec![
        one("connect/deployment", None),
        one("stream/deployment", None),
        // Changes to the first of them.
        one("strimzi/connect", Some("worker")),
    ]
}

fn systemd() -> Vec<Started> {
    let units = ["worker", "stream"].iter();
    units
        .map(|name| {
            let unit = read(&format!("systemd/millstream-{name}.service"));
            let command = found(&unit, r"(?m)^ExecStart=\S+ (.*)$").concat().concat();
            let file = read(&format!("systemd/{name}.env"));
            let set = pairs(&file, r"(?m)^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$");
            Started::of(&format!("systemd/{name}.env"), &command).with(set)
        })
        .collect()
}

/// The sources of the stacks, since templates take Node.js. `deploy/check` compares those with the table in the README.
fn cdk() -> Vec<Started> {
    let every = read("cdk/lib/task.ts");
    let health = found(&every, r"command: \['CMD', BINARY, (.*)\]");
    let mut all: Vec<Started> = health.iter().map(|it| Started::of("cdk", &it[0])).collect();
    for files in [&["connect", "connector"][..], &["streams"], &["producer"]] {
        let text: String = files
            .iter()
            .map(|it| read(&format!("cdk/lib/{it}.ts")))
            .collect();
        let command = found(&text, r"command: \[(.*)\]").concat().concat();
        let constants = found(&text, r"const ([A-Z_]+) = '(.*)';");
        let literal = |value: &str| {
            let constant = constants.iter().find(|it| it[0] == value);
            match value
                .strip_prefix('\'')
                .and_then(|it| it.strip_suffix('\''))
            {
                Some(text) => Some(text.to_owned()),
                None => constant.map(|it| it[1].clone()),
            }
        };
        let objects = [&*text, &*every].into_iter().flat_map(|text| {
            found(
                text,
                r"(?m)(?:^ +|\{ )([A-Z][A-Z0-9_]{2,}): ('[^']*'|[^,\n]*),",
            )
        });
        let set = objects.map(|it| (it[0].clone(), literal(&it[1])));
        let clients = found(
            &text,
            r"environment\[`CONNECT_\$\{client\}(\w+)`\] = ('.*');",
        );
        let of_clients = clients.iter().flat_map(|it| {
            let prefixes = ["", "CONSUMER_", "PRODUCER_"].iter();
            prefixes.map(|prefix| (format!("CONNECT_{prefix}{}", it[0]), literal(&it[1])))
        });
        let started = Started::of(&format!("cdk, {}", files[0]), &command);
        all.push(
            started
                .with(set.collect::<Vec<_>>())
                .with(of_clients.collect::<Vec<_>>()),
        );
    }
    all
}

/// What the image says for whoever starts it: a variable of the stream processor, and how its health is asked for. The pipeline's
/// files make and push it, and start nothing.
fn image() -> Vec<Started> {
    let text = read("image/Dockerfile");
    let set = pairs(&text, r"(?m)^ENV ([A-Z_]+)=(.*)$");
    let set = set.into_iter().filter(|(name, _)| name != "PATH");
    let health = found(&text, r#"CMD \["/millstream", (.*)\]"#);
    assert_eq!(health.len(), 1);
    vec![
        Started::of("image/Dockerfile", "stream").with(set),
        Started::of("image/Dockerfile", &health[0][0]),
    ]
}

fn everything() -> Vec<Started> {
    let all = [compose(), kubernetes(), systemd(), cdk(), image()];
    all.into_iter().flatten().collect()
}

fn run(arguments: &[&str], variables: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments).env_clear().envs(variables);
    command.output().unwrap()
}

/// What the help of a command tells.
fn help(command: &str) -> String {
    let output = run(&[command, "--help"], &BTreeMap::new());
    assert!(output.status.success(), "there is no command {command}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the command reads it.
fn is_known(help: &str, command: &str, variable: &str) -> bool {
    let of_flags = found(help, r"\[env: ([A-Z0-9_]+)");
    if of_flags.iter().any(|name| name[0] == variable) {
        return true;
    }
    if discovery::NAMES.contains(&variable) || KEYS.contains(&variable) {
        return true;
    }
    let Some(key) = key_of(variable).filter(|_| command == "worker") else {
        return false;
    };
    let is_internal = helpers::INTERNAL.iter().any(|role| key.starts_with(role));
    is_internal || worker_keys().contains(&key) || helpers::names().any(|name| name == variable)
}

#[test]
fn the_binary_knows_every_variable_and_every_flag() {
    let mut counted = BTreeMap::<&str, usize>::new();
    let all = everything();
    for started in &all {
        let Started { place, command, .. } = started;
        let help = help(command);
        for flag in &started.flags {
            let is_there = found(&help, r"(--[a-z][a-z-]*)").contains(&vec![flag.clone()]);
            assert!(is_there, "{place}: {command} has no flag {flag}");
        }
        for variable in started.variables.keys() {
            let known = is_known(&help, command, variable);
            assert!(known, "{place}: {command} does not know {variable}");
        }
        *counted.entry(command).or_default() += started.variables.len() + started.flags.len();
    }
    // A pattern that no longer finds anything would find nothing wrong.
    let commands: Vec<&str> = counted.keys().copied().collect();
    assert_eq!(commands, ["healthcheck", "produce", "stream", "worker"]);
    assert!(counted["worker"] >= 80, "{counted:?}");
    assert!(
        counted["stream"] >= 20 && counted["produce"] >= 7,
        "{counted:?}"
    );
    assert!(!is_known(&help("worker"), "worker", "CONNECT_GROUPID"));
    assert!(!is_known(&help("stream"), "stream", "CONNECT_GROUP_ID"));
}

/// The table names each of them, for the command that reads it.
#[test]
fn the_readme_lists_every_variable_and_every_flag() {
    let text = read("README.md");
    let (_, table) = text.split_once("## Every variable and flag").unwrap();
    let rows = found(table, r"(?m)^\| (`.*?) \| (.*?) \| (.*?) \|$");
    let mut listed = BTreeMap::<String, String>::new();
    for row in rows {
        for name in found(&row[0], "`([^`]+)`") {
            listed.insert(name.concat(), row[1].clone());
        }
    }
    for started in everything() {
        let Started { place, command, .. } = &started;
        for name in started.variables.keys().chain(&started.flags) {
            let row = listed.get(name);
            let row = row.unwrap_or_else(|| panic!("{place}: README.md does not list {name}"));
            let for_all = row.starts_with("all") || row.starts_with("every");
            let is_right = for_all || row.contains(&format!("`{command}`"));
            assert!(
                is_right,
                "{place}: README.md says {row} reads {name}, not {command}"
            );
        }
    }
}

/// What a start would say of the values; each document of connectors is the one that stands beside its file.
#[test]
fn a_start_has_nothing_to_complain_of() {
    let documents = [
        ("compose.yaml, connect", "compose/connectors.json"),
        (
            "kubernetes/connect/deployment.yaml",
            "kubernetes/connect/connectors.json",
        ),
        ("systemd/worker.env", "compose/connectors.json"),
    ];
    let mut looked_at = 0;
    for started in everything() {
        let Started { place, command, .. } = &started;
        let is_part = place.contains("strimzi") || place.contains("image/");
        let is_whole = !is_part && ["worker", "stream"].contains(&&**command);
        if !is_whole {
            continue;
        }
        let mut variables = BTreeMap::new();
        for (name, value) in &started.variables {
            let value = value.clone().unwrap_or_else(|| stand_in(name));
            variables.insert(name.clone(), value);
        }
        if let Some((_, file)) = documents.iter().find(|(of, _)| of == place) {
            let file = deploy().join(file).display().to_string();
            assert!(
                variables.insert(BOOTSTRAP.to_owned(), file).is_some(),
                "{place}"
            );
        }
        let output = run(&["env", "--for", command, "--json"], &variables);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let notes = report["notes"].as_array().unwrap().iter();
        let complaints = notes
            .filter(|note| note["severity"] != "info")
            .filter(|note| {
                // The workshop's, which no worker has needed for years.
                let about = note["about"].as_str().unwrap_or_default();
                !about.starts_with("CONNECT_INTERNAL_")
            });
        let complaints: Vec<&Value> = complaints.collect();
        assert!(complaints.is_empty(), "{place}: {complaints:#?}");
        assert_eq!(report["ok"], true, "{place}");
        looked_at += 1;
    }
    assert_eq!(looked_at, 8);
}

/// For a value that is known where it is deployed.
fn stand_in(name: &str) -> String {
    let known = match name {
        "CONNECT_REST_ADVERTISED_HOST_NAME" => "10.0.0.1",
        "CONNECT_CONSUMER_AUTO_OFFSET_RESET" => "earliest",
        "MONGODB_URI" => "mongodb://localhost:27017",
        "REGION" => "eu-west-1",
        BOOTSTRAP => "ssm:/millstream/prod/connectors",
        // Topics have to be different ones.
        other => return format!("of-the-stack-{}", other.to_lowercase()),
    };
    known.to_owned()
}
