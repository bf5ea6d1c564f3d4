//! A cluster, a folder, and the process that is run in it; and TLS before a broker that speaks none.

use millstream_embedded::broker::{Broker, BrokerSettings};
use millstream_embedded::tls::TlsFront;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a line as it is typed; texts with blanks stand in `more`.
pub(crate) async fn run(folder: &Path, line: &str, more: &[&str], input: &str) -> Ended {
    run_with(folder, &[], line, more, input).await
}

/// As `run`, with these variables and no others.
pub(crate) async fn run_with(
    folder: &Path,
    variables: &[(&str, &str)],
    line: &str,
    more: &[&str],
    input: &str,
) -> Ended {
    let words: Vec<String> = line
        .split_whitespace()
        .chain(more.iter().copied())
        .map(str::to_owned)
        .collect();
    let variables: Vec<(String, String)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (folder, input) = (folder.to_owned(), input.to_owned());
    let work = move || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(&words)
            .current_dir(folder)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended before.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A cluster and a folder with the workshop's client.properties, but for the TLS.
pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) servers: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Stage::of(BrokerSettings::of_nodes(3)).await
    }

    pub(crate) async fn of(settings: BrokerSettings) -> Self {
        let broker = Broker::start(settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = "# as in the workshop\nsecurity.protocol=PLAINTEXT\n";
        std::fs::write(folder.path().join("client.properties"), file).unwrap();
        let servers = broker.bootstrap();
        Stage {
            broker,
            servers,
            folder,
        }
    }

    pub(crate) async fn run(&self, line: &str) -> Ended {
        self.with(line, &[], "").await
    }

    pub(crate) async fn with(&self, line: &str, more: &[&str], input: &str) -> Ended {
        let line = format!("{line} --bootstrap-server {}", self.servers);
        run(self.folder.path(), &line, more, input).await
    }

    /// What a command prints that is to succeed.
    pub(crate) async fn out(&self, line: &str) -> String {
        let ended = self.run(line).await;
        assert_eq!(ended.code, 0, "{line}: {ended:?}");
        ended.out
    }
}

/// The folder with the certificate of `tls_front`, and with that of the authority behind it.
pub(crate) const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/tls");

/// Takes TLS off what comes for a server, as `localhost` and 127.0.0.1; it ends with this value.
pub(crate) async fn tls_front(server: SocketAddr) -> TlsFront {
    let pem = std::fs::read(Path::new(CERTIFICATES).join("here.pem")).unwrap();
    let any = ([127, 0, 0, 1], 0).into();
    TlsFront::start(any, server, &pem).await.unwrap()
}
