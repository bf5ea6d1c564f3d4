//! What validation finds out with a connection: whether there is a server, whether the user may write there, and whether
//! collections are what the settings ask for.

use crate::config::MongoConfig;
use crate::key_stores;
use crate::namespace::Namespace;
use crate::privileges::{self, Place, Privilege};
use crate::series_maker;
use crate::settings::{Problem, TopicSettings};
use crate::store::{Store, Unreachable};
use crate::time_series::{self, LEAST_WIRE_VERSION};
use crate::topics;
use crate::uri::{ConnectionString, URI};
use bson::{Document, doc};
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

/// How long all questions about a user may take; a server that keeps its roles elsewhere may be slow.
const PRIVILEGES_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the user may do what the sink does. Where the server does not say, or says it in another way than MongoDB, that
/// is no error: products that know no privileges take the writes all the same.
pub(crate) async fn privileges(
    store: &Store,
    uri: &ConnectionString,
    properties: &Properties,
    values: &mut Vec<ConfigValue>,
) {
    if !uri.has_credentials() {
        return;
    }
    let places = places(properties);
    let asked = ask_privileges(store, uri.auth_source(), &places);
    let missing = match tokio::time::timeout(PRIVILEGES_TIMEOUT, asked).await {
        Ok(Ok(missing)) => missing,
        Ok(Err(why)) => return privileges_unknown(&why),
        Err(_) => return privileges_unknown("request timed out"),
    };
    for actions in missing {
        let message = format!(
            "Invalid user permissions. Missing the following action permissions: {}",
            actions.join(", ")
        );
        topics::add_error(values, URI, message);
    }
}

fn privileges_unknown(error: &str) {
    tracing::warn!(
        error,
        "cannot find out whether the user of {URI} may write: it is not checked"
    );
}

/// The actions that are missing, for each place where some are. Roles are asked for while something is missing.
async fn ask_privileges(
    store: &Store,
    source: &str,
    places: &[Place],
) -> Result<Vec<Vec<&'static str>>, String> {
    let ask = async |database: &str, question: Document| {
        let answer = store.command(database, question).await;
        answer.map_err(|failure| failure.reason)
    };
    let question = doc! {"connectionStatus": 1, "showPrivileges": true};
    let (mut granted, roles) =
        privileges::of_user(&ask("admin", question).await?).map_err(|odd| odd.to_string())?;
    if granted.is_empty() && roles.is_empty() {
        return Err("the document store tells neither privileges nor roles".to_owned());
    }
    let missing = |granted: &[Privilege]| -> Vec<Vec<&'static str>> {
        let places = places.iter();
        let missing = places.map(|place| privileges::missing(granted, source, place));
        missing.filter(|actions| !actions.is_empty()).collect()
    };
    for role in roles {
        if missing(&granted).is_empty() {
            break;
        }
        let question =
            doc! {"rolesInfo": role.name, "showPrivileges": true, "showBuiltinRoles": true};
        let info = ask(&role.database, question).await?;
        granted.extend(privileges::of_role(&info).map_err(|odd| odd.to_string())?);
    }
    Ok(missing(&granted))
}

/// Where records will be written, and what is to be done there. With a pattern the original asks for the connector's own
/// settings alone, and not for those of topics.
fn places(properties: &Properties) -> Vec<Place> {
    if !topics::is_set(properties, "topics") {
        let config = MongoConfig::parse(&properties.iter().collect()).0;
        return Vec::from_iter(config.map(|config| Place {
            database: config.database,
            collection: config.collection,
            actions: privileges::ACTIONS,
        }));
    }
    let of_topic = |(_, settings): (String, TopicSettings)| {
        let Namespace {
            database,
            collection,
        } = settings.mapper.default();
        Place {
            database: database.to_string(),
            collection: collection.to_string(),
            actions: match settings.time_series {
                Some(_) => privileges::ACTIONS_OF_SERIES,
                None => privileges::ACTIONS,
            },
        }
    };
    topics::of_all(properties)
        .into_iter()
        .map(of_topic)
        .collect()
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
