//! What validation finds out with a connection: whether there is a server, and whether collections are what the settings ask
//! for.

use crate::config::MongoConfig;
use crate::key_stores;
use crate::series_maker;
use crate::settings::{Problem, TopicSettings};
use crate::store::{Store, Unreachable};
use crate::time_series::{self, LEAST_WIRE_VERSION};
use crate::topics;
use crate::uri::{ConnectionString, URI};
use bson::doc;
use millstream_core::Properties;
use millstream_core::config::ConfigValue;
use std::sync::Arc;
use std::time::Duration;

const TIME_FIELD: &str = "timeseries.timefield";

/// How long the connection test waits when the string does not say; Java's default, and its grace.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_GRACE: Duration = Duration::from_millis(500);

/// Connects as a task would; if that fails, the setting that is to blame, Java's text and why.
pub(crate) async fn connection(
    uri: &ConnectionString,
    properties: &Properties,
) -> Result<Store, Problem> {
    let unreachable = |why: &str| Problem {
        key: URI,
        message: format!("Unable to connect to the server. {why}"),
    };
    let mut options = uri
        .client_options(None)
        .await
        .map_err(|error| unreachable(&error.message))?;
    let timeout = options.connect_timeout.unwrap_or(CONNECT_TIMEOUT) + CONNECT_GRACE;
    options.server_selection_timeout = Some(timeout);
    let trusted = match MongoConfig::parse(&properties.iter().collect()).0 {
        Some(config) => key_stores::apply(&config, &mut options)
            .map_err(|key_stores::StoreProblem { key, message }| Problem { key, message })?,
        None => None,
    };
    let database = properties.get("database").unwrap_or("admin").to_owned();
    let store = Store::new(
        options,
        uri.first_host(),
        uri.answer_timeout(),
        Arc::default(),
        trusted,
    )
    .map_err(|error| unreachable(&error.kind.to_string()))?;
    let database = if uri.has_credentials() {
        "admin".to_owned()
    } else {
        database
    };
    match store.ping(&database, timeout).await {
        // A server that answers is there, whatever it thinks of the command.
        Ok(()) | Err(Unreachable::Responds) => Ok(store),
        Err(Unreachable::AuthenticationFailed(why)) => Err(Problem {
            key: URI,
            message: format!("Invalid user permissions authentication failed. {why}"),
        }),
        Err(Unreachable::Unavailable(why)) => Err(unreachable(&why)),
    }
}

/// What a product is known to lack by the name of its servers.
pub(crate) fn check_product(
    uri: &ConnectionString,
    properties: &Properties,
    values: &mut Vec<ConfigValue>,
) {
    let why = uri
        .hosts()
        .iter()
        .find_map(|host| time_series::refuses(host));
    let has_time_series = || {
        let all = topics::of_all(properties);
        all.iter()
            .any(|(_, settings)| settings.time_series.is_some())
    };
    if let Some(why) = why.filter(|_| has_time_series()) {
        let message = format!("Invalid value for configuration {TIME_FIELD}: {why}");
        topics::add_error(values, TIME_FIELD, message);
    }
}

/// Settings that mean nothing without the one that turns them on; a server that is too old; and the collections, which are
/// made if they are not there, as by the original.
pub(crate) async fn time_series(
    store: &Store,
    properties: &Properties,
    values: &mut Vec<ConfigValue>,
) {
    check_settings(properties, values);
    if values.iter().any(|value| !value.errors.is_empty()) {
        return;
    }
    let all = topics::of_all(properties);
    let wanted: Vec<&TopicSettings> = all
        .iter()
        .map(|(_, settings)| settings)
        .filter(|settings| settings.time_series.is_some())
        .collect();
    if wanted.is_empty() {
        return;
    }
    let hello = store.command("admin", doc! {"hello": 1}).await;
    let is_too_old = hello.is_ok_and(|answer| {
        answer
            .get_i32("maxWireVersion")
            .is_ok_and(|version| version < LEAST_WIRE_VERSION)
    });
    if is_too_old {
        let message = "Timeseries support requires MongoDB 5.0 or newer".to_owned();
        topics::add_error(values, TIME_FIELD, message);
        return;
    }
    for settings in wanted {
        // Records that name their collections are not there yet.
        if let Some(series) = settings
            .time_series
            .as_ref()
            .filter(|_| settings.namespace().is_some())
            && let Err(failure) =
                series_maker::ensure(series, store, settings.mapper.default(), Duration::ZERO).await
        {
            topics::add_error(values, TIME_FIELD, failure.reason);
        }
    }
}

fn check_settings(properties: &Properties, values: &mut Vec<ConfigValue>) {
    const EXPIRY: &str = "timeseries.expire.after.seconds";
    let text_of = |key: &str| properties.get(key).map_or("", str::trim);
    if !text_of(TIME_FIELD).is_empty() {
        return;
    }
    for key in ["timeseries.metafield", EXPIRY, "timeseries.granularity"] {
        let text = text_of(key);
        let is_set = match key {
            EXPIRY => text.parse::<i64>().is_ok_and(|seconds| seconds > 0),
            _ => !text.is_empty(),
        };
        if is_set {
            const MISSING: &str = "Missing timeseries configuration: `timeseries.timefield`";
            topics::add_error(values, key, MISSING.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_time_series_mean_nothing_without_the_field_of_times() {
        for (key, text, is_wrong) in [
            ("timeseries.metafield", "0", true),
            ("timeseries.metafield", " ", false),
            ("timeseries.expire.after.seconds", "0", false),
            ("timeseries.expire.after.seconds", "9", true),
            ("timeseries.granularity", "hours", true),
        ] {
            let mut values = Vec::new();
            check_settings(&Properties::from_iter([(key, text)]), &mut values);
            let wrong: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
            assert_eq!(wrong, vec![key; usize::from(is_wrong)], "{key}={text}");
        }
    }

    #[test]
    fn a_product_without_time_series_is_refused_with_the_setting() {
        for (field, host, is_refused) in [
            ("t", "x.docdb.amazonaws.com", true),
            ("", "x.docdb.amazonaws.com", false),
            ("t", "localhost", false),
        ] {
            let settings = [("topics", "a"), ("database", "d"), (TIME_FIELD, field)];
            let uri = ConnectionString::parse(&format!("mongodb://{host}/")).expect("a string");
            let mut values = Vec::new();
            check_product(&uri, &Properties::from_iter(settings), &mut values);
            assert_eq!(!values.is_empty(), is_refused, "{field} {host}");
        }
    }
}
