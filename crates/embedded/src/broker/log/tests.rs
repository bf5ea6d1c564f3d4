//! A partition's log: appending, reading, truncating, compacting.

#![allow(clippy::unwrap_used)]
use super::super::batch::{BatchBuilder, end_marker};
use super::*;

fn append(log: &mut Log, batch: &Bytes) -> Result<i64, ResponseError> {
    log.append(BatchHeader::parse(batch).unwrap(), batch, None)
}

fn batch(producer: Option<(i64, i16, i32)>, transactional: bool, keys: &[&str]) -> Bytes {
    let mut builder = match producer {
        None => BatchBuilder::new(),
        Some((id, epoch, sequence)) => {
            BatchBuilder::of_producer(id, epoch, sequence, transactional)
        }
    };
    for key in keys {
        builder.push(10, Some(key.as_bytes()), Some(b"v"), &[]);
    }
    builder.finish()
}

#[test]
fn serves_whole_batches_from_the_middle() {
    let mut log = Log::new(1, None);
    for _ in 0..3 {
        append(&mut log, &batch(None, false, &["a", "b"])).unwrap();
    }
    let slice = log.read(3, 1, true, false).unwrap();
    assert_eq!(
        BatchHeader::parse(&slice.batches[0]).unwrap().base_offset,
        2
    );
    assert_eq!(slice.batches.len(), 1);
    assert_eq!(
        log.read(7, 1, true, false).unwrap_err(),
        ResponseError::OffsetOutOfRange
    );
}

#[test]
fn a_repeated_batch_is_stored_once() {
    let mut log = Log::new(1, None);
    assert_eq!(
        append(&mut log, &batch(Some((5, 0, 0)), false, &["a"])),
        Ok(0)
    );
    assert_eq!(
        append(&mut log, &batch(Some((5, 0, 1)), false, &["b"])),
        Ok(1)
    );
    assert_eq!(
        append(&mut log, &batch(Some((5, 0, 0)), false, &["a"])),
        Ok(0)
    );
    assert_eq!(
        append(&mut log, &batch(Some((5, 0, 9)), false, &["c"])),
        Err(ResponseError::OutOfOrderSequenceNumber)
    );
    assert_eq!(
        append(&mut log, &batch(Some((5, 1, 0)), false, &["c"])),
        Ok(2)
    );
    assert_eq!(
        append(&mut log, &batch(Some((5, 0, 2)), false, &["d"])),
        Err(ResponseError::InvalidProducerEpoch)
    );
}

#[test]
fn committed_readers_stop_at_open_transactions() {
    let mut log = Log::new(1, None);
    append(&mut log, &batch(None, false, &["a"])).unwrap();
    append(&mut log, &batch(Some((5, 0, 0)), true, &["b"])).unwrap();
    assert_eq!(log.last_stable(), 1);
    assert_eq!(log.read(0, 10_000, true, true).unwrap().batches.len(), 1);
    append(&mut log, &end_marker((5, 0), false, 1)).unwrap();
    let slice = log.read(0, 10_000, true, true).unwrap();
    assert_eq!(
        slice.aborted,
        vec![Aborted {
            producer_id: 5,
            first: 1,
            marker: 2
        }]
    );
    assert_eq!(slice.batches.len(), 3);
}

#[test]
fn compaction_keeps_the_newest_of_each_key() {
    let mut log = Log::new(1, None);
    append(&mut log, &batch(None, false, &["a", "b"])).unwrap();
    append(&mut log, &batch(None, false, &["a"])).unwrap();
    log.compact();
    let keys: Vec<_> = log
        .all()
        .iter()
        .flat_map(|b| {
            batch::records(b)
                .unwrap()
                .iter()
                .map(|r| r.key.unwrap().to_vec())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(keys, vec![b"b".to_vec(), b"a".to_vec()]);
    assert_eq!(log.end(), 3);
}

#[test]
fn epochs_end_where_the_next_begins() {
    let mut log = Log::new(1, None);
    append(&mut log, &batch(None, false, &["a", "b"])).unwrap();
    log.elect(2);
    append(&mut log, &batch(None, false, &["c"])).unwrap();
    assert_eq!(log.end_of_epoch(0), (0, 2));
    assert_eq!(log.end_of_epoch(1), (1, 3));
    assert_eq!(log.check_epoch(0), Err(ResponseError::FencedLeaderEpoch));
}
