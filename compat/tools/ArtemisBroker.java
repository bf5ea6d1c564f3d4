import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;
import org.apache.activemq.artemis.api.core.RoutingType;

/** Apache Artemis without users: DATA AMQP-PORT STOMP-PORT. */
public class ArtemisBroker {
    public static void main(String[] arguments) throws Exception {
        ConfigurationImpl config = new ConfigurationImpl();
        String data = arguments[0];
        config.setJournalDirectory(data + "/journal").setBindingsDirectory(data + "/bindings").setPagingDirectory(data + "/paging");
        config.setLargeMessagesDirectory(data + "/large").setJournalType(JournalType.NIO).setSecurityEnabled(false);
        config.addAcceptorConfiguration("amqp", "tcp://127.0.0.1:" + arguments[1] + "?protocols=AMQP");
        config.addAcceptorConfiguration("stomp", "tcp://127.0.0.1:" + arguments[2] + "?protocols=STOMP");
        // As the distribution's own broker.xml has it.
        AddressSettings all = new AddressSettings();
        all.setAutoCreateQueues(true).setAutoCreateAddresses(true).setAutoDeleteQueues(false).setAutoDeleteAddresses(false);
        all.setDefaultAddressRoutingType(RoutingType.ANYCAST).setDefaultQueueRoutingType(RoutingType.ANYCAST);
        config.addAddressSetting("#", all);
        EmbeddedActiveMQ server = new EmbeddedActiveMQ();
        server.setConfiguration(config);
        server.start();
        Thread.currentThread().join();
    }
}
