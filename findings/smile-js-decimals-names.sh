#!/usr/bin/env bash
# smile-js 0.7.0 (npm) reading what jackson-dataformat-smile 2.19.0 (Maven Central) writes.
#
# One would expect, by "Efficient JSON-compatible binary format: Smile": a big decimal has a scale as in Java, 15 of scale 1 is
# 1.5. Long names (token 0x34), "not yet shared" there, are among the names that later references count, up to 64 bytes at least.
# Seen: smile-js takes the scale for an exponent, 1.5 is 150 and -273.15 is -2731500. It does not count long names: where an object
# comes twice that has one, the values stand under the names of other fields the second time. No error.
# To a user: amounts are wrong by powers of ten, and in all but the first of many records the temperature stands as humidity.
. "$(dirname "$0")/lib.sh"
node_packages smile-js@0.7.0
java_packages com.fasterxml.jackson.dataformat:jackson-dataformat-smile:2.19.0

cat >Program.java <<'END'
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.smile.databind.SmileMapper;
import java.math.BigDecimal;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;

public class Program {
    static void write(Object value) throws Exception {
        byte[] bytes = new SmileMapper().writeValueAsBytes(value);
        JsonNode read = new SmileMapper().readTree(bytes);
        System.out.println(HexFormat.of().formatHex(bytes) + "\t" + new ObjectMapper().writeValueAsString(read));
    }

    public static void main(String[] arguments) throws Exception {
        write(List.of(new BigDecimal("1.5"), new BigDecimal("-273.15"), new BigDecimal("0.000001"), new BigDecimal("42")));
        for (String name : new String[] {"temperature", "Außentemperatur, gemessen über dem Grund am Hafen: Größe"}) {
            LinkedHashMap<String, Object> first = new LinkedHashMap<>();
            first.put(name, 20);
            first.put("humidity", 75);
            first.put("pressure", 1013);
            LinkedHashMap<String, Object> second = new LinkedHashMap<>();
            second.put(name, 21);
            second.put("humidity", 74);
            write(List.of(first, second));
        }
    }
}
END
java_program Program.java >binary

cat >program.js <<'END'
const { parse } = require('smile-js');
for (const line of require('fs').readFileSync('binary', 'utf8').trim().split('\n')) {
  const [bytes, told] = line.split('\t');
  console.log(`Java: ${told}`);
  console.log(`smile-js: ${JSON.stringify(parse(Uint8Array.from(Buffer.from(bytes, 'hex'))))}`);
}
END
node program.js >got

seen got <<'END'
Java: [1.5,-273.15,0.000001,42]
smile-js: [150,-2731500,1000000,42]
Java: [{"temperature":20,"humidity":75,"pressure":1013},{"temperature":21,"humidity":74}]
smile-js: [{"temperature":20,"humidity":75,"pressure":1013},{"temperature":21,"humidity":74}]
Java: [{"Außentemperatur, gemessen über dem Grund am Hafen: Größe":20,"humidity":75,"pressure":1013},{"Außentemperatur, gemessen über dem Grund am Hafen: Größe":21,"humidity":74}]
smile-js: [{"Außentemperatur, gemessen über dem Grund am Hafen: Größe":20,"humidity":75,"pressure":1013},{"humidity":21,"pressure":74}]
END
