//! What the original does and this version does not yet: refused under its key, never silently ignored.

use crate::config::{S3Config, credentials_advice};
use crate::partitioner;
use millstream_core::{ConfigValue, Properties};

/// Adds an error to each key whose value would be ignored.
pub(crate) fn refuse_unsupported(config: &S3Config, values: &mut [ConfigValue]) {
    let mut refuse = |name: &str, shown: &str, instead: &str| {
        if let Some(value) = values.iter_mut().find(|value| value.name == name) {
            value.errors.push(format!(
                "Invalid value {shown} for configuration {name}: not supported by this version of millstream; {instead}"
            ));
        }
    };
    if partitioner::names_zones_abroad(config) {
        refuse("locale", &config.locale, partitioner::ZONE_NAMES);
    }
    if !config.proxy_url.is_empty() {
        refuse("s3.proxy.url", "[hidden]", "remove it");
    }
}

/// Adds what to use instead of a provider of credentials that people have in their files and that is not known here.
pub(crate) fn refuse_credentials_class(properties: &Properties, values: &mut [ConfigValue]) {
    const NAME: &str = "s3.credentials.provider.class";
    let class = properties.get(NAME).map_or("", str::trim);
    if let (Some(advice), Some(value)) = (
        credentials_advice(class),
        values.iter_mut().find(|value| value.name == NAME),
    ) {
        value.errors.push(format!(
            "Invalid value {class} for configuration {NAME}: not supported by this version of millstream; {advice}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use crate::S3SinkConnector;
    use crate::config;
    use millstream_core::{Connector, Properties};

    fn errors(path: &str, locale: &str) -> Vec<(String, String)> {
        let properties = Properties::from_iter([
            ("s3.bucket.name", "b"),
            ("flush.size", "3"),
            ("storage.class", config::S3_STORAGE),
            ("format.class", config::JSON_FORMAT),
            ("partitioner.class", config::TIME_BASED_PARTITIONER),
            ("partition.duration.ms", "3600000"),
            ("timezone", "UTC"),
            ("path.format", path),
            ("locale", locale),
        ]);
        let values = S3SinkConnector.validate(&properties).into_iter();
        values
            .flat_map(|value| {
                value
                    .errors
                    .into_iter()
                    .map(move |error| (value.name.clone(), error))
            })
            .collect()
    }

    #[test]
    fn report_a7_a_locale_has_its_names_or_is_refused() {
        assert_eq!(errors("YYYY/MMMM", "ru"), []);
        assert_eq!(errors("YYYY/z", "en"), []);
        assert_eq!(errors("YYYY/ZZZ", "ru"), []);
        let refused = errors("YYYY/z", "ru");
        let [(key, message)] = &refused[..] else {
            panic!("one error, not {refused:?}");
        };
        assert_eq!(key, "locale");
        assert!(
            message.contains("write Z, ZZ or ZZZ, or set locale=en"),
            "{message}"
        );
    }
}
