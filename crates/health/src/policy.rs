//! Policy: what counts as unhealthy, and whose connectors are looked at. The texts are those of HEALTHCHECK_* variables.

/// How the worker that is asked about is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// By the whole `host:port`, as kafka-connect-healthcheck does, for which a bare host matches nobody.
    Exact,
    /// By `host:port` or by the host alone.
    HostToo,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// In capitals.
    pub unhealthy_states: Vec<String>,
    /// In small letters; `connector` and `task` mean something.
    pub considered: Vec<String>,
    /// The share of what is considered that may have failed.
    pub threshold: f64,
    /// Whose connectors and tasks count; those of all workers without one.
    pub worker_id: Option<String>,
    pub matching: Matching,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            unhealthy_states: Policy::states("FAILED"),
            considered: Policy::containers("CONNECTOR,TASK"),
            threshold: 0.0,
            worker_id: None,
            matching: Matching::HostToo,
        }
    }
}

impl Policy {
    pub fn states(list: &str) -> Vec<String> {
        let states = list.split(',');
        states
            .map(|state| state.to_uppercase().trim().to_owned())
            .collect()
    }

    pub fn containers(list: &str) -> Vec<String> {
        let words = list.split(',');
        words
            .map(|word| word.to_lowercase().trim().to_owned())
            .collect()
    }

    /// With the rounding of the original: 35 is 0.35000000000000003.
    pub fn share(percentage: i64) -> f64 {
        percentage as f64 * 0.01
    }

    pub(crate) fn considers(&self, container: &str) -> bool {
        self.considered.iter().any(|word| word == container)
    }

    pub(crate) fn is_unhealthy(&self, state: &str) -> bool {
        let state = state.to_uppercase();
        self.unhealthy_states.contains(&state)
    }

    /// Whether a status tells of the worker that is asked about.
    pub(crate) fn is_here(&self, worker_id: &str) -> bool {
        let Some(ours) = &self.worker_id else {
            return true;
        };
        let (ours, theirs) = (ours.to_lowercase(), worker_id.to_lowercase());
        if ours == theirs {
            return true;
        }
        let without_brackets = |host: &str| {
            let inner = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            inner.unwrap_or(host).to_owned()
        };
        let host = theirs
            .rsplit_once(':')
            .map(|(host, _)| without_brackets(host));
        let is_host = !ours.is_empty() && host.is_some_and(|host| host == without_brackets(&ours));
        self.matching == Matching::HostToo && is_host
    }
}

/// Who asks the worker, by `HEALTHCHECK_BASIC_AUTH`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    Nobody,
    User {
        name: String,
        password: String,
    },
    /// The original fails at each check with a password that has a colon.
    Unusable,
}

impl Credentials {
    /// `user:password`; a text without a colon is nobody.
    pub fn read(text: &str, matching: Matching) -> Self {
        match text.split_once(':') {
            None => Credentials::Nobody,
            Some((_, password)) if matching == Matching::Exact && password.contains(':') => {
                Credentials::Unusable
            }
            Some((name, password)) => Credentials::User {
                name: name.to_owned(),
                password: password.to_owned(),
            },
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::Nobody => "Nobody",
            Credentials::User { .. } => "User([hidden])",
            Credentials::Unusable => "Unusable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_known_by_its_host_unless_the_original_is_wanted() {
        for (ours, theirs, exact, host_too) in [
            ("10.0.0.1:8083", "10.0.0.1:8083", true, true),
            ("wORKER-a:8083", "Worker-A:8083", true, true),
            ("10.0.0.1", "10.0.0.1:8083", false, true),
            ("Worker-A", "worker-a:8083", false, true),
            ("fd00::1", "[fd00::1]:8083", false, true),
            ("[FD00::1]", "[fd00::1]:8083", false, true),
            ("10.0.0.1:8084", "10.0.0.1:8083", false, false),
            ("10.0.0", "10.0.0.1:8083", false, false),
            ("", "10.0.0.1:8083", false, false),
            ("", ":8083", false, false),
            ("a", "", false, false),
        ] {
            let here = |matching| {
                let worker_id = Some(ours.to_owned());
                let policy = Policy {
                    worker_id,
                    matching,
                    ..Policy::default()
                };
                policy.is_here(theirs)
            };
            assert_eq!(here(Matching::Exact), exact, "{ours} {theirs}");
            assert_eq!(here(Matching::HostToo), host_too, "{ours} {theirs}");
        }
    }

    #[test]
    fn a_password_may_have_a_colon_unless_the_original_is_wanted() {
        let user = |name: &str, password: &str| Credentials::User {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        for (text, exact, own) in [
            ("", Credentials::Nobody, Credentials::Nobody),
            ("user", Credentials::Nobody, Credentials::Nobody),
            ("u:p", user("u", "p"), user("u", "p")),
            ("u:p:w", Credentials::Unusable, user("u", "p:w")),
        ] {
            assert_eq!(Credentials::read(text, Matching::Exact), exact);
            assert_eq!(Credentials::read(text, Matching::HostToo), own);
        }
        assert!(!format!("{:?}", user("u", "secret")).contains("secret"));
    }
}
