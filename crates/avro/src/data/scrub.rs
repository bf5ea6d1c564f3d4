//! Names made of what Avro takes.

/// Letters, digits and underscores of ASCII stay. What a URL would have as it is becomes an underscore, anything else the
/// two hexadecimal digits of each of its bytes behind one; before a first digit goes an `x`.
pub(crate) fn scrub(name: &str) -> String {
    let mut scrubbed = String::with_capacity(name.len());
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        scrubbed.push('x');
    }
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => scrubbed.push(c),
            ' ' | '-' | '*' | '.' => scrubbed.push('_'),
            _ => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    scrubbed.push_str(&format!("_{byte:02X}"));
                }
            }
        }
    }
    scrubbed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_scrubbed_as_a_url_would_be() {
        let check = |name, scrubbed: &str| assert_eq!(scrub(name), scrubbed);
        check("a_B9", "a_B9");
        check("Z z", "Z_z");
        check("a-b", "a_b");
        check("1 a", "x1_a");
        check("é", "_C3_A9");
        check("a$", "a_24");
        check("", "");
    }
}
