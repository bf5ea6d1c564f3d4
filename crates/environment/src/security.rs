//! How the clients of connectors sign in. Java's worker gives consumers and producers nothing of its own, so that
//! `security.protocol` has to be said three times; here the worker's is theirs where nothing is said for them.

use crate::note::Note;
use crate::resolved::{Origin, Resolved};
use std::collections::BTreeMap;

/// Switches it off. No setting of a worker's: a file means what it means to Java.
pub const INHERIT: &str = "millstream.inherit.security";
const VARIABLE: &str = "CONNECT_MILLSTREAM_INHERIT_SECURITY";

/// Clients that have nothing of the worker's in Java; an admin client has.
const CLIENTS: [&str; 2] = ["consumer.", "producer."];

/// Whether a setting says how a client signs in, or over what kind of connection.
pub fn is_security(key: &str) -> bool {
    key == "security.protocol" || key.starts_with("sasl.") || key.starts_with("ssl.")
}

/// Gives consumers and producers the worker's `security.protocol`, `sasl.*` and `ssl.*`: all of it where nothing of it is set
/// for that client, else nothing, for half of another's settings is nobody's intention.
pub fn inherit(settings: &mut BTreeMap<String, Resolved>, notes: &mut Vec<Note>) {
    if let Some(switch) = settings.remove(INHERIT) {
        match switch.value.trim().to_ascii_lowercase().as_str() {
            "false" => return,
            "true" => {}
            _ => {
                let note = Note::problem(VARIABLE, "is neither true nor false");
                notes.push(note.with_remedy("set true, which is the default, or false"));
            }
        }
    }
    let own: Vec<(String, Resolved)> = settings
        .iter()
        .filter(|(key, _)| is_security(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if own.is_empty() {
        return;
    }
    let mut heirs = Vec::new();
    for client in CLIENTS {
        let has_own = settings
            .keys()
            .any(|key| key.strip_prefix(client).is_some_and(is_security));
        if has_own {
            continue;
        }
        for (key, value) in &own {
            let inherited = Resolved::new(&*value.value, Origin::Inherited(key.clone()));
            settings.insert(format!("{client}{key}"), inherited);
        }
        heirs.push(client.trim_end_matches('.'));
    }
    if heirs.is_empty() {
        return;
    }
    let keys: Vec<&str> = own.iter().map(|(key, _)| key.as_str()).collect();
    let text = format!(
        "{}s sign in as the worker does, for nothing is set for them: {}; {VARIABLE}=false switches it off",
        heirs.join("s and "),
        keys.join(", ")
    );
    notes.push(Note::info("CONNECT_SECURITY_PROTOCOL", text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, Resolved> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), Resolved::of_variable("X", value)))
            .collect()
    }

    fn check(given: &[(&str, &str)], added: &[(&str, &str)], told: usize) {
        let mut found = settings(given);
        let mut notes = Vec::new();
        inherit(&mut found, &mut notes);
        let mut expected: Vec<(&str, &str)> = [given, added].concat();
        expected.retain(|(key, _)| *key != INHERIT);
        expected.sort_unstable();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(key, value)| (key.as_str(), value.value.as_str()))
            .collect();
        assert_eq!((found, notes.len()), (expected, told));
    }

    #[test]
    fn clients_without_a_word_of_their_own_sign_in_as_the_worker() {
        let own = [
            ("sasl.mechanism", "PLAIN"),
            ("security.protocol", "SASL_SSL"),
        ];
        let both = [
            ("consumer.sasl.mechanism", "PLAIN"),
            ("consumer.security.protocol", "SASL_SSL"),
            ("producer.sasl.mechanism", "PLAIN"),
            ("producer.security.protocol", "SASL_SSL"),
        ];
        check(&own, &both, 1);
        check(&[], &[], 0);
        check(&[("group.id", "g")], &[], 0);
        let more = [&own[..], &[("consumer.security.protocol", "PLAINTEXT")]].concat();
        check(&more, &both[2..], 1);
        let all = [&more[..], &[("producer.ssl.x", "y")]].concat();
        check(&all, &[], 0);
        check(&[&own[..], &[(INHERIT, "false")]].concat(), &[], 0);
        check(&[&own[..], &[(INHERIT, "TRUE")]].concat(), &both, 1);
    }

    proptest! {
        #[test]
        fn what_is_set_for_a_client_is_never_changed(
            pairs in proptest::collection::btree_map(
                "(consumer[.]|producer[.]|admin[.])?(ssl[.][ab]|sasl[.][ab]|security[.]protocol|group[.]id)", "[a-c]", 0..8),
        ) {
            let given: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let mut found = settings(&given);
            let mut notes = Vec::new();
            inherit(&mut found, &mut notes);
            for (key, value) in &given {
                prop_assert_eq!(&*found[*key].value, *value);
            }
            let once = found.clone();
            inherit(&mut found, &mut notes);
            prop_assert_eq!(found, once);
            prop_assert!(notes.len() <= 1);
        }
    }
}
