//! The program as `bench/run` starts it.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// `bench/run` registers what it prints.
#[test]
fn the_schema_of_avro_records_is_printed() {
    let program = Command::new(env!("CARGO_BIN_EXE_millstream-bench"))
        .arg("avro-schema")
        .output()
        .unwrap();
    let text = String::from_utf8(program.stdout).unwrap();
    assert!(program.status.success());
    assert!(text.starts_with(r#"{"type":"record","name":"Order""#));
    let fields = r#"{"name":"#;
    assert_eq!(text.matches(fields).count(), 5, "{text}");
}
