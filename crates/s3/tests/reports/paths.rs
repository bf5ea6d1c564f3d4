//! Rows that are handled together against rows handled one by one: the same objects come of both.

use crate::support::server::Server;
use crate::{LONG, MIB, batch, partition, start};
use bytes::Bytes;
use millstream_core::ByteBudget;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const HOUR: i64 = 3_600_000;

/// What a topic's rows become, given in batches of these lengths, over and over.
async fn archived(
    settings: &[(&str, &str)],
    rows: &[(String, i64)],
    lengths: &[usize],
) -> BTreeMap<String, Bytes> {
    let server = Server::start(true).await;
    let mut task = start(&server, settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    let (mut at, mut turn) = (0, 0);
    while at < rows.len() {
        let end = rows.len().min(at + lengths[turn % lengths.len()].max(1));
        let texts: Vec<&str> = rows[at..end]
            .iter()
            .map(|(text, _)| text.as_str())
            .collect();
        let mut taken = batch(partition(0), at as i64, &texts);
        Arc::get_mut(&mut taken).unwrap().timestamps =
            rows[at..end].iter().map(|(_, time)| *time).collect();
        task.put(taken, 0).await.unwrap();
        (at, turn) = (end, turn + 1);
    }
    task.finish(LONG).await.unwrap();
    let objects = &server.state().objects;
    objects
        .iter()
        .map(|(key, object)| (key.clone(), object.body.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn report_paths_together_and_one_by_one_give_the_same_objects(
        rows in proptest::collection::vec(("[a-c\"é]{0,6}", 0..4i64), 1..60),
        lengths in proptest::collection::vec(1..20usize, 1..5),
        flush in 1..12usize,
        is_timed in any::<bool>(),
        has_interval in any::<bool>(),
        most_open in prop_oneof![Just(-1i32), Just(1), Just(2)],
    ) {
        let rows: Vec<(String, i64)> = rows.into_iter().map(|(text, hour)| (text, hour * HOUR + 1)).collect();
        let (flush, most_open) = (flush.to_string(), most_open.to_string());
        let mut settings = vec![("flush.size", flush.as_str()), ("partitioner.max.open.files", &most_open)];
        if is_timed {
            settings.extend([
                ("partitioner.class", "io.confluent.connect.storage.partitioner.HourlyPartitioner"),
                ("locale", "en"),
                ("timezone", "Asia/Kolkata"),
                ("timestamp.extractor", "Record"),
            ]);
        }
        if is_timed && has_interval {
            settings.push(("rotate.interval.ms", "7200000"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (together, apart) = runtime.block_on(async {
            (archived(&settings, &rows, &lengths).await, archived(&settings, &rows, &[1]).await)
        });
        prop_assert_eq!(together, apart);
    }
}
