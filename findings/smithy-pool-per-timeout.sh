#!/usr/bin/env bash
# aws-smithy-http-client 1.5.2 (crates.io, the one below the AWS SDK for Rust): one client that is shared, and its timeouts.
#
# One would expect of SharedHttpClient, by its name: whoever has it shares its pool of connections. A timeout says how long
# to wait, not where to connect.
# Seen: the client keeps a pool of its own for each pair of connect and read timeout that comes by. Requests with four
# different read timeouts, one after the other to one server, open four connections, with equal ones a single one.
# To a user: a limit per host holds for each pair; timeouts that are computed (from what is left of a deadline, say) open a
# connection for each request, and each stays idle for 90 seconds. The pools themselves are never given up.
. "$(dirname "$0")/lib.sh"
rust_packages <<'END'
aws-smithy-http-client = { version = "=1.5.2", features = ["rustls-ring"] }
aws-smithy-runtime-api = { version = "=1.20.0", features = ["client", "http-1x","test-util"] }
aws-smithy-types = "=1.9.3"
aws-smithy-async = { version = "=1.3.1", features = ["rt-tokio"] }
tokio = { version = "=1.54.1", features = ["macros", "rt", "net", "time", "io-util"] }
END
cat >src/main.rs <<'END'
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while socket.read(&mut request).await.unwrap_or(0) > 0 {
                    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                }
            });
        }
    });

    let components = RuntimeComponentsBuilder::for_tests()
        .with_time_source(Some(SystemTimeSource::new()))
        .with_sleep_impl(Some(TokioSleep::new()))
        .build()
        .unwrap();
    let client = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    for (name, timeouts) in [("equal", [5, 5, 5, 5]), ("different", [10, 11, 12, 13])] {
        let before = connections.load(Ordering::SeqCst);
        for seconds in timeouts {
            let settings = HttpConnectorSettings::builder()
                .connect_timeout(Duration::from_secs(3))
                .read_timeout(Duration::from_secs(seconds))
                .build();
            let mut request = HttpRequest::empty();
            request.set_uri(uri.clone()).unwrap();
            let answer = client.http_connector(&settings, &components).call(request).await.unwrap();
            drop(answer.into_body());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let opened = connections.load(Ordering::SeqCst) - before;
        println!("four requests, read timeouts {name}: {opened} connections");
    }
}
END
rust_program >got

seen got <<'END'
four requests, read timeouts equal: 1 connections
four requests, read timeouts different: 4 connections
END
