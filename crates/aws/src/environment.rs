//! The environment variables that count for AWS, taken once at the start: tests bring their own, and nothing below reads
//! the process's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Environment variables. A copy shares them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl Environment {
    /// Those of this process, as far as they are text.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// What a variable says. Blank counts as not set, as task definitions leave variables empty for that.
    pub fn get(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name).map(|text| text.trim());
        text.filter(|text| !text.is_empty())
    }

    /// These variables and others, which win.
    pub fn with<'a>(&self, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all = BTreeMap::clone(&self.0);
        let others = others.into_iter();
        all.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Environment(Arc::new(all))
    }

    /// Those that say something to clients of AWS: who they are, whom they believe, and through which proxy they go.
    pub(crate) fn of_aws(&self) -> Self {
        let is_of_aws = |name: &str| {
            let upper = name.to_ascii_uppercase();
            upper.starts_with("AWS_")
                || upper.starts_with("ECS_")
                || upper.starts_with("SSL_CERT_")
                || upper.ends_with("_PROXY")
                || upper == "HOME"
        };
        let variables = self.0.iter().filter(|(name, _)| is_of_aws(name));
        variables
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Environment(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Environment {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
