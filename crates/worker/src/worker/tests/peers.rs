//! Other workers: an HTTP server that answers what it is told to, and a group that says what it is told to.

use crate::cluster::{
    Assignment, Cluster, ConfigRecord, ConfigStore, GroupEvent, GroupHealth, GroupProtocol, Leader,
    Membership, MemoryConfigStore, MemoryStatusStore, Owners, Snapshot, Work,
};
use crate::tls::ServerTls;
use async_trait::async_trait;
use millstream_core::Properties;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// What a peer was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method, path and query.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

type Answers = Arc<dyn Fn(&Asked) -> String + Send + Sync>;

pub(super) struct Peer {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    /// Answers with the text, which is a status line, headers and a body.
    pub(super) async fn new(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        Peer::over(None, answer).await
    }

    pub(super) async fn over(
        tls: Option<ServerTls>,
        answer: impl Fn(&Asked) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer: Answers = Arc::new(answer);
        let heard = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, answer, tls) = (heard.clone(), answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &heard, &answer).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => talk(stream, &heard, &answer).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Peer { address, asked }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request and its answer.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    heard: &Mutex<Vec<Asked>>,
    answer: &Answers,
) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            break (String::from_utf8(bytes).ok()?, body);
        }
    };
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut asked = Asked {
        line,
        headers: headers.collect(),
        body: String::new(),
    };
    let length = asked.header("content-length").unwrap_or("0").parse().ok()?;
    while body.len() < length {
        stream.read_buf(&mut body).await.ok()?;
    }
    asked.body = String::from_utf8(body).ok()?;
    let text = answer(&asked);
    heard.lock().unwrap().push(asked);
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// An answer in JSON.
pub(super) fn json(status: &str, body: &str) -> String {
    answer(status, "application/json", body)
}

pub(super) fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Says what the test wants, once it is asked to join and whenever the test has something to say.
pub(super) struct Puppet {
    said: mpsc::Receiver<GroupEvent>,
    assignment: Assignment,
    snapshot: Snapshot,
    joins: bool,
    pub(super) group_health: watch::Sender<GroupHealth>,
}

impl Puppet {
    /// Whoever leads: this worker with so many others, or one of them.
    pub(super) fn new(leader: Leader) -> (Self, mpsc::Sender<GroupEvent>) {
        let (say, said) = mpsc::channel(8);
        let puppet = Puppet {
            said,
            assignment: Assignment {
                generation: 1,
                leader,
                work: Some(Work::default()),
                ..Assignment::default()
            },
            snapshot: Snapshot::default(),
            joins: false,
            group_health: watch::Sender::new(GroupHealth::default()),
        };
        (puppet, say)
    }

    pub(super) fn speaking(mut self, protocol: GroupProtocol) -> Self {
        self.assignment.protocol = protocol;
        self
    }

    /// With what is in the log already.
    pub(super) fn cluster(self, records: Vec<ConfigRecord>) -> Cluster {
        let mut configs = MemoryConfigStore::default();
        configs.write(0, records);
        Cluster {
            configs: Box::new(configs),
            statuses: Box::<MemoryStatusStore>::default(),
            group_health: self.group_health.subscribe(),
            membership: Box::new(self),
        }
    }
}

#[async_trait]
impl Membership for Puppet {
    fn observe(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    fn rejoin(&mut self) {
        self.joins = true;
    }

    fn released(&mut self, _number: u64) {}

    fn submit(&mut self, _number: u64, _name: Arc<str>, _configs: Vec<Properties>) {}

    fn leave(&mut self) {}

    async fn next(&mut self) -> GroupEvent {
        if std::mem::take(&mut self.joins) {
            let position = self.snapshot.position;
            return GroupEvent::Assigned(Assignment {
                position,
                ..self.assignment.clone()
            });
        }
        match self.said.recv().await {
            Some(event) => event,
            None => pending().await,
        }
    }
}

/// This worker leads others, who run nothing.
pub(super) fn leading(others: &[&str]) -> Leader {
    Leader::Here(Owners {
        others: others.iter().map(|url| (*url).into()).collect(),
        ..Owners::default()
    })
}
