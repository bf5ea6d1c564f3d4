//! Note: something that whoever set the variables should know.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    /// The process does not start with it.
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub severity: Severity,
    /// The variable or the key that it is about.
    pub about: String,
    /// A sentence without a full stop; it never holds a value that may be secret.
    pub text: String,
    /// What to do, if anything is to be done.
    pub remedy: Option<String>,
}

impl Note {
    pub fn info(about: impl Into<String>, text: impl Into<String>) -> Self {
        Note::new(Severity::Info, about, text)
    }

    pub fn warning(about: impl Into<String>, text: impl Into<String>) -> Self {
        Note::new(Severity::Warning, about, text)
    }

    pub fn problem(about: impl Into<String>, text: impl Into<String>) -> Self {
        Note::new(Severity::Problem, about, text)
    }

    fn new(severity: Severity, about: impl Into<String>, text: impl Into<String>) -> Self {
        let (about, text) = (about.into(), text.into());
        Note {
            severity,
            about,
            text,
            remedy: None,
        }
    }

    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
