//! S3Config: every setting of the sink, once. Names, groups, defaults and texts are those of the Java original,
//! whose validate answer this must equal; what the settings mean is told where they are used.

mod check;
mod classes;
mod extensions;
mod validators;
mod values;

pub(crate) use check::{check_across, check_extensions, check_start, set_visibility};
pub(crate) use classes::{
    ASSUME_ROLE_PROVIDER, S3_STORAGE, all as all_classes, exists as class_exists,
};
pub(crate) use classes::{
    AVRO_FORMAT, BYTE_ARRAY_FORMAT, DAILY_PARTITIONER, DEFAULT_PARTITIONER, FIELD_PARTITIONER,
    HOURLY_PARTITIONER, JSON_FORMAT, PARQUET_FORMAT, TIME_BASED_PARTITIONER,
};
pub(crate) use classes::{CredentialsSource, credentials_advice, credentials_source};
pub(crate) use extensions::{
    CHECKSUM, COMMIT_FRONTIER, ENVELOPE, FILE_PER_SCHEMA, PARQUET_DECIMAL_PRECISION,
    PARQUET_THREE_LEVEL_LISTS, PARTITION_FIELDS, PARTITION_SCHEMALESS, ROTATE_BYTES, ROTATE_GRACE,
    ROTATE_IDLE, SIGN_PAYLOAD, TEMP_FOLDER, ZSTD_LEVEL, extensions, start_only,
};
pub(crate) use validators::{check_own, refuse_nulls};

use classes::*;
use millstream_core::config::{ConfigDef, Importance, Key, Kind, Validator, Width};
use millstream_core::{Password, config_def};
use std::sync::LazyLock;
use values::{AFFIX_TYPES, AVRO_CODECS, COMPATIBILITIES, COMPRESSION_LEVELS, REGIONS, SSE_NAMES};

const CONNECTOR: &str = "Connector";
const SCHEMA: &str = "Schema";
const S3: &str = "S3";
const KEYS_AND_HEADERS: &str = "Keys and Headers";
const STORAGE: &str = "Storage";
const PARTITIONER: &str = "Partitioner";

config_def! {
    /// The sink's settings, parsed.
    pub(crate) struct S3Config {
    pub(crate) format_class: String = Key::required("format.class", Kind::Class)
        .importance(Importance::High)
        .group(CONNECTOR, 1, Width::None, "Format class")
        .recommended(&FORMATS)
        .doc("The format class to use when writing data to the store."),
    pub(crate) flush_size: i32 = Key::required("flush.size", Kind::Int)
        .importance(Importance::High)
        .group(CONNECTOR, 2, Width::Long, "Flush Size")
        .doc("Number of records written to store before invoking file commits."),
    pub(crate) rotate_interval: i64 = Key::new("rotate.interval.ms", Kind::Long, "-1")
        .importance(Importance::High)
        .group(CONNECTOR, 3, Width::Medium, "Rotate Interval (ms)")
        .doc(
            "The time interval in milliseconds to invoke file commits. You can configure this parameter so that \
             the files of a topic partition are closed once the timestamps of its records span this long; it \
             needs a time-based partitioner, and a further record to be noticed.",
        ),
    pub(crate) rotate_schedule_interval: i64 = Key::new("rotate.schedule.interval.ms", Kind::Long, "-1")
        .group(CONNECTOR, 4, Width::Medium, "Rotate Schedule Interval (ms)")
        .doc(
            "The time interval in milliseconds to periodically invoke file commits. This configuration ensures \
             that files are closed by the wall clock, counted from midnight of ``timezone``, whether records \
             arrive or not. Exactly-once output is then no longer given.",
        ),
    pub(crate) schema_cache_size: i32 = Key::new("schemas.cache.config", Kind::Int, "1000")
        .importance(Importance::Low)
        .group(CONNECTOR, 5, Width::Long, "Schema Cache Size")
        .doc("The size of the schema cache used in the Avro converter."),
    pub(crate) enhanced_avro_schema_support: bool = Key::new("enhanced.avro.schema.support", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(CONNECTOR, 6, Width::Short, "Enhanced Avro Support")
        .doc(
            "Enable enhanced avro schema support in AvroConverter: Enum symbol preservation and Package Name \
             awareness.",
        ),
    pub(crate) connect_meta_data: bool = Key::new("connect.meta.data", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(CONNECTOR, 7, Width::Short, "Connect Metadata")
        .doc("Allow connect converter to add its metadata to the output schema"),
    pub(crate) retry_backoff: i64 = Key::new("retry.backoff.ms", Kind::Long, "5000")
        .importance(Importance::Low)
        .group(CONNECTOR, 8, Width::Medium, "Retry Backoff (ms)")
        .doc(
            "The retry backoff in milliseconds. This config is used to notify Kafka connect to retry delivering a\
              batch after a transient failure; here only the failed upload is tried again, after this pause.",
        ),
    pub(crate) offset_width: i32 = Key::new("filename.offset.zero.pad.width", Kind::Int, "10")
        .importance(Importance::Low)
        .group(CONNECTOR, 10, Width::Long, "Filename Offset Zero Pad Width")
        .validator(Validator::AtLeast(0))
        .doc(
            "Width to zero pad offsets in store's filenames if offsets are too short in order to provide fixed \
             width filenames, which then sort by offset.",
        ),
    pub(crate) avro_codec: String = Key::new("avro.codec", Kind::String, "null")
        .importance(Importance::Low)
        .group(CONNECTOR, 11, Width::Medium, "Avro Compression Codec")
        .validator(Validator::OneOf(&AVRO_CODECS))
        .recommended(&AVRO_CODECS)
        .doc(
            "The Avro compression codec to be used for output  files. Available values: null, deflate, snappy and\
              bzip2.",
        ),
    pub(crate) allow_optional_map_keys: bool = Key::new("allow.optional.map.keys", Kind::Boolean, "false")
        .importance(Importance::Low)
        .group(CONNECTOR, 12, Width::Short, "Allow Optional Map Keys")
        .doc("Allow optional string map key when converting from Connect Schema to Avro Schema."),
    pub(crate) schema_compatibility: String = Key::new("schema.compatibility", Kind::String, "NONE")
        .importance(Importance::High)
        .group(SCHEMA, 1, Width::Short, "Schema Compatibility")
        .recommended(&COMPATIBILITIES)
        .doc(
            "The schema compatibility rule to use when the connector is observing schema changes. The supported \
             configurations are NONE, BACKWARD, FORWARD and FULL.",
        ),
    pub(crate) parquet_codec: String = Key::new("parquet.codec", Kind::String, "snappy")
        .importance(Importance::Low)
        .group(CONNECTOR, 13, Width::Medium, "Parquet Compression Codec")
        .validator(Validator::Check(validators::parquet_codec))
        .recommended(&validators::PARQUET_CODECS)
        .doc("The Parquet compression codec to be used for output files."),
    pub(crate) bucket_name: String = Key::required("s3.bucket.name", Kind::String)
        .importance(Importance::High)
        .group(S3, 1, Width::Long, "S3 Bucket")
        .doc("The S3 Bucket."),
    pub(crate) object_tagging: bool = Key::new("s3.object.tagging", Kind::Boolean, "false")
        .importance(Importance::Low)
        .group(S3, 2, Width::Long, "S3 Object Tagging")
        .doc("Tag S3 objects with start and end offsets, as well as record count."),
    pub(crate) object_tagging_key_value_pairs: Vec<String> = Key::new("s3.object.tagging.key.value.pairs", Kind::List, "")
        .importance(Importance::Low)
        .group(S3, 3, Width::Long, "S3 Object Tagging Extra Key Value pairs")
        .doc("Additional S3 tag key value pairs"),
    pub(crate) object_behavior_on_tagging_error: String = Key::new("s3.object.behavior.on.tagging.error", Kind::String, "ignore")
        .importance(Importance::Low)
        .group(S3, 4, Width::Short, "Behavior for S3 object tagging error")
        .validator(Validator::Check(validators::tagging_error))
        .doc("How to handle S3 object tagging error. Valid options are 'ignore' and 'fail'."),
    pub(crate) region: String = Key::new("s3.region", Kind::String, "us-west-2")
        .group(S3, 5, Width::Long, "AWS region")
        .validator(Validator::Check(validators::region))
        .recommended(&REGIONS)
        .doc("The AWS region to be used the connector."),
    pub(crate) part_size: i32 = Key::new("s3.part.size", Kind::Int, "26214400")
        .importance(Importance::High)
        .group(S3, 6, Width::Long, "S3 Part Size")
        .validator(Validator::Check(validators::part_size))
        .doc("The Part Size in S3 Multi-part Uploads."),
    pub(crate) credentials_provider_class: String = Key::new("s3.credentials.provider.class", Kind::Class, "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider")
        .importance(Importance::Low)
        .group(S3, 7, Width::Long, "AWS Credentials Provider Class")
        .validator(Validator::Check(validators::credentials_class))
        .doc(
            "Credentials provider or provider chain to use for authentication to AWS. By default the connector \
             uses the usual chain: environment, profile, web identity, container, instance.",
        ),
    pub(crate) aws_access_key_id: String = Key::new("aws.access.key.id", Kind::String, "")
        .importance(Importance::High)
        .group(S3, 8, Width::Long, "AWS Access Key ID")
        .doc(
            "The AWS access key ID used to authenticate personal AWS credentials such as IAM credentials. Use \
             only if no provider can supply them; it takes effect together with ``aws.secret.access.key``.",
        ),
    pub(crate) aws_secret_access_key: Option<Password> = Key::null("aws.secret.access.key", Kind::Password)
        .importance(Importance::High)
        .group(S3, 9, Width::Long, "AWS Secret Access Key")
        .doc(
            "The secret access key used to authenticate personal AWS credentials such as IAM credentials. Use \
             only together with ``aws.access.key.id``.",
        ),
    pub(crate) sse_name: String = Key::new("s3.ssea.name", Kind::String, "")
        .importance(Importance::Low)
        .group(S3, 10, Width::Long, "S3 Server Side Encryption Algorithm")
        .validator(Validator::OneOf(&SSE_NAMES))
        .recommended(&SSE_NAMES[1..])
        .doc("The S3 Server Side Encryption Algorithm."),
    pub(crate) sse_customer_key: Option<Password> = Key::null("s3.sse.customer.key", Kind::Password)
        .importance(Importance::Low)
        .group(S3, 11, Width::Long, "S3 Server Side Encryption Customer-Provided Key (SSE-C)")
        .doc("The S3 Server Side Encryption Customer-Provided Key (SSE-C)."),
    pub(crate) sse_kms_key_id: String = Key::new("s3.sse.kms.key.id", Kind::String, "")
        .importance(Importance::Low)
        .group(S3, 12, Width::Long, "S3 Server Side Encryption Key")
        .doc(
            "The name of the AWS Key Management Service (AWS-KMS) key to be used for server side encryption of \
             the objects, with ``s3.ssea.name`` set to ``aws:kms``.",
        ),
    pub(crate) acl_canned: Option<String> = Key::null("s3.acl.canned", Kind::String)
        .importance(Importance::Low)
        .group(S3, 13, Width::Long, "S3 Canned ACL")
        .validator(Validator::Check(validators::acl))
        .doc("An S3 canned ACL header value to apply when writing objects."),
    pub(crate) wan_mode: bool = Key::new("s3.wan.mode", Kind::Boolean, "false")
        .group(S3, 14, Width::Long, "S3 accelerated endpoint enabled")
        .doc("Use S3 accelerated endpoint."),
    pub(crate) compression_type: String = Key::new("s3.compression.type", Kind::String, "none")
        .importance(Importance::Low)
        .group(S3, 15, Width::Long, "Compression type")
        .validator(Validator::Check(validators::compression))
        .doc(
            "Compression type for files written to S3. Applied when using JsonFormat or ByteArrayFormat. \
             Available values: none, gzip.",
        ),
    pub(crate) compression_level: i32 = Key::new("s3.compression.level", Kind::Int, "-1")
        .importance(Importance::Low)
        .group(S3, 16, Width::Long, "Compression Level")
        .validator(Validator::Between(-1, 9))
        .recommended(&COMPRESSION_LEVELS)
        .doc("Compression level for files written to S3. Applied when using JsonFormat or ByteArrayFormat. "),
    pub(crate) json_decimal_format: String = Key::new("json.decimal.format", Kind::String, "BASE64")
        .group(S3, 17, Width::Medium, "Decimal Format")
        .validator(Validator::OneOfIgnoringCase(&["NUMERIC", "BASE64"]))
        .doc(
            "Controls which format json converter will serialize decimals in. This value is case insensitive and \
             can be either 'BASE64' (default) or 'NUMERIC'.",
        ),
    pub(crate) part_retries: i32 = Key::new("s3.part.retries", Kind::Int, "3")
        .group(S3, 18, Width::Long, "S3 Part Upload Retries")
        .validator(Validator::AtLeast(0))
        .doc(
            "Maximum number of retry attempts for failed requests. Zero means no retries. The actual number of \
             attempts is this one: it counts the first attempt too.",
        ),
    pub(crate) request_backoff: i64 = Key::new("s3.retry.backoff.ms", Kind::Long, "200")
        .importance(Importance::Low)
        .group(S3, 19, Width::Short, "Retry Backoff (ms)")
        .validator(Validator::AtLeast(0))
        .doc(
            "How long to wait in milliseconds before attempting the first retry of a failed S3 request. Upon a \
             failure of a retry the pause doubles, with full jitter.",
        ),
    pub(crate) format_bytearray_extension: String = Key::new("format.bytearray.extension", Kind::String, ".bin")
        .importance(Importance::Low)
        .group(S3, 20, Width::Long, "Output file extension for ByteArrayFormat")
        .doc("Output file extension for ByteArrayFormat. Defaults to ``.bin``."),
    pub(crate) format_bytearray_separator: Option<String> = Key::null("format.bytearray.separator", Kind::String)
        .importance(Importance::Low)
        .group(S3, 21, Width::Long, "Line separator ByteArrayFormat")
        .doc(
            "String inserted between records for ByteArrayFormat. Defaults to ``System.lineSeparator()`` and may \
             contain any characters; no escape is interpreted.",
        ),
    pub(crate) proxy_url: String = Key::new("s3.proxy.url", Kind::String, "")
        .importance(Importance::Low)
        .group(S3, 22, Width::Long, "S3 Proxy Settings")
        .doc(
            "S3 Proxy settings encoded in URL syntax. This property is meant to be used only if you need to \
             access S3 through a proxy.",
        ),
    pub(crate) proxy_user: Option<String> = Key::null("s3.proxy.user", Kind::String)
        .importance(Importance::Low)
        .group(S3, 23, Width::Long, "S3 Proxy User")
        .doc(
            "S3 Proxy User. This property is meant to be used only if you need to access S3 through a proxy. \
             Using it overrides the user of ``s3.proxy.url``.",
        ),
    pub(crate) proxy_password: Option<Password> = Key::null("s3.proxy.password", Kind::Password)
        .importance(Importance::Low)
        .group(S3, 24, Width::Long, "S3 Proxy Password")
        .doc(
            "S3 Proxy Password. This property is meant to be used only if you need to access S3 through a proxy. \
             Using it overrides the password of ``s3.proxy.url``.",
        ),
    pub(crate) http_send_expect_continue: bool = Key::new("s3.http.send.expect.continue", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(S3, 25, Width::Short, "S3 HTTP Send Uses Expect Continue")
        .doc(
            "Enable or disable use of the HTTP/1.1 handshake using EXPECT: 100-CONTINUE during multi-part upload.\
              It changes nothing of what is stored.",
        ),
    pub(crate) behavior_on_null_values: String = Key::new("behavior.on.null.values", Kind::String, "fail")
        .importance(Importance::Low)
        .group(S3, 26, Width::Short, "Behavior for null-valued records")
        .validator(Validator::Check(validators::null_values))
        .doc(
            "How to handle records with a null value (i.e. Kafka tombstone records). Valid options are 'ignore', \
             'fail' and 'write'.",
        ),
    pub(crate) report_null_values_to_dlq: bool = Key::new("report.null.values.to.dlq", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(S3, 27, Width::Short, "Report null value to dlq")
        .doc(
            "Determine whether to log records with null values to dlq. `errors.tolerance` should be set to 'all' \
             for it, and ``behavior.on.null.values`` to 'ignore'.",
        ),
    pub(crate) max_write_duration: i64 = Key::new("max.write.duration.ms", Kind::Long, "9223372036854775807")
        .importance(Importance::Low)
        .group(S3, 28, Width::Short, "Maximum write duration")
        .doc(
            "The maximum duration that a task will spend in batching and writing to S3. If the write operation \
             takes longer, the original breaks it off; here no write waits for S3, so there is nothing to break off.",
        ),
    pub(crate) rotate_file_on_partition_change: bool = Key::new("rotate.file.on.partition.change", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(S3, 29, Width::Short, "Rotate files on partition change")
        .doc(
            "Flag to determine whether we want to rotate existing files when the record belongs to a new file. \
             This takes effect with ``rotate.interval.ms`` alone.",
        ),
    pub(crate) tombstone_encoded_partition: String = Key::new("tombstone.encoded.partition", Kind::String, "tombstone")
        .importance(Importance::Low)
        .group(S3, 30, Width::Short, "Tombstone Encoded Partition")
        .doc(
            "Output s3 folder to write the tombstone records to. The configured partitioner would map tombstone \
             records to this folder, with ``behavior.on.null.values`` set to 'write'.",
        ),
    pub(crate) schema_partition_affix_type: String = Key::new("s3.schema.partition.affix.type", Kind::String, "NONE")
        .importance(Importance::Low)
        .group(S3, 31, Width::Long, "Schema Partition Affix Type")
        .validator(Validator::OneOf(&AFFIX_TYPES))
        .recommended(&AFFIX_TYPES)
        .doc(
            "Append the record schema name to prefix or suffix in the s3 path after the topic name. None will not\
              append it.",
        ),
    pub(crate) send_digest: bool = Key::new("s3.send.digest", Kind::Boolean, "false")
        .importance(Importance::Low)
        .group(S3, 32, Width::Short, "S3 Send Upload Message Digest")
        .doc("Enable or disable sending MD5 digest with S3 multipart upload request."),
    pub(crate) enable_conditional_writes: bool = Key::new("enable.conditional.writes", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(S3, 33, Width::Short, "Enable conditional writes during multipart upload")
        .doc(
            "Flag to control whether to enable conditional writes during multipart upload. The config will be \
             ignored unless ``rotate.schedule.interval.ms`` is set and neither keys nor headers are stored.",
        ),
    pub(crate) max_files_scan_limit: i32 = Key::new("max.files.scan.limit", Kind::Int, "100")
        .importance(Importance::Low)
        .group("", -1, Width::None, "max.files.scan.limit"),
    pub(crate) store_kafka_keys: bool = Key::new("store.kafka.keys", Kind::Boolean, "false")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 1, Width::Short, "Store kafka keys")
        .dependents(&["keys.format.class"])
        .doc(
            "Enable or disable writing keys to storage. This config is mandatory when the writing of tombstone \
             records is enabled.",
        ),
    pub(crate) store_kafka_headers: bool = Key::new("store.kafka.headers", Kind::Boolean, "false")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 2, Width::Short, "Store kafka headers")
        .dependents(&["headers.format.class"])
        .doc("Enable or disable writing headers to storage."),
    pub(crate) keys_format_class: String = Key::new("keys.format.class", Kind::Class, "io.confluent.connect.s3.format.avro.AvroFormat")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 3, Width::None, "Keys format class")
        .recommended(&FORMATS)
        .doc("The format class to use when writing keys to the store."),
    pub(crate) headers_format_class: String = Key::new("headers.format.class", Kind::Class, "io.confluent.connect.s3.format.avro.AvroFormat")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 4, Width::None, "Headers format class")
        .recommended(&HEADER_FORMATS)
        .doc("The format class to use when writing headers to the store."),
    pub(crate) path_style_access_enabled: bool = Key::new("s3.path.style.access.enabled", Kind::Boolean, "true")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 5, Width::Short, "Enable Path Style Access to S3")
        .doc("Specifies whether or not to enable path style access to the bucket used by the connector"),
    pub(crate) elastic_buffer_enable: bool = Key::new("s3.elastic.buffer.enable", Kind::Boolean, "false")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 6, Width::Long, "Enable elastic buffer to staging s3-part")
        .doc(
            "Specifies whether or not to allocate elastic buffer for staging s3-part to save memory. Note that \
             this worker's buffers always grow with their content; the objects are the same.",
        ),
    pub(crate) elastic_buffer_init_capacity: i32 = Key::new("s3.elastic.buffer.init.capacity", Kind::Int, "131072")
        .importance(Importance::Low)
        .group(KEYS_AND_HEADERS, 7, Width::Long, "Elastic buffer initial capacity")
        .validator(Validator::AtLeast(4096))
        .doc("Elastic buffer initial capacity."),
    pub(crate) partitioner_max_open_files: i32 = Key::new("partitioner.max.open.files", Kind::Int, "-1")
        .importance(Importance::Low)
        .group("", -1, Width::None, "partitioner.max.open.files"),
    pub(crate) storage_class: String = Key::required("storage.class", Kind::Class)
        .importance(Importance::High)
        .group(STORAGE, 1, Width::None, "Storage Class")
        .recommended(&["io.confluent.connect.s3.storage.S3Storage"])
        .doc("The underlying storage layer."),
    pub(crate) topics_dir: String = Key::new("topics.dir", Kind::String, "topics")
        .importance(Importance::High)
        .group(STORAGE, 2, Width::None, "Topics directory")
        .doc("Top level directory to store the data ingested from Kafka."),
    pub(crate) store_url: Option<String> = Key::null("store.url", Kind::String)
        .importance(Importance::High)
        .group(STORAGE, 3, Width::None, "Store URL")
        .doc(
            "Store's connection URL, if applicable. Without a scheme, https is assumed. The certificates to trust are \
             those of the file that ``AWS_CA_BUNDLE`` names, or ``SSL_CERT_FILE``, or the system's.",
        ),
    pub(crate) directory_delim: String = Key::new("directory.delim", Kind::String, "/")
        .group(STORAGE, 4, Width::Long, "Directory Delimiter")
        .doc("Directory delimiter pattern"),
    pub(crate) file_delim: String = Key::new("file.delim", Kind::String, "+")
        .group(STORAGE, 5, Width::Long, "File Delimiter")
        .doc("File delimiter pattern"),
    pub(crate) partitioner_class: String = Key::new("partitioner.class", Kind::Class, "io.confluent.connect.storage.partitioner.DefaultPartitioner")
        .importance(Importance::High)
        .group(PARTITIONER, 1, Width::Long, "Partitioner Class")
        .dependents(&["partition.field.name", "partition.duration.ms", "path.format", "locale", "timezone"])
        .recommended(&PARTITIONERS)
        .doc(
            "The partitioner to use when writing data to the store. You can use ``DefaultPartitioner``, which \
             preserves the Kafka partitions; ``FieldPartitioner``, which partitions by values of fields; or \
             ``TimeBasedPartitioner`` and its kin, which partition by time.",
        ),
    pub(crate) partition_field_names: Vec<String> = Key::new("partition.field.name", Kind::List, "")
        .group(PARTITIONER, 2, Width::None, "Partition Field Name")
        .validator(Validator::Check(validators::field_names))
        .doc("The name of the partitioning field when FieldPartitioner is used."),
    pub(crate) partition_duration: i64 = Key::new("partition.duration.ms", Kind::Long, "-1")
        .group(PARTITIONER, 3, Width::Long, "Partition Duration (ms)")
        .doc(
            "The duration of a partition milliseconds used by ``TimeBasedPartitioner``. The default value -1 \
             means that it is not set, which that partitioner does not accept.",
        ),
    pub(crate) path_format: String = Key::new("path.format", Kind::String, "")
        .group(PARTITIONER, 4, Width::Long, "Path Format")
        .doc(
            "This configuration is used to set the format of the data directories when partitioning with \
             ``TimeBasedPartitioner``. Its letters are those of Joda-Time.",
        ),
    pub(crate) locale: String = Key::new("locale", Kind::String, "")
        .group(PARTITIONER, 5, Width::Long, "Locale")
        .doc(
            "The locale to use when partitioning with ``TimeBasedPartitioner``. Used to format dates and times. \
             For example ``en``.",
        ),
    pub(crate) timezone: String = Key::new("timezone", Kind::String, "")
        .group(PARTITIONER, 6, Width::Long, "Timezone")
        .validator(Validator::Check(validators::timezone))
        .doc(
            "The timezone to use when partitioning with ``TimeBasedPartitioner``. Used to format and compute \
             dates and times. For example ``UTC``.",
        ),
    pub(crate) timestamp_extractor: String = Key::new("timestamp.extractor", Kind::String, "Wallclock")
        .group(PARTITIONER, 7, Width::Long, "Timestamp Extractor")
        .doc(
            "The extractor that gets the timestamp for records when partitioning with ``TimeBasedPartitioner``. \
             It can be ``Wallclock``, ``Record`` or ``RecordField``.",
        ),
    pub(crate) timestamp_field: String = Key::new("timestamp.field", Kind::String, "timestamp")
        .group(PARTITIONER, 8, Width::Long, "Record Field for Timestamp Extractor")
        .doc("The record field to be used as timestamp by the timestamp extractor."),
    }
}

/// The definition, made once.
pub(crate) fn definition() -> &'static ConfigDef {
    static DEFINITION: LazyLock<ConfigDef> =
        LazyLock::new(|| S3Config::definition().with_classes(classes::exists));
    &DEFINITION
}

/// What Java throws for settings that it refuses.
pub(crate) const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";

/// Whether a partitioner files records by time.
pub(crate) fn is_time_based(partitioner: &str) -> bool {
    [
        DAILY_PARTITIONER,
        HOURLY_PARTITIONER,
        TIME_BASED_PARTITIONER,
    ]
    .contains(&partitioner)
}

impl S3Config {
    /// Zero or less acts as one, as in the original.
    pub(crate) fn records_per_rotation(&self) -> usize {
        usize::try_from(self.flush_size).unwrap_or(0).max(1)
    }
}
