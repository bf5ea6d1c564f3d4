//! The raw fetch loop: the least that any client must do for a record. One socket, one request at a time, each batch's
//! checksum, each record's fields found and passed over.

use crate::batch::{Walked, walk};
use crate::wire::{Connection, FETCH, Put};
use crate::{Failure, Topic};

/// The Java consumer's `max.partition.fetch.bytes`.
const PARTITION_BYTES: i32 = 1 << 20;

pub(crate) fn run(topic: &Topic) -> Result<(), Failure> {
    let mut connection = Connection::open(&topic.bootstrap)?;
    let mut offsets = vec![0; topic.partitions as usize];
    let mut walked = Walked::default();
    // Every answer carries something until the end is reached, so that this many idle ones mean that records are missing.
    let mut patience = 20;
    while walked.records < topic.records {
        let before = walked.records;
        let request = fetch(&topic.topic, &offsets);
        let mut answer = connection.call(FETCH, &request)?;
        answer.i32()?;
        match (answer.i16()?, answer.i32()?, answer.i32()?) {
            (0, _, 0..=1) => {}
            (code, ..) => return Err(format!("the fetch failed with code {code}").into()),
        }
        if answer.0.is_empty() {
            continue;
        }
        answer.string()?;
        for _ in 0..answer.i32()? {
            let partition = answer.i32()?;
            let code = answer.i16()?;
            if code != 0 {
                return Err(format!("{}-{partition}: code {code}", topic.topic).into());
            }
            answer.bytes(24)?;
            let aborted = answer.i32()?.max(0) as usize;
            answer.bytes(aborted * 16)?;
            let length = answer.i32()?.max(0) as usize;
            let offset = offsets
                .get_mut(partition as usize)
                .ok_or("a partition that nobody asked for")?;
            walked.next_offset = *offset;
            walk(answer.bytes(length)?, &mut walked)?;
            *offset = walked.next_offset;
        }
        if walked.records == before {
            patience -= 1;
            if patience == 0 {
                return Err(format!("only {before} records came").into());
            }
        }
    }
    println!("{} records, {} bytes", walked.records, walked.bytes);
    Ok(())
}

fn fetch(topic: &str, offsets: &[i64]) -> Vec<u8> {
    let mut body = (-1i32).to_be_bytes().to_vec(); // not a replica
    body.extend(500i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend((50i32 << 20).to_be_bytes());
    body.push(0);
    body.extend(0i32.to_be_bytes()); // no session
    body.extend((-1i32).to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.put_string(topic);
    body.extend((offsets.len() as i32).to_be_bytes());
    for (partition, offset) in offsets.iter().enumerate() {
        body.extend((partition as i32).to_be_bytes());
        body.extend((-1i32).to_be_bytes());
        body.extend(offset.to_be_bytes());
        body.extend((-1i64).to_be_bytes());
        body.extend(PARTITION_BYTES.to_be_bytes());
    }
    body.extend(0i32.to_be_bytes());
    body
}
