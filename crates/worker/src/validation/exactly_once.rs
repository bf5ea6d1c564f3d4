//! The rules about a source that is required to be written exactly once, as Java's distributed worker has them.

use millstream_core::{ConfigValue, Properties, SourceConnector};

const SUPPORT: &str = "exactly.once.support";
const BOUNDARY: &str = "transaction.boundary";

/// No source of this worker is written exactly once; the answer says so as a worker of Java's does that is not set to.
pub(super) fn check(source: &dyn SourceConnector, config: &Properties, values: &mut [ConfigValue]) {
    let is = |key: &str, name: &str| {
        let text = config.get(key).map(str::trim);
        text.is_some_and(|text| text.eq_ignore_ascii_case(name))
    };
    let mut add = |key: &str, message: &str| {
        if let Some(value) = values.iter_mut().find(|value| value.name == key) {
            value.errors.push(message.to_owned());
        }
    };
    if is(SUPPORT, "required") {
        add(
            SUPPORT,
            "This worker does not have exactly-once source support enabled.",
        );
        match source.can_do_exactly_once(config) {
            Some(true) => {}
            Some(false) => add(
                SUPPORT,
                "The connector does not support exactly-once semantics with the provided configuration.",
            ),
            None => add(
                SUPPORT,
                "The connector does not implement the API required for preflight validation of exactly-once source support. Please consult the documentation for the connector to determine whether it supports exactly-once semantics, and then consider reconfiguring the connector to use the value \"requested\" for this property (which will disable this preflight check and allow the connector to be created).",
            ),
        }
    }
    if is(BOUNDARY, "connector") {
        add(
            BOUNDARY,
            "The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.",
        );
    }
}
