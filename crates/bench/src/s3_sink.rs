//! An S3 that takes everything and keeps nothing: multipart calls are answered at once, lines are counted.
//! `GET /stats` tells `bench/run` how far a worker is.

use crate::Failure;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// S3's own limit for one part is 5 GiB; a worker under test sends parts of 5 MiB.
const MAX_BODY: usize = 1 << 30;

#[derive(Default)]
struct Stats {
    lines: AtomicU64,
    bytes: AtomicU64,
    objects: AtomicU64,
}

pub(crate) fn run(port: u16) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let stats = Arc::new(Stats::default());
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
    let mut reader = BufReader::with_capacity(1 << 18, stream);
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
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
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

fn answer(request: &Request, stats: &Stats) -> String {
    let query = request.target.split_once('?').map_or("", |(_, q)| q);
    let has = |name: &str| query.split('&').any(|p| p.split('=').next() == Some(name));
    match request.method.as_str() {
        "POST" if has("uploads") => "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>\
             <UploadId>u</UploadId></InitiateMultipartUploadResult>"
            .to_owned(),
        "POST" if has("delete") => "<DeleteResult></DeleteResult>".to_owned(),
        "POST" => {
            stats.objects.fetch_add(1, Ordering::Relaxed);
            "<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>\"0-1\"</ETag>\
             </CompleteMultipartUploadResult>"
                .to_owned()
        }
        "GET" if request.target == "/stats" => {
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            format!(
                r#"{{"lines":{},"bytes":{},"objects":{}}}"#,
                of(&stats.lines),
                of(&stats.bytes),
                of(&stats.objects)
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
