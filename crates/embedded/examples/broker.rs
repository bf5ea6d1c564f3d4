//! A broker in a process of its own, for benches and for trying clients:
//! `broker PORT FOLDER|memory [--nodes N] [--cap 2.2|2.8|3.9|4.3] [--slow-fetch MILLIS] [--preload TOPIC PARTITIONS RECORDS SIZE text|json]...`

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use millstream_embedded::broker::{
    ApiAction, ApiCap, ApiFault, BatchBuilder, Broker, BrokerSettings,
};

/// Records of one batch: what a producer with a little linger sends.
const BATCH: u64 = 1_000;
/// Record timestamps start here, so that two runs hold the same bytes.
const EPOCH: i64 = 1_700_000_000_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: broker PORT FOLDER|memory [--nodes N] [--cap 2.2|2.8|3.9|4.3] [--slow-fetch MILLIS] [--preload TOPIC PARTITIONS RECORDS SIZE text|json]...";
    let port: u16 = args.next().ok_or(usage)?.parse()?;
    let folder = args.next().ok_or(usage)?;
    let mut nodes = 1u16;
    let mut cap = None;
    let mut slow_fetch = None;
    let mut preloads = Vec::new();
    while let Some(flag) = args.next() {
        let mut value = || args.next().ok_or(usage);
        match flag.as_str() {
            "--cap" => {
                cap = Some(match value()?.as_str() {
                    "2.2" => ApiCap::V2_2,
                    "2.8" => ApiCap::V2_8,
                    "3.9" => ApiCap::V3_9,
                    "4.3" => ApiCap::V4_3,
                    _ => return Err(usage.into()),
                });
            }
            "--slow-fetch" => slow_fetch = Some(Duration::from_millis(value()?.parse()?)),
            "--nodes" => nodes = value()?.parse()?,
            "--preload" => preloads.push((
                value()?,
                value()?.parse()?,
                value()?.parse()?,
                value()?.parse()?,
                value()?,
            )),
            _ => return Err(usage.into()),
        }
    }
    let settings = BrokerSettings {
        cap,
        listeners: (0..nodes)
            .map(|node| SocketAddr::from((Ipv4Addr::LOCALHOST, port + node)))
            .collect(),
        folder: (folder != "memory").then(|| PathBuf::from(folder)),
        ..BrokerSettings::default()
    };
    let broker = Broker::start(settings).await?;
    if let Some(delay) = slow_fetch {
        let fault = ApiFault::new(ApiKey::Fetch, ApiAction::Delay(delay));
        broker.faults().add(fault.times(u32::MAX));
    }
    for (topic, partitions, records, size, kind) in &preloads {
        preload(&broker, topic, *partitions, *records, *size, kind == "json")?;
    }
    writeln!(io::stdout(), "{}", broker.bootstrap())?;
    tokio::signal::ctrl_c().await?;
    broker.shutdown().await;
    Ok(())
}

/// Fills a topic, spreading batches over its partitions; one that is there already is left alone.
fn preload(
    broker: &Broker,
    topic: &str,
    partitions: i32,
    records: u64,
    size: usize,
    json: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    if broker.topics().iter().any(|known| known == topic) {
        return Ok(());
    }
    broker.create_topic(topic, partitions)?;
    let mut value = Vec::with_capacity(size);
    for (turn, first) in (0..records).step_by(BATCH as usize).enumerate() {
        let mut batch = BatchBuilder::new();
        for record in first..(first + BATCH).min(records) {
            value.clear();
            if json {
                write_json(&mut value, record, size)?
            } else {
                write_text(&mut value, record, size)?
            }
            batch.push(EPOCH + record as i64, None, Some(&value), &[]);
        }
        broker.append(topic, turn as i32 % partitions, &batch.finish())?;
    }
    Ok(())
}

/// Printable text that differs from record to record.
fn write_text(out: &mut Vec<u8>, record: u64, size: usize) -> io::Result<()> {
    write!(out, "Kafka message number {record} ")?;
    fill(out, record, size);
    Ok(())
}

/// An object of five fields; `size` counts the whole of it.
fn write_json(out: &mut Vec<u8>, record: u64, size: usize) -> io::Result<()> {
    let (cents, on) = (record % 100_000, record.is_multiple_of(3));
    write!(
        out,
        r#"{{"id":{record},"name":"user-{}","price":{}.{:02},"active":{on},"note":""#,
        record % 5_000,
        cents / 100,
        cents % 100
    )?;
    let end = size.saturating_sub(2);
    fill(out, record, end);
    out.extend_from_slice(br#""}"#);
    Ok(())
}

/// Letters up to `size`, from a small generator seeded by the record.
fn fill(out: &mut Vec<u8>, seed: u64, size: usize) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while out.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.push(b'a' + (state % 26) as u8);
    }
    out.truncate(size);
}
