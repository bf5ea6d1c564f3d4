//! A schema registry in a process of its own, for benches and for trying clients: `registry PORT [SUBJECT AVRO-SCHEMA]...`.
//! The first schema's id is 1.

use millstream_embedded::registry::RegistryServer;
use std::net::{Ipv4Addr, SocketAddr};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: registry PORT [SUBJECT AVRO-SCHEMA]...";
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().ok_or(usage)?.parse()?;
    let server = RegistryServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    while let Some(subject) = args.next() {
        server.register(&subject, "AVRO", &args.next().ok_or(usage)?);
    }
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}
