#!/usr/bin/env bash
# Kafka Connect 4.3.1 (connect-api, Maven Central): SimpleHeaderConverter, the default of header.converter.
#
# One would expect, by its documentation (it tries to find the type, and takes what it does not know as a string): a text
# comes through as a value that stands for all of it.
# Seen: what follows a number or date after a comma, a colon or a closing bracket, and all that follows a list or map, is
# dropped without a word: 10:15 becomes the int8 10, 1,000 becomes 1, 2001:db8::1 becomes 2001. Fractions become float32,
# so 1234567.89 is 1234567.9. The text null is a NullPointerException, null,1 is a string.
# To a user: headers written by other clients (times of day, addresses, amounts) reach a sink or its dead letters cut or
# rounded; StringConverter or ByteArrayConverter as header.converter keeps them.
. "$(dirname "$0")/lib.sh"
java_packages org.apache.kafka:connect-api:4.3.1

cat >Program.java <<'END'
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

public class Program {
    public static void main(String[] arguments) {
        SimpleHeaderConverter converter = new SimpleHeaderConverter();
        for (String text : new String[] {
            "10:15", "1,000", "2001:db8::1", "10.0.0.1:9092", "1;2", "2020-01-01,2020-12-31", "[1] [2]", "{\"a\":1}x", "5]",
            "a,b", "1234567.89", "100000000000000000000.5", "1e3", "007", "null,1", "null"
        }) {
            String read;
            try {
                SchemaAndValue value = converter.toConnectHeader("t", "h", text.getBytes());
                read = value.schema().type() + " " + new String(converter.fromConnectHeader("t", "h", value.schema(), value.value()));
            } catch (NullPointerException error) {
                read = error.getClass().getSimpleName();
            }
            System.out.println(text + " is read as " + read);
        }
    }
}
END
java_program Program.java >got

seen got <<'END'
10:15 is read as INT8 10
1,000 is read as INT8 1
2001:db8::1 is read as INT16 2001
10.0.0.1:9092 is read as STRING 10.0.0.1:9092
1;2 is read as STRING 1;2
2020-01-01,2020-12-31 is read as INT32 2020-01-01
[1] [2] is read as ARRAY [1]
{"a":1}x is read as MAP {"a":1}
5] is read as INT8 5
a,b is read as STRING a,b
1234567.89 is read as FLOAT32 1234567.9
100000000000000000000.5 is read as FLOAT32 1.0E20
1e3 is read as INT16 1000
007 is read as INT8 7
null,1 is read as STRING null,1
null is read as NullPointerException
END
