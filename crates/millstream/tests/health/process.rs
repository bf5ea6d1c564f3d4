//! The binary as a child process, and requests as bytes: what stands in an answer counts, and so does its form.

use std::fs::{self, File};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub(crate) fn start(arguments: &[&str], env: &[(&str, &str)], log: PathBuf) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HEALTHCHECK_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(arguments)
            .env_remove("RUST_LOG")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Process { child, log }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The address that a line of the log tells, once it is there.
    pub(crate) async fn address(&mut self, mark: &str) -> SocketAddr {
        until(mark, || {
            let log = self.log();
            let has_ended = self.child.try_wait().unwrap().is_some();
            let line = log.lines().find(|line| line.contains(mark));
            let address = line.and_then(|line| line.split("address=").nth(1)?.trim().parse().ok());
            assert!(address.is_some() || !has_ended, "it ended:\n{log}");
            async move { address }
        })
        .await
    }

    /// Where its health port is.
    pub(crate) async fn health(&mut self) -> SocketAddr {
        self.address("health port is open").await
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success(), "kill {name} {pid}");
    }

    /// The exit code, once it has ended.
    pub(crate) async fn ended(&mut self) -> i32 {
        until("the end of the process", || {
            let status = self.child.try_wait().unwrap();
            async move { status.map(|status| status.code().unwrap_or(-1)) }
        })
        .await
    }
}

/// Looks until there is something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Asks at a port of this machine; `None` while nobody answers.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str) -> Option<Answer> {
    ask_as(address, method, path, "").await
}

/// The same with further lines in the head.
pub(crate) async fn ask_as(
    address: SocketAddr,
    method: &str,
    path: &str,
    more: &str,
) -> Option<Answer> {
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let mut stream = TcpStream::connect(here).await.ok()?;
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Answer {
        status,
        headers: headers.collect(),
        body: body.to_owned(),
    })
}

/// Waits until the path is answered so.
pub(crate) async fn until_status(address: SocketAddr, path: &str, status: u16) -> Answer {
    until(&format!("{status} at {path}"), || async move {
        let answer = ask(address, "GET", path).await;
        answer.filter(|answer| answer.status == status)
    })
    .await
}

/// Settings of a worker as a file.
pub(crate) fn properties(folder: &Path, name: &str, settings: &[(&str, &str)]) -> String {
    let lines = settings
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"));
    let path = folder.join(name);
    fs::write(&path, lines.collect::<String>()).unwrap();
    path.display().to_string()
}

/// What `healthcheck --once` ends with, and what it writes.
pub(crate) async fn once(arguments: &[&str], folder: &Path) -> (i32, String) {
    let arguments: Vec<&str> = ["healthcheck"].iter().chain(arguments).copied().collect();
    let mut process = Process::start(&arguments, &[], folder.join("once.log"));
    (process.ended().await, process.log())
}
