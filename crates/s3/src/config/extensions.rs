//! Settings beside the original's definition: those that it lacks, and one that it neither shows nor checks.

use super::S3;
use millstream_core::config::{ConfigDef, Importance, Key, Kind, Validator, Width};
use millstream_core::rejected::show_content_key;
use std::sync::LazyLock;

/// Not a key of the original: whether parts are signed by their content.
pub(crate) const SIGN_PAYLOAD: &str = "millstream.s3.sign.payload";

/// Not a key of the original: which checksum goes with each part.
pub(crate) const CHECKSUM: &str = "millstream.s3.checksum";
const CHECKSUMS: [&str; 3] = ["auto", "crc32", "none"];

/// Not a key of the original: the folder of temporary files.
pub(crate) const TEMP_FOLDER: &str = "millstream.s3.temp.dir";

/// Settings that the original does not have. They show in an answer only if they are given.
pub(crate) fn extensions() -> &'static ConfigDef {
    static EXTENSIONS: LazyLock<ConfigDef> = LazyLock::new(|| {
        ConfigDef::new(vec![
            Key::new(SIGN_PAYLOAD, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 34, Width::Short, "S3 Sign Payload")
                .doc(
                    "Whether each part is signed by a SHA-256 of its content, which is three quarters of an upload's \
                     cost. It is anyway where a part goes over http without a checksum (``millstream.s3.checksum``). Set \
                     it for a store that refuses unsigned payloads over http.",
                ),
            Key::new(CHECKSUM, Kind::String, "auto")
                .importance(Importance::Low)
                .group(S3, 35, Width::Short, "S3 Checksum")
                .validator(Validator::OneOf(&CHECKSUMS))
                .recommended(&CHECKSUMS)
                .doc(
                    "The checksum that goes with each part, in the header x-amz-checksum-crc32. With auto it is a CRC-32 \
                     unless the store refuses the first part for it, or AWS_REQUEST_CHECKSUM_CALCULATION is when_required; \
                     crc32 insists on it; none leaves it out, as Java's sink does. Without it parts are signed by their \
                     content over http, and protected by the connection over https.",
                ),
            Key::new(TEMP_FOLDER, Kind::String, "")
                .importance(Importance::Low)
                .group(S3, 36, Width::Long, "S3 Temporary Folder")
                .doc(
                    "The folder of an unnamed file that takes what open objects have no memory for. By default it is the \
                     one that TMPDIR names, else /tmp. While it takes nothing and memory is full, no records are taken.",
                ),
            show_content_key(),
        ])
    });
    &EXTENSIONS
}

/// Settings that the original reads when it starts, and neither shows nor checks before.
pub(crate) fn start_only() -> &'static ConfigDef {
    static START_ONLY: LazyLock<ConfigDef> =
        LazyLock::new(|| ConfigDef::new(vec![Key::new("shutdown.timeout.ms", Kind::Long, "3000")]));
    &START_ONLY
}
