//! TopicSettings: the settings of one topic, resolved into what the task does with its records.

use crate::cdc::{CdcHandler, EventFormat};
use crate::classes::{
    CDC_HANDLERS, ID_STRATEGIES, MAPPERS, PROCESSORS, WRITE_STRATEGIES, not_found,
};
use crate::config::MongoConfig;
use crate::document_id::IdStrategy;
use crate::json;
use crate::namespace::{FieldSource, NamespaceMapper};
use crate::processor::Processor;
use crate::projection::Projection;
use crate::raw_json::RawPath;
use crate::rename::Renamer;
use crate::time_field::TimeField;
use crate::time_series::TimeSeries;
use crate::write_model::WriteStrategy;
use bson::Bson;
use millstream_core::Properties;
use millstream_core::message::{INPUT_ID, INPUT_TYPE, NO_ID};
use millstream_java::date_time::DateTimePattern;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A setting that does not go together with the others.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(key: &'static str, value: &str, why: &str) -> Self {
        let colon = if why.is_empty() { "" } else { ": " };
        Problem {
            key,
            message: format!("Invalid value {value} for configuration {key}{colon}{why}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tolerance {
    None,
    Data,
    All,
}

#[derive(Debug)]
pub(crate) struct TopicSettings {
    pub(crate) mapper: NamespaceMapper,
    pub(crate) processors: Vec<Processor>,
    pub(crate) ids: IdStrategy,
    pub(crate) write: WriteStrategy,
    /// What a tombstone becomes; `None` fails it.
    pub(crate) delete: Option<WriteStrategy>,
    /// With it records are events, and the chain, ids and strategies mean nothing.
    pub(crate) cdc: Option<CdcHandler>,
    /// Where records go to time series collections.
    pub(crate) time_series: Option<TimeSeries>,
    /// Records in one bulk write.
    pub(crate) max_batch: usize,
    pub(crate) ordered: bool,
    pub(crate) tolerance: Tolerance,
    pub(crate) log_errors: bool,
    pub(crate) rate: RateLimit,
    /// The way without a tree, where these settings allow it.
    pub(crate) raw: Option<RawPath>,
}

/// A pause after every so many bulk writes; either being zero turns it off. What is limited is written one at a time.
#[derive(Debug)]
pub(crate) struct RateLimit {
    every: u32,
    pause: Duration,
    writes: AtomicU32,
    turn: Semaphore,
}

impl RateLimit {
    pub(crate) fn new(every: u32, pause: Duration) -> Self {
        RateLimit {
            every,
            pause,
            writes: AtomicU32::new(0),
            turn: Semaphore::new(1),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.every > 0 && !self.pause.is_zero()
    }

    /// Has one bulk write done when its turn has come, and takes the pause if one is due.
    pub(crate) async fn hold<T>(&self, write: impl Future<Output = T>) -> T {
        if !self.is_on() {
            return write.await;
        }
        // The semaphore is never closed; without a permit the write merely does not wait.
        let _turn = self.turn.acquire().await;
        let outcome = write.await;
        let count = self.writes.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if count.is_multiple_of(self.every) {
            tokio::time::sleep(self.pause).await;
        }
        outcome
    }
}

pub(crate) const ID_STRATEGY: &str = "document.id.strategy";
const CHAIN: &str = "post.processor.chain";
const DELETES: &str = "delete.on.null.values";

/// The settings with a topic's overrides put over them. The prefix ends with a dot, so `orders2` is not `orders`. A null
/// that validation lets through is as good as no setting.
pub(crate) fn with_overrides(properties: &Properties, topic: &str) -> Properties {
    let mut merged: Properties = properties.iter().collect();
    for (key, value) in properties
        .with_prefix(&format!("topic.override.{topic}."))
        .iter()
    {
        merged.insert(key, value);
    }
    merged
}

impl TopicSettings {
    /// All problems, or the settings.
    pub(crate) fn resolve(
        config: &MongoConfig,
        topic: &str,
        properties: &Properties,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = unsupported(config);
        let mapper = keep(&mut problems, mapper(config, topic));
        let ids = keep(&mut problems, id_strategy(config, properties));
        let processors = match &ids {
            Some(ids) => keep(&mut problems, processors(config, ids)),
            None => None,
        };
        let write = keep(&mut problems, write_strategy(config));
        let delete = match &ids {
            Some(ids) => keep(&mut problems, delete_strategy(config, ids)),
            None => None,
        };
        let cdc = keep(&mut problems, cdc_handler(config));
        let (Some(mapper), Some(ids), Some(processors), Some(write), Some(delete), Some(cdc), true) = (
            mapper,
            ids,
            processors,
            write,
            delete,
            cdc,
            problems.is_empty(),
        ) else {
            return Err(problems);
        };
        let tolerance = if properties.contains("mongo.errors.tolerance") {
            &config.mongo_errors_tolerance
        } else {
            &config.errors_tolerance
        };
        let mut settings = TopicSettings {
            mapper,
            processors,
            ids,
            write,
            delete,
            cdc,
            time_series: time_series(config),
            max_batch: match config.max_batch_size {
                0 => usize::MAX,
                size => size as usize,
            },
            ordered: config.bulk_write_ordered,
            tolerance: match tolerance.to_ascii_lowercase().as_str() {
                "all" => Tolerance::All,
                "data" => Tolerance::Data,
                _ => Tolerance::None,
            },
            log_errors: if properties.contains("mongo.errors.log.enable") {
                config.mongo_errors_log_enable
            } else {
                config.errors_log_enable
            },
            rate: RateLimit::new(
                config.rate_limiting_every_n as u32,
                Duration::from_millis(config.rate_limiting_timeout as u64),
            ),
            raw: None,
        };
        if settings.namespace().is_some() && settings.cdc.is_none() {
            settings.raw = RawPath::of(&settings.processors, &settings.write);
        }
        Ok(settings)
    }

    pub(crate) fn namespace(&self) -> Option<(&str, &str)> {
        self.mapper.fixed()
    }
}

fn keep<T>(problems: &mut Vec<Problem>, outcome: Result<T, Problem>) -> Option<T> {
    outcome.map_err(|problem| problems.push(problem)).ok()
}

/// Settings that exist but are not honoured yet: whoever sets them is told, instead of being ignored.
fn unsupported(config: &MongoConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |key, value: &str, why: &str| problems.push(Problem::new(key, value, why));
    if !config.field_value_transformer.is_empty() {
        let class = &config.field_value_transformer;
        refuse("field.value.transformer", class, &not_found(class));
    }
    if config.csfle_enabled {
        refuse(
            "csfle.enabled",
            "true",
            "client-side field level encryption is not supported yet",
        );
    }
    problems
}

/// Whether ids are made of the messages of a queue: where nobody has chosen another strategy.
fn are_of_messages(properties: &Properties) -> bool {
    let is_set = |key: &str| {
        let text = properties.get(key);
        text.is_some_and(|text| !text.trim().is_empty())
    };
    let is_off = properties
        .get(INPUT_ID)
        .is_some_and(|id| id.trim() == NO_ID);
    is_set(INPUT_TYPE) && !is_set(ID_STRATEGY) && !is_off
}

fn id_strategy(config: &MongoConfig, properties: &Properties) -> Result<IdStrategy, Problem> {
    if are_of_messages(properties) {
        return Ok(IdStrategy::Message);
    }
    let class = config.document_id_strategy.as_str();
    let refuse = |why: String| Problem::new(ID_STRATEGY, class, &why);
    let short = ID_STRATEGIES.short_name(class).map_err(refuse)?;
    let partial = |own: &str, own_list: &str, shared: &str, shared_list: &str, half: &str| {
        let kind = if own.is_empty() { shared } else { own };
        let list = if own_list.is_empty() {
            shared_list
        } else {
            own_list
        };
        projection(kind, list).ok_or_else(|| {
            refuse(format!(
                "Invalid {half}.projection.type value. It should be set to either BLOCKLIST or ALLOWLIST"
            ))
        })
    };
    Ok(match short {
        "BsonOidStrategy" => IdStrategy::BsonOid,
        "KafkaMetaDataStrategy" => IdStrategy::KafkaMetaData,
        "FullKeyStrategy" => IdStrategy::FullKey,
        "ProvidedInKeyStrategy" => IdStrategy::ProvidedInKey,
        "ProvidedInValueStrategy" => IdStrategy::ProvidedInValue,
        "PartialKeyStrategy" => IdStrategy::PartialKey(partial(
            &config.document_id_strategy_partial_key_projection_type,
            &config.document_id_strategy_partial_key_projection_list,
            &config.key_projection_type,
            &config.key_projection_list,
            "key",
        )?),
        "PartialValueStrategy" => IdStrategy::PartialValue(partial(
            &config.document_id_strategy_partial_value_projection_type,
            &config.document_id_strategy_partial_value_projection_list,
            &config.value_projection_type,
            &config.value_projection_list,
            "value",
        )?),
        "UuidStrategy" => IdStrategy::Uuid {
            binary: config
                .document_id_strategy_uuid_format
                .eq_ignore_ascii_case("binary"),
        },
        "UuidProvidedInKeyStrategy" => IdStrategy::UuidProvidedInKey,
        _ => IdStrategy::UuidProvidedInValue,
    })
}

fn projection(kind: &str, list: &str) -> Option<Projection> {
    match kind.to_ascii_lowercase().as_str() {
        "allowlist" | "whitelist" => Some(Projection::allow(list)),
        "blocklist" | "blacklist" => Some(Projection::block(list)),
        _ => None,
    }
}

fn processors(config: &MongoConfig, ids: &IdStrategy) -> Result<Vec<Processor>, Problem> {
    let adder = Processor::DocumentIdAdder {
        strategy: ids.clone(),
        overwrite: config.document_id_strategy_overwrite_existing,
    };
    let shown = format!("[{}]", config.post_processor_chain.join(", "));
    let mut chain = Vec::new();
    for class in config
        .post_processor_chain
        .iter()
        .filter(|class| !class.is_empty())
    {
        let short = PROCESSORS
            .short_name(class)
            .map_err(|why| Problem::new(CHAIN, &shown, &why))?;
        chain.push(match short {
            "DocumentIdAdder" => adder.clone(),
            "KafkaMetaAdder" => Processor::KafkaMetaAdder,
            "NullFieldValueRemover" => Processor::NullFieldValueRemover,
            "AllowListKeyProjector" | "WhitelistKeyProjector" => {
                Processor::ProjectKey(Projection::allow(&config.key_projection_list))
            }
            "BlockListKeyProjector" | "BlacklistKeyProjector" => {
                Processor::ProjectKey(Projection::block(&config.key_projection_list))
            }
            "AllowListValueProjector" | "WhitelistValueProjector" => {
                Processor::ProjectValue(Projection::allow(&config.value_projection_list))
            }
            "BlockListValueProjector" | "BlacklistValueProjector" => {
                Processor::ProjectValue(Projection::block(&config.value_projection_list))
            }
            "field.renaming.RenameByMapping" => {
                Processor::Rename(Renamer::mapping(&list(&config.field_renamer_mapping)))
            }
            _ => {
                let renamer =
                    Renamer::patterns(&list(&config.field_renamer_regexp)).map_err(|why| {
                        Problem::new("field.renamer.regexp", &config.field_renamer_regexp, &why)
                    })?;
                Processor::Rename(renamer)
            }
        });
    }
    if !chain
        .iter()
        .any(|step| matches!(step, Processor::DocumentIdAdder { .. }))
    {
        chain.insert(0, adder);
    }
    if let Some(field) = time_field(config)? {
        chain.push(Processor::ConvertTime(field));
    }
    Ok(chain)
}

/// The step that makes dates of times, if one is wanted.
fn time_field(config: &MongoConfig) -> Result<Option<TimeField>, Problem> {
    if config.timeseries_timefield.trim().is_empty() || !config.timeseries_timefield_auto_convert {
        return Ok(None);
    }
    let pattern = &config.timeseries_timefield_auto_convert_date_format;
    let language = &config.timeseries_timefield_auto_convert_locale_language_tag;
    let compiled = DateTimePattern::compile(pattern, language);
    let pattern = compiled.map_err(|why| {
        const KEY: &str = "timeseries.timefield.auto.convert.date.format";
        Problem::new(KEY, pattern, &why.to_string())
    })?;
    Ok(Some(TimeField {
        name: config.timeseries_timefield.clone(),
        pattern,
    }))
}

fn time_series(config: &MongoConfig) -> Option<TimeSeries> {
    let time_field = config.timeseries_timefield.trim();
    (!time_field.is_empty()).then(|| TimeSeries {
        time_field: time_field.to_owned(),
        meta_field: config.timeseries_metafield.trim().to_owned(),
        granularity: config.timeseries_granularity.trim().to_ascii_lowercase(),
        expire_after_seconds: config.timeseries_expire_after_seconds,
        known: Mutex::default(),
    })
}

/// The validator has seen that one of the two readings is a list.
fn list(text: &str) -> Vec<Bson> {
    json::parse_array(text)
        .or_else(|_| json::parse_array(&text.replace('\\', "\\\\")))
        .unwrap_or_default()
}

fn write_strategy(config: &MongoConfig) -> Result<WriteStrategy, Problem> {
    let is_time_series = !config.timeseries_timefield.trim().is_empty();
    strategy(
        "writemodel.strategy",
        &config.writemodel_strategy,
        is_time_series,
    )
}

fn strategy(
    key: &'static str,
    class: &str,
    is_time_series: bool,
) -> Result<WriteStrategy, Problem> {
    let short = WRITE_STRATEGIES
        .short_name(class)
        .map_err(|why| Problem::new(key, class, &why))?;
    Ok(match short {
        "InsertOneDefaultStrategy" => WriteStrategy::InsertOneDefault,
        "UpdateOneDefaultStrategy" => WriteStrategy::UpdateOneDefault,
        "UpdateOneTimestampsStrategy" => WriteStrategy::UpdateOneTimestamps,
        "ReplaceOneBusinessKeyStrategy" => WriteStrategy::ReplaceOneBusinessKey,
        "UpdateOneBusinessKeyTimestampStrategy" => WriteStrategy::UpdateOneBusinessKeyTimestamp,
        "DeleteOneDefaultStrategy" => WriteStrategy::DeleteOneDefault,
        "DeleteOneBusinessKeyStrategy" => WriteStrategy::DeleteOneBusinessKey,
        "DeleteOneTombstoneBusinessKeyStrategy" => WriteStrategy::DeleteOneTombstoneBusinessKey,
        // A time series collection takes inserts alone.
        "DefaultWriteModelStrategy" if is_time_series => WriteStrategy::InsertOneDefault,
        _ => WriteStrategy::ReplaceOneDefault,
    })
}

fn delete_strategy(
    config: &MongoConfig,
    ids: &IdStrategy,
) -> Result<Option<WriteStrategy>, Problem> {
    if !config.delete_on_null_values {
        return Ok(None);
    }
    let strategy = strategy(
        "delete.writemodel.strategy",
        &config.delete_writemodel_strategy,
        false,
    )?;
    let by_key = matches!(
        ids,
        IdStrategy::FullKey | IdStrategy::PartialKey(_) | IdStrategy::ProvidedInKey
    );
    if strategy == WriteStrategy::DeleteOneDefault && !by_key {
        return Err(Problem::new(
            DELETES,
            "true",
            "DeleteOneDefaultStrategy can only be applied when the configured IdStrategy is an instance of: \
             FullKeyStrategy or PartialKeyStrategy or ProvidedInKeyStrategy",
        ));
    }
    Ok(Some(strategy))
}

fn cdc_handler(config: &MongoConfig) -> Result<Option<CdcHandler>, Problem> {
    let class = config.change_data_capture_handler.as_str();
    if class.is_empty() {
        return Ok(None);
    }
    let short = CDC_HANDLERS
        .short_name(class)
        .map_err(|why| Problem::new("change.data.capture.handler", class, &why))?;
    Ok(Some(CdcHandler {
        format: match short {
            "debezium.mongodb.ChangeStreamHandler" => EventFormat::DebeziumChangeStream,
            "debezium.mongodb.MongoDbHandler" => EventFormat::DebeziumOplog,
            "mongodb.ChangeStreamHandler" => EventFormat::ChangeStream,
            "qlik.rdbms.RdbmsHandler" => EventFormat::QlikRdbms,
            _ => EventFormat::DebeziumRdbms,
        },
        removes_nulls: config.change_data_capture_handler_remove_null_values,
    }))
}

fn mapper(config: &MongoConfig, topic: &str) -> Result<NamespaceMapper, Problem> {
    const KEY: &str = "namespace.mapper";
    let class = config.namespace_mapper.as_str();
    let short = MAPPERS
        .short_name(class)
        .map_err(|why| Problem::new(KEY, class, &why))?;
    let collection = if config.collection.is_empty() {
        topic
    } else {
        &config.collection
    };
    if let Err(why) = crate::namespace::check_database(&config.database) {
        return Err(Problem::new("database", &config.database, &why));
    }
    if let Err(why) = crate::namespace::check_collection(collection) {
        return Err(Problem::new("topics", &config.topics.join(","), &why));
    }
    let mut mapper = NamespaceMapper::new(&config.database, collection);
    if short == "FieldPathNamespaceMapper" {
        mapper.error_if_invalid = config.namespace_mapper_error_if_invalid;
        mapper.database_field = field(
            "namespace.mapper.key.database.field",
            &config.namespace_mapper_key_database_field,
            "namespace.mapper.value.database.field",
            &config.namespace_mapper_value_database_field,
        )?;
        mapper.collection_field = field(
            "namespace.mapper.key.collection.field",
            &config.namespace_mapper_key_collection_field,
            "namespace.mapper.value.collection.field",
            &config.namespace_mapper_value_collection_field,
        )?;
        if mapper.fixed().is_some() {
            return Err(Problem::new(
                KEY,
                class,
                "Missing configuration for the FieldBasedNamespaceMapper. Please configure the database and / or \
                 collection field path.",
            ));
        }
    }
    Ok(mapper)
}

fn field(
    key_name: &'static str,
    key: &str,
    value_name: &str,
    value: &str,
) -> Result<Option<FieldSource>, Problem> {
    match (key.is_empty(), value.is_empty()) {
        (false, false) => Err(Problem::new(
            key_name,
            key,
            &format!("Cannot set both: '{key_name}' and '{value_name}'"),
        )),
        (false, true) => Ok(Some(FieldSource::key(key))),
        (true, false) => Ok(Some(FieldSource::value(value))),
        (true, true) => Ok(None),
    }
}
