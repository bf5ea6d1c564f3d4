//! Clients that mean no good, at the health port.

use crate::builtin::standalone;
use crate::process::{Process, ask};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn start(folder: &std::path::Path) -> (Process, SocketAddr) {
    let worker = standalone(folder, "127.0.0.1:1", &[]);
    let env = [("HEALTHCHECK_PORT", "http://127.0.0.1:0")];
    let mut process = Process::start(&["standalone", &worker], &env, folder.join("log"));
    let health = process.health().await;
    (process, health)
}

#[tokio::test]
async fn a_head_without_an_end_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_process, health) = start(folder.path()).await;
    let mut stream = TcpStream::connect(health).await.unwrap();
    let mut answer = String::new();
    let (mut reading, mut writing) = stream.split();
    let flood = async {
        let _ = writing.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").await;
        // Until the other side has had enough.
        while writing.write_all(&[b'x'; 4096]).await.is_ok() {}
    };
    let answered = reading.read_to_string(&mut answer);
    // A connection that is closed under a flood may take the answer with it.
    let (_, _) = tokio::join!(flood, answered);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(ask(health, "GET", "/ping").await.unwrap().status, 200);
}

#[tokio::test]
async fn idle_and_slow_connections_give_way_to_those_who_ask() {
    let folder = tempfile::tempdir().unwrap();
    let (_process, health) = start(folder.path()).await;
    let mut idle = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(health).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET / HT").await.unwrap();
        }
        idle.push(stream);
    }
    assert_eq!(ask(health, "GET", "/live").await.unwrap().status, 200);
    // The one that said nothing for the longest was closed.
    assert_eq!(idle[1].read(&mut [0; 16]).await.unwrap_or(0), 0);
    // A head that does not go on is not waited for.
    let last = idle.len() - 2;
    assert_eq!(idle[last].read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_body_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_process, health) = start(folder.path()).await;
    let mut stream = TcpStream::connect(health).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
}
