import javax.jms.BytesMessage;
import javax.jms.Connection;
import javax.jms.ConnectionFactory;
import javax.jms.MapMessage;
import javax.jms.Message;
import javax.jms.MessageProducer;
import javax.jms.Session;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.qpid.jms.JmsConnectionFactory;

/** Sends a message of each type that JMS has, over AMQP or OpenWire: URL USER PASSWORD QUEUE; or, with a further argument, of those that have a body. */
public class JmsTypes {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], user = arguments[1], password = arguments[2];
        boolean isAmqp = url.startsWith("amqp");
        ConnectionFactory factory = isAmqp ? new JmsConnectionFactory(user, password, url) : new ActiveMQConnectionFactory(user, password, url);
        Connection connection = factory.createConnection();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageProducer producer = session.createProducer(session.createQueue(arguments[3]));
        BytesMessage bytes = session.createBytesMessage();
        bytes.writeBytes(new byte[] {0, 1, (byte) 0xff});
        MapMessage map = session.createMapMessage();
        map.setInt("n", 1);
        map.setString("s", "x");
        map.setBytes("b", new byte[] {1, 2});
        send(producer, "text", session.createTextMessage("gr\u00fcn \u20ac"));
        send(producer, "bytes", bytes);
        send(producer, "map", map);
        send(producer, "object", session.createObjectMessage("hello"));
        if (arguments.length == 4) send(producer, "empty", session.createMessage());
        send(producer, "null", session.createTextMessage());
        connection.close();
    }

    private static void send(MessageProducer producer, String name, Message message) throws Exception {
        message.setStringProperty("case", name);
        message.setIntProperty("number", 3);
        message.setJMSType("order");
        message.setJMSCorrelationID("c-1");
        producer.send(message);
    }
}
