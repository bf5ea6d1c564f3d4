#!/usr/bin/env bash
# bson 3.1.0 (crates.io) beside org.mongodb:bson 5.6.1 (Maven Central): binary values in Extended JSON.
#
# One would expect, by "MongoDB Extended JSON (v2)": the subType is a text of one or two hexadecimal digits.
# Seen: the crate refuses one digit. Java's library reads it.
# To a user: documents that another tool exported with "subType": "0" fail in Rust programs.
. "$(dirname "$0")/lib.sh"
java_packages org.mongodb:bson:5.6.1
rust_packages <<'END'
bson = { version = "=3.1.0", features = ["serde", "serde_json-1"] }
serde_json = "=1.0.154"
END
cat >src/main.rs <<'END'
fn main() {
    for digits in ["00", "0", "4", "04"] {
        let value = serde_json::json!({"$binary": {"base64": "AQIDBAUGBwgJCgsMDQ4PEA==", "subType": digits}});
        match bson::Bson::try_from(value) {
            Ok(read) => println!("Rust reads {digits}: {:?}", read.element_type()),
            Err(error) => println!("Rust refuses {digits}: {}", error.to_string().lines().next().unwrap_or_default()),
        }
    }
}
END
rust_program >got
cat >Program.java <<'END'
import org.bson.BsonDocument;

public class Program {
    public static void main(String[] arguments) {
        for (String digits : new String[] {"00", "0", "4", "04"}) {
            String text = "{\"v\": {\"$binary\": {\"base64\": \"AQIDBAUGBwgJCgsMDQ4PEA==\", \"subType\": \"" + digits + "\"}}}";
            System.out.println("Java reads " + digits + ": " + BsonDocument.parse(text).getBinary("v").getType());
        }
    }
}
END
java_program Program.java >>got

seen got <<'END'
Rust reads 00: Binary
Rust refuses 0: BSON error. Kind: A deserialization-related error occurred. Message: invalid value: string "0", expected hexadecimal number as a string.
Rust refuses 4: BSON error. Kind: A deserialization-related error occurred. Message: invalid value: string "4", expected hexadecimal number as a string.
Rust reads 04: Binary
Java reads 00: 0
Java reads 0: 0
Java reads 4: 4
Java reads 04: 4
END
