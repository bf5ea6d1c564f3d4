//! What settings of few values can be, in the original's order.

pub(super) const AVRO_CODECS: [&str; 4] = ["null", "deflate", "snappy", "bzip2"];
pub(super) const SSE_NAMES: [&str; 4] = ["", "AES256", "aws:kms", "aws:kms:dsse"];
pub(super) const AFFIX_TYPES: [&str; 3] = ["SUFFIX", "PREFIX", "NONE"];
pub(super) const COMPATIBILITIES: [&str; 4] = ["NONE", "BACKWARD", "FORWARD", "FULL"];

/// The original recommends all levels but the last, which it takes too.
pub(super) const COMPRESSION_LEVELS: [&str; 10] =
    ["-1", "0", "1", "2", "3", "4", "5", "6", "7", "8"];

/// The regions that the original recommends, in its order; any other text is taken too.
pub(super) const REGIONS: [&str; 43] = [
    "ap-south-2",
    "ap-south-1",
    "eu-south-1",
    "eu-south-2",
    "us-gov-east-1",
    "me-central-1",
    "il-central-1",
    "ca-central-1",
    "eu-central-1",
    "us-iso-west-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "us-west-1",
    "us-west-2",
    "af-south-1",
    "eu-north-1",
    "eu-west-3",
    "eu-west-2",
    "eu-west-1",
    "ap-northeast-3",
    "ap-northeast-2",
    "ap-northeast-1",
    "me-south-1",
    "sa-east-1",
    "ap-east-1",
    "cn-north-1",
    "ca-west-1",
    "us-gov-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "us-iso-east-1",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "us-east-1",
    "us-east-2",
    "cn-northwest-1",
    "us-isob-east-1",
    "aws-global",
    "aws-cn-global",
    "aws-us-gov-global",
    "aws-iso-global",
    "aws-iso-b-global",
];
