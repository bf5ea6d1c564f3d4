//! `millstream standalone`: a worker on one node.

use super::CommandResult;
use crate::aws::SharedAws;
use crate::cli::StandaloneArgs;
use crate::launch::Surroundings;
use crate::logging::LogLevels;
use crate::{bootstrap, cause, launch, progress, shutdown};
use millstream_core::OffsetStore;
use millstream_distributed::{FileOffsets, FileOffsetsError};
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often each task writes a sign of life.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: StandaloneArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let text = fs::read(&args.worker)
        .map_err(|error| format!("cannot read {}: {error}", args.worker.display()))?;
    refuse_json(&args.worker, &text)?;
    let settings = WorkerSettings::from_file(&text)?;
    let settings = settings.with_kafka_opts(args.jvm.kafka_opts.as_deref());
    let settings = args.health.apply(settings);
    let offsets = offsets(&settings)?;
    let (board, health) = launch::health(&settings, &stop).await?;
    let aws = SharedAws::of_process();
    let reading = Box::pin(bootstrap::read(&args.bootstrap, &settings, None, &aws));
    let Some(to_create) = stop.run_until_cancelled(reading).await else {
        return Ok(());
    };
    let to_create = to_create?;
    let around = Surroundings {
        health: Some(health.clone()),
        ..Surroundings::of(aws)
    };
    let (start, counted) = launch::worker(settings, levels, data, stop.clone(), board, around);
    let started = Worker::start(WorkerStart {
        connector_files: args.connectors,
        bootstrap_connectors: to_create,
        offsets,
        ..start
    });
    let worker = match started.await {
        Ok(worker) => worker,
        Err(error) if cause::is_stop(&error) => return Ok(()),
        Err(error) => return Err(cause::of_start(&error).into()),
    };
    launch::announce(&worker);
    let questions = shutdown::questions()?;
    let progress = progress::log_every(
        PROGRESS_INTERVAL,
        counted.board.clone(),
        questions,
        stop.clone(),
    );
    let told = counted.tell(&worker, stop);
    tokio::join!(worker.ended(), progress, told);
    health.close().await;
    progress::log_end(&counted.board);
    Ok(())
}

/// The file of the offsets of sources, if the settings name one.
fn offsets(settings: &WorkerSettings) -> Result<Option<Arc<dyn OffsetStore>>, FileOffsetsError> {
    let Some(path) = &settings.config.offset_file else {
        return Ok(None);
    };
    Ok(Some(Arc::new(FileOffsets::open(path)?)))
}

/// A connector's file in the place of the worker's would be told to lack every key.
fn refuse_json(path: &Path, text: &[u8]) -> Result<(), String> {
    if !text.trim_ascii_start().starts_with(b"{") {
        return Ok(());
    }
    let path = path.display();
    Err(format!(
        "{path} is JSON; the first argument is the worker's properties file, connector files come after it: millstream standalone worker.properties {path}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_message_13_a_connector_is_no_worker() {
        let error = refuse_json(Path::new("s3.json"), b"\n {\"name\": 1}").expect_err("JSON");
        assert!(
            error.contains("standalone worker.properties s3.json"),
            "{error}"
        );
        assert_eq!(
            refuse_json(Path::new("w"), b"bootstrap.servers=a:1"),
            Ok(())
        );
    }
}
