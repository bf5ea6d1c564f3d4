//! Checks across settings, and what depends on several of them in the validate answer.

use super::classes::{AVRO_FORMAT, BYTE_ARRAY_FORMAT, JSON_FORMAT, PARQUET_FORMAT};
use super::extensions::{ENVELOPE, FILE_PER_SCHEMA, PARTITION_FIELDS, ROTATE_GRACE, ZSTD_LEVEL};
use super::{
    DAILY_PARTITIONER, DEFAULT_PARTITIONER, FIELD_PARTITIONER, HOURLY_PARTITIONER, S3Config,
    TIME_BASED_PARTITIONER, is_time_based,
};
use millstream_core::ConfigValue;
use millstream_core::config::Parsed;

fn text_of<'a>(values: &'a [ConfigValue], name: &str) -> Option<&'a str> {
    let value = values.iter().find(|value| value.name == name)?;
    match value.value.as_ref()? {
        Parsed::String(text) | Parsed::Class(text) => Some(text),
        _ => None,
    }
}

fn is_true(values: &[ConfigValue], name: &str) -> bool {
    values
        .iter()
        .any(|value| value.name == name && value.value == Some(Parsed::Boolean(true)))
}

/// Hides the settings that others make pointless.
pub(crate) fn set_visibility(values: &mut [ConfigValue]) {
    let format = text_of(values, "format.class");
    let mut hidden: Vec<&str> = Vec::new();
    let mut hide = |unless: bool, names: &[&'static str]| {
        if !unless {
            hidden.extend(names);
        }
    };
    hide(format == Some(AVRO_FORMAT), &["avro.codec"]);
    hide(format == Some(PARQUET_FORMAT), &["parquet.codec"]);
    let is_kms = text_of(values, "s3.ssea.name") == Some("aws:kms");
    hide(is_kms, &["s3.sse.kms.key.id"]);
    hide(is_true(values, "store.kafka.keys"), &["keys.format.class"]);
    let stores_headers = is_true(values, "store.kafka.headers");
    hide(stores_headers, &["headers.format.class"]);
    match text_of(values, "partitioner.class") {
        Some(DEFAULT_PARTITIONER) => hide(
            false,
            &[
                "partition.field.name",
                "partition.duration.ms",
                "path.format",
                "locale",
                "timezone",
            ],
        ),
        Some(FIELD_PARTITIONER) => hide(
            false,
            &["partition.duration.ms", "path.format", "locale", "timezone"],
        ),
        Some(HOURLY_PARTITIONER | DAILY_PARTITIONER) => hide(
            false,
            &[
                "partition.field.name",
                "partition.duration.ms",
                "path.format",
            ],
        ),
        Some(TIME_BASED_PARTITIONER) => hide(false, &["partition.field.name"]),
        Some(_) | None => {}
    }
    let hidden: Vec<String> = hidden.into_iter().map(str::to_owned).collect();
    for value in values {
        value.visible = !hidden.contains(&value.name);
    }
}

/// What the original refuses when it builds its configuration, although every key passes.
pub(crate) fn check_start(config: &S3Config) -> Result<(), String> {
    if config.rotate_schedule_interval > 0 && config.timezone.is_empty() {
        return Err(
            "timezone configuration must be set when using rotate.schedule.interval.ms".to_owned(),
        );
    }
    Ok(())
}

/// Adds the errors that several settings make together. `config` is there if every key parses.
pub(crate) fn check_across(config: Option<&S3Config>, values: &mut [ConfigValue]) {
    check_field_partitioner(values);
    // The original builds its whole configuration before it looks at the rest.
    let Some(config) = config.filter(|config| check_start(config).is_ok()) else {
        return;
    };
    let mut refuse = |names: &[&str], message: &str| {
        for value in values.iter_mut() {
            if names.contains(&value.name.as_str()) {
                value.errors.push(message.to_owned());
            }
        }
    };
    if config.compression_type == "gzip" {
        let mut check = |of: &str, class: &str, names: &[&str]| {
            if !is_of_lines(class) {
                refuse(
                    names,
                    &format!("Compression Type gzip not valid for {of} format class: ( {class} )."),
                );
            }
        };
        let data = ["format.class", "s3.compression.type"];
        check("data", &config.format_class, &data);
        if config.store_kafka_keys {
            let names = [
                "store.kafka.keys",
                "keys.format.class",
                "s3.compression.type",
            ];
            check("keys", &config.keys_format_class, &names);
        }
        if config.store_kafka_headers {
            let names = [
                "store.kafka.headers",
                "headers.format.class",
                "s3.compression.type",
            ];
            check("headers", &config.headers_format_class, &names);
        }
    }
    if config.behavior_on_null_values.eq_ignore_ascii_case("write") && !config.store_kafka_keys {
        refuse(
            &["store.kafka.keys", "behavior.on.null.values"],
            "Writing Kafka record keys to storage is mandatory when tombstone writing is enabled.",
        );
    }
    if config.wan_mode && config.path_style_access_enabled {
        refuse(
            &["s3.wan.mode", "s3.path.style.access.enabled"],
            WAN_WITH_PATH_STYLE,
        );
    }
}

const WAN_WITH_PATH_STYLE: &str = "Both accelerate mode and path style access are being enabled. These options are \
    mutually exclusive and cannot be enabled together. Please disable one of them";

/// Adds the errors that our own settings make with others.
pub(crate) fn check_extensions(config: Option<&S3Config>, values: &mut [ConfigValue]) {
    let Some(config) = config else { return };
    for value in values.iter_mut().filter(|value| value.errors.is_empty()) {
        let verdict = match value.name.as_str() {
            PARTITION_FIELDS => check_partition_fields(config, value),
            ZSTD_LEVEL => check_zstd_level(config, value),
            ENVELOPE => check_envelope(config, value),
            FILE_PER_SCHEMA => check_file_per_schema(config, value),
            ROTATE_GRACE => check_grace(config, value),
            _ => Ok(()),
        };
        value.errors.extend(verdict.err());
    }
}

fn check_partition_fields(config: &S3Config, fields: &ConfigValue) -> Result<(), String> {
    let is_empty = fields.value == Some(Parsed::List(Vec::new()));
    if is_empty || is_time_based(&config.partitioner_class) {
        return Ok(());
    }
    Err(format!(
        "{PARTITION_FIELDS} needs a partitioner.class that is time-based, in front of whose folders the fields go: \
         TimeBasedPartitioner, DailyPartitioner or HourlyPartitioner; for folders by fields alone set FieldPartitioner \
         and partition.field.name"
    ))
}

fn check_envelope(config: &S3Config, envelope: &ConfigValue) -> Result<(), String> {
    if envelope.value != Some(Parsed::Boolean(true)) {
        return Ok(());
    }
    if config.format_class != JSON_FORMAT {
        return Err(format!(
            "{ENVELOPE} writes lines of JSON; set format.class to {JSON_FORMAT}, or store keys and headers in objects of their \
             own (store.kafka.keys, store.kafka.headers)"
        ));
    }
    unprojected(config, ENVELOPE)
}

/// Where each record stays in its own schema.
fn unprojected(config: &S3Config, key: &str) -> Result<(), String> {
    let compatibility = &config.schema_compatibility;
    if compatibility.eq_ignore_ascii_case("NONE") {
        return Ok(());
    }
    Err(format!(
        "{key} leaves each record in its own schema, and schema.compatibility={compatibility} brings it into that of its file; \
         set schema.compatibility to NONE, or remove {key}"
    ))
}

fn check_file_per_schema(config: &S3Config, per_schema: &ConfigValue) -> Result<(), String> {
    match per_schema.value {
        Some(Parsed::Boolean(true)) => unprojected(config, FILE_PER_SCHEMA),
        _ => Ok(()),
    }
}

fn check_grace(config: &S3Config, grace: &ConfigValue) -> Result<(), String> {
    if grace.value == Some(Parsed::Int(0))
        || (is_time_based(&config.partitioner_class) && config.rotate_interval > 0)
    {
        return Ok(());
    }
    Err(format!(
        "{ROTATE_GRACE} is counted beside rotate.interval.ms; set that, with a partitioner.class that is time-based, or remove \
         {ROTATE_GRACE}"
    ))
}

/// Whether objects of this format are lines, which are compressed as a whole.
fn is_of_lines(class: &str) -> bool {
    class == JSON_FORMAT || class == BYTE_ARRAY_FORMAT
}

fn check_zstd_level(config: &S3Config, level: &ConfigValue) -> Result<(), String> {
    if level.value == Some(Parsed::Int(0)) {
        return Ok(());
    }
    if config.compression_type == "gzip" {
        return Err(format!(
            "{ZSTD_LEVEL} and s3.compression.type=gzip both compress objects; remove one of them"
        ));
    }
    let parts = [
        ("format.class", true, &config.format_class),
        (
            "keys.format.class",
            config.store_kafka_keys,
            &config.keys_format_class,
        ),
        (
            "headers.format.class",
            config.store_kafka_headers,
            &config.headers_format_class,
        ),
    ];
    let other = parts
        .iter()
        .find(|(_, on, class)| *on && !is_of_lines(class));
    match other {
        None => Ok(()),
        Some((key, ..)) => Err(format!(
            "{ZSTD_LEVEL} is for JsonFormat and ByteArrayFormat, and {key} is another; remove {ZSTD_LEVEL}, and let avro.codec or \
             parquet.codec (which may be zstd) compress instead"
        )),
    }
}

fn check_field_partitioner(values: &mut [ConfigValue]) {
    let is_field = text_of(values, "partitioner.class") == Some(FIELD_PARTITIONER);
    let Some(fields) = values.iter_mut().find(|v| v.name == "partition.field.name") else {
        return;
    };
    if is_field && fields.errors.is_empty() && fields.value == Some(Parsed::List(Vec::new())) {
        fields.errors.push(
            "Partition field name cannot be null or empty when using FieldPartitioner.".to_owned(),
        );
    }
}
