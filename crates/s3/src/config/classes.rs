//! The class names that the settings take. There is no class path here: a name is known or it is not.

pub(crate) const JSON_FORMAT: &str = "io.confluent.connect.s3.format.json.JsonFormat";
pub(crate) const BYTE_ARRAY_FORMAT: &str =
    "io.confluent.connect.s3.format.bytearray.ByteArrayFormat";
pub(super) const AVRO_FORMAT: &str = "io.confluent.connect.s3.format.avro.AvroFormat";
pub(super) const PARQUET_FORMAT: &str = "io.confluent.connect.s3.format.parquet.ParquetFormat";
pub(crate) const S3_STORAGE: &str = "io.confluent.connect.s3.storage.S3Storage";

pub(crate) const DEFAULT_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.DefaultPartitioner";
pub(crate) const FIELD_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.FieldPartitioner";
pub(crate) const HOURLY_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.HourlyPartitioner";
pub(crate) const DAILY_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.DailyPartitioner";
pub(crate) const TIME_BASED_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.TimeBasedPartitioner";

pub(super) const FORMATS: [&str; 4] = [AVRO_FORMAT, JSON_FORMAT, BYTE_ARRAY_FORMAT, PARQUET_FORMAT];
pub(super) const HEADER_FORMATS: [&str; 3] = [AVRO_FORMAT, JSON_FORMAT, PARQUET_FORMAT];
pub(super) const PARTITIONERS: [&str; 5] = [
    DEFAULT_PARTITIONER,
    HOURLY_PARTITIONER,
    DAILY_PARTITIONER,
    TIME_BASED_PARTITIONER,
    FIELD_PARTITIONER,
];

/// The providers of the AWS SDK that have a counterpart here, all of them links of the default chain.
pub(super) const CREDENTIALS_PROVIDERS: [&str; 2] = [
    "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
    ASSUME_ROLE_PROVIDER,
];
pub(crate) const ASSUME_ROLE_PROVIDER: &str =
    "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider";

/// A class that every Java has: such a name passes validation and fails when the task starts.
const JAVA_STRING: &str = "java.lang.String";

/// Whether the original would find the class.
pub(super) fn exists(name: &str) -> bool {
    FORMATS.contains(&name)
        || PARTITIONERS.contains(&name)
        || CREDENTIALS_PROVIDERS.contains(&name)
        || name == S3_STORAGE
        || name == JAVA_STRING
}
