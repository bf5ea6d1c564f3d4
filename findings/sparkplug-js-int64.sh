#!/usr/bin/env bash
# sparkplug-payload 1.0.3 (npm) beside tahu-core 1.0.14 (Maven Central), both of Eclipse Tahu: Sparkplug B payloads of machines.
#
# One would expect, by Sparkplug 3.0 ("Datatype Details"): an Int64 is signed, carried in Protobuf's uint64. Arrays are types
# of metrics, packed into bytes.
# Seen: JavaScript reads the Int64 -5 in a data set as 18446744073709551611; in a metric or property too, but only where
# long 5.3.2 is installed beside it, as by a program that works with these values: it is then told from its own long 4 by
# class. Of an array there is neither a type nor a value: the metric is null.
# To a user: a counter or position that falls below zero jumps to the far end in a bridge that puts it into a topic as JSON,
# and a package that has nothing to do with it decides about that.
. "$(dirname "$0")/lib.sh"
java_packages org.eclipse.tahu:tahu-core:1.0.14
mkdir alone beside
(cd alone && node_packages sparkplug-payload@1.0.3)
(cd beside && node_packages long@5.3.2 sparkplug-payload@1.0.3)

cat >Program.java <<'END'
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import org.eclipse.tahu.message.SparkplugBPayloadDecoder;
import org.eclipse.tahu.message.SparkplugBPayloadEncoder;
import org.eclipse.tahu.message.model.Metric;
import org.eclipse.tahu.message.model.MetricDataType;
import org.eclipse.tahu.message.model.SparkplugBPayload;

public class Program {
    static List<String> lines = new ArrayList<>();

    static void write(MetricDataType type, Object value) throws Exception {
        Metric metric = new Metric.MetricBuilder("m", type, value).createMetric();
        SparkplugBPayload payload = new SparkplugBPayload(new Date(0), new ArrayList<>(List.of(metric)), 0L, null, null);
        byte[] bytes = new SparkplugBPayloadEncoder().getBytes(payload, false);
        Object read = new SparkplugBPayloadDecoder().buildFromByteArray(bytes, null).getMetrics().get(0).getValue();
        String text = read instanceof Object[] array ? List.of(array).toString() : read.toString();
        lines.add(type + ";" + text + ";" + HexFormat.of().formatHex(bytes));
    }

    public static void main(String[] arguments) throws Exception {
        write(MetricDataType.Int8, (byte) -5);
        write(MetricDataType.Int32, -5);
        write(MetricDataType.Int64, -5L);
        write(MetricDataType.Int64, 5L);
        write(MetricDataType.Int32Array, new Integer[] {-5, 7});
        write(MetricDataType.StringArray, new String[] {"a", "b"});
        Files.write(Path.of("payloads"), lines);
    }
}
END
java_program Program.java >java.out

cat >program.js <<'END'
const { encodePayload, decodePayload } = require(`./${process.argv[2]}/node_modules/sparkplug-payload`).get('spBv1.0');
for (const line of require('fs').readFileSync('payloads', 'utf8').trim().split('\n')) {
  const [type, value, bytes] = line.split(';');
  const metric = decodePayload(Buffer.from(bytes, 'hex')).metrics[0];
  console.log(`${type}: Java writes and reads ${value}, JavaScript reads ${metric.value}, type ${metric.type}`);
}
const set = { numOfColumns: 1, columns: ['c'], types: ['Int64'], rows: [[-5]] };
const properties = { p: { type: 'Int64', value: -5 } };
const metric = decodePayload(encodePayload({ timestamp: 0, metrics: [{ name: 's', type: 'DataSet', value: set, properties }] })).metrics[0];
console.log(`JavaScript writes -5, and reads ${metric.value.rows[0][0]} in a data set, ${metric.properties.p.value} in a property`);
END
for folder in alone beside; do
    echo "$folder"
    node program.js "$folder"
done >got

seen got <<'END'
alone
Int8: Java writes and reads -5, JavaScript reads -5, type Int8
Int32: Java writes and reads -5, JavaScript reads -5, type Int32
Int64: Java writes and reads -5, JavaScript reads -5, type Int64
Int64: Java writes and reads 5, JavaScript reads 5, type Int64
Int32Array: Java writes and reads [-5, 7], JavaScript reads null, type undefined
StringArray: Java writes and reads [a, b], JavaScript reads null, type undefined
JavaScript writes -5, and reads 18446744073709551611 in a data set, -5 in a property
beside
Int8: Java writes and reads -5, JavaScript reads -5, type Int8
Int32: Java writes and reads -5, JavaScript reads -5, type Int32
Int64: Java writes and reads -5, JavaScript reads 18446744073709551611, type Int64
Int64: Java writes and reads 5, JavaScript reads 5, type Int64
Int32Array: Java writes and reads [-5, 7], JavaScript reads null, type undefined
StringArray: Java writes and reads [a, b], JavaScript reads null, type undefined
JavaScript writes -5, and reads 18446744073709551611 in a data set, 18446744073709551611 in a property
END
