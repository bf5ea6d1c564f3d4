import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnectionFactory;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;

/** Receives so many messages of a queue, acknowledges them in batches, and does nothing else: KIND URL USER PASSWORD QUEUE COUNT. */
public class ReceiveQueue {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[1], user = arguments[2], password = arguments[3], queue = arguments[4];
        int count = Integer.parseInt(arguments[5]);
        switch (arguments[0]) {
            case "rabbitmq" -> rabbitmq(url, queue, count);
            case "activemq" -> activemq(url, user, password, queue, count);
            case "sqs" -> sqs(url, user, password, queue, count);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void rabbitmq(String url, String queue, int count) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(url);
        CountDownLatch done = new CountDownLatch(count);
        try (Connection connection = factory.newConnection()) {
            Channel channel = connection.createChannel();
            channel.basicQos(2_000);
            channel.basicConsume(queue, false, new DefaultConsumer(channel) {
                int received;

                @Override
                public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) throws java.io.IOException {
                    received++;
                    if (received % 500 == 0 || received == count) channel.basicAck(envelope.getDeliveryTag(), true);
                    done.countDown();
                }
            });
            done.await();
            channel.close();
        }
    }

    private static void activemq(String url, String user, String password, String queue, int count) throws Exception {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(user, password, url);
        javax.jms.Connection connection = factory.createConnection();
        connection.start();
        Session session = connection.createSession(false, Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(session.createQueue(queue));
        for (int received = 1; received <= count; received++) {
            Message message = consumer.receive();
            if (received % 100 == 0 || received == count) message.acknowledge();
        }
        connection.close();
    }

    private static void sqs(String endpoint, String key, String secret, String queue, int count) throws Exception {
        StaticCredentialsProvider credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create(key, secret));
        AtomicInteger left = new AtomicInteger(count);
        try (SqsClient client = SqsClient.builder().endpointOverride(URI.create(endpoint)).region(Region.US_EAST_1).credentialsProvider(credentials).build()) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                Thread thread = new Thread(() -> {
                    while (left.get() > 0) {
                        var messages = client.receiveMessage(r -> r.queueUrl(queue).maxNumberOfMessages(10).waitTimeSeconds(1)).messages();
                        if (messages.isEmpty()) continue;
                        List<DeleteMessageBatchRequestEntry> entries = new ArrayList<>();
                        for (var message : messages) {
                            entries.add(DeleteMessageBatchRequestEntry.builder().id("" + entries.size()).receiptHandle(message.receiptHandle()).build());
                        }
                        client.deleteMessageBatch(d -> d.queueUrl(queue).entries(entries));
                        left.addAndGet(-messages.size());
                    }
                });
                thread.start();
                threads.add(thread);
            }
            for (Thread thread : threads) thread.join();
        }
    }
}
