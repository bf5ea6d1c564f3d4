#!/usr/bin/env bash
# Kafka 4.3.1 (Maven Central) with retention.ms at its default: a record with an old timestamp.
#
# One would expect: retention.ms, a week, keeps what has just been written for a week; at least the segment that is being
# written to stays, as it does for retention by size.
# Seen: the age is that of the record's own timestamp. A record dated eight days ago, acknowledged, is deleted with the
# next check (every 5 minutes, here every second); the active segment is closed for it.
# To a user: dead letters and copies keep the time of the record that they stand for, so those of old records vanish from
# a topic with default retention before anybody looks. message.timestamp.type=LogAppendTime or retention.ms=-1 keeps them.
. "$(dirname "$0")/lib.sh"
kafka_broker log.initial.task.delay.ms=1000 log.retention.check.interval.ms=1000

cat >Program.java <<'END'
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

public class Program {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        Map<String, String> appended = Map.of("message.timestamp.type", "LogAppendTime");
        List<NewTopic> topics = List.of(new NewTopic("created", 1, (short) 1), new NewTopic("appended", 1, (short) 1).configs(appended));
        try (Admin admin = Admin.create(settings);
                KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            admin.createTopics(topics).all().get();
            long old = System.currentTimeMillis() - 8 * 86_400_000L;
            for (NewTopic topic : topics) {
                System.out.println(topic.name() + ": acknowledged at offset "
                        + producer.send(new ProducerRecord<>(topic.name(), null, old, null, "letter")).get().offset());
            }
            for (int tries = 0; tries < 60 && earliest(admin, "created") == 0; tries++) Thread.sleep(500);
            for (NewTopic topic : topics) {
                System.out.println(topic.name() + ": half a minute later "
                        + (earliest(admin, topic.name()) == 0 ? "still there" : "deleted"));
            }
        }
    }

    static long earliest(Admin admin, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        return admin.listOffsets(Collections.singletonMap(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset();
    }
}
END
java_program Program.java "$broker" >got

seen got <<'END'
created: acknowledged at offset 0
appended: acknowledged at offset 0
created: half a minute later deleted
appended: half a minute later still there
END
