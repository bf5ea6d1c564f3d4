//! Messages of libraries, in the words of whoever sets variables and flags.

/// The worker's and the connector's keys, with the variables and flags that people set instead. A key that others end
/// with comes after them.
pub(super) const TYPED: [(&str, &str); 19] = [
    (
        "bootstrap.servers",
        "KAFKA_BOOTSTRAP_SERVERS (--bootstrap-servers)",
    ),
    ("consumer.override.group.id", "GROUP_ID (--group-id)"),
    (
        "consumer.override.auto.offset.reset",
        "AUTO_OFFSET_RESET (--auto-offset-reset)",
    ),
    ("connection.uri", "MONGODB_URI (--mongodb-uri)"),
    (
        "millstream.mongo.duplicate.policy",
        "ON_OTHER_DOCUMENT (--on-other-document)",
    ),
    (
        "transforms.hash.key.encoding",
        "HASH_KEY_ENCODING (--hash-key-encoding)",
    ),
    (
        "transforms.hash.key",
        "HASH_KEY_FILE (--hash-key-file), HASH_KEY or HASH_KEY_SECRET",
    ),
    ("transforms.hash.field.names", "HASH_FIELDS (--hash-fields)"),
    (
        "transforms.hash.encoding",
        "HASH_ENCODING (--hash-encoding)",
    ),
    (
        "millstream.mongo.aggregate.window.ms",
        "AGGREGATE_WINDOW_MS (--aggregate-window-ms)",
    ),
    (
        "millstream.mongo.aggregate.key",
        "AGGREGATE_KEY (--aggregate-key)",
    ),
    (
        "millstream.mongo.aggregate.fields",
        "AGGREGATE_FIELDS (--aggregate-fields)",
    ),
    (
        "millstream.mongo.aggregate.lateness.ms",
        "AGGREGATE_LATENESS_MS (--aggregate-lateness-ms)",
    ),
    (
        "millstream.mongo.aggregate.linger.ms",
        "AGGREGATE_LINGER_MS (--aggregate-linger-ms)",
    ),
    ("millstream.memory.bytes", "MEMORY_BYTES (--memory-bytes)"),
    ("topics", "TOPIC_NAME (--topic)"),
    ("database", "MONGODB_DATABASE (--mongodb-database)"),
    ("collection", "MONGODB_COLLECTION (--mongodb-collection)"),
    ("listeners", "LISTENERS (--listeners)"),
];

/// A message with each key called by the name that stands beside it.
pub(super) fn in_words(names: &[(String, String)], message: &str) -> String {
    // A name may hold its key: marks keep what was replaced from being replaced again.
    let mark = |number: usize| format!("\u{0}{number}\u{0}");
    let names = names.iter().enumerate();
    let marked = names
        .clone()
        .fold(message.to_owned(), |text, (number, (key, _))| {
            let text = replace_word(&text, &format!("configuration {key}"), &mark(number));
            // A key without a dot may be any word.
            match key.contains('.') {
                true => replace_word(&text, key, &mark(number)),
                false => text,
            }
        });
    names.fold(marked, |text, (number, (_, name))| {
        text.replace(&mark(number), name)
    })
}

/// Replaces a word where it stands alone: not within a longer key.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let is_key = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let mut next = after.chars();
        let ends = match next.next() {
            Some('.') => !next.next().is_some_and(is_key),
            Some(c) => !is_key(c),
            None => true,
        };
        let starts = !before.ends_with(|c| is_key(c) || c == '.');
        replaced.push_str(before);
        replaced.push_str(if starts && ends { by } else { word });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}
