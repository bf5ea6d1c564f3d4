//! Offsets from UTC as Joda-Time reads and prints them, in milliseconds.

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// Reads a sign and `hh`, `hhmm`, `hhmmss`, `hhmmssSSS` or the same with separators, from a place in a text on. Returns
/// the offset and the place behind it; the error is the place where the text stops making sense.
pub(crate) fn parse(text: &[u8], start: usize) -> Result<(i64, usize), usize> {
    let sign = match text.get(start) {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(start),
    };
    let mut at = start + 1;
    if at >= text.len() {
        return Err(start);
    }
    let mut millis = field(text, at, 23)? * HOUR;
    at += 2;
    let has_separators = match text.get(at) {
        Some(b':') => true,
        Some(digit) if digit.is_ascii_digit() => false,
        _ => return Ok((sign * millis, at)),
    };
    for unit in [MINUTE, 1000] {
        if has_separators {
            if text.get(at) != Some(&b':') {
                return Ok((sign * millis, at));
            }
            at += 1;
        } else if digits(text, at) == 0 {
            return Ok((sign * millis, at));
        }
        millis += field(text, at, 59)? * unit;
        at += 2;
    }
    if has_separators {
        if !matches!(text.get(at), Some(b'.' | b',')) {
            return Ok((sign * millis, at));
        }
        at += 1;
    }
    let count = digits(text, at).min(3);
    if count == 0 {
        return if has_separators {
            Err(at)
        } else {
            Ok((sign * millis, at))
        };
    }
    for unit in [100, 10, 1].into_iter().take(count) {
        millis += i64::from(text[at] - b'0') * unit;
        at += 1;
    }
    Ok((sign * millis, at))
}

/// Two digits that are a number up to `most`.
fn field(text: &[u8], at: usize, most: i64) -> Result<i64, usize> {
    if digits(text, at) < 2 {
        return Err(at);
    }
    let number = i64::from(text[at] - b'0') * 10 + i64::from(text[at + 1] - b'0');
    if number > most { Err(at) } else { Ok(number) }
}

fn digits(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// `+05:30`, with seconds and milliseconds only where there are some.
pub(crate) fn text(millis: i64) -> String {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.abs();
    let (seconds, fraction) = (millis / 1000 % 60, millis % 1000);
    let mut text = format!("{sign}{:02}:{:02}", millis / HOUR, millis / MINUTE % 60);
    if seconds > 0 || fraction > 0 {
        text.push_str(&format!(":{seconds:02}"));
    }
    if fraction > 0 {
        text.push_str(&format!(".{fraction:03}"));
    }
    text
}

/// Joda's complaint about a text that makes sense up to `at` only.
pub(crate) fn malformed(text: &str, at: usize) -> String {
    /// What Joda shows of a text behind the place.
    const SHOWN: usize = 32;
    let units: Vec<u16> = text.encode_utf16().collect();
    let at = text
        .get(..at)
        .map_or(units.len(), |begin| begin.encode_utf16().count());
    let shown = if units.len() <= at + SHOWN + 3 {
        text.to_owned()
    } else {
        String::from_utf16_lossy(&units[..at + SHOWN]) + "..."
    };
    if at == 0 {
        return format!("Invalid format: \"{shown}\"");
    }
    if at >= units.len() {
        return format!("Invalid format: \"{shown}\" is too short");
    }
    let rest: Vec<u16> = shown.encode_utf16().skip(at).collect();
    let rest = String::from_utf16_lossy(&rest);
    format!("Invalid format: \"{shown}\" is malformed at \"{rest}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_as_joda_does() {
        for (written, printed) in [
            ("+05", "+05:00"),
            ("+0530", "+05:30"),
            ("-08:00", "-08:00"),
            ("+05:30:00.5", "+05:30:00.500"),
            ("+01:02:03.456", "+01:02:03.456"),
            ("+0102030", "+01:02:03"),
            ("+010203004", "+01:02:03.004"),
            ("-23:59:59,999", "-23:59:59.999"),
        ] {
            let read = parse(written.as_bytes(), 0);
            let read = read.map(|(millis, _)| text(millis));
            assert_eq!(read.as_deref(), Ok(printed), "{written}");
        }
        for (written, at) in [
            ("+5", 1),
            ("+", 0),
            ("5", 0),
            ("+24:00", 1),
            ("+05:3", 4),
            ("+5:30", 1),
            ("+050", 3),
            ("+05:60", 4),
            ("+05:30:00.", 10),
        ] {
            assert_eq!(parse(written.as_bytes(), 0), Err(at), "{written}");
        }
    }

    #[test]
    fn a_long_text_is_cut_where_joda_cuts_it() {
        assert_eq!(
            malformed("+5", 1),
            "Invalid format: \"+5\" is malformed at \"5\""
        );
        assert_eq!(
            malformed("2015-", 5),
            "Invalid format: \"2015-\" is too short"
        );
        let long = "2015x".to_owned() + &"y".repeat(40);
        let cut = "2015x".to_owned() + &"y".repeat(31);
        let rest = "x".to_owned() + &"y".repeat(31);
        assert_eq!(
            malformed(&long, 4),
            format!("Invalid format: \"{cut}...\" is malformed at \"{rest}...\"")
        );
    }
}
