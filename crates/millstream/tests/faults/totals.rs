//! Totals of `stream --aggregate` while its process is killed again and again: each record counts once, by the test's own sums.

use crate::stage::{PARTITIONS, Stage, TOPIC};
use crate::worker::until;
use mongodb::bson::{Bson, Document};
use std::collections::BTreeMap;
use std::ops::Range;

const KEYS: i64 = 5;

/// After how many writes of each life the process is killed; the last of them is not answered, and no other gets through, so
/// that it dies between the write of totals and that of a place as well.
const KILLS: [usize; 4] = [1, 4, 5, 9];

/// Count, and hundredths of the sum.
type Sums = BTreeMap<String, (i64, i64)>;

/// Adds these records to every partition.
fn produce(stage: &Stage, rows: Range<i64>, sums: &mut Sums) {
    for partition in 0..PARTITIONS {
        for row in rows.clone() {
            let (key, cents) = ((row + i64::from(partition)) % KEYS, row * 7 + 1);
            let value = format!(r#"{{"k":"{key}","n":{}.{:02}}}"#, cents / 100, cents % 100);
            let value = Some(value.as_bytes());
            stage.broker.produce(TOPIC, partition, None, value).unwrap();
            let (count, sum) = sums.entry(key.to_string()).or_default();
            *count += 1;
            *sum += cents;
        }
    }
}

fn cents(value: Option<&Bson>) -> i64 {
    let text = value.unwrap().to_string();
    let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{places:0<2}").parse().unwrap()
}

/// What the collection holds, all windows of a key together; and the records that its places have counted.
fn totals(documents: &[Document]) -> (Sums, i64) {
    let (mut sums, mut counted) = (Sums::new(), 0);
    for document in documents {
        let Ok(key) = document.get_document("_id").unwrap().get_str("key") else {
            counted += document.get_i64("counted").unwrap();
            continue;
        };
        let (count, sum) = sums.entry(key.to_owned()).or_default();
        *count += document.get_i64("count").unwrap();
        *sum += cents(document.get_document("sum").unwrap().get("n"));
    }
    (sums, counted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_counts_once_however_often_the_process_is_killed() {
    let stage = Stage::new().await;
    let env = [
        ("AGGREGATE", "true"),
        ("AGGREGATE_KEY", "k"),
        ("AGGREGATE_KEY_AS", "plain"),
        ("AGGREGATE_FIELDS", "sum:n"),
        ("AGGREGATE_WINDOW_MS", "1000"),
        ("AGGREGATE_LINGER_MS", "10"),
    ];
    let mut wanted = Sums::new();
    let mut rows = 0;
    for (life, writes) in KILLS.into_iter().enumerate() {
        let before = stage.document_proxy.writes();
        stage.document_proxy.die_after(writes, false);
        let mut worker = stage.stream_with(&format!("life-{life}"), &env).await;
        // Records come as long as it lives, so that it has always some in hand.
        until("writes of totals", || {
            produce(&stage, rows..rows + 5, &mut wanted);
            rows += 5;
            let are_there = stage.document_proxy.writes() >= before + writes;
            async move { are_there.then_some(()) }
        })
        .await;
        worker.signal("-KILL");
        worker.ended().await;
        stage.document_proxy.heal();
    }
    let _worker = stage.stream_with("last", &env).await;
    let produced = rows * i64::from(PARTITIONS);
    until("all records in totals", || async {
        (totals(&stage.documents().await).1 >= produced).then_some(())
    })
    .await;
    assert_eq!(totals(&stage.documents().await), (wanted, produced));
}
