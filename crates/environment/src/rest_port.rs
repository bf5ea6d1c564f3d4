//! `rest.port` and `rest.host.name`: what Connect had before it had listeners, and images set still.

use crate::note::Note;
use crate::resolved::{Origin, Resolved};
use std::collections::BTreeMap;

const PORT: &str = "rest.port";
const HOST: &str = "rest.host.name";
const LISTENERS: &str = "listeners";

/// Puts listeners in the place of the two keys; listeners that are set win.
pub fn replace(settings: &mut BTreeMap<String, Resolved>, notes: &mut Vec<Note>) {
    let (port, host) = (settings.remove(PORT), settings.remove(HOST));
    if settings.contains_key(LISTENERS) {
        for old in [port, host].into_iter().flatten() {
            if let Origin::Variable(name) = old.from {
                notes.push(Note::info(name, "has no effect: CONNECT_LISTENERS is set"));
            }
        }
        return;
    }
    let host = host.filter(|host| !host.value.is_empty());
    let from = match (&port, &host) {
        (_, Some(host)) => host.from.clone(),
        (Some(port), None) => port.from.clone(),
        (None, None) => return,
    };
    let host = host.map_or_else(String::new, |host| host.value);
    let host = match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host,
    };
    let port = port.map_or_else(|| "8083".to_owned(), |port| port.value);
    let listener = Resolved::new(format!("http://{host}:{port}"), from);
    settings.insert(LISTENERS.to_owned(), listener);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], expected: Option<&str>, told: usize) {
        let of = |key: &str| Origin::Variable(key.to_uppercase());
        let given = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Resolved::new(*value, of(key))));
        let mut settings: BTreeMap<String, Resolved> = given.collect();
        let mut notes = Vec::new();
        replace(&mut settings, &mut notes);
        let found = settings.get(LISTENERS).map(|it| it.value.as_str());
        assert_eq!((found, notes.len()), (expected, told));
        assert!(settings.len() <= 1);
    }

    #[test]
    fn listeners_take_the_place_of_port_and_host() {
        check(&[], None, 0);
        check(&[(PORT, "8084")], Some("http://:8084"), 0);
        check(&[(PORT, "1"), (HOST, "::1")], Some("http://[::1]:1"), 0);
        check(&[(HOST, "h")], Some("http://h:8083"), 0);
        check(
            &[(PORT, "1"), (LISTENERS, "http://:2")],
            Some("http://:2"),
            1,
        );
    }
}
