//! Shares out topics as a group's leader does, one round a line of JSON, for the comparison with Java's assignors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millstream_kafka::group::Assignor;
use millstream_kafka::group::assignor::{Member, PartitionRacks, TopicSizes};
use millstream_kafka::group::protocol::Subscription;
use serde_json::{Map, Value};
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let round: Value = serde_json::from_str(&line?)?;
        let answer = share(&round).ok_or("a round lacks something")?;
        writeln!(out, "{}", Value::from(answer))?;
        out.flush()?;
    }
    Ok(())
}

fn share(round: &Value) -> Option<Map<String, Value>> {
    let assignor = Assignor::named(round["assignor"].as_str()?)?;
    let mut sizes = TopicSizes::new();
    let mut racks = PartitionRacks::new();
    for (topic, partitions) in round["cluster"].as_object()? {
        let name: Arc<str> = Arc::from(topic.as_str());
        let size = match partitions.as_array() {
            Some(partitions) => {
                let texts = |list: &Value| {
                    let list = list.as_array().into_iter().flatten();
                    list.filter_map(|rack| rack.as_str().map(str::to_owned))
                        .collect()
                };
                racks.insert(name.clone(), partitions.iter().map(texts).collect());
                partitions.len() as i64
            }
            None => partitions.as_i64()?,
        };
        sizes.insert(name, i32::try_from(size).ok()?);
    }
    let members = round["members"].as_array()?.iter().map(member);
    let members: Vec<Member> = members.collect::<Option<_>>()?;
    let shares = assignor.assign(&sizes, &racks, &members);
    let shown = shares.into_iter().map(|(member, partitions)| {
        let mut shown: Vec<String> = partitions
            .iter()
            .map(|p| format!("{}/{}", p.topic, p.partition))
            .collect();
        shown.sort();
        (member, Value::from(shown))
    });
    Some(shown.collect())
}

fn member(json: &Value) -> Option<Member> {
    let subscription = STANDARD.decode(json["subscription"].as_str()?).ok()?;
    Some(Member {
        id: json["id"].as_str()?.to_owned(),
        instance: json["instance"].as_str().map(str::to_owned),
        subscription: Subscription::decode(&Bytes::from(subscription)).ok()?,
    })
}
