#!/usr/bin/env bash
# kafka-go 0.4.51 (Go), @platformatic/kafka 1.35.0 (npm), rskafka 0.6.0 and kafka-protocol 0.18.0 (crates.io) beside franz-go 1.22.3 (Go)
# and Java's own client, with Kafka 4.3.1: the times of records where the broker sets them.
#
# One would expect, by Kafka's documentation (message.timestamp.type=LogAppendTime, "the broker's time when the record is appended"; in
# the record format, bit 3 of a batch's attributes): the time of each record is then the batch's largest, which the broker has set;
# the first time and the differences to it are what the producer wrote.
# Seen: the first four add the differences to the first time in any case, and tell the producer's time. Java and franz-go tell the
# broker's. No error, and kafka-protocol calls the time that it tells LogAppend.
# To a user: clocks of producers that the topic's setting was to keep out come back in: partitions by time, delays and expiries.
. "$(dirname "$0")/lib.sh"
node_packages @platformatic/kafka@1.35.0
kafka_broker

cat >Program.java <<'END'
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Program {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0], "group.id", "java", "auto.offset.reset", "earliest");
        try (Admin admin = Admin.create(settings)) {
            NewTopic topic = new NewTopic("t", 1, (short) 1).configs(Map.of("message.timestamp.type", "LogAppendTime"));
            admin.createTopics(List.of(topic)).all().get();
        }
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>("t", 0, 1000000000000L, "k", "v")).get();
        }
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition("t", 0)));
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(20)))
                System.out.println("Java\t" + record.timestamp() + "\t" + record.timestampType());
        }
    }
}
END
java_program Program.java "$broker" >times

cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BROKER")), kgo.ConsumeTopics("t"))
	if err != nil {
		panic(err)
	}
	client.PollFetches(context.Background()).EachRecord(func(record *kgo.Record) {
		kind := map[int8]string{0: "CreateTime", 1: "LogAppendTime"}[record.Attrs.TimestampType()]
		fmt.Printf("franz-go\t%d\t%s\n", record.Timestamp.UnixMilli(), kind)
	})
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{os.Getenv("BROKER")}, Topic: "t", Partition: 0})
	message, err := reader.ReadMessage(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Printf("kafka-go\t%d\t\n", message.Time.UnixMilli())
}
END
BROKER=$broker go_program github.com/segmentio/kafka-go@v0.4.51 github.com/twmb/franz-go/pkg/kgo@v1.22.3 >>times

cat >program.mjs <<'END'
import { Consumer } from '@platformatic/kafka';
const consumer = new Consumer({ groupId: 'g', clientId: 'c', bootstrapBrokers: [process.argv[2]] });
const stream = await consumer.consume({ topics: ['t'], mode: 'earliest' });
for await (const message of stream) {
  console.log(`@platformatic/kafka\t${message.timestamp}\t`);
  break;
}
await consumer.close(true);
process.exit();
END
node program.mjs "$broker" >>times

rust_packages <<'END'
bytes = "1"
kafka-protocol = { version = "=0.18.0", default-features = false, features = ["client"] }
rskafka = { version = "=0.6.0", default-features = false }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
END
cat >src/main.rs <<'END'
use rskafka::client::{ClientBuilder, partition::UnknownTopicHandling};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let client = ClientBuilder::new(vec![arguments.next().unwrap()]).build().await.unwrap();
    let partition = client.partition_client("t", 0, UnknownTopicHandling::Error).await.unwrap();
    for read in partition.fetch_records(0, 1..1_000_000, 5_000).await.unwrap().0 {
        println!("rskafka\t{}\t", read.record.timestamp.timestamp_millis());
    }
    let mut segment = bytes::Bytes::from(std::fs::read(arguments.next().unwrap()).unwrap());
    for record in kafka_protocol::records::RecordBatchDecoder::decode(&mut segment).unwrap().records {
        println!("kafka-protocol\t{}\t{:?}", record.timestamp, record.timestamp_type);
    }
}
END
rust_program -- "$broker" broker/t-0/00000000000000000000.log >>times

awk -F '\t' '{ print $1 ": " ($2 == 1000000000000 ? "the time of the producer" : "the time of the broker") ($3 == "" ? "" : ", " $3) }' times >got
seen got <<'END'
Java: the time of the broker, LogAppendTime
franz-go: the time of the broker, LogAppendTime
kafka-go: the time of the producer
@platformatic/kafka: the time of the producer
rskafka: the time of the producer
kafka-protocol: the time of the producer, LogAppend
END
