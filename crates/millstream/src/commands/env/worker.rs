//! What `millstream worker` would make of the variables.

use super::report::Report;
use crate::{environment, plugins};
use millstream_core::Properties;
use millstream_environment::logging::ROOT_LEVEL;
use millstream_environment::names::{key_of, variable_of};
use millstream_environment::{ConnectEnvironment, Note, Origin, Resolved, Variables};
use millstream_kafka::{ClientSettings, ConsumerSettings, ProducerSettings, Role, warnings};
use millstream_worker::config::WorkerConfigError;
use millstream_worker::{TaskId, Worker, WorkerSettings, client_settings};

const WHERE: &str = "docs/configuration/worker.md has what it takes";

/// What there is to tell, and the worker's settings if they are right.
pub(super) fn report(variables: &Variables) -> (Report, Option<WorkerSettings>) {
    let environment = ConnectEnvironment::read(variables);
    let mut report = Report::new("worker");
    for (key, value) in environment.settings() {
        report.setting(key, value);
    }
    for (missing, finder) in environment.open() {
        let key = key_of(missing.variable).unwrap_or_default();
        let way = environment.services.way(finder);
        report.open(key, way.unwrap_or_default());
    }
    services(&environment, &mut report);
    for (name, value) in &environment.preflight.settings {
        report.setting(*name, value);
    }
    log(variables, &environment, &mut report);
    for note in environment::notes(variables, &environment) {
        report.note(note);
    }
    for missing in environment.lacking() {
        let note = Note::problem(missing.variable, missing.message());
        let way = match missing.variable {
            "CONNECT_BOOTSTRAP_SERVERS" => {
                ", or NAMESPACE and MSK_SERVICE, by which brokers are found"
            }
            _ => "",
        };
        report.note(note.with_remedy(format!("set {}{way}", missing.variable)));
    }
    let settings = examine(variables, &environment, &mut report);
    (report, settings)
}

/// The names to ask for, where there is something to be asked.
fn services(environment: &ConnectEnvironment, report: &mut Report) {
    let services = &environment.services;
    let named = [
        ("NAMESPACE", &services.namespace),
        ("MSK_SERVICE", &services.kafka),
        ("REGION", &services.region),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            report.setting(name, value);
        }
    }
}

fn log(variables: &Variables, environment: &ConnectEnvironment, report: &mut Report) {
    let own = |name: &str| {
        let value = variables.get(name)?;
        Some(Resolved::of_variable(name, value))
    };
    let root = own("LOG_LEVEL").or_else(|| environment.log.root.clone());
    let root = root.or_else(|| own("RUST_LOG"));
    let root = root.unwrap_or_else(|| Resolved::new("INFO", Origin::Default));
    report.setting("log level", &root);
    for (logger, level) in &environment.log.loggers {
        let from = Resolved::of_variable(millstream_environment::logging::LOGGERS, level);
        report.setting(format!("log level of {logger}"), &from);
    }
    let format = own("LOG_FORMAT").unwrap_or_else(|| Resolved::new("text", Origin::Default));
    report.setting("log format", &format);
    if let (Some(level), Some(root)) = (own("LOG_LEVEL"), &environment.log.root)
        && level.value != root.value
    {
        report.note(Note::info(ROOT_LEVEL, "has no effect: LOG_LEVEL is set"));
    }
}

/// The same checks as at the start, with something in the place of what is not known.
fn examine(
    variables: &Variables,
    environment: &ConnectEnvironment,
    report: &mut Report,
) -> Option<WorkerSettings> {
    let mut properties = environment.properties();
    let lacking = environment.lacking().map(|missing| missing.variable);
    let open = environment.open().map(|(missing, _)| missing.variable);
    for key in lacking.chain(open).filter_map(key_of) {
        let value = stand_in(&key);
        properties.insert(key, value);
    }
    let words = Words(environment);
    let (settings, _) = match WorkerSettings::of_cluster_properties(properties) {
        Ok(read) => read,
        Err(WorkerConfigError(errors)) => {
            errors
                .iter()
                .for_each(|error| report.note(words.problem(error)));
            return None;
        }
    };
    let settings = settings.with_kafka_opts(variables.get("KAFKA_OPTS"));
    let (errors, warnings) = Worker::examine(&settings, plugins::registry());
    errors
        .iter()
        .for_each(|error| report.note(words.problem(error)));
    for (key, text) in warnings.lines() {
        let note = words.warning(key, text);
        if !report.says_of(&note.about) {
            report.note(note);
        }
    }
    if warnings.more() > 0 {
        let text = format!("{} more settings like these", warnings.more());
        report.note(Note::warning("", text));
    }
    clients(&settings, &words, report);
    Some(settings)
}

/// The settings of the clients that work for connectors, as those without overrides would have them.
fn clients(settings: &WorkerSettings, words: &Words<'_>, report: &mut Report) {
    let (none, task) = (Properties::new(), TaskId::new("connector", 0));
    let consumer = client_settings::consumer(settings, &none, &task);
    let producer = client_settings::dead_letter_producer(settings, &none, &task);
    let admin = client_settings::dead_letter_admin(settings, &none, &task);
    let outcomes = [
        (
            "",
            ClientSettings::from_properties(&settings.properties).err(),
        ),
        (
            "consumer.",
            ConsumerSettings::from_properties(&consumer).err(),
        ),
        (
            "producer.",
            ProducerSettings::from_properties(&producer).err(),
        ),
        ("admin.", ClientSettings::from_properties(&admin).err()),
    ];
    for (prefix, errors) in outcomes {
        for error in errors.into_iter().flat_map(|errors| errors.0) {
            report.note(words.problem_of(prefix, &error));
        }
    }
    for (prefix, role) in [
        ("consumer.", Role::Consumer),
        ("producer.", Role::Producer),
        ("admin.", Role::Admin),
    ] {
        for warning in warnings(&settings.properties.with_prefix(prefix), role) {
            let note = words.warning(&format!("{prefix}{}", warning.key), &warning.text);
            if !report.says_of(&note.about) {
                report.note(note);
            }
        }
    }
}

/// What passes every check in the place of a value.
fn stand_in(key: &str) -> String {
    match key {
        "bootstrap.servers" => "to.be.found:9092".to_owned(),
        "key.converter" | "value.converter" => {
            "org.apache.kafka.connect.storage.StringConverter".to_owned()
        }
        _ => format!("to-be-set.{key}"),
    }
}

/// Messages about keys, put into the names of the variables that were set.
struct Words<'a>(&'a ConnectEnvironment);

impl Words<'_> {
    fn problem(&self, error: &str) -> Note {
        self.problem_of("", error)
    }

    /// The key that an error names is that of a client whose settings have a prefix.
    fn problem_of(&self, prefix: &str, error: &str) -> Note {
        let named = self.named(prefix, error);
        // An admin client has the worker's own settings where none are set for it.
        let named = named.or_else(|| self.named("", error));
        let about = named.map_or_else(String::new, |key| self.variable(key));
        let remedy = match about.is_empty() {
            true => WHERE.to_owned(),
            false => format!("correct {about}; {WHERE}"),
        };
        Note::problem(about, error).with_remedy(remedy)
    }

    /// The longest key that stands in a text without its prefix.
    fn named(&self, prefix: &str, text: &str) -> Option<&str> {
        let keys = self.0.settings().keys();
        let named = keys.filter_map(|key| Some((key, key.strip_prefix(prefix)?)));
        let named = named.filter(|(_, name)| !name.is_empty() && is_word_of(text, name));
        let longest = named.max_by_key(|(_, name)| name.len());
        longest.map(|(key, _)| key.as_str())
    }

    fn warning(&self, key: &str, text: &str) -> Note {
        const MEANT: &str = "did you mean ";
        let about = self.variable(key);
        match text.split_once(MEANT) {
            Some((before, meant)) => {
                let meant = meant.trim_end_matches('?');
                let meant = variable_of(meant).unwrap_or_else(|| meant.to_owned());
                let note = Note::warning(about, before.trim_end_matches([';', ' ']));
                note.with_remedy(format!("{MEANT}{meant}?"))
            }
            None => Note::warning(about, text),
        }
    }

    /// The variable that a key is from, or that would stand for it.
    fn variable(&self, key: &str) -> String {
        let from = self.0.settings().get(key).map(|value| &value.from);
        match from {
            Some(Origin::Variable(name)) => name.clone(),
            Some(Origin::Inherited(other)) if other != key => self.variable(other),
            _ => variable_of(key).unwrap_or_else(|| key.to_owned()),
        }
    }
}

/// Whether a key stands in a text by itself, not as a part of a longer one.
fn is_word_of(text: &str, key: &str) -> bool {
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.match_indices(key).any(|(at, _)| {
        let behind = text[at + key.len()..].trim_start_matches('.');
        !text[..at].ends_with(is_key) && !behind.starts_with(is_key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 8] = [
        ("CONNECT_BOOTSTRAP_SERVERS", "b:1"),
        ("CONNECT_GROUP_ID", "g"),
        ("CONNECT_CONFIG_STORAGE_TOPIC", "c"),
        ("CONNECT_OFFSET_STORAGE_TOPIC", "o"),
        ("CONNECT_STATUS_STORAGE_TOPIC", "s"),
        (
            "CONNECT_KEY_CONVERTER",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        (
            "CONNECT_VALUE_CONVERTER",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("CONNECT_REST_ADVERTISED_HOST_NAME", "me"),
    ];

    /// The notes about what is not as it should be: severity, about and remedy.
    fn notes(pairs: &[(&str, &str)]) -> Vec<String> {
        let (report, _) = report(&pairs.iter().copied().collect());
        let json = report.json();
        let notes = json["notes"].as_array().expect("notes");
        let text = |note: &serde_json::Value, name: &str| {
            note[name].as_str().unwrap_or_default().to_owned()
        };
        notes
            .iter()
            .filter(|note| note["severity"] != "info")
            .map(|note| {
                format!(
                    "{} {}: {}",
                    text(note, "severity"),
                    text(note, "about"),
                    text(note, "remedy")
                )
            })
            .collect()
    }

    fn whole(more: &[(&str, &str)]) -> Vec<String> {
        notes(&[&WHOLE[..], more].concat())
    }

    #[test]
    fn nothing_is_wrong_with_what_the_image_asks_for() {
        assert_eq!(whole(&[]), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_told_at_once_by_its_variable_with_a_remedy() {
        let found = whole(&[
            ("CONNECT_GROUP_ID", ""),
            ("CONNECT_OFFSET_FLUSH_INTERVAL_MS", "soon"),
            ("CONNECT_KEY_CONVERTER", "com.example.Nope"),
            ("CONNECT_CUB_KAFKA_TIMEOUT", "x"),
        ]);
        let problems: Vec<&String> = found
            .iter()
            .filter(|it| it.starts_with("problem"))
            .collect();
        let about = |name: &str| {
            problems
                .iter()
                .any(|it| it.starts_with(&format!("problem {name}: ")))
        };
        for name in [
            "CONNECT_GROUP_ID",
            "CONNECT_OFFSET_FLUSH_INTERVAL_MS",
            "CONNECT_CUB_KAFKA_TIMEOUT",
        ] {
            assert!(about(name), "{name}: {found:?}");
        }
        let found = whole(&[("CONNECT_KEY_CONVERTER", "com.example.Nope")]);
        assert!(
            found[0].starts_with("problem CONNECT_KEY_CONVERTER: correct"),
            "{found:?}"
        );
        let found = whole(&[("CONNECT_LISTENERS", "ftp://x:1")]);
        assert!(
            found[0].starts_with("problem CONNECT_LISTENERS: correct"),
            "{found:?}"
        );
        // One problem of the worker, of consumers and producers, which inherit it, and of admin clients.
        let found = whole(&[("CONNECT_SECURITY_PROTOCOL", "TLS")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("problem CONNECT_SECURITY_PROTOCOL: correct"),
            "{found:?}"
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_told_once_and_by_variables() {
        let found = whole(&[
            ("CONNECT_CONSUMER_MAX_POL_RECORDS", "1"),
            ("CONNECT_REST_ADVERTISED_HOSTNAME", "x"),
        ]);
        assert_eq!(
            found,
            [
                "warning CONNECT_CONSUMER_MAX_POL_RECORDS: did you mean CONNECT_CONSUMER_MAX_POLL_RECORDS?",
                "warning CONNECT_REST_ADVERTISED_HOSTNAME: did you mean CONNECT_REST_ADVERTISED_HOST_NAME?",
            ]
        );
    }

    #[test]
    fn what_would_be_asked_is_told_and_is_no_problem() {
        let pairs = [
            &WHOLE[1..7],
            &[("MSK_SERVICE", "KafkaSvc"), ("NAMESPACE", "ns")],
        ]
        .concat();
        assert_eq!(notes(&pairs), Vec::<String>::new());
        let json = report(&pairs.into_iter().collect()).0.json();
        let settings = json["settings"].as_array().expect("settings");
        let open = settings.iter().find(|it| it["name"] == "bootstrap.servers");
        let open = open.expect("the brokers are open");
        assert!(open["value"].is_null() && open["from"].is_null());
        assert!(
            open["open"]
                .as_str()
                .is_some_and(|way| way.contains("Cloud Map")),
            "{open}"
        );
    }
}
