//! Log levels by name, as `/admin/loggers` shows and sets them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Sets levels where the program logs. The binary gives one; without it levels are only remembered.
pub trait LogControl: Send + Sync {
    /// `logger`: a name, or `root` for all. `level`: one of `LEVELS`.
    fn set(&self, logger: &str, level: &'static str);
}

/// Log4j's levels.
pub const LEVELS: [&str; 8] = [
    "OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL",
];

const ROOT: &str = "root";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggerLevel {
    pub level: &'static str,
    /// When it was set through the API, epoch milliseconds.
    pub last_modified: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid log level '{0}'.")]
pub struct UnknownLevel(pub String);

/// The loggers that have a level of their own, and `root`.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, LoggerLevel>>,
    control: Option<Box<dyn LogControl>>,
}

impl Loggers {
    pub fn new(control: Option<Box<dyn LogControl>>) -> Self {
        let root = LoggerLevel {
            level: "INFO",
            last_modified: None,
        };
        Loggers {
            levels: Mutex::new(BTreeMap::from([(ROOT.to_owned(), root)])),
            control,
        }
    }

    pub fn all(&self) -> BTreeMap<String, LoggerLevel> {
        self.lock().clone()
    }

    /// The level of a logger that exists; `root` in any case.
    pub fn get(&self, logger: &str) -> Option<LoggerLevel> {
        self.lock().get(canonical(logger)).copied()
    }

    /// Sets the level of a logger, which is made if need be, and of all whose names begin with its name.
    /// Returns the names of those whose level changed.
    pub fn set(&self, logger: &str, level: &str, now: i64) -> Result<Vec<String>, UnknownLevel> {
        let level = parse_level(level)?;
        let logger = canonical(logger);
        let mut levels = self.lock();
        if !levels.contains_key(logger) {
            let inherited = effective(&levels, logger);
            let made = LoggerLevel {
                level: inherited,
                last_modified: None,
            };
            levels.insert(logger.to_owned(), made);
        }
        let mut changed = Vec::new();
        for (name, own) in levels.iter_mut() {
            let is_meant =
                logger == ROOT || name == logger || (name != ROOT && name.starts_with(logger));
            if is_meant && own.level != level {
                *own = LoggerLevel {
                    level,
                    last_modified: Some(now),
                };
                changed.push(name.clone());
            }
        }
        drop(levels);
        if let Some(control) = &self.control {
            control.set(logger, level);
        }
        Ok(changed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, LoggerLevel>> {
        // Nothing between lock and unlock leaves the map half changed.
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn parse_level(level: &str) -> Result<&'static str, UnknownLevel> {
    let known = LEVELS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(level));
    known.copied().ok_or_else(|| UnknownLevel(level.to_owned()))
}

fn canonical(logger: &str) -> &str {
    if logger.eq_ignore_ascii_case(ROOT) {
        ROOT
    } else {
        logger
    }
}

/// The level of the nearest parent.
fn effective(levels: &BTreeMap<String, LoggerLevel>, logger: &str) -> &'static str {
    let mut parent = logger;
    while let Some((shorter, _)) = parent.rsplit_once('.') {
        if let Some(found) = levels.get(shorter) {
            return found.level;
        }
        parent = shorter;
    }
    levels.get(ROOT).map_or("INFO", |root| root.level)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sets_a_logger_and_those_whose_names_begin_with_it() {
        let loggers = Loggers::new(None);
        let set = |name, level| loggers.set(name, level, 7).unwrap();
        assert_eq!(set("x.y", "error"), ["x.y"]);
        assert_eq!(set("x.y.z", "WARN"), ["x.y.z"]);
        assert_eq!(set("x.y", "DEBUG"), ["x.y", "x.y.z"]);
        assert_eq!(set("x.", "TRACE"), ["x.", "x.y", "x.y.z"]);
        assert_eq!(set("x.", "trace"), Vec::<String>::new());
        assert_eq!(loggers.get("ROOT").unwrap().level, "INFO");
        assert_eq!(loggers.get("x.y").unwrap().last_modified, Some(7));
        assert!(loggers.set("x", "bogus", 7).is_err());
    }
}
