#!/usr/bin/env bash
# bson4jackson 2.15.1 beside org.mongodb:bson 5.6.1 (Maven Central): documents that are read as a Map and written again.
#
# One would expect, by the BSON specification, the more so as it has classes for these types: a value keeps its type.
# Seen: a Decimal128 is read as its class Decimal128 and written as a text, with WRITE_BIGDECIMALS_AS_DECIMAL128 too, by which a
# BigDecimal becomes one. A UUID of subtype 4 and data of subtype 128 become subtype 0, MinKey and MaxKey texts. ObjectIds, dates,
# timestamps, longs and UUIDs of subtype 3 stay what they are. No error.
# To a user: amounts in a collection become texts wherever a program has replaced a document, and queries by UUID find nothing.
. "$(dirname "$0")/lib.sh"
java_packages de.undercouch:bson4jackson:2.15.1 org.mongodb:bson:5.6.1

cat >Program.java <<'END'
import com.fasterxml.jackson.databind.ObjectMapper;
import de.undercouch.bson4jackson.BsonFactory;
import de.undercouch.bson4jackson.BsonGenerator;
import de.undercouch.bson4jackson.BsonModule;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.Map;
import org.bson.BsonBinary;
import org.bson.BsonBinaryReader;
import org.bson.BsonBinaryWriter;
import org.bson.BsonDocument;
import org.bson.BsonValue;
import org.bson.codecs.BsonDocumentCodec;
import org.bson.codecs.DecoderContext;
import org.bson.codecs.EncoderContext;
import org.bson.io.BasicOutputBuffer;

public class Program {
    static final BsonDocumentCodec CODEC = new BsonDocumentCodec();

    static BsonDocument read(byte[] bytes) {
        return CODEC.decode(new BsonBinaryReader(ByteBuffer.wrap(bytes)), DecoderContext.builder().build());
    }

    static String told(BsonValue value) {
        String subtype = value instanceof BsonBinary binary ? " of subtype " + binary.getType() : "";
        return value.getBsonType() + subtype;
    }

    public static void main(String[] arguments) throws Exception {
        BsonFactory factory = new BsonFactory().configure(BsonGenerator.Feature.WRITE_BIGDECIMALS_AS_DECIMAL128, true);
        ObjectMapper mapper = new ObjectMapper(factory).registerModule(new BsonModule());
        String[] values = {
            "{\"$numberDecimal\": \"1.10\"}", "{\"$binary\": {\"base64\": \"ABEiM0RVZneImaq7zN3u/w==\", \"subType\": \"04\"}}",
            "{\"$binary\": {\"base64\": \"ABEiM0RVZneImaq7zN3u/w==\", \"subType\": \"03\"}}",
            "{\"$binary\": {\"base64\": \"AQID\", \"subType\": \"80\"}}", "{\"$minKey\": 1}", "{\"$maxKey\": 1}",
            "{\"$oid\": \"0123456789abcdef01234567\"}", "{\"$date\": {\"$numberLong\": \"-1\"}}",
            "{\"$timestamp\": {\"t\": 5, \"i\": 6}}", "{\"$numberLong\": \"5\"}"
        };
        for (String value : values) {
            BasicOutputBuffer buffer = new BasicOutputBuffer();
            CODEC.encode(new BsonBinaryWriter(buffer), BsonDocument.parse("{\"v\": " + value + "}"), EncoderContext.builder().build());
            byte[] bytes = buffer.toByteArray();
            Map<?, ?> map = mapper.readValue(bytes, Map.class);
            BsonValue again = read(mapper.writeValueAsBytes(map)).get("v");
            String type = map.get("v").getClass().getSimpleName();
            System.out.println(told(read(bytes).get("v")) + ": read as " + type + ", written as " + told(again));
        }
        System.out.println("BigDecimal: written as " + told(read(mapper.writeValueAsBytes(Map.of("v", new BigDecimal("1.10")))).get("v")));
    }
}
END
java_program Program.java >got

seen got <<'END'
DECIMAL128: read as Decimal128, written as STRING
BINARY of subtype 4: read as byte[], written as BINARY of subtype 0
BINARY of subtype 3: read as UUID, written as BINARY of subtype 3
BINARY of subtype -128: read as byte[], written as BINARY of subtype 0
MIN_KEY: read as String, written as STRING
MAX_KEY: read as String, written as STRING
OBJECT_ID: read as ObjectId, written as OBJECT_ID
DATE_TIME: read as Date, written as DATE_TIME
TIMESTAMP: read as Timestamp, written as TIMESTAMP
INT64: read as Long, written as INT64
BigDecimal: written as DECIMAL128
END
