#!/usr/bin/env bash
# ActiveMQ Classic 5.18.6 (Maven Central): a consumer that acknowledges late and its prefetch limit.
#
# One would expect, by the broker's page on the prefetch limit: up to that many messages are pushed to a consumer that has
# not acknowledged them yet; 1000 by default.
# Seen: with 3000 messages waiting a consumer with prefetch 1000 or 3000 gets 200 and then nothing more, as long as it
# acknowledges none. 200 is the default of maxPageSize; with that raised to 5000 all 3000 come.
# To a user: a consumer that gathers 500 messages into one object or one bulk write before it acknowledges never gets its
# 500, and waits.
. "$(dirname "$0")/lib.sh"
java_packages org.apache.activemq:activemq-broker:5.18.6 org.slf4j:slf4j-nop:2.0.16

cat >Program.java <<'END'
import javax.jms.Connection;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.ActiveMQSession;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.region.policy.PolicyEntry;
import org.apache.activemq.broker.region.policy.PolicyMap;

public class Program {
    public static void main(String[] arguments) throws Exception {
        for (int page : new int[] {0, 5000}) {
            BrokerService broker = new BrokerService();
            broker.setPersistent(false);
            broker.setUseJmx(false);
            if (page > 0) {
                PolicyEntry policy = new PolicyEntry();
                policy.setMaxPageSize(page);
                broker.setDestinationPolicy(new PolicyMap());
                broker.getDestinationPolicy().setDefaultEntry(policy);
            }
            broker.addConnector("tcp://127.0.0.1:0");
            broker.start();
            broker.waitUntilStarted();
            ActiveMQConnectionFactory factory =
                    new ActiveMQConnectionFactory(broker.getTransportConnectors().get(0).getConnectUri());
            Connection sending = factory.createConnection();
            Session session = sending.createSession(false, Session.AUTO_ACKNOWLEDGE);
            MessageProducer producer = session.createProducer(session.createQueue("q"));
            for (int n = 0; n < 3000; n++) producer.send(session.createTextMessage("m" + n));
            sending.close();
            for (int prefetch : new int[] {1000, 3000}) {
                factory.getPrefetchPolicy().setQueuePrefetch(prefetch);
                Connection receiving = factory.createConnection();
                receiving.start();
                session = receiving.createSession(false, ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE);
                MessageConsumer consumer = session.createConsumer(session.createQueue("q"));
                int held = 0;
                while (consumer.receive(3000) != null) held++;
                System.out.println((page > 0 ? "page size " + page : "default page size") + ", prefetch " + prefetch + ": " + held + " held");
                receiving.close();
            }
            broker.stop();
        }
        System.exit(0);
    }
}
END
java_program Program.java >got

seen got <<'END'
default page size, prefetch 1000: 200 held
default page size, prefetch 3000: 200 held
page size 5000, prefetch 1000: 3000 held
page size 5000, prefetch 3000: 3000 held
END
