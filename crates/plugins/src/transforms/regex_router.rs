//! RegexRouter: a new topic for records whose topic the pattern matches.

use crate::settings::checked;
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Transform, TransformPlugin,
    config_def,
};
use millstream_java::regex::{JavaRegex, RegexFailure, check_pattern};
use std::sync::Arc;

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.RegexRouter",
    config_def: RegexRouterConfig::definition,
    make: |properties| Ok(Box::new(RegexRouter::new(properties)?)),
};

config_def! {
    struct RegexRouterConfig {
        regex: String = Key::required("regex", Kind::String)
            .importance(Importance::High)
            .doc("Regular expression to use for matching.")
            .validator(Validator::Check(check_pattern)),
        replacement: String = Key::required("replacement", Kind::String)
            .importance(Importance::High)
            .doc("Replacement string."),
    }
}

struct RegexRouter {
    regex: JavaRegex,
    replacement: String,
    /// The topic routed last, and where to: batches mostly stay with one.
    last: Option<(Arc<str>, Arc<str>)>,
}

impl RegexRouter {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(RegexRouterConfig::parse(properties))?;
        Ok(RegexRouter {
            regex: JavaRegex::compile(&config.regex).map_err(PluginError::config)?,
            replacement: config.replacement,
            last: None,
        })
    }

    /// Java's quirk: the pattern must match the whole topic, but its first find is what is replaced.
    fn route(&mut self, topic: &Arc<str>) -> Result<Arc<str>, RecordError> {
        if let Some((from, to)) = &self.last
            && from == topic
        {
            return Ok(to.clone());
        }
        let failed = |failure: RegexFailure| RecordError::new(failure.class, failure.message);
        let to = if self.regex.is_full_match(topic).map_err(failed)? {
            let replaced = self.regex.replace_first(topic, &self.replacement);
            Arc::from(replaced.map_err(failed)?)
        } else {
            topic.clone()
        };
        self.last = Some((topic.clone(), to.clone()));
        Ok(to)
    }
}

impl Transform for RegexRouter {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn renames_topics(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        // Where it fails, each row has to say so.
        if !super::route_all(batch, mask, |_, topic| self.route(topic).ok()) {
            super::route(batch, mask, errors, |_, _, topic| self.route(topic));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_topic() {
        let properties = Properties::from_iter([("regex", "(.*)-old"), ("replacement", "$1")]);
        let mut router = RegexRouter::new(&properties).unwrap();
        for (from, to) in [("a-old", "a"), ("a-old", "a"), ("b", "b"), ("a-old", "a")] {
            assert_eq!(&*router.route(&Arc::from(from)).unwrap(), to);
        }
    }
}
