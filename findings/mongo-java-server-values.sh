#!/usr/bin/env bash
# mongo-java-server 1.47.0 (Maven Central), MongoDB's Java driver 5.6.1 beside it: what comes back of what was stored.
#
# One would expect, by BSON's specification: a binary value keeps its subtype, 80 (hexadecimal) and above being the user's
# own; undefined is a type of its own. By MongoDB's reference of insert: n counts the documents that were inserted.
# Seen: binary of subtype 80 comes back with subtype 0, undefined as null. Of three documents, one of them a duplicate,
# the answer says that three were inserted.
# To a user: tests against it neither show that such values survive, nor that the count of a partly failed batch is right.
. "$(dirname "$0")/lib.sh"
java_packages de.bwaldvogel:mongo-java-server:1.47.0 org.mongodb:mongodb-driver-sync:5.6.1

cat >Program.java <<'END'
import com.mongodb.MongoBulkWriteException;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.InsertManyOptions;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;
import org.bson.BsonDocument;

public class Program {
    public static void main(String[] arguments) {
        MongoServer server = new MongoServer(new MemoryBackend());
        try (MongoClient client = MongoClients.create("mongodb://127.0.0.1:" + server.bind().getPort())) {
            MongoCollection<BsonDocument> values = client.getDatabase("d").getCollection("values", BsonDocument.class);
            for (String text : List.of(
                    "{\"$binary\": {\"base64\": \"AQI=\", \"subType\": \"00\"}}",
                    "{\"$binary\": {\"base64\": \"AQI=\", \"subType\": \"80\"}}",
                    "{\"$numberDecimal\": \"1.50\"}",
                    "{\"$undefined\": true}")) {
                BsonDocument document = BsonDocument.parse("{\"v\": " + text + "}");
                values.insertOne(document);
                System.out.println(text + " comes back as " + values.find(new BsonDocument("_id", document.get("_id"))).first().get("v"));
            }
            MongoCollection<BsonDocument> batch = client.getDatabase("d").getCollection("batch", BsonDocument.class);
            try {
                batch.insertMany(
                        List.of(BsonDocument.parse("{_id: 1}"), BsonDocument.parse("{_id: 1}"), BsonDocument.parse("{_id: 2}")),
                        new InsertManyOptions().ordered(false));
            } catch (MongoBulkWriteException error) {
                System.out.println("inserted, by the answer: " + error.getWriteResult().getInsertedCount());
                System.out.println("inserted, by a count: " + batch.countDocuments());
            }
        } finally {
            server.shutdownNow();
        }
    }
}
END
java_program Program.java >got

seen got <<'END'
{"$binary": {"base64": "AQI=", "subType": "00"}} comes back as BsonBinary{type=0, data=[1, 2]}
{"$binary": {"base64": "AQI=", "subType": "80"}} comes back as BsonBinary{type=0, data=[1, 2]}
{"$numberDecimal": "1.50"} comes back as BsonDecimal128{value=1.50}
{"$undefined": true} comes back as BsonNull
inserted, by the answer: 3
inserted, by a count: 2
END
