//! `CONNECT_LOG4J_…`: which log lines are written, by the names of Java's loggers.

use crate::note::Note;
use crate::resolved::Resolved;
use crate::variables::Variables;

pub const ROOT_LEVEL: &str = "CONNECT_LOG4J_ROOT_LOGLEVEL";
pub const LOGGERS: &str = "CONNECT_LOG4J_LOGGERS";

/// The image mutes this one; there is nothing here that it would be about.
const MUTED_BY_DEFAULT: &str = "org.reflections";

/// Levels as they were written; whoever logs knows which there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnvironment {
    pub root: Option<Resolved>,
    /// Loggers with their levels, in the order given; of several the last counts.
    pub loggers: Vec<(String, String)>,
}

impl LogEnvironment {
    pub fn read(variables: &Variables, notes: &mut Vec<Note>) -> Self {
        let root = variables.get(ROOT_LEVEL);
        let root = root.map(|level| Resolved::of_variable(ROOT_LEVEL, level.trim()));
        let mut loggers: Vec<(String, String)> = Vec::new();
        let entries = variables.get(LOGGERS).unwrap_or_default().split(',');
        for entry in entries.filter(|entry| !entry.trim().is_empty()) {
            let parts: Vec<&str> = entry.split('=').map(str::trim).collect();
            let [name, level] = *parts else {
                let text = format!("the entry {entry:?} is left out: it has not exactly one =");
                let note = Note::warning(LOGGERS, text);
                notes.push(note.with_remedy("write logger=LEVEL, separated by commas"));
                continue;
            };
            loggers.retain(|(known, _)| known != name);
            if name != MUTED_BY_DEFAULT {
                loggers.push((name.to_owned(), level.to_owned()));
            }
        }
        LogEnvironment { root, loggers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_without_exactly_one_sign_are_left_out() {
        let text = "a.b=DEBUG, c = TRACE ,d,e=f=g,,org.reflections=INFO,a.b=WARN";
        let mut notes = Vec::new();
        let log = LogEnvironment::read(&Variables::from_iter([(LOGGERS, text)]), &mut notes);
        let expected = [("c", "TRACE"), ("a.b", "WARN")];
        let expected: Vec<(String, String)> = expected
            .map(|(name, level)| (name.to_owned(), level.to_owned()))
            .to_vec();
        assert_eq!(log.loggers, expected);
        assert_eq!(notes.len(), 2);
        assert_eq!(log.root, None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,80}") {
            let mut notes = Vec::new();
            let log = LogEnvironment::read(&Variables::from_iter([(LOGGERS, &*text)]), &mut notes);
            let entries = text.split(',').count();
            prop_assert!(log.loggers.len() + notes.len() <= entries);
            prop_assert!(log.loggers.iter().all(|(name, level)| !name.contains('=') && !level.contains('=')));
        }
    }
}
