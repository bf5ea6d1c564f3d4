//! Signals: the first that asks for a stop begins an orderly one, a second ends the process at once; others ask for a
//! line about every task.

use std::fs;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that a second signal ended: 128 plus SIGTERM's number.
const TERMINATED: i32 = 143;

/// A token that SIGTERM, SIGINT or SIGHUP cancels. Call inside a runtime.
///
/// # Errors
/// If the handlers cannot be installed.
pub(crate) fn on_signal() -> io::Result<CancellationToken> {
    let mut stops = Any::of(&[
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ])?;
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        stops.next().await;
        tracing::info!("stopping; a second signal stops at once");
        stop.cancel();
        stops.next().await;
        std::process::exit(TERMINATED);
    });
    Ok(token)
}

/// Signals that ask a worker how it is: SIGQUIT, which makes a JVM say what its threads do, SIGUSR1 and SIGUSR2. None of
/// them ends the process, as each would without a handler.
pub(crate) fn questions() -> io::Result<Questions> {
    Any::of(&[
        SignalKind::quit(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ])
}

pub(crate) type Questions = Any;

/// Several signals taken for one.
pub(crate) struct Any(Vec<Signal>);

impl Any {
    /// What the one who started the process has chosen to ignore stays ignored, as with `nohup`.
    fn of(kinds: &[SignalKind]) -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let heard = kinds
            .iter()
            .filter(|kind| !is_ignored(&status, kind.as_raw_value()));
        heard
            .map(|kind| signal(*kind))
            .collect::<io::Result<_>>()
            .map(Any)
    }

    /// Returns with the next of them.
    pub(crate) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            match signals.any(|signal| signal.poll_recv(context).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}

/// Whether `/proc/self/status` says that a signal is ignored: a bit for each signal, the first for number 1.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c21_an_ignored_signal_stays_ignored() {
        // As under nohup: SIGHUP (1) and SIGPIPE (13).
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, 1) && is_ignored(status, 13));
        assert!(!is_ignored(status, 2) && !is_ignored(status, 15));
        assert!(!is_ignored("", 1));
    }
}
