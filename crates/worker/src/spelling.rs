//! What a misspelt name may have meant.

/// Names longer than this are no slip of the fingers.
const LONGEST: usize = 100;

/// The closest of the candidates, if one is close: a slip or two, another case, or a forgotten beginning.
pub fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    if let Some(same) = candidates.clone().find(|known| plain(known) == wanted) {
        return Some(same);
    }
    let slips = (name.len() / 5).clamp(1, 3);
    let near = candidates
        .clone()
        .filter(|known| known.len().abs_diff(name.len()) <= slips)
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= slips)
        .min();
    let tail = format!(".{name}");
    near.map(|(_, known)| known)
        .or_else(|| candidates.into_iter().find(|known| known.ends_with(&tail)))
}

/// Letters to put in, leave out, replace or exchange with their neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_message_25_finds_what_was_meant() {
        let known = ["flush.size", "topics", "transforms", "s3.bucket.name"];
        for (name, meant) in [
            ("flushsize", Some("flush.size")),
            ("flush.sizes", Some("flush.size")),
            ("flushSize", Some("flush.size")),
            ("topic", Some("topics")),
            ("transfroms", Some("transforms")),
            ("bucket.name", Some("s3.bucket.name")),
            ("something.else", None),
            ("", None),
        ] {
            assert_eq!(closest(name, known.into_iter()), meant, "{name}");
        }
    }
}
