#!/usr/bin/env bash
# com.github.fridujo:rabbitmq-mock 1.2.0 with amqp-client 5.18.0 (Maven Central): what an exchange in the place of RabbitMQ's routes.
#
# One would expect, by AMQP 0-9-1 (section 3.1.3.3) and RabbitMQ's documentation: in a pattern of a topic exchange words are divided by
# dots, * is one word and # none or more; other characters mean themselves. Arguments of a headers exchange that begin with x- do not
# count for a match with "all". A message goes to the keys in its CC and BCC headers too. What is given back is marked as redelivered. A
# queue that is declared again with other properties is refused.
# Seen: a dot in a pattern stands for any character, so a.b gets axb; # is not none at the start, and #.a does not get a; a+b does not
# get a+b. x- arguments must match, CC and BCC are ignored, nothing is redelivered, another declaration is taken. No errors.
# To a user: tests show messages where RabbitMQ has none, and the other way round.
. "$(dirname "$0")/lib.sh"
java_packages com.github.fridujo:rabbitmq-mock:1.2.0 com.rabbitmq:amqp-client:5.18.0

cat >Program.java <<'END'
import com.github.fridujo.rabbitmq.mock.MockConnectionFactory;
import com.rabbitmq.client.*;
import java.util.*;

public class Program {
    static Channel channel;

    static boolean routed(String type, String binding, Map<String, Object> arguments, String key, Map<String, Object> headers)
            throws Exception {
        String exchange = UUID.randomUUID().toString();
        channel.exchangeDeclare(exchange, type);
        String queue = channel.queueDeclare().getQueue();
        channel.queueBind(queue, exchange, binding, arguments);
        channel.basicPublish(exchange, key, new AMQP.BasicProperties.Builder().headers(headers).build(), new byte[1]);
        return channel.basicGet(queue, true) != null;
    }

    public static void main(String[] none) throws Exception {
        channel = new MockConnectionFactory().newConnection().createChannel();
        String[][] topics = {
            {"a.*", "a.b"}, {"a.#", "a"}, {"a.#.b", "a.b"}, {"a.#.b", "a.x.y.b"}, {"#", "a.b"},
            {"#", ""}, {"#.a", "a"}, {"#.*", "a"}, {"a.b", "axb"}, {"a.#.b", "axb"}, {"orders.v1.*", "orders-v1.eu"}, {"a+b", "a+b"},
        };
        for (String[] topic : topics) {
            boolean routed = routed("topic", topic[0], Map.of(), topic[1], null);
            System.out.println("pattern " + topic[0] + ", key \"" + topic[1] + "\": " + (routed ? "routed" : "not routed"));
        }
        Map<String, Object> arguments = Map.of("x-match", "all", "kind", "order", "x-note", "text");
        System.out.println("headers: kind is there, x-note is not: "
                + (routed("headers", "", arguments, "", Map.of("kind", "order")) ? "routed" : "not routed"));

        channel.exchangeDeclare("copies", "direct");
        for (String key : List.of("to", "cc", "bcc")) {
            channel.queueDeclare(key, false, false, false, null);
            channel.queueBind(key, "copies", key);
        }
        Map<String, Object> copies = Map.of("CC", List.of("cc"), "BCC", List.of("bcc"));
        channel.basicPublish("copies", "to", new AMQP.BasicProperties.Builder().headers(copies).build(), new byte[1]);
        for (String key : List.of("to", "cc", "bcc")) {
            GetResponse got = channel.basicGet(key, true);
            System.out.println("queue " + key + ": " + (got == null ? "nothing" : "headers " + new TreeSet<>(got.getProps().getHeaders().keySet())));
        }

        channel.basicPublish("", "to", null, new byte[1]);
        channel.basicNack(channel.basicGet("to", false).getEnvelope().getDeliveryTag(), false, true);
        System.out.println("given back, and read again: redelivered is " + channel.basicGet("to", true).getEnvelope().isRedeliver());
        try {
            channel.queueDeclare("to", true, false, true, Map.of("x-max-length", 1));
            System.out.println("declared again, with other properties: taken");
        } catch (java.io.IOException error) {
            System.out.println("declared again, with other properties: refused");
        }
        System.exit(0);
    }
}
END
java_program Program.java >got

seen got <<'END'
pattern a.*, key "a.b": routed
pattern a.#, key "a": routed
pattern a.#.b, key "a.b": routed
pattern a.#.b, key "a.x.y.b": routed
pattern #, key "a.b": routed
pattern #, key "": not routed
pattern #.a, key "a": not routed
pattern #.*, key "a": not routed
pattern a.b, key "axb": routed
pattern a.#.b, key "axb": routed
pattern orders.v1.*, key "orders-v1.eu": routed
pattern a+b, key "a+b": not routed
headers: kind is there, x-note is not: not routed
queue to: headers [BCC, CC]
queue cc: nothing
queue bcc: nothing
given back, and read again: redelivered is false
declared again, with other properties: taken
END
