//! The headers of a record as a line of JSON.

use millstream_core::java_json::{write_str, write_text};
use millstream_core::{Header, RecordError, Text};

/// `{"headers":[{"key":…,"value":…},…]}`: order and repeats are kept, values are texts.
pub(super) fn encode_json(headers: &[Header], out: &mut Vec<u8>) -> Result<(), RecordError> {
    out.extend_from_slice(b"{\"headers\":[");
    for (index, header) in headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"key\":");
        write_str(out, &header.key);
        out.extend_from_slice(b",\"value\":");
        write_text(out, &value_text(header)?);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    Ok(())
}

fn value_text(header: &Header) -> Result<Text, RecordError> {
    let _ = header;
    Err(RecordError::data("headers"))
}
