//! What `millstream stream` would make of the variables.

use super::report::Report;
use crate::cli::{Cli, variables_of};
use crate::commands::stream::settings::StreamSettings;
use crate::{discovery, plugins};
use millstream_environment::discovery::{NAMES, REGION};
use millstream_environment::{Finder, Note, Origin, Resolved, Services, Variables};
use millstream_worker::config::WorkerConfigError;
use millstream_worker::spelling::closest;
use millstream_worker::validation::Validator;
use millstream_worker::{Worker, WorkerSettings};
use std::sync::Arc;

const WHERE: &str = "millstream stream --help has what it takes";

pub(super) async fn report(variables: &Variables) -> Report {
    let mut report = Report::new("stream");
    let open = match Cli::stream_by_variables() {
        Ok(args) => discovery::open_of_stream(&args),
        Err(_) => Vec::new(),
    };
    let services = Services::read(variables);
    let sought = |variable: &str| match variable {
        "KAFKA_BOOTSTRAP_SERVERS" => Some(Finder::Brokers),
        "MONGODB_URI" => Some(Finder::Database),
        _ => None,
    };
    for (name, default) in Cli::stream_defaults() {
        match (variables.get(&name), default) {
            (Some(value), _) => report.setting(&*name, &Resolved::of_variable(&name, value)),
            (None, Some(default)) => {
                report.setting(&*name, &Resolved::new(default, Origin::Default))
            }
            (None, None) => {
                if let Some(finder) = sought(&name).filter(|finder| open.contains(finder)) {
                    report.open(name, services.way(finder).unwrap_or_default());
                }
            }
        }
    }
    if let Some(region) = services
        .region
        .filter(|region| region.from != Origin::Variable(REGION[0].to_owned()))
    {
        report.setting(REGION[0], &region);
    }
    misspelt(variables, &mut report);
    examine(&mut report).await;
    report
}

fn misspelt(variables: &Variables, report: &mut Report) {
    let known = variables_of("stream");
    let names = variables.iter().map(|(name, _)| name);
    let known = known.iter().map(String::as_str).chain(NAMES);
    let known: Vec<&str> = known.collect();
    for name in names.filter(|name| !known.contains(name)) {
        if let Some(meant) = closest(name, known.iter().copied()) {
            let note = Note::warning(name, "is not read");
            report.note(note.with_remedy(format!("did you mean {meant}?")));
        }
    }
}

/// The same checks as at the start, with something in the place of what is still to be found.
async fn examine(report: &mut Report) {
    let mut args = match Cli::stream_by_variables() {
        Ok(args) => args,
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let text = first.trim_start_matches("error: ").to_owned();
            return report.note(Note::problem("", text).with_remedy(WHERE));
        }
    };
    for finder in discovery::open_of_stream(&args) {
        match finder {
            Finder::Brokers => args.bootstrap_servers = Some("to.be.found:9092".to_owned()),
            Finder::Database => args.mongodb_uri = Some("mongodb://to.be.found:27017".to_owned()),
            Finder::AdvertisedHost => {}
        }
    }
    let settings = match StreamSettings::read_all(&args) {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems {
                report.note(Note::problem("", problem).with_remedy(WHERE));
            }
            return;
        }
    };
    for warning in &settings.warnings {
        report.note(Note::warning("", warning));
    }
    let mut problem = |text: &str| {
        let text = settings.in_typed_words(text);
        report.note(Note::problem("", text).with_remedy(WHERE));
    };
    let worker = match WorkerSettings::quiet(settings.worker.clone()) {
        Ok(worker) => worker.with_values(
            crate::commands::stream::settings::PROVIDER,
            settings.secrets.clone(),
        ),
        Err(WorkerConfigError(errors)) => return errors.iter().for_each(|error| problem(error)),
    };
    let (errors, _) = Worker::examine(&worker, plugins::registry());
    errors.iter().for_each(|error| problem(error));
    // Such an address is looked up to be understood.
    if args
        .mongodb_uri
        .is_some_and(|uri| uri.starts_with("mongodb+srv:"))
    {
        return;
    }
    let validator = Validator {
        registry: Arc::new(plugins::registry()),
        worker: Arc::new(worker),
        group: None,
    };
    match validator.validate(&settings.connector).await {
        Ok(validated) => {
            if let Err(invalid) = validated.accepted() {
                invalid.messages().lines().for_each(&mut problem);
            }
        }
        Err(error) => problem(&error.to_string()),
    }
}
