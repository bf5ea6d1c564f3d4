import java.util.List;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;

/** ActiveMQ Classic with one user: DATA AMQP-PORT STOMP-PORT OPENWIRE-PORT USER PASSWORD. */
public class ClassicBroker {
    public static void main(String[] arguments) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setBrokerName("compat");
        broker.setDataDirectory(arguments[0]);
        broker.setUseJmx(false);
        AuthenticationUser user = new AuthenticationUser(arguments[4], arguments[5], "users");
        broker.setPlugins(new BrokerPlugin[] {new SimpleAuthenticationPlugin(List.of(user))});
        broker.addConnector("amqp://127.0.0.1:" + arguments[1] + "?transport.transformer=jms");
        broker.addConnector("stomp://127.0.0.1:" + arguments[2]);
        broker.addConnector("tcp://127.0.0.1:" + arguments[3]);
        broker.start();
        broker.waitUntilStopped();
    }
}
