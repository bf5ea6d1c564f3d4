//! Messages of libraries, in the words of whoever sets variables and flags.

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
