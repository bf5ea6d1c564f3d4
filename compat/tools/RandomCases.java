import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.*;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.storage.StringConverter;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * What Java's transforms and converters make of random settings and values, as recorded cases in the format of the golden
 * files: RandomCases FOLDER SEED COUNT writes FOLDER/transforms/random.jsonl and FOLDER/converters/random.jsonl.
 */
public class RandomCases {
    static final String TRANSFORMS = "org.apache.kafka.connect.transforms.";
    static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    static final String[] NAMES = {"a", "b", "n", "s", "t", "é", "x.y"};
    static final String[] TEXTS = {
        "", "text", "12", "-3.5", "true", "TRUE", "2024-02-29", "2024-13-45 1:2", "2024-02-29 12:30 PDT", "grüße", "1e3", " 7 ", "٣", "300",
        "9999999999", "NaN", "0x1p3", "2024-060 10:11:12.5+01:00", "Thu, 29 Feb 2024", "29/02/24 11:59 PM", "1", "-1", "-0", "+5", "99", "1E2",
        "20240229123000123", "1582-10-10", "0000-01-01", "12024-1-1"};
    static final String[] HEADER_TEXTS = {
        "[1,2]", "{a:1}", "{\"a\":[1,2.5]}", "2024-02-29T10:11:12.123Z", "10:11:12.123Z", "[1,\"a\"]", "[[1],[2]]", "\"q\"", "{\"a\":null}", "[null]",
        "[1,,2]", "1.0", "127", "128", "3.4e39", " [1] ", "[]", "{}"};
    static final String[] NUMBERS = {
        "0", "-0", "7", "300", "-129", "1.5", "-0.0", "1e2", "1.10", "1e400", "1E-7", "12345678.9", "2147483648", "12345678901234567890", "0.000123",
        "1E5", "007", "123456789012345678901234567890.5", "-", "1.", "1e", "+1", ".5", "1e-400", "99999999999999999999E3"};
    // Instants of 1 January 1, the day before the reform of the calendar, and of today.
    static final long[] MOMENTS = {
        0, 1, -1, 86_399_999L, 951_782_400_000L, 1_583_023_445_123L, 1_700_000_000_000L, -62_135_596_800_000L, -12_219_292_800_001L, 253_402_300_800_000L};
    static final String[] FORMATS = {
        "yyyy-MM-dd", "yyyy-MM-dd HH:mm z", "yyyyMMddHHmmssSSS", "EEE, d MMM yyyy", "dd/MM/yy hh:mm a", "yyyy-DDD HH:mm:ss.SSSXXX", "yyyy-MM-dd H:m", "yy",
        "yyyy-MM-dd'T'HH:mm:ss.SSSZ", "YYYY-'W'ww-u", "G yyyy", "k:K h", "HH", "S", "yyyy-MM", "MMMM d", "F E", "''yyyy", "D", "w W", "dMyyyy", "HHmm"};
    static final String[] TYPES = {"int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"};
    static Random random;

    @SafeVarargs
    static <T> T pick(T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    static boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    static List<String> names(int count) {
        List<String> all = new ArrayList<>(List.of(NAMES));
        Collections.shuffle(all, random);
        return all.subList(0, count);
    }

    static String some(int most) {
        return String.join(",", names(1 + random.nextInt(most)));
    }

    static Schema schema(int depth) {
        int kind = random.nextInt(depth < 2 ? 16 : 12);
        SchemaBuilder made = switch (kind) {
            case 0 -> SchemaBuilder.int8();
            case 1 -> SchemaBuilder.int16();
            case 2 -> SchemaBuilder.int32();
            case 3 -> SchemaBuilder.int64();
            case 4 -> SchemaBuilder.float32();
            case 5 -> SchemaBuilder.float64();
            case 6 -> SchemaBuilder.bool();
            case 7 -> SchemaBuilder.string();
            case 8 -> SchemaBuilder.bytes();
            case 9 -> Timestamp.builder();
            case 10 -> pick(Date.builder(), Time.builder());
            case 11 -> Decimal.builder(2);
            case 12, 13 -> struct(depth);
            case 14 -> SchemaBuilder.array(schema(depth + 1));
            default -> SchemaBuilder.map(pick(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA), schema(depth + 1));
        };
        if (oneIn(2)) made.optional();
        if (kind < 8 && oneIn(5)) made.defaultValue(value(made.build(), depth, false));
        return made.build();
    }

    static SchemaBuilder struct(int depth) {
        SchemaBuilder made = SchemaBuilder.struct();
        for (String name : names(1 + random.nextInt(4))) made.field(name, schema(depth + 1));
        if (oneIn(4)) made.name("N").version(3).doc("d").parameter("p", "q");
        return made;
    }

    static Object value(Schema schema, int depth, boolean nulls) {
        if (nulls && schema.isOptional() && oneIn(5)) return null;
        if (schema.name() != null) {
            switch (schema.name()) {
                case Timestamp.LOGICAL_NAME: return new java.util.Date(MOMENTS[random.nextInt(MOMENTS.length)]);
                case Date.LOGICAL_NAME: return new java.util.Date(86_400_000L * (random.nextInt(40_000) - 10_000));
                case Time.LOGICAL_NAME: return new java.util.Date(random.nextInt(86_400_000));
                case Decimal.LOGICAL_NAME: return new BigDecimal(BigInteger.valueOf(random.nextInt(2_000_000) - 1_000_000), 2);
                default: break;
            }
        }
        switch (schema.type()) {
            case INT8: return (byte) random.nextInt();
            case INT16: return (short) random.nextInt();
            case INT32: return pick(0, 7, -1, random.nextInt());
            case INT64: return pick(0L, 7L, MOMENTS[random.nextInt(MOMENTS.length)], random.nextLong());
            case FLOAT32: return pick(0f, 1.5f, -2f, Float.NaN, 300f);
            case FLOAT64: return pick(0.0, 1.5, -3.25, 1e20, Double.NaN, Double.NEGATIVE_INFINITY);
            case BOOLEAN: return random.nextBoolean();
            case STRING: return pick(TEXTS);
            case BYTES: {
                byte[] bytes = new byte[random.nextInt(4)];
                random.nextBytes(bytes);
                return bytes;
            }
            case STRUCT: {
                Struct struct = new Struct(schema);
                for (Field field : schema.fields()) struct.put(field, value(field.schema(), depth + 1, true));
                return struct;
            }
            case ARRAY: {
                List<Object> items = new ArrayList<>();
                for (int i = random.nextInt(3); i > 0; i--) items.add(value(schema.valueSchema(), depth + 1, true));
                return items;
            }
            default: {
                Map<Object, Object> map = new HashMap<>();
                for (int i = random.nextInt(3); i > 0; i--)
                    map.put(value(schema.keySchema(), depth + 1, false), value(schema.valueSchema(), depth + 1, true));
                return map;
            }
        }
    }

    static Object plain(int depth) {
        switch (random.nextInt(depth < 3 ? 9 : 6)) {
            case 0: return null;
            case 1: case 2: return pick(TEXTS);
            case 3: return pick(0L, 7L, 300L, MOMENTS[random.nextInt(MOMENTS.length)]);
            case 4: return pick(1.5, 0.0, 1e20);
            case 5: return random.nextBoolean();
            case 6: {
                List<Object> items = new ArrayList<>();
                for (int i = random.nextInt(3); i > 0; i--) items.add(plain(depth + 1));
                return items;
            }
            default: return map(depth + 1);
        }
    }

    static Map<String, Object> map(int depth) {
        Map<String, Object> map = new HashMap<>();
        for (String name : names(random.nextInt(6))) map.put(name, plain(depth));
        return map;
    }

    // The format of the golden files.

    static JsonNode tell(Schema schema) {
        if (schema == null) return JSON.nullNode();
        ObjectNode told = JSON.objectNode().put("type", schema.type().getName()).put("optional", schema.isOptional());
        if (schema.name() != null) told.put("name", schema.name());
        if (schema.version() != null) told.put("version", schema.version());
        if (schema.doc() != null) told.put("doc", schema.doc());
        if (schema.parameters() != null) schema.parameters().forEach(told.putObject("parameters")::put);
        if (schema.defaultValue() != null) told.set("default", tell(schema, schema.defaultValue()));
        if (schema.type() == Schema.Type.STRUCT) {
            ArrayNode fields = told.putArray("fields");
            for (Field field : schema.fields()) fields.addObject().put("field", field.name()).set("schema", tell(field.schema()));
        }
        if (schema.type() == Schema.Type.MAP) told.set("keys", tell(schema.keySchema()));
        if (schema.type() == Schema.Type.MAP || schema.type() == Schema.Type.ARRAY) told.set("values", tell(schema.valueSchema()));
        return told;
    }

    static JsonNode tell(Schema schema, Object value) {
        ObjectNode told = JSON.objectNode();
        if (value == null) return JSON.nullNode();
        else if (value instanceof Boolean v) told.put("boolean", v);
        else if (value instanceof Byte v) told.put("int8", v);
        else if (value instanceof Short v) told.put("int16", v);
        else if (value instanceof Integer v) told.put("int32", v);
        else if (value instanceof Long v) told.put("int64", v.toString());
        else if (value instanceof Float v) told.put("float32", v.toString());
        else if (value instanceof Double v) told.put("float64", v.toString());
        else if (value instanceof String v) told.put("string", v);
        else if (value instanceof byte[] v) told.put("bytes", v);
        else if (value instanceof BigDecimal v) told.putObject("decimal").put("scale", v.scale()).put("unscaled", v.unscaledValue().toString());
        else if (value instanceof java.util.Date v) tellDate(told, schema == null ? null : schema.name(), v.getTime());
        else if (value instanceof List<?> v) {
            ArrayNode items = told.putArray("array");
            for (Object item : v) items.add(tell(schema == null ? null : schema.valueSchema(), item));
        } else if (value instanceof Map<?, ?> v) {
            ArrayNode pairs = told.putArray("map");
            v.forEach((key, item) -> pairs.addArray().add(tell(schema == null ? null : schema.keySchema(), key))
                .add(tell(schema == null ? null : schema.valueSchema(), item)));
        } else if (value instanceof Struct v) {
            ObjectNode fields = told.putObject("struct");
            for (Field field : v.schema().fields()) fields.set(field.name(), tell(field.schema(), v.getWithoutDefault(field.name())));
        }
        return told;
    }

    static void tellDate(ObjectNode told, String name, long millis) {
        boolean isDay = millis % 86_400_000 == 0 && millis / 86_400_000 == (int) (millis / 86_400_000);
        if (Date.LOGICAL_NAME.equals(name) && isDay) told.put("date", (int) (millis / 86_400_000));
        else if (Time.LOGICAL_NAME.equals(name) && millis >= 0 && millis < 86_400_000) told.put("time", (int) millis);
        else told.put("timestamp", Long.toString(millis));
    }

    static ObjectNode pair(Schema schema, Object value) {
        ObjectNode told = JSON.objectNode();
        told.set("schema", tell(schema));
        told.set("value", tell(schema, value));
        return told;
    }

    static JsonNode tell(SinkRecord record) {
        ObjectNode told = JSON.objectNode().put("topic", record.topic()).put("partition", record.kafkaPartition()).put("offset", record.kafkaOffset());
        told.put("timestamp", record.timestamp()).put("timestamp_type", "CreateTime");
        told.set("key_schema", tell(record.keySchema()));
        told.set("key", tell(record.keySchema(), record.key()));
        told.set("value_schema", tell(record.valueSchema()));
        told.set("value", tell(record.valueSchema(), record.value()));
        ArrayNode headers = told.putArray("headers");
        for (Header header : record.headers()) headers.add(pair(header.schema(), header.value()).put("key", header.key()));
        return told;
    }

    static ObjectNode tell(Exception error, String phase) {
        ObjectNode told = JSON.objectNode();
        told.putObject("error").put("class", error.getClass().getName()).put("message", error.getMessage());
        return told.put("phase", phase);
    }

    // Transforms.

    static Map<String, String> settings(String kind) {
        Map<String, String> set = new LinkedHashMap<>();
        switch (kind) {
            case "Cast" -> set.put("spec", oneIn(3) ? pick(TYPES) : String.join(",", names(2).stream().map(name -> name + ":" + pick(TYPES)).toList()));
            case "ExtractField" -> {
                boolean nested = oneIn(3);
                set.put("field", nested ? pick("a.b", "`x.y`", "s.t.a", "a.`x.y`.b") : pick(NAMES));
                if (nested) set.put("field.syntax.version", "V2");
            }
            case "Flatten" -> set.put("delimiter", pick(".", "_", ""));
            case "HeaderFrom" -> {
                String fields = some(2);
                set.putAll(Map.of("fields", fields, "headers", fields, "operation", pick("copy", "move")));
            }
            case "HoistField" -> set.put("field", pick(NAMES));
            case "InsertField" -> set.putAll(pick(
                Map.of("static.field", pick(NAMES) + pick("", "!", "?"), "static.value", pick("v", "")),
                Map.of("offset.field", "o" + pick("", "!", "?"), "partition.field", pick(NAMES)),
                Map.of("timestamp.field", pick("ts", "ts!", "ts?"), "topic.field", pick("topic", "a"))));
            case "MaskField" -> {
                set.put("fields", some(3));
                if (oneIn(2)) set.put("replacement", pick("9", "xxx", "1.5", "-1", "300"));
            }
            case "ReplaceField" -> set.putAll(pick(
                Map.of("exclude", some(3)), Map.of("include", some(4)), Map.of("renames", pick(NAMES) + ":z," + pick(NAMES) + ":y"),
                Map.of("include", some(4), "renames", "a:n,n:a")));
            case "SetSchemaMetadata" -> set.putAll(pick(Map.of("schema.name", "named"), Map.of("schema.version", "2")));
            case "TimestampConverter" -> {
                if (!oneIn(3)) set.put("field", pick(NAMES));
                set.putAll(Map.of("target.type", pick("string", "unix", "Date", "Time", "Timestamp"), "format", pick(FORMATS),
                    "unix.precision", pick("milliseconds", "seconds", "microseconds", "nanoseconds")));
                // Java writes in the zone that the text before it named.
                if (set.get("target.type").equals("string")) set.computeIfPresent("format", (key, format) -> format.replace(" z", ""));
            }
            default -> set.put("fields", some(3));
        }
        if (oneIn(4) && !List.of("Flatten", "HoistField").contains(kind)) set.put("replace.null.with.default", "false");
        return set;
    }

    /** A key or value: a text where the transform wants one, a map, or a value of the schema that the case's records share. */
    static Object[] operand(Schema shared, boolean wantsText) {
        if (oneIn(10)) return new Object[] {null, null};
        if (wantsText && oneIn(2)) return new Object[] {pick(null, Schema.STRING_SCHEMA, Schema.OPTIONAL_STRING_SCHEMA), pick(TEXTS)};
        if (oneIn(3)) return new Object[] {null, oneIn(5) ? plain(0) : map(0)};
        Schema schema = oneIn(3) ? schema(0) : shared;
        return new Object[] {schema, value(schema, 0, true)};
    }

    @SuppressWarnings("unchecked")
    static ObjectNode transformCase(String name) throws Exception {
        String kind = pick("Cast", "ExtractField", "Flatten", "HeaderFrom", "HoistField", "InsertField", "MaskField", "ReplaceField", "SetSchemaMetadata",
            "TimestampConverter", "TimestampConverter", "TimestampConverter", "ValueToKey");
        String part = kind.equals("ValueToKey") ? "" : pick("$Value", "$Value", "$Key");
        Map<String, String> settings = settings(kind);
        var transform = (Transformation<SinkRecord>) Class.forName(TRANSFORMS + kind + part).getDeclaredConstructor().newInstance();
        try {
            transform.configure(settings);
        } catch (Exception error) {
            return null;
        }
        ObjectNode made = JSON.objectNode().put("name", kind + "-" + name).put("covers", "random");
        ObjectNode config = made.putObject("config").put("transforms", "a").put("transforms.a.type", TRANSFORMS + kind + part);
        settings.forEach((key, value) -> config.put("transforms.a." + key, value));
        ArrayNode inputs = made.putArray("inputs"), outputs = made.putArray("outputs");
        Schema shared = oneIn(3) ? schema(0) : struct(0).build();
        for (int i = 0; i < 3; i++) {
            Object[] operand = operand(shared, kind.equals("TimestampConverter") && !settings.containsKey("field"));
            Schema schema = (Schema) operand[0];
            Long timestamp = oneIn(5) ? null : (Long) pick(951_782_400_000L, 1_700_000_000_000L);
            SinkRecord record = part.equals("$Key")
                ? new SinkRecord("t", 0, schema, operand[1], null, null, 42, timestamp, TimestampType.CREATE_TIME)
                : new SinkRecord("t", 0, null, null, schema, operand[1], 42, timestamp, TimestampType.CREATE_TIME);
            JsonNode input = tell(record), output;
            try {
                output = tell(transform.apply(record));
            } catch (NullPointerException error) {
                // What it says is Java's own.
                continue;
            } catch (Exception error) {
                output = tell(error, "apply");
            }
            inputs.add(input);
            outputs.add(output);
        }
        return inputs.isEmpty() ? null : made;
    }

    // Converters.

    static String text(int depth) {
        switch (random.nextInt(depth < 3 ? 10 : 7)) {
            case 0: return pick("null", "true", "false");
            case 1: case 2: return JSON.textNode(pick(TEXTS)).toString();
            case 3: return pick(NUMBERS);
            case 4: return pick("\"\\u0041\\n\\/\"", "\"\\x\"", "\"\ttab\"", "'a'", "\"\\ud83d\\ude00\"");
            case 5: return Long.toString(random.nextLong());
            case 6: return Double.toString((random.nextInt(1_000_000) - 500_000) / 1000.0);
            case 7: {
                List<String> items = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) items.add(text(depth + 1));
                return "[" + String.join(pick(",", " , "), items) + "]";
            }
            default: {
                List<String> members = new ArrayList<>();
                for (int i = random.nextInt(5); i > 0; i--) members.add(JSON.textNode(pick(NAMES)) + pick(":", " : ") + text(depth + 1));
                return "{" + String.join(pick(",", ",\n"), members) + "}";
            }
        }
    }

    /** What a header may hold: literals, dates, lists and maps, now and then with a piece missing or a blank too many. */
    static String header(int depth) {
        String text = switch (random.nextInt(depth < 3 ? 9 : 6)) {
            case 0 -> pick(TEXTS);
            case 1 -> pick(NUMBERS);
            case 2 -> pick("2024-02-29", "10:11:12.123Z", "2024-02-29T10:11:12.123Z", "10\\:11\\:12.123Z", "2024-02-29X", "1234567890");
            case 3 -> '"' + pick("", "a", "2024-02-29", "10:11:12.123Z", "2024-02-29T10:11:12.123Z", "1", "a\\\"b") + '"';
            case 4 -> pick("null", "true", "false", "truest");
            case 5 -> pick(HEADER_TEXTS);
            case 6, 7 -> {
                List<String> items = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) items.add(header(depth + 1));
                yield "[" + String.join(",", items) + pick("]", "]", "]", "]", "");
            }
            default -> {
                List<String> members = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) members.add(pick("\"a\"", "\"b\"", "1", "2.5", "2024-02-29", header(depth + 1)) + ":" + header(depth + 1));
                yield "{" + String.join(",", members) + pick("}", "}", "}", "}", "");
            }
        };
        return pick("", "", "", "", " ") + text + pick("", "", "", "", " ");
    }

    static byte[] nearly(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (!oneIn(3)) return bytes;
        for (int changes = random.nextInt(3); changes >= 0 && bytes.length > 0; changes--) {
            int at = random.nextInt(bytes.length);
            switch (random.nextInt(3)) {
                case 0 -> bytes[at] = (byte) random.nextInt();
                case 1 -> bytes = Arrays.copyOf(bytes, at);
                default -> bytes[at] = (byte) (int) pick(0x22, 0x7B, 0x2C, 0xED, 0xC0, 0xFF, 0x5C, 0);
            }
        }
        return bytes;
    }

    static String enveloped() throws Exception {
        JsonConverter plain = new JsonConverter(), full = new JsonConverter();
        plain.configure(Map.of("schemas.enable", "false"), false);
        full.configure(Map.of("schemas.enable", "true"), false);
        Schema schema = schema(0);
        byte[] payload = plain.fromConnectData("t", schema, value(schema, 0, true));
        String text = "{\"schema\":" + full.asJsonSchema(schema) + ",\"payload\":" + (oneIn(4) ? text(0) : new String(payload, StandardCharsets.UTF_8)) + "}";
        if (oneIn(6)) text = text.replaceFirst("\"optional\":true", "\"optional\":false");
        if (oneIn(6)) text = text.replaceFirst("\"type\":\"[a-z0-9]*\"", "\"type\":\"" + pick("int8", "string", "struct", "array", "zork", "map") + "\"");
        return text;
    }

    static ObjectNode converterCase(String name) throws Exception {
        ObjectNode made = JSON.objectNode().put("name", name).put("covers", "random");
        int kind = random.nextInt(8);
        Converter converter = kind < 6 ? new JsonConverter() : new StringConverter();
        HeaderConverter headers = kind == 6 ? new SimpleHeaderConverter() : null;
        made.put("converter", (headers == null ? converter : headers).getClass().getName());
        ObjectNode config = made.putObject("config");
        if (kind < 6) config.put("schemas.enable", Boolean.toString(kind > 1));
        if (kind < 6 && oneIn(4)) config.put("decimal.format", pick("NUMERIC", "BASE64"));
        if (kind < 6 && oneIn(4)) config.put("replace.null.with.default", "false");
        Map<String, String> settings = new HashMap<>();
        config.fields().forEachRemaining(entry -> settings.put(entry.getKey(), entry.getValue().asText()));
        converter.configure(settings, false);
        if (headers != null) made.put("kind", "header");
        boolean reads = kind < 4 || kind >= 6 && oneIn(2);
        try {
            if (reads) {
                byte[] bytes = kind == 6 ? header(0).getBytes(StandardCharsets.UTF_8)
                    : nearly(kind < 2 ? text(0) : kind < 4 ? enveloped() : pick(text(0), pick(TEXTS)));
                made.putObject("to_connect").put("bytes", bytes);
                SchemaAndValue read = headers == null ? converter.toConnectData("test", bytes) : headers.toConnectHeader("test", "h", bytes);
                made.set("output", pair(read.schema(), read.value()));
            } else {
                Schema schema = oneIn(5) && kind < 6 ? null : schema(0);
                Object value = schema == null ? plain(0) : value(schema, 0, true);
                JsonNode given = pair(schema, value);
                // Java's text of a byte array is its identity.
                if (kind >= 6 && given.toString().contains("bytes")) return null;
                made.set("from_connect", given);
                byte[] bytes = headers == null ? converter.fromConnectData("test", schema, value) : headers.fromConnectHeader("test", "h", schema, value);
                made.set("output", bytes == null ? JSON.nullNode() : JSON.objectNode().put("bytes", bytes));
            }
        } catch (NullPointerException error) {
            return null;
        } catch (Exception error) {
            made.setAll((ObjectNode) JSON.objectNode().set("output", tell(error, "convert")));
        }
        return made;
    }

    interface Draw {
        ObjectNode one(String name) throws Exception;
    }

    static void write(Path file, int count, String seed, Draw draw) throws Exception {
        Files.createDirectories(file.getParent());
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(file))) {
            for (int i = 0; i < count; i++) {
                ObjectNode made = draw.one(seed + "-" + i);
                // Half a surrogate pair has no place in a file of JSON.
                if (made != null && StandardCharsets.UTF_8.newEncoder().canEncode(made.toString())) out.println(made);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        random = new Random(Long.parseLong(arguments[1]));
        int count = Integer.parseInt(arguments[2]);
        write(folder.resolve("transforms/random.jsonl"), count, arguments[1], RandomCases::transformCase);
        write(folder.resolve("converters/random.jsonl"), count, arguments[1], RandomCases::converterCase);
    }
}
