//! S3, as far as a process is told something by an object: one that is small.

use super::ESCAPED;
use crate::client::{Asks, Call, Service};
use percent_encoding::{AsciiSet, utf8_percent_encode};

/// What stands in a path as it is.
const IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// An object. The bucket stands in the path, where any name of one may stand.
pub fn get_object(bucket: &str, key: &str) -> Call {
    let (bucket, key) = (escaped(bucket), escaped(key));
    Call {
        service: Service::S3,
        operation: "GetObject",
        region: None,
        asks: Asks::Bytes(format!("/{bucket}/{key}")),
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_slashes() {
        let call = get_object("b.c", "a b/\u{e4}+?.json");
        let path = "/b.c/a%20b/%C3%A4%2B%3F.json";
        assert_eq!(call.asks, Asks::Bytes(path.to_owned()));
    }
}
