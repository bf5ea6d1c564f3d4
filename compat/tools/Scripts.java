import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the classes behind Kafka's scripts one after the other in one JVM, of which each would otherwise start its own. A line of
 * standard input is {@code {"class": …, "args": […]}}; its answer is what the class has printed. With
 * {@code "stays": true} the class goes on beside those that follow, and is not heard: a consumer that is to be in its group.
 */
public class Scripts {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Kafka's way out of a class's main method. */
    private static final class Ended extends Error {
        Ended(int code) {
            super("exit " + code, null, false, false);
        }
    }

    /** What the thread of the questions prints; others are not heard. */
    private static final class Heard extends OutputStream {
        final Thread thread = Thread.currentThread();
        final ByteArrayOutputStream text = new ByteArrayOutputStream();

        @Override
        public void write(int one) {
            if (Thread.currentThread() == thread) {
                text.write(one);
            }
        }

        String take() {
            String taken = new String(text.toByteArray(), StandardCharsets.UTF_8);
            text.reset();
            return taken;
        }
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        Heard out = new Heard();
        // Scala's console keeps the stream that it finds first, so it is set once.
        System.setOut(new PrintStream(out, true, "UTF-8"));
        Exit.setExitProcedure((code, message) -> {
            throw new Ended(code);
        });
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            JsonNode question = JSON.readTree(line);
            List<String> flags = new ArrayList<>();
            question.get("args").forEach(flag -> flags.add(flag.asText()));
            String[] array = flags.toArray(new String[0]);
            Method main = Class.forName(question.get("class").asText()).getMethod("main", String[].class);
            if (question.path("stays").asBoolean()) {
                Thread thread = new Thread(() -> run(main, array));
                thread.setDaemon(true);
                thread.start();
            } else {
                run(main, array);
            }
            answers.println(JSON.createObjectNode().put("out", out.take()));
            answers.flush();
        }
        // Not Exit.exit, and not by the end of main: consumers may still be there.
        Runtime.getRuntime().halt(0);
    }

    private static void run(Method main, String[] args) {
        try {
            main.invoke(null, (Object) args);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Ended)) {
                thrown.getCause().printStackTrace();
            }
        } catch (IllegalAccessException hidden) {
            throw new IllegalStateException(hidden);
        }
    }
}
