import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/**
 * Shares out topics with the assignors of Kafka's own client. One round a line: what is read from standard input is
 * what the example {@code assign} of crates/kafka reads, and what is written is what it writes.
 */
public class Assignors {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        // The client logs to standard output, which is for answers.
        System.setOut(System.err);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                share(JSON.readTree(line), answer);
            } catch (RuntimeException failure) {
                answer.removeAll();
                answer.put("error", failure.toString());
            }
            answers.println(answer);
            answers.flush();
        }
    }

    private static void share(JsonNode round, ObjectNode answer) {
        Map<String, Subscription> subscriptions = new HashMap<>();
        for (JsonNode member : round.get("members")) {
            byte[] bytes = Base64.getDecoder().decode(member.get("subscription").asText());
            Subscription subscription = ConsumerProtocol.deserializeSubscription(ByteBuffer.wrap(bytes));
            if (member.hasNonNull("instance")) {
                subscription.setGroupInstanceId(Optional.of(member.get("instance").asText()));
            }
            subscriptions.put(member.get("id").asText(), subscription);
        }
        ConsumerPartitionAssignor assignor = named(round.get("assignor").asText());
        GroupSubscription group = new GroupSubscription(subscriptions);
        Map<String, Assignment> assignments = assignor.assign(cluster(round.get("cluster")), group).groupAssignment();
        for (Map.Entry<String, Assignment> entry : assignments.entrySet()) {
            TreeSet<String> shown = new TreeSet<>();
            for (TopicPartition partition : entry.getValue().partitions()) {
                shown.add(partition.topic() + "/" + partition.partition());
            }
            answer.putPOJO(entry.getKey(), shown);
        }
    }

    private static ConsumerPartitionAssignor named(String name) {
        switch (name) {
            case "range":
                return new RangeAssignor();
            case "roundrobin":
                return new RoundRobinAssignor();
            case "sticky":
                return new StickyAssignor();
            case "cooperative-sticky":
                return new CooperativeStickyAssignor();
            default:
                throw new IllegalArgumentException(name);
        }
    }

    /** Topics with a number of partitions, or with the racks of each partition's replicas. */
    private static Cluster cluster(JsonNode topics) {
        List<PartitionInfo> partitions = new ArrayList<>();
        Node plain = new Node(0, "h", 1);
        topics.fields().forEachRemaining(topic -> {
            JsonNode racks = topic.getValue();
            int count = racks.isArray() ? racks.size() : racks.asInt();
            for (int number = 0; number < count; number++) {
                Node[] replicas = {plain};
                if (racks.isArray()) {
                    List<Node> nodes = new ArrayList<>();
                    for (JsonNode rack : racks.get(number)) {
                        nodes.add(new Node(nodes.size() + 1, "h", 1, rack.asText()));
                    }
                    replicas = nodes.toArray(new Node[0]);
                }
                partitions.add(new PartitionInfo(topic.getKey(), number, plain, replicas, replicas));
            }
        });
        return new Cluster("c", List.of(plain), partitions, Set.of(), Set.of());
    }
}
