#!/usr/bin/env bash
# Kafka Connect 4.3.1 (connect-json, Maven Central): decimals as JSON numbers, decimal.format=NUMERIC.
#
# One would expect, by KIP-481 and the setting's own text: a schema with scale 2 and the payload 1.5 give the decimal 1.50.
# Seen: the value keeps the digits that were written: scale 1, or 0 for 15, or -1 for 1.5E2. ConnectSchema.validateValue lets
# it pass; whatever writes the field as bytes later (Avro, Parquet, JSON in base64) fails with a mismatching scale.
# To a user: JSON producers other than Java's drop trailing zeros, so their records are read and then fail in the sink,
# record by record, depending on the last digit.
. "$(dirname "$0")/lib.sh"
java_packages org.apache.kafka:connect-json:4.3.1

cat >Program.java <<'END'
import java.math.BigDecimal;
import java.util.Map;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;

public class Program {
    public static void main(String[] arguments) {
        JsonConverter reader = new JsonConverter();
        reader.configure(Map.of("converter.type", "value", "decimal.format", "NUMERIC"));
        JsonConverter writer = new JsonConverter();
        writer.configure(Map.of("converter.type", "value", "schemas.enable", "false"));
        for (String number : new String[] {"1.50", "1.5", "15", "1.5E2", "1.505"}) {
            String record = "{\"schema\":{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,"
                    + "\"parameters\":{\"scale\":\"2\"}},\"payload\":" + number + "}";
            SchemaAndValue read = reader.toConnectData("t", record.getBytes());
            ConnectSchema.validateValue(read.schema(), read.value());
            String end;
            try {
                end = new String(writer.fromConnectData("t", read.schema(), read.value()));
            } catch (RuntimeException error) {
                end = error.getMessage();
            }
            System.out.println(number + " has scale " + ((BigDecimal) read.value()).scale() + ", written as bytes: " + end);
        }
    }
}
END
java_program Program.java >got

seen got <<'END'
1.50 has scale 2, written as bytes: "AJY="
1.5 has scale 1, written as bytes: Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale 1.
15 has scale 0, written as bytes: Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale 0.
1.5E2 has scale -1, written as bytes: Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale -1.
1.505 has scale 3, written as bytes: Decimal value has mismatching scale for given Decimal schema. Schema has scale 2, value has scale 3.
END
