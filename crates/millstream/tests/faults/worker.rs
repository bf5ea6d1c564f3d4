//! The binary as a child process: started with a free port, its log kept in a file, killed when dropped.

use crate::rest::{self, Task};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(40);

pub(crate) struct Worker {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    /// Starts it and waits for its REST API.
    pub(crate) async fn start(arguments: &[&str], env: &[(&str, &str)], log: PathBuf) -> Worker {
        let command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        Worker::launch(command, arguments, env, log).await
    }

    /// The same where no more than so many files may be open, and the process cannot raise that itself.
    pub(crate) async fn start_with_files(limit: usize, arguments: &[&str], log: PathBuf) -> Worker {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_millstream")]);
        Worker::launch(command, arguments, &[], log).await
    }

    async fn launch(
        command: Command,
        arguments: &[&str],
        env: &[(&str, &str)],
        log: PathBuf,
    ) -> Worker {
        let mut child = spawn(command, arguments, env, &log);
        let address = {
            let (log, child) = (log.clone(), &mut child);
            until("the REST API", || {
                assert!(
                    child.try_wait().unwrap().is_none(),
                    "the worker ended:\n{}",
                    read(&log)
                );
                let address = ready_address(&read(&log));
                async move { address }
            })
            .await
        };
        Worker {
            child,
            address,
            log,
        }
    }

    /// Starts it and waits for nothing.
    pub(crate) fn launched(arguments: &[&str], env: &[(&str, &str)], log: PathBuf) -> Worker {
        Worker {
            child: spawn(
                Command::new(env!("CARGO_BIN_EXE_millstream")),
                arguments,
                env,
                &log,
            ),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
        }
    }

    /// Runs it until it ends by itself: its exit code and its log.
    pub(crate) async fn run(
        arguments: &[&str],
        env: &[(&str, &str)],
        log: PathBuf,
    ) -> (i32, String) {
        let mut worker = Worker::launched(arguments, env, log);
        (worker.ended().await, worker.log())
    }

    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// What it has written to the standard output, which is no part of the log.
    pub(crate) fn output(&self) -> String {
        read(&self.log.with_extension("out"))
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        until(&format!("an answer to {method} {path}"), || {
            rest::send(self.address, method, path, body)
        })
        .await
    }

    /// Creates a connector.
    pub(crate) async fn create(&self, name: &str, config: &Value) {
        let body = json!({"name": name, "config": config});
        let (status, answer) = self.request("POST", "/connectors", Some(&body)).await;
        assert!(status.is_success(), "{status}: {answer}");
    }

    pub(crate) async fn task(&self, connector: &str) -> Task {
        let path = format!("/connectors/{connector}/status");
        let (_, status) = self.request("GET", &path, None).await;
        Task::of(&status)
    }

    /// Waits for a task that fits; on failure says how it was last.
    pub(crate) async fn task_until(
        &self,
        connector: &str,
        what: &str,
        fits: impl Fn(&Task) -> bool,
    ) -> Task {
        let mut last = Task::default();
        let deadline = Instant::now() + PATIENCE;
        let mut looks = looks();
        while Instant::now() < deadline {
            looks.tick().await;
            last = self.task(connector).await;
            if fits(&last) {
                return last;
            }
        }
        panic!("no task {what}; it is {last:?}\n{}", self.log());
    }

    /// The most memory that the process has had resident so far, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        self.memory_of("VmHWM:")
    }

    /// The memory that it has resident now.
    pub(crate) fn resident_memory(&self) -> usize {
        self.memory_of("VmRSS:")
    }

    fn memory_of(&self, what: &str) -> usize {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with(what));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Files and sockets that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        open.count()
    }

    /// What each of them is: a path, or the kind and number of a socket.
    pub(crate) fn descriptor_targets(&self) -> Vec<String> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.map(|target| target.display().to_string()).collect()
    }

    /// What the system tells of the process.
    pub(crate) fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// A metric, all tasks together.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.request("GET", "/metrics", None).await;
        let lines = text.as_str().unwrap_or_default().lines();
        lines
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Records that the tasks' consumers have delivered.
    pub(crate) async fn records_read(&self) -> u64 {
        self.metric("kafka_connect_sink_task_metrics_sink_record_read_total")
            .await
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success(), "kill {name} {pid}");
    }

    /// The exit code, once it has ended.
    pub(crate) async fn ended(&mut self) -> i32 {
        until("the worker's end", || {
            let code = self
                .child
                .try_wait()
                .unwrap()
                .map(|s| s.code().unwrap_or(-1));
            async move { code }
        })
        .await
    }
}

fn spawn(mut command: Command, arguments: &[&str], env: &[(&str, &str)], log: &PathBuf) -> Child {
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        // Many of them run on one machine.
        .env("HEALTHCHECK_PORT", "off")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(File::create(log.with_extension("out")).unwrap())
        .stderr(File::create(log).unwrap())
        .spawn()
        .unwrap()
}

/// Looks until there is something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = looks();
    loop {
        looks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
    }
}

fn looks() -> tokio::time::Interval {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn read(log: &PathBuf) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// Where the API is: a worker's log says so, and the demo how to ask it.
fn ready_address(log: &str) -> Option<SocketAddr> {
    let behind = |line: &str, mark: &str| {
        let rest = line.split(mark).nth(1)?;
        rest.split(['/', '"']).next()?.trim().parse().ok()
    };
    log.lines().find_map(|line| {
        if line.contains("REST API is ready") {
            let json = behind(line, "\"address\":\"");
            json.or_else(|| behind(line, "address="))
        } else {
            behind(line, "curl http://")
        }
    })
}
