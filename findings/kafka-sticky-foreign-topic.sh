#!/usr/bin/env bash
# Kafka 4.3.1 (kafka-clients, Maven Central): the cooperative sticky assignor and a member with an old claim.
#
# One would expect, by the contract of ConsumerPartitionAssignor: a member is assigned partitions of topics that its
# subscription names, whatever it says to have owned before.
# Seen: b reads u alone, and claims a partition of t from an older generation, as a member does that missed a rebalance and
# has changed its subscription. The assignor gives it that partition of t, and so to nobody who reads it. (Without the
# claim b is to get u-0, which c has to give up first.)
# To a user: the records of that partition are read by nobody, or by a consumer that does not expect the topic, until the
# next rebalance.
. "$(dirname "$0")/lib.sh"
java_packages org.apache.kafka:kafka-clients:4.3.1

cat >Program.java <<'END'
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

public class Program {
    @SuppressWarnings("removal")
    static Subscription member(List<String> topics, int generation, TopicPartition... owned) {
        CooperativeStickyAssignor itself = new CooperativeStickyAssignor();
        itself.onAssignment(new Assignment(List.of(owned)), new ConsumerGroupMetadata("g", generation, "m", Optional.empty()));
        return new Subscription(topics, itself.subscriptionUserData(new HashSet<>(topics)), List.of(owned), generation, Optional.empty());
    }

    public static void main(String[] arguments) {
        TopicPartition t1 = new TopicPartition("t", 1), t2 = new TopicPartition("t", 2);
        TopicPartition u0 = new TopicPartition("u", 0), u1 = new TopicPartition("u", 1);
        Node node = new Node(0, "h", 9092);
        List<PartitionInfo> partitions = new ArrayList<>();
        for (int n = 0; n < 3; n++) partitions.add(new PartitionInfo("t", n, node, new Node[] {node}, new Node[] {node}));
        for (int n = 0; n < 2; n++) partitions.add(new PartitionInfo("u", n, node, new Node[] {node}, new Node[] {node}));
        Cluster cluster = new Cluster("c", List.of(node), partitions, Set.of(), Set.of());

        for (int generation : new int[] {5, 4}) {
            Map<String, Subscription> group = new TreeMap<>();
            group.put("a", member(List.of("t"), 5));
            group.put("b", generation == 4 ? member(List.of("u"), 4, t1) : member(List.of("u"), 5));
            group.put("c", member(List.of("t", "u"), 5, t2, u0, u1));
            Map<String, Assignment> shares =
                    new CooperativeStickyAssignor().assign(cluster, new GroupSubscription(group)).groupAssignment();
            System.out.println(generation == 4 ? "with b's old claim:" : "without:");
            group.forEach((name, said) ->
                    System.out.println("  " + name + " reads " + said.topics() + ", gets " + shares.get(name).partitions()));
        }
    }
}
END
java_program Program.java >got

seen got <<'END'
without:
  a reads [t], gets [t-0, t-1]
  b reads [u], gets []
  c reads [t, u], gets [t-2, u-1]
with b's old claim:
  a reads [t], gets [t-0]
  b reads [u], gets [t-1]
  c reads [t, u], gets [u-0, u-1]
END
