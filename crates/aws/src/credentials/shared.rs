//! Shared: one chain for all in this process who want the same credentials, so that as many clients ask their source once.

use super::{CredentialsChain, CredentialsSettings};
use crate::environment::Environment;
use crate::http::Http;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Chains that are kept. A process has one identity, and a connector here and there takes on a role of its own.
const MOST: usize = 64;

static CHAINS: LazyLock<Mutex<Vec<Known>>> = LazyLock::new(Mutex::default);

struct Known {
    settings: CredentialsSettings,
    environment: Environment,
    region: String,
    chain: Arc<CredentialsChain>,
}

impl CredentialsChain {
    /// The chain of this process for these settings: the same one for whoever asks with the same. `region` is where a role is
    /// taken on, by these settings, a profile or a web identity. `http` is what the first who asks has already, if so.
    ///
    /// # Errors
    /// If the certificates that the environment names cannot be read.
    pub fn shared(
        settings: &CredentialsSettings,
        environment: &Environment,
        region: &str,
        http: Option<&Http>,
    ) -> Result<Arc<Self>, String> {
        let environment = environment.of_aws();
        // The list is whole after every step.
        let mut chains = CHAINS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &&Known| {
            known.settings == *settings
                && known.environment == environment
                && known.region == region
        };
        if let Some(known) = chains.iter().find(is_it) {
            return Ok(Arc::clone(&known.chain));
        }
        let http = match http {
            Some(http) => http.clone(),
            None => Http::new(&environment)?,
        };
        let chain = CredentialsChain::new(settings.clone(), environment.clone(), region, http);
        let chain = Arc::new(chain);
        if chains.len() >= MOST {
            chains.retain(|known| Arc::strong_count(&known.chain) > 1);
        }
        // Beyond that somebody has a chain of its own.
        if chains.len() < MOST {
            chains.push(Known {
                settings: settings.clone(),
                environment,
                region: region.to_owned(),
                chain: Arc::clone(&chain),
            });
        }
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Role;

    #[test]
    fn who_wants_the_same_has_the_same() {
        let environment = |name: &str, value: &str| -> Environment {
            let variables = [("AWS_PROFILE", "shared-test"), (name, value)];
            let variables = variables.into_iter();
            variables
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        };
        let get = |settings: &CredentialsSettings, environment: &Environment, region: &str| {
            CredentialsChain::shared(settings, environment, region, None).unwrap()
        };
        let plain = CredentialsSettings::default();
        let here = environment("NAMESPACE", "a");
        let first = get(&plain, &here, "eu-west-1");
        // What is no matter of AWS's makes no difference.
        let other = environment("NAMESPACE", "b");
        assert!(Arc::ptr_eq(&first, &get(&plain, &other, "eu-west-1")));
        assert!(!Arc::ptr_eq(&first, &get(&plain, &here, "eu-north-1")));
        let other = environment("AWS_ACCESS_KEY_ID", "b");
        assert!(!Arc::ptr_eq(&first, &get(&plain, &other, "eu-west-1")));
        let role = Role {
            arn: "arn:aws:iam::1:role/r".to_owned(),
            session_name: "s".to_owned(),
            external_id: None,
            sts_region: None,
        };
        let role = CredentialsSettings {
            role: Some(role),
            ..CredentialsSettings::default()
        };
        let of_role = get(&role, &here, "eu-west-1");
        assert!(Arc::ptr_eq(&of_role, &get(&role, &here, "eu-west-1")));
        assert!(!Arc::ptr_eq(&of_role, &first));
        // Those that nobody has any more make room.
        for n in 0..2 * MOST {
            get(
                &plain,
                &environment("AWS_ACCESS_KEY_ID", &n.to_string()),
                "",
            );
        }
        assert!(CHAINS.lock().unwrap().len() <= MOST);
        assert!(Arc::ptr_eq(&first, &get(&plain, &here, "eu-west-1")));
    }
}
