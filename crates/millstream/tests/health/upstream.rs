//! A worker that answers as a script says, by exact path, and notes what it was asked.

use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Upstream {
    pub(crate) port: u16,
    calls: Arc<Mutex<Vec<Json>>>,
    /// Ends with this.
    _serving: JoinSet<()>,
}

impl Upstream {
    /// Each entry of the script has a path, a status and a body or a text; it may demand who asks.
    pub(crate) async fn start(script: Vec<Json>) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::<Mutex<Vec<Json>>>::default();
        let (noted, script) = (calls.clone(), Arc::new(script));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, script.clone(), noted.clone()));
            }
        });
        Upstream {
            port,
            calls,
            _serving: serving,
        }
    }

    pub(crate) fn calls(&self) -> Vec<Json> {
        self.calls.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Vec<Json>>, calls: Arc<Mutex<Vec<Json>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut given = lines.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let given = given.next().map(|(_, value)| value);
    let mut call = json!({"method": method, "path": path});
    if let Some(given) = given {
        call["authorization"] = given.into();
    }
    calls.lock().unwrap().push(call);
    let entry = script.iter().find(|entry| entry["path"] == path);
    let (status, body) = match entry {
        None => (
            404,
            json!({"error_code": 404, "message": "HTTP 404 Not Found"}).to_string(),
        ),
        Some(entry) if entry.get("hangs").is_some() => return std::future::pending().await,
        Some(entry)
            if entry["auth"]
                .as_str()
                .is_some_and(|wanted| Some(wanted) != given) =>
        {
            (401, json!({"error_code": 401, "message": "x"}).to_string())
        }
        Some(entry) => {
            let text = entry["text"].as_str().map(str::to_owned);
            let body = text.unwrap_or_else(|| entry["body"].to_string());
            (entry["status"].as_u64().unwrap(), body)
        }
    };
    let answer = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
