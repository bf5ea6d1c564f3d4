#!/usr/bin/env bash
# kafka-go 0.4.51 (Go) and @platformatic/kafka 1.35.0 (npm, the newest for Node.js 20) beside franz-go 1.22.3 (Go), kafkajs 2.2.4 (npm)
# and Java's own client, with Kafka 4.3.1: what a consumer of committed records gets of transactions that were aborted.
#
# One would expect, by Kafka's documentation (isolation.level, KIP-98) and kafka-go's own words ("With ReadCommitted only
# non-transactional and committed records are visible"): records of aborted transactions are left out by the client, which is told
# the producer and the first offset of each with the answer; the records that end transactions are never given to the reader.
# Seen: kafka-go gives all aborted records, and the control records at the ends of transactions as messages. @platformatic/kafka keeps
# the last aborted transaction of each producer only, and gives those of the earlier ones. The others leave all of them out. No errors.
# To a user: what was rolled back is counted, and with kafka-go a message of 6 bytes follows each transaction.
. "$(dirname "$0")/lib.sh"
node_packages @platformatic/kafka@1.35.0 kafkajs@2.2.4
kafka_broker

cat >Program.java <<'END'
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Program {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", arguments[0], "transactional.id", "java"));
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            for (String text : List.of("paid 1", "rolled back 2", "paid 3", "rolled back 4", "paid 5")) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>("t", 0, null, text)).get();
                if (text.startsWith("paid")) producer.commitTransaction();
                else producer.abortTransaction();
            }
        }
        settings.putAll(Map.of("isolation.level", "read_committed", "auto.offset.reset", "earliest", "group.id", "java"));
        List<String> read = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition("t", 0)));
            while (!read.contains("paid 5"))
                for (var record : consumer.poll(Duration.ofSeconds(1))) read.add(record.value());
        }
        System.out.println("Java: " + String.join(", ", read));
    }
}
END
java_program Program.java "$broker" >got

cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	broker := os.Getenv("BROKER")
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		panic(err)
	}
	read := []string{}
	for len(read) == 0 || read[len(read)-1] != "paid 5" {
		client.PollFetches(context.Background()).EachRecord(func(record *kgo.Record) { read = append(read, string(record.Value)) })
	}
	fmt.Println("franz-go:", strings.Join(read, ", "))
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: "t", IsolationLevel: kafka.ReadCommitted})
	read = []string{}
	for len(read) == 0 || read[len(read)-1] != "paid 5" {
		message, err := reader.ReadMessage(context.Background())
		if err != nil {
			panic(err)
		}
		text := string(message.Value)
		if len(message.Key) != 0 {
			text = fmt.Sprintf("key %x value %x", message.Key, message.Value)
		}
		read = append(read, text)
	}
	fmt.Println("kafka-go:", strings.Join(read, ", "))
}
END
BROKER=$broker go_program github.com/segmentio/kafka-go@v0.4.51 github.com/twmb/franz-go/pkg/kgo@v1.22.3 >>got

cat >program.mjs <<'END'
import kafkajs from 'kafkajs';
import { Consumer, FetchIsolationLevels, stringDeserializers } from '@platformatic/kafka';
const broker = process.argv[2];
const other = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).consumer({ groupId: 'kafkajs' });
await other.connect();
await other.subscribe({ topics: ['t'], fromBeginning: true });
let read = [];
await new Promise((end) => {
  other.run({ eachMessage: async ({ message }) => read.push(String(message.value)) && read.includes('paid 5') && end() });
});
console.log('kafkajs:', read.join(', '));
await other.disconnect();

const consumer = new Consumer({ groupId: 'g', clientId: 'c', bootstrapBrokers: [broker], deserializers: stringDeserializers });
const isolationLevel = FetchIsolationLevels.READ_COMMITTED;
read = [];
for await (const message of await consumer.consume({ topics: ['t'], mode: 'earliest', isolationLevel })) {
  read.push(message.value);
  if (message.value === 'paid 5') break;
}
console.log('@platformatic/kafka:', read.join(', '));
await consumer.close(true);
process.exit();
END
node program.mjs "$broker" >>got

seen got <<'END'
Java: paid 1, paid 3, paid 5
franz-go: paid 1, paid 3, paid 5
kafka-go: paid 1, key 00000001 value 000000000000, rolled back 2, key 00000000 value 000000000000, paid 3, key 00000001 value 000000000000, rolled back 4, key 00000000 value 000000000000, paid 5
kafkajs: paid 1, paid 3, paid 5
@platformatic/kafka: paid 1, rolled back 2, paid 3, paid 5
END
