//! Resolved: a value, and where it is from.

use std::fmt;

/// A value and where it is from. Its `Debug` shows the origin alone: values may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Resolved {
    pub value: String,
    pub from: Origin,
}

impl Resolved {
    pub fn new(value: impl Into<String>, from: Origin) -> Self {
        let value = value.into();
        Resolved { value, from }
    }

    /// A value as a variable has it.
    pub fn of_variable(name: &str, value: &str) -> Self {
        Resolved::new(value, Origin::Variable(name.to_owned()))
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resolved").field(&self.from).finish()
    }
}

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A variable, by its name.
    Variable(String),
    /// Nobody said anything.
    Default,
    /// A flag of the command line.
    Flag(String),
    /// A file, by its path.
    File(String),
    /// Another setting, by its key.
    Inherited(String),
    /// Asked for, and how: the calls that were made.
    Discovered(String),
}

impl Origin {
    /// One word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Origin::Variable(_) => "variable",
            Origin::Default => "default",
            Origin::Flag(_) => "flag",
            Origin::File(_) => "file",
            Origin::Inherited(_) => "inherited",
            Origin::Discovered(_) => "discovered",
        }
    }

    /// The name of the variable, flag, file or setting, or how it was found.
    pub fn name(&self) -> Option<&str> {
        match self {
            Origin::Default => None,
            Origin::Variable(name)
            | Origin::Flag(name)
            | Origin::File(name)
            | Origin::Inherited(name)
            | Origin::Discovered(name) => Some(name),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
            Origin::File(name) => write!(f, "file {name}"),
            Origin::Inherited(name) => write!(f, "as {name}"),
            Origin::Discovered(how) => write!(f, "found: {how}"),
        }
    }
}
