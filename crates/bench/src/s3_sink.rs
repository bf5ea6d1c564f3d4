//! An S3 that takes everything and keeps nothing: multipart calls are answered at once, lines are counted.
//! `GET /stats` tells `bench/run` how far a worker is; `GET /wait?objects=N` tells it, too, once there are so many.

use crate::Failure;
use rustix::net::{RecvFlags, recv};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// S3's own limit for one part is 5 GiB; a worker under test sends parts of 5 MiB.
const MAX_BODY: usize = 1 << 30;

/// How long a request waits for objects; who asked asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Room for the head of a request, beside the copy of a body that is looked at.
const HEAD: usize = 1 << 12;
const COPIED: usize = 1 << 18;

#[derive(Default)]
struct Stats {
    /// Whether bodies are thrown away unseen.
    discards: bool,
    lines: AtomicU64,
    bytes: AtomicU64,
    objects: Mutex<u64>,
    stored: Condvar,
}

impl Stats {
    fn add_object(&self) {
        *self.objects.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.stored.notify_all();
    }

    /// How many objects there are, once there are `goal` or it has taken long.
    fn objects(&self, goal: u64) -> u64 {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let is_short = |objects: &mut u64| *objects < goal;
        let waited = self
            .stored
            .wait_timeout_while(objects, LONGEST_WAIT, is_short);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

pub(crate) fn run(port: u16, discards: bool) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let stats = Arc::new(Stats {
        discards,
        ..Stats::default()
    });
    for stream in listener.incoming() {
        let (stream, stats) = (stream?, Arc::clone(&stats));
        // A worker keeps as many connections as it has uploads in flight; each ends with its thread.
        std::thread::spawn(move || serve(stream, &stats));
    }
    Ok(())
}

struct Request {
    method: String,
    target: String,
    headers: HashMap<String, String>,
}

/// Serves one connection until it is closed or says something that is no HTTP.
fn serve(stream: TcpStream, stats: &Stats) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let room = if stats.discards { HEAD } else { COPIED };
    let mut reader = BufReader::with_capacity(room, stream);
    let mut body = Vec::new();
    loop {
        let request = read_head(&mut reader)?;
        let length = request.headers.get("content-length");
        let length: usize = length.map_or(Some(0), |text| text.parse().ok())?;
        if length > MAX_BODY {
            return None;
        }
        if request.headers.contains_key("expect") {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        if stats.discards {
            discard(&mut reader, length)?;
        } else {
            body.resize(length, 0);
            reader.read_exact(&mut body).ok()?;
        }
        // Entries of the sink's ledger hold no records.
        let is_part = request.method == "PUT" && !request.target.contains("/_millstream/");
        if is_part {
            let lines = memchr::memchr_iter(b'\n', &body).count() as u64;
            stats.lines.fetch_add(lines, Ordering::Relaxed);
            stats.bytes.fetch_add(length as u64, Ordering::Relaxed);
        }
        let answer = answer(&request, stats);
        let content = if answer.starts_with('{') {
            "application/json"
        } else {
            "application/xml"
        };
        let body = if request.method == "HEAD" {
            ""
        } else {
            &answer
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content}\r\nETag: \"0\"\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        writer.write_all(head.as_bytes()).ok()?;
    }
}

/// Takes a body off its connection without a copy of it.
fn discard(reader: &mut BufReader<TcpStream>, length: usize) -> Option<()> {
    let buffered = reader.buffer().len().min(length);
    reader.consume(buffered);
    // The kernel writes nothing to it.
    let mut unused = vec![0; (length - buffered).min(MAX_BODY)];
    while !unused.is_empty() {
        let flags = RecvFlags::TRUNC | RecvFlags::WAITALL;
        let (_, taken) = recv(reader.get_ref(), &mut unused[..], flags).ok()?;
        if taken == 0 {
            return None;
        }
        unused.truncate(unused.len().saturating_sub(taken));
    }
    Some(())
}

fn answer(request: &Request, stats: &Stats) -> String {
    let query = request.target.split_once('?').map_or("", |(_, q)| q);
    let has = |name: &str| query.split('&').any(|p| p.split('=').next() == Some(name));
    match request.method.as_str() {
        "POST" if has("uploads") => "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>\
             <UploadId>u</UploadId></InitiateMultipartUploadResult>"
            .to_owned(),
        "POST" if has("delete") => "<DeleteResult></DeleteResult>".to_owned(),
        "POST" => {
            stats.add_object();
            "<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>\"0-1\"</ETag>\
             </CompleteMultipartUploadResult>"
                .to_owned()
        }
        "GET" if request.target == "/stats" || request.target.starts_with("/wait") => {
            let goal = query.strip_prefix("objects=").map(str::parse);
            let objects = stats.objects(goal.and_then(Result::ok).unwrap_or(0));
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            format!(
                r#"{{"lines":{},"bytes":{},"objects":{}}}"#,
                of(&stats.lines),
                of(&stats.bytes),
                objects
            )
        }
        "GET" if has("list-type") => {
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".to_owned()
        }
        _ => String::new(),
    }
}

fn read_head(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request {
        method,
        target,
        headers,
    })
}
