//! How the workers of a cluster sign what they ask of each other: settings, algorithms and signatures.

mod mac;
mod signature;

pub(crate) use mac::MacAlgorithm;
pub(crate) use signature::Signature;

use millstream_core::config::validator::invalid;
use millstream_core::config::{Importance, Key, Kind, Parsed, Validator};
use millstream_core::{Properties, config_def};

/// Java's smallest key.
const FEWEST_BITS: i32 = 40;

config_def! {
    /// The settings about requests between workers, by Java's keys.
    pub struct InterWorkerConfig {
        pub key_algorithm: String = Key::new("inter.worker.key.generation.algorithm", Kind::String, "HmacSHA256").importance(Importance::Low)
            .validator(Validator::Check(check_algorithm))
            .doc("What session keys are made for; all workers should say the same."),
        pub key_bits: Option<i32> = Key::null("inter.worker.key.size", Kind::Int).importance(Importance::Low)
            .doc("Length of session keys in bits; without it, what is usual for the algorithm."),
        pub key_ttl_ms: i32 = Key::new("inter.worker.key.ttl.ms", Kind::Int, "3600000").importance(Importance::Low)
            .validator(Validator::Between(0, i32::MAX as i64))
            .doc("Age at which the leader takes another session key; with 0 only a worker that has just started does, once it leads."),
        pub signature_algorithm: String = Key::new("inter.worker.signature.algorithm", Kind::String, "HmacSHA256").importance(Importance::Low)
            .validator(Validator::Check(check_algorithm))
            .doc("What this worker signs with."),
        pub verification_algorithms: Vec<String> = Key::new("inter.worker.verification.algorithms", Kind::List, "HmacSHA256").importance(Importance::Low)
            .validator(Validator::Check(check_algorithms))
            .doc("With what other workers may sign; what this worker signs with must be among them."),
    }
}

impl InterWorkerConfig {
    /// Reads them from a worker's properties.
    ///
    /// # Errors
    /// Every error of every key.
    pub fn read(properties: &Properties) -> Result<Self, Vec<String>> {
        let (config, values) = InterWorkerConfig::parse(properties);
        let config = config.ok_or_else(|| {
            let errors = values.into_iter().flat_map(|value| value.errors);
            errors.collect::<Vec<_>>()
        })?;
        let mut errors = Vec::new();
        let (own, accepted) = (&config.signature_algorithm, &config.verification_algorithms);
        if !accepted.contains(own) {
            errors.push(format!(
                "Signature algorithm ({own}) must be present in list of verification algorithms ({})",
                accepted.join(",")
            ));
        }
        if let Some(bits) = config.key_bits.filter(|bits| *bits < FEWEST_BITS) {
            errors.push(format!("Invalid value {bits} for configuration inter.worker.key.size: Key length must be at least {FEWEST_BITS} bits"));
        }
        if errors.is_empty() {
            return Ok(config);
        }
        Err(errors)
    }

    /// Of a session key, in bytes.
    pub(crate) fn key_length(&self) -> usize {
        let usual = MacAlgorithm::find(&self.key_algorithm).map_or(0, MacAlgorithm::key_length);
        let bits = self.key_bits.and_then(|bits| usize::try_from(bits).ok());
        bits.map_or(usual, |bits| bits.div_ceil(8))
    }
}

fn check_algorithm(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::String(text)) if MacAlgorithm::find(text).is_some() => Ok(()),
        _ => Err(refused(name, value)),
    }
}

fn check_algorithms(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::List(items)) if items.is_empty() => Err(invalid(
            name,
            value,
            "At least one signature verification algorithm must be provided",
        )),
        Some(Parsed::List(items))
            if items.iter().all(|item| MacAlgorithm::find(item).is_some()) =>
        {
            Ok(())
        }
        _ => Err(refused(name, value)),
    }
}

fn refused(name: &str, value: Option<&Parsed>) -> String {
    let known = MacAlgorithm::names().collect::<Vec<_>>().join(", ");
    invalid(name, value, &format!("there are {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &[(&str, &str)], expected: Result<usize, &str>) {
        let properties = Properties::from_iter(settings.iter().copied());
        let found = InterWorkerConfig::read(&properties);
        let found = found.map(|config| config.key_length());
        let found = found.map_err(|errors| errors.join("; "));
        match expected {
            Ok(length) => assert_eq!(found, Ok(length), "{settings:?}"),
            Err(part) => {
                let error = found.expect_err("it is wrong");
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn keys_are_as_long_as_java_s() {
        let algorithm = "inter.worker.key.generation.algorithm";
        check(&[], Ok(32));
        check(&[(algorithm, "HmacSHA512")], Ok(64));
        check(&[(algorithm, "HmacSHA1")], Ok(64));
        check(&[("inter.worker.key.size", "129")], Ok(17));
        check(&[("inter.worker.key.size", "39")], Err("at least 40 bits"));
        check(&[("inter.worker.key.ttl.ms", "-1")], Err("at least 0"));
        check(&[(algorithm, "AES")], Err("Invalid value AES"));
    }

    #[test]
    fn a_worker_accepts_its_own_signatures() {
        let (own, accepted) = (
            "inter.worker.signature.algorithm",
            "inter.worker.verification.algorithms",
        );
        check(
            &[(own, "HmacSHA1"), (accepted, "HmacSHA1,HmacSHA256")],
            Ok(32),
        );
        check(&[(own, "HmacSHA1")], Err("must be present in list"));
        check(&[(accepted, "")], Err("At least one"));
        check(&[(accepted, "HmacSHA256,Nope")], Err("Nope"));
    }
}
