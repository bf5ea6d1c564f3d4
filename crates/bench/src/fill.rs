//! Creates a topic and fills it, batch by batch; a handful of different batches serve over and over.

use crate::wire::{CREATE_TOPICS, Connection, PRODUCE, Put};
use crate::{Failure, Kind, Topic, batch};
use millstream_kafka::codec::Codec;

pub(crate) fn run(topic: &Topic, kind: Kind, codec: Codec) -> Result<(), Failure> {
    let per_partition = topic.records / topic.partitions as u64;
    // Where a partition gets less than a batch, it gets all in one.
    let per_batch = per_partition.clamp(1, kind.per_batch());
    if per_partition * topic.partitions as u64 != topic.records
        || !per_partition.is_multiple_of(per_batch)
    {
        return Err(format!(
            "{} records are not {} equal shares of whole batches of {per_batch}",
            topic.records, topic.partitions
        )
        .into());
    }
    let mut connection = Connection::open(&topic.bootstrap)?;
    create(&mut connection, topic)?;
    let batches: Vec<Vec<u8>> = (1..=16)
        .map(|seed| batch::build(kind, codec, per_batch as usize, seed * 0x9e37_79b9))
        .collect::<Result<_, _>>()?;
    for turn in 0..per_partition / per_batch {
        for partition in 0..topic.partitions {
            let records = &batches[(turn % batches.len() as u64) as usize];
            produce(&mut connection, &topic.topic, partition, records)?;
        }
    }
    println!("{} records in {}", topic.records, topic.topic);
    Ok(())
}

fn create(connection: &mut Connection, topic: &Topic) -> Result<(), Failure> {
    let mut body = 1i32.to_be_bytes().to_vec();
    body.put_string(&topic.topic);
    body.extend(topic.partitions.to_be_bytes());
    body.extend(1i16.to_be_bytes());
    body.extend([0; 8]); // no assignments, no configurations
    body.extend(30_000i32.to_be_bytes());
    body.push(0);
    let mut answer = connection.call(CREATE_TOPICS, &body)?;
    answer.i32()?;
    answer.i32()?;
    answer.string()?;
    match answer.i16()? {
        0 => Ok(()),
        code => Err(format!("creating topic {} failed with code {code}", topic.topic).into()),
    }
}

fn produce(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
    records: &[u8],
) -> Result<(), Failure> {
    let mut body = (-1i16).to_be_bytes().to_vec(); // not transactional
    body.extend(1i16.to_be_bytes());
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.put_string(topic);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend((records.len() as i32).to_be_bytes());
    body.extend(records);
    // A new topic's leader may need a moment to take its first records.
    for _ in 0..1000 {
        let mut answer = connection.call(PRODUCE, &body)?;
        answer.i32()?;
        answer.string()?;
        answer.i32()?;
        answer.i32()?;
        match answer.i16()? {
            0 => return Ok(()),
            3 | 5 | 6 => continue,
            code => return Err(format!("producing to {topic}-{partition}: code {code}").into()),
        }
    }
    Err(format!("{topic}-{partition} has no leader").into())
}
