//! Runs the document and the S3 server in the foreground, for a look with other clients.
//! Usage: `servers <document address> <document file or -> <S3 address> <S3 folder>`.
#![allow(clippy::unwrap_used)]
use millstream_embedded::{documents::DocumentServer, s3::S3Server};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = (args[1] != "-").then(|| args[1].clone().into());
    let documents = DocumentServer::start(args[0].parse().unwrap(), path)
        .await
        .unwrap();
    let s3 = S3Server::start(
        args[2].parse().unwrap(),
        args[3].as_ref(),
        "demo",
        "demodemo",
    )
    .await
    .unwrap();
    eprintln!("documents {} s3 {}", documents.addr(), s3.endpoint());
    std::future::pending::<()>().await;
}
