//! A document store that cannot be used: one sentence with the server and what to do, within seconds.

use super::rig;
use millstream_core::{Connector, Properties};
use millstream_embedded::documents::DocumentServer;
use millstream_mongodb::MongoSinkConnector;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What validation says of a connection string.
async fn probed(uri: &str) -> String {
    let properties = Properties::from_iter([
        ("topics", "orders"),
        ("database", "shop"),
        ("connection.uri", uri),
    ]);
    let connector = MongoSinkConnector;
    let mut values = connector.validate(&properties);
    let probe = connector.probe(&properties, &mut values);
    tokio::time::timeout(Duration::from_secs(20), probe)
        .await
        .unwrap();
    let errors: Vec<String> = values.into_iter().flat_map(|value| value.errors).collect();
    errors.join(" | ")
}

fn says(text: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(text.contains(piece), "{piece} is not in: {text}");
    }
}

#[tokio::test]
async fn report_b11_each_cause_is_told_with_server_and_remedy() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let found = probed(&format!("mongodb://{address}/")).await;
    let server = address.to_string();
    says(
        &found,
        &[
            "Unable to connect to the server. ",
            &server,
            "connection refused",
            "connection.uri",
        ],
    );
    let found = probed("mongodb://no-such-host.invalid:27017/?connectTimeoutMS=5000").await;
    says(&found, &["no-such-host.invalid", "unknown host"]);
    let found = probed("mongodb+srv://cluster.example.com/").await;
    says(
        &found,
        &[
            "not supported yet",
            "dig +short SRV _mongodb._tcp.cluster.example.com",
            "mongodb://",
        ],
    );
    let found = probed("mongodb://user:p@ss/word@host/").await;
    says(&found, &["percent-encoded", "%40", "%2F"]);
    assert!(!found.contains("ss/word"), "{found}");
}

#[tokio::test]
async fn report_b11_files_of_tls_are_looked_at() {
    let found = probed("mongodb://127.0.0.1:1/?tls=true&tlsCAFile=/nowhere/ca.pem").await;
    says(
        &found,
        &["tlsCAFile", "cannot read /nowhere/ca.pem", "No such file"],
    );
    let folder = std::env::temp_dir().join(format!("millstream-ca-{}", std::process::id()));
    std::fs::File::create(&folder)
        .and_then(|mut file| file.write_all(b"no certificate"))
        .unwrap();
    let path = folder.display().to_string();
    let found = probed(&format!("mongodb://127.0.0.1:1/?tls=true&tlsCAFile={path}")).await;
    std::fs::remove_file(&folder).unwrap();
    says(
        &found,
        &[
            "tlsCAFile",
            &path,
            "no PEM file with a certificate",
            "openssl pkcs12",
        ],
    );
}

#[tokio::test]
async fn report_b11_tls_towards_none_and_none_towards_tls() {
    let rig = rig(&[]).await;
    let address = rig.proxy.addr();
    let found = probed(&format!("mongodb://{address}/?tls=true")).await;
    says(&found, &[&address.to_string(), "TLS", "tls=true"]);

    // What a TLS server does with a client that sends something else: an alert, and the end.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = [0; 16];
            let _ = socket.read_exact(&mut hello).await;
            let _ = socket.write_all(&[0x15, 3, 3, 0, 2, 2, 70]).await;
        }
    });
    let found = probed(&format!("mongodb://{address}/")).await;
    says(
        &found,
        &[&address.to_string(), "may require TLS", "tls=true"],
    );
}

#[tokio::test]
async fn report_b11_a_replica_set_of_another_name() {
    let rig = rig(&[]).await;
    let address = rig.proxy.addr();
    let found = probed(&format!("mongodb://{address}/?replicaSet=wrong")).await;
    says(
        &found,
        &[&address.to_string(), "no replica set", "replicaSet=wrong"],
    );
}

#[tokio::test]
async fn report_message_19_a_server_without_sign_in() {
    let rig = rig(&[]).await;
    let address = rig.proxy.addr();
    let found = probed(&format!("mongodb://user:password@{address}/")).await;
    says(
        &found,
        &[
            "authentication failed",
            "does not support authentication",
            "leave user and password out",
        ],
    );
    assert!(!found.contains("password@"), "{found}");
}

#[tokio::test]
async fn report_message_17_a_task_knows_the_cause_before_it_has_written() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let uri = format!("mongodb://{address}/");
    let rig = rig(&[("connection.uri", uri.as_str())]).await;
    let mut task = rig.start(false).await.unwrap();
    let wait = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            if let Err(error) = task.poll(super::super::support::rig::NOW).await {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
    says(
        &error.message,
        &[&address.to_string(), "connection refused"],
    );
    // Not a millisecond: whoever shows it would show nonsense, and whoever waits for it would spin.
    let millstream_core::SinkErrorKind::Retriable { after, .. } = error.kind else {
        panic!("{error:?}");
    };
    assert!(after >= Duration::from_millis(100), "{after:?}");
}

/// A server of the old way wants one empty message more at the end of a sign-in.
#[tokio::test]
async fn report_b9_signs_in_where_the_server_skips_no_exchange() {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let server = DocumentServer::start_with_user(any, "alice", "s3cret/pass")
        .await
        .unwrap();
    let address = server.addr();
    let found = probed(&format!(
        "mongodb://alice:s3cret%2Fpass@{address}/?authMechanism=SCRAM-SHA-256"
    ))
    .await;
    assert_eq!(found, "");
    let found = probed(&format!(
        "mongodb://alice:wrong@{address}/?authMechanism=SCRAM-SHA-256"
    ))
    .await;
    says(
        &found,
        &["authentication failed", &address.to_string(), "authSource"],
    );
    assert!(!found.contains("wrong"), "{found}");
}
