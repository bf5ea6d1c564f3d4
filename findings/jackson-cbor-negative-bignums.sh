#!/usr/bin/env bash
# jackson-dataformat-cbor 2.23.0 (Maven Central) beside cbor2 6.2.1 (PyPI): big integers below zero in CBOR.
#
# One would expect, by RFC 8949, 3.4.3 and its appendix A: tag 3 with the bytes of n is -1-n, so that 010000000000000000 is
# -18446744073709551617.
# Seen: Jackson writes the bytes of n for -n, so that a BigInteger of -1 is -2 elsewhere. It reads them as two's complement and turns
# the sign: -18446744073709551617 is one more, and -10^24, whose first bit is set, is a positive number. Decimals of many digits have
# such integers too. It has a setting for each way that does as the RFC says, off by default. Integers down to -2^64 are read rightly.
# To a user: what Java writes from BigInteger is one off elsewhere, and amounts of many digits below zero are others in Java.
. "$(dirname "$0")/lib.sh"
java_packages com.fasterxml.jackson.dataformat:jackson-dataformat-cbor:2.23.0
python_packages cbor2==6.2.1

cat >write.py <<'END'
from decimal import Decimal
import cbor2

for value in (-1, -2**64, 2**64, -2**64 - 1, -10**24, Decimal("-1234567890.5"), Decimal("-12345678901234567890123.5")):
    print(value, cbor2.dumps(value).hex(), sep="\t")
END
venv/bin/python write.py >written

cat >Program.java <<'END'
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.dataformat.cbor.CBORFactory;
import com.fasterxml.jackson.dataformat.cbor.CBORGenerator;
import com.fasterxml.jackson.dataformat.cbor.CBORParser;
import com.fasterxml.jackson.dataformat.cbor.databind.CBORMapper;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

class Program {
    public static void main(String[] arguments) throws Exception {
        var standard = CBORFactory.builder().enable(CBORParser.Feature.DECODE_USING_STANDARD_NEGATIVE_BIGINT_ENCODING)
            .enable(CBORGenerator.Feature.ENCODE_USING_STANDARD_NEGATIVE_BIGINT_ENCODING).build();
        for (var mapper : new CBORMapper[] {new CBORMapper(), new CBORMapper(standard)}) {
            var name = mapper.getFactory() == standard ? "Jackson, as in the RFC" : "Jackson, by default";
            for (var line : Files.readAllLines(Path.of("written"))) {
                var told = line.split("\t");
                var read = mapper.readTree(HexFormat.of().parseHex(told[1]));
                var value = told[0].contains(".") ? DecimalNode.valueOf(new BigDecimal(told[0])) : BigIntegerNode.valueOf(new BigInteger(told[0]));
                var written = HexFormat.of().formatHex(mapper.writeValueAsBytes(value));
                System.out.println(name + ": " + told[0] + " as " + told[1] + " is read as " + read.decimalValue().toPlainString()
                    + ", written as\t" + written);
            }
        }
    }
}
END
java_program Program.java >told

cat >read.py <<'END'
import cbor2

for line in open("told"):
    text, written = line.strip().split("\t")
    print(text, f"{written}, cbor2 reads", cbor2.loads(bytes.fromhex(written)))
END
venv/bin/python read.py >got

seen got <<'END'
Jackson, by default: -1 as 20 is read as -1, written as c34101, cbor2 reads -2
Jackson, by default: -18446744073709551616 as 3bffffffffffffffff is read as -18446744073709551616, written as c349010000000000000000, cbor2 reads -18446744073709551617
Jackson, by default: 18446744073709551616 as c249010000000000000000 is read as 18446744073709551616, written as c249010000000000000000, cbor2 reads 18446744073709551616
Jackson, by default: -18446744073709551617 as c349010000000000000000 is read as -18446744073709551616, written as c349010000000000000001, cbor2 reads -18446744073709551618
Jackson, by default: -1000000000000000000000000 as c34ad3c21bcecceda0ffffff is read as 208925819614629174706177, written as c34b00d3c21bcecceda1000000, cbor2 reads -1000000000000000000000001
Jackson, by default: -1234567890.5 as c482203b00000002dfdc1c38 is read as -1234567890.5, written as c482203b00000002dfdc1c38, cbor2 reads -1234567890.5
Jackson, by default: -12345678901234567890123.5 as c48220c34a1a249b1f10a06c96aff2 is read as -12345678901234567890123.4, written as c48220c34a1a249b1f10a06c96aff3, cbor2 reads -12345678901234567890123.6
Jackson, as in the RFC: -1 as 20 is read as -1, written as c34100, cbor2 reads -1
Jackson, as in the RFC: -18446744073709551616 as 3bffffffffffffffff is read as -18446744073709551616, written as c34900ffffffffffffffff, cbor2 reads -18446744073709551616
Jackson, as in the RFC: 18446744073709551616 as c249010000000000000000 is read as 18446744073709551616, written as c249010000000000000000, cbor2 reads 18446744073709551616
Jackson, as in the RFC: -18446744073709551617 as c349010000000000000000 is read as -18446744073709551617, written as c349010000000000000000, cbor2 reads -18446744073709551617
Jackson, as in the RFC: -1000000000000000000000000 as c34ad3c21bcecceda0ffffff is read as -1000000000000000000000000, written as c34b00d3c21bcecceda0ffffff, cbor2 reads -1000000000000000000000000
Jackson, as in the RFC: -1234567890.5 as c482203b00000002dfdc1c38 is read as -1234567890.5, written as c482203b00000002dfdc1c38, cbor2 reads -1234567890.5
Jackson, as in the RFC: -12345678901234567890123.5 as c48220c34a1a249b1f10a06c96aff2 is read as -12345678901234567890123.5, written as c48220c34a1a249b1f10a06c96aff2, cbor2 reads -12345678901234567890123.5
END
