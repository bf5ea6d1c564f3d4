//! A document server that takes everything and keeps nothing: it answers the handshake and every write at once, finds nothing,
//! and counts the documents. `GET /stats` on the same port tells `bench/run` how far a client is.

use crate::Failure;
use bson::{RawDocument, doc};
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// MongoDB's own bound on a message.
const MAX_MESSAGE: usize = 48_000_000;
const HEADER: usize = 16;
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

pub(crate) fn run(port: u16) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let documents = Arc::new(AtomicU64::new(0));
    for stream in listener.incoming() {
        let (stream, documents) = (stream?, Arc::clone(&documents));
        // A driver keeps a handful of connections; each ends with its thread.
        std::thread::spawn(move || serve(stream, &documents));
    }
    Ok(())
}

/// Serves one connection until it is closed or says something that is no message.
fn serve(stream: TcpStream, documents: &AtomicU64) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let mut message = vec![0; HEADER];
    loop {
        message.resize(HEADER, 0);
        reader.read_exact(&mut message)?;
        if message.starts_with(b"GET ") {
            let body = format!(r#"{{"documents":{}}}"#, documents.load(Ordering::Relaxed));
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            write!(writer, "{head}\r\nContent-Length: {length}\r\n\r\n{body}")?;
            return Ok(());
        }
        let length = usize::try_from(i32_at(&message, 0)?)?;
        if !(HEADER..=MAX_MESSAGE).contains(&length) {
            return Err(format!("a message of {length} bytes").into());
        }
        message.resize(length, 0);
        reader.read_exact(&mut message[HEADER..])?;
        let code = i32_at(&message, 12)?;
        let (n, is_search) = match code {
            OP_MSG => {
                let sections = &message[HEADER + 4..];
                (writes(sections)?, is_search(sections))
            }
            OP_QUERY => (0, false),
            _ => return Err(format!("operation code {code}").into()),
        };
        writer.write_all(&answer(i32_at(&message, 4)?, code, n, is_search)?)?;
        documents.fetch_add(n, Ordering::Relaxed);
    }
}

/// How many documents the sections of a message write: in a sequence, or as an array of the command.
fn writes(mut sections: &[u8]) -> Result<u64, Failure> {
    let mut n = 0;
    while let Some((&kind, section)) = sections.split_first() {
        let size = usize::try_from(i32_at(section, 0)?)?;
        let (content, rest) = section.split_at_checked(size).ok_or("a short section")?;
        sections = rest;
        if kind == 0 {
            let command = RawDocument::from_bytes(content)?;
            for name in ["documents", "updates"] {
                if let Some(items) = command.get(name)? {
                    let items = items.as_array().ok_or("items that are no array")?;
                    n += items.into_iter().count() as u64;
                }
            }
            continue;
        }
        let name = content[4..].iter().position(|&byte| byte == 0);
        let mut items = &content[4 + name.ok_or("a sequence without a name")? + 1..];
        while !items.is_empty() {
            let size = usize::try_from(i32_at(items, 0)?)?;
            items = items.get(size..).ok_or("a short sequence")?;
            n += 1;
        }
    }
    Ok(n)
}

/// Whether the command of a message wants documents: its name is the first of the body, which stands first.
fn is_search(sections: &[u8]) -> bool {
    // Kind, length, and the type of the first value.
    const BEFORE_NAME: usize = 1 + 4 + 1;
    sections
        .get(BEFORE_NAME..)
        .is_some_and(|name| name.starts_with(b"find\0"))
}

/// One answer for every command: what a standalone server says in its handshake, and that all went well.
fn answer(request: i32, code: i32, n: u64, is_search: bool) -> Result<Vec<u8>, Failure> {
    let mut document = doc! {
        "ismaster": true, "isWritablePrimary": true, "helloOk": true, "readOnly": false,
        "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": MAX_MESSAGE as i32, "maxWriteBatchSize": 100_000,
        "minWireVersion": 0, "maxWireVersion": 21, "authInfo": {"authenticatedUsers": [], "authenticatedUserRoles": []},
        "n": n as i64, "nModified": 0, "ok": 1.0,
    };
    if is_search {
        document.insert(
            "cursor",
            doc! {"id": 0i64, "ns": "bench.bench", "firstBatch": []},
        );
    }
    let mut out = vec![0; 4];
    out.extend(0i32.to_le_bytes());
    out.extend(request.to_le_bytes());
    if code == OP_QUERY {
        out.extend(OP_REPLY.to_le_bytes());
        out.extend([0; 16]); // no flags, no cursor, from the first document on
        out.extend(1i32.to_le_bytes());
    } else {
        out.extend(OP_MSG.to_le_bytes());
        out.extend([0; 5]); // no flags, one section with the body
    }
    out.extend(document.to_vec()?);
    let length = out.len() as i32;
    out[..4].copy_from_slice(&length.to_le_bytes());
    Ok(out)
}

fn i32_at(bytes: &[u8], at: usize) -> Result<i32, Failure> {
    let bytes = bytes.get(at..at + 4).ok_or("a short message")?;
    Ok(i32::from_le_bytes(bytes.try_into()?))
}
