//! First connectors: where their document is read, and what a start says of it.

use crate::aws::SharedAws;
use crate::cli::BootstrapArgs;
use crate::commands::Exit;
use crate::plugins;
use async_trait::async_trait;
use millstream_aws::discovery::remedy;
use millstream_aws::services::{ask, s3, ssm};
use millstream_aws::{CallError, Client};
use millstream_environment::{BOOTSTRAP_CONNECTORS, Place};
use millstream_worker::bootstrap::{self, read_document};
use millstream_worker::{BootstrapConnectors, ConnectorsSource, WorkerSettings};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// For one reading, the attempts of a call together. A start that has not read it by then goes on without.
const PATIENCE: Duration = Duration::from_secs(20);

/// Room for hundreds of connectors; a parameter holds 8 KiB.
const LONGEST: usize = 1024 * 1024;

/// The document at its place.
struct Document {
    place: Place,
    /// For what AWS keeps.
    client: Option<Arc<Client>>,
}

/// Reads the document for a start, if one is named.
///
/// # Errors
/// If a person has to change something before this worker can start: what is wrong with the place, the document or the
/// settings in it, all at once. A place that does not answer is none: the worker goes on asking.
pub(crate) async fn read(
    args: &BootstrapArgs,
    settings: &WorkerSettings,
    group: Option<&str>,
    aws: &SharedAws,
) -> Result<Option<BootstrapConnectors>, Exit> {
    let Some(text) = &args.bootstrap_connectors else {
        return Ok(None);
    };
    let place = Place::parse(text);
    let place =
        place.map_err(|why| Exit::misconfigured(format!("{BOOTSTRAP_CONNECTORS}: {why}")))?;
    let about = format!("{BOOTSTRAP_CONNECTORS} ({place})");
    let document = Document::at(place, aws).await?;
    let wanted = match document.read().await {
        Ok(text) => {
            let wanted = read_document(&text).map_err(|problems| refused(&about, &problems))?;
            let found = bootstrap::examine(settings, plugins::registry(), group, &wanted);
            let problems = found.await;
            if !problems.is_empty() {
                return Err(refused(&about, &problems));
            }
            Ok(wanted)
        }
        Err(why) if !document.place.is_remote() => return Err(refused(&about, &[why])),
        Err(why) => Err(why),
    };
    let connectors = BootstrapConnectors::new(about, Box::new(document), wanted);
    Ok(Some(connectors))
}

/// Each problem is a line of the log, and the end says how many there are.
fn refused(about: &str, problems: &[String]) -> Exit {
    for problem in problems {
        tracing::error!("{about}: {problem}");
    }
    Exit::misconfigured(format!(
        "{about} has {} problem(s); millstream env shows them without a start",
        problems.len()
    ))
}

/// What a start would say of a document in a file, without asking anybody; nothing of one that AWS keeps. Connectors are
/// looked into where the worker's own settings are right.
pub(crate) async fn problems(place: &Place, settings: Option<&WorkerSettings>) -> Vec<String> {
    if place.is_remote() {
        return Vec::new();
    }
    let document = Document {
        place: place.clone(),
        client: None,
    };
    let wanted = match document.read().await.map(|text| read_document(&text)) {
        Err(why) => return vec![why],
        Ok(Err(problems)) => return problems,
        Ok(Ok(wanted)) => wanted,
    };
    let Some(settings) = settings else {
        return Vec::new();
    };
    let group = settings.properties.get("group.id");
    bootstrap::examine(settings, plugins::registry(), group, &wanted).await
}

impl Document {
    async fn at(place: Place, aws: &SharedAws) -> Result<Self, Exit> {
        let client = match place.is_remote() {
            true => Some(aws.get().await?.client()?),
            false => None,
        };
        Ok(Document { place, client })
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        let read = match (&self.place, &self.client) {
            (Place::File(path), _) => return read_file(path).await,
            (Place::Parameter(name), Some(client)) => {
                let found = ask(client, ssm::get_parameter(name), ssm::parse_parameter).await;
                found.map(|value| value.reveal().as_bytes().to_vec())
            }
            (Place::Object { bucket, key }, Some(client)) => {
                let found = client.bytes(&s3::get_object(bucket, key)).await;
                found.map(|bytes| bytes.to_vec())
            }
            (_, None) => return Err("AWS is not asked".to_owned()),
        };
        read.map_err(|error| told(&error))
    }
}

fn told(error: &CallError) -> String {
    format!("{error}{}", remedy(error))
}

#[async_trait]
impl ConnectorsSource for Document {
    async fn read(&self) -> Result<Vec<u8>, String> {
        let read = tokio::time::timeout(PATIENCE, self.fetch()).await;
        let seconds = PATIENCE.as_secs();
        let text = read.unwrap_or_else(|_| Err(format!("no answer within {seconds} s")))?;
        match text.len() > LONGEST {
            true => Err(format!(
                "it is longer than {LONGEST} bytes; keep connectors alone in it"
            )),
            false => Ok(text),
        }
    }
}

async fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let read = tokio::fs::read(path).await;
    read.map_err(|error| {
        format!("the file cannot be read: {error}; put it there, or correct {BOOTSTRAP_CONNECTORS}")
    })
}
