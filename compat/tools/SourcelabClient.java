import java.util.Map;
import java.util.TreeMap;
import org.sourcelab.kafka.connect.apiclient.Configuration;
import org.sourcelab.kafka.connect.apiclient.KafkaConnectClient;
import org.sourcelab.kafka.connect.apiclient.request.dto.ConnectorPluginConfigDefinition;
import org.sourcelab.kafka.connect.apiclient.request.dto.NewConnectorDefinition;
import org.sourcelab.kafka.connect.apiclient.request.post.PostConnectorRestart;

/** Every call of org.sourcelab:kafka-connect-client, which AKHQ uses, against one worker; prints a line for each. */
public class SourcelabClient {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], name = arguments[1], file = arguments[2];
        KafkaConnectClient client = new KafkaConnectClient(new Configuration(url));
        String text = "org.apache.kafka.connect.storage.StringConverter";
        Map<String, String> config = new TreeMap<>(Map.of("connector.class", "FileStreamSink", "tasks.max", "1", "topics", "t", "file", file,
            "name", name, "key.converter", text, "value.converter", text));

        say("getConnectServerVersion", client.getConnectServerVersion().getVersion());
        say("getConnectorPlugins", client.getConnectorPlugins().stream().map(plugin -> plugin.getClassName() + " " + plugin.getType()).sorted().toList());
        say("validateConnectorPluginConfig", client.validateConnectorPluginConfig(
            ConnectorPluginConfigDefinition.newBuilder().withName("FileStreamSinkConnector").withConfig(config).build()).getErrorCount());
        say("addConnector", client.addConnector(NewConnectorDefinition.newBuilder().withName(name).withConfig(config).build()).getName());
        await("RUNNING", () -> client.getConnectorStatus(name).getConnector().get("state"));
        await("[RUNNING]", () -> client.getConnectorStatus(name).getTasks().stream().map(task -> task.getState()).toList().toString());
        say("getConnectors", client.getConnectors().contains(name));
        say("getConnectorsWithExpandedStatus", client.getConnectorsWithExpandedStatus().getStatusForConnector(name).getConnector().get("state"));
        say("getConnectorsWithExpandedInfo", client.getConnectorsWithExpandedInfo().getDefinitionForConnector(name).getConfig().get("topics"));
        say("getConnectorsWithAllExpandedMetadata", client.getConnectorsWithAllExpandedMetadata().getAllStatuses().size() > 0);
        say("getConnector", client.getConnector(name).getType() + " " + client.getConnector(name).getTasks().size());
        say("getConnectorConfig", client.getConnectorConfig(name).get("connector.class"));
        say("getConnectorTopics", client.getConnectorTopics(name).getName());
        say("resetConnectorTopics", client.resetConnectorTopics(name));
        say("getConnectorTasks", client.getConnectorTasks(name).size());
        say("getConnectorTaskStatus", client.getConnectorTaskStatus(name, 0).getState());
        say("restartConnectorTask", client.restartConnectorTask(name, 0));
        say("pauseConnector", client.pauseConnector(name));
        await("PAUSED", () -> client.getConnectorStatus(name).getConnector().get("state"));
        say("resumeConnector", client.resumeConnector(name));
        await("RUNNING", () -> client.getConnectorStatus(name).getConnector().get("state"));
        say("restartConnector", client.restartConnector(name));
        say("restartConnectorWithTasks", client.restartConnector(new PostConnectorRestart(name).withIncludeTasks(true).withOnlyFailed(false)));
        config.put("tasks.max", "2");
        say("updateConnectorConfig", client.updateConnectorConfig(name, config).getConfig().get("tasks.max"));
        await("[RUNNING, RUNNING]", () -> client.getConnectorStatus(name).getTasks().stream().map(task -> task.getState()).toList().toString());
        say("stopConnector", client.stopConnector(name));
        await("STOPPED", () -> client.getConnectorStatus(name).getConnector().get("state"));
        say("deleteConnector", client.deleteConnector(name));
        try {
            client.getConnector(name);
            say("getConnector of a deleted one", "found");
        } catch (Exception gone) {
            say("getConnector of a deleted one", gone.getMessage());
        }
    }

    interface Question {
        String ask() throws Exception;
    }

    /** A worker may say for a moment that it is busy with a change. */
    static void await(String wanted, Question question) throws Exception {
        String found = null;
        for (long end = System.currentTimeMillis() + 60_000; System.currentTimeMillis() < end; Thread.sleep(50)) {
            try {
                found = question.ask();
            } catch (Exception busy) {
                found = busy.getMessage();
            }
            if (wanted.equals(found)) {
                return;
            }
        }
        throw new IllegalStateException("it is " + found + " and not " + wanted);
    }

    static void say(String call, Object answer) {
        System.out.println(call + "=" + answer);
    }
}
