//! From settings to a converter, or to everything that is wrong with them.

use crate::config::{first_errors, resolve};
use crate::converter::RegistryConverter;
use crate::format::Format;
use millstream_core::{ConfigValue, Converter, ConverterUse, KeyError, PluginError, Properties};

/// What a format makes of its own settings.
pub(crate) type Parsed<T> = (Option<T>, Vec<ConfigValue>);

/// What is wrong with the settings together. They are resolved for that, and dropped.
pub(crate) fn check(properties: &Properties, role: ConverterUse) -> Vec<KeyError> {
    resolve(properties, role).err().unwrap_or_default()
}

/// Makes a converter of a format's settings and the registry's.
///
/// # Errors
/// Everything that is wrong, in one message.
pub(crate) fn make<T, F: Format>(
    properties: &Properties,
    role: ConverterUse,
    (own, values): Parsed<T>,
    format: fn(T) -> F,
) -> Result<Box<dyn Converter>, PluginError> {
    let mut errors: Vec<KeyError> = first_errors(values).collect();
    match (resolve(properties, role), own) {
        (Ok((client, schemas)), Some(own)) if errors.is_empty() => Ok(Box::new(
            RegistryConverter::new(format(own), client, schemas),
        )),
        (resolved, _) => {
            errors.extend(resolved.err().unwrap_or_default());
            let errors = errors
                .into_iter()
                .map(|(key, why)| match why.contains(&*key) {
                    true => why,
                    false => format!("{key}: {why}"),
                });
            Err(PluginError::config(errors.collect::<Vec<_>>().join("; ")))
        }
    }
}
