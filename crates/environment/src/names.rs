//! From the name of a variable to the key of a setting, as the images of Kafka Connect turn one into the other.

/// What a variable of the worker's settings begins with.
pub const PREFIX: &str = "CONNECT_";

/// The key that a variable stands for; `None` where its name does not begin as those of settings do.
///
/// Without the prefix and in lower case, a single `_` between two other characters is a dot; then each `___` is a dash, and
/// each `__` that is left an underscore.
pub fn key_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?.to_lowercase();
    let letters: Vec<char> = name.chars().collect();
    let is_other = |at: Option<usize>| {
        at.and_then(|at| letters.get(at))
            .is_some_and(|letter| *letter != '_')
    };
    let dotted: String = letters
        .iter()
        .enumerate()
        .map(|(at, letter)| {
            let is_dot = *letter == '_' && is_other(at.checked_sub(1)) && is_other(Some(at + 1));
            if is_dot { '.' } else { *letter }
        })
        .collect();
    Some(dotted.replace("___", "-").replace("__", "_"))
}

/// The variable that stands for a key, where there is one: upper-case letters can never be produced.
pub fn variable_of(key: &str) -> Option<String> {
    let name: String = key
        .chars()
        .map(|letter| match letter {
            '.' => "_".to_owned(),
            '-' => "___".to_owned(),
            '_' => "__".to_owned(),
            other => other.to_uppercase().collect(),
        })
        .collect();
    let variable = format!("{PREFIX}{name}");
    (key_of(&variable).as_deref() == Some(key)).then_some(variable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_becomes_the_key_that_the_image_writes() {
        for (name, key) in [
            ("A__B", "a_b"),
            ("A___B", "a-b"),
            ("A____B", "a-_b"),
            ("A_____B", "a-_b"),
            ("A______B", "a--b"),
            ("_LEADING", "_leading"),
            ("TRAILING_", "trailing_"),
            ("A_B__C___D", "a.b_c-d"),
            ("A_B_C", "a.b.c"),
            ("", ""),
            ("_", "_"),
            ("__", "_"),
            ("___", "-"),
            ("BOOTSTRAP_SERVERS", "bootstrap.servers"),
            (
                "CONFIG_STORAGE_REPLICATION_FACTOR",
                "config.storage.replication.factor",
            ),
            ("Mixed_Case", "mixed.case"),
            ("Ä_Ö", "ä.ö"),
        ] {
            assert_eq!(
                key_of(&format!("CONNECT_{name}")).as_deref(),
                Some(key),
                "{name}"
            );
        }
        for other in ["CONNECT", "connect_group_id", "MY_CONNECT_X", ""] {
            assert_eq!(key_of(other), None);
        }
    }

    #[test]
    fn a_key_is_asked_for_by_its_variable() {
        assert_eq!(
            variable_of("bootstrap.servers").as_deref(),
            Some("CONNECT_BOOTSTRAP_SERVERS")
        );
        assert_eq!(variable_of("a-b_c").as_deref(), Some("CONNECT_A___B__C"));
        assert_eq!(variable_of("camelCase"), None);
    }

    /// The same rule, written down as the image's own code goes: three passes over the text.
    fn in_passes(name: &str) -> String {
        let lower = name.to_lowercase();
        let mut dotted = String::new();
        let mut before = None;
        let mut rest = lower.chars().peekable();
        while let Some(letter) = rest.next() {
            let between =
                before.is_some_and(|c| c != '_') && rest.peek().is_some_and(|c| *c != '_');
            dotted.push(if letter == '_' && between {
                '.'
            } else {
                letter
            });
            before = Some(letter);
        }
        let dashed = dotted.split("___").collect::<Vec<_>>().join("-");
        dashed.split("__").collect::<Vec<_>>().join("_")
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_key(name in "\\PC{0,40}") {
            let key = key_of(&format!("CONNECT_{name}"));
            prop_assert_eq!(key, Some(in_passes(&name)));
        }

        #[test]
        fn underscores_and_letters_become_a_key(name in "[A-B_]{0,16}") {
            let key = key_of(&format!("CONNECT_{name}")).unwrap();
            prop_assert_eq!(&key, &in_passes(&name));
            prop_assert!(!key.contains("__"), "{}", key);
        }

        #[test]
        fn a_usual_key_has_a_variable(key in "[a-z]{1,8}([.][a-z]{1,8}){0,4}") {
            let variable = variable_of(&key).unwrap();
            prop_assert_eq!(key_of(&variable), Some(key));
        }
    }
}
