//! Numbers with units as people write them, and as they are shown.

/// Factors of a count.
const COUNTS: [(&str, f64); 4] = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9)];
/// Bytes.
const SIZES: [(&str, f64); 9] = [
    ("", 1.0),
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];
/// Seconds.
const DURATIONS: [(&str, f64); 5] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];
/// How often against the mean.
const FACTORS: [(&str, f64); 2] = [("", 1.0), ("x", 1.0)];

/// `288`, `1_000_000`, `1.5M`, `2e6`.
///
/// # Errors
/// What is wrong and what to write instead; the same of the others.
pub fn count(text: &str) -> Result<f64, String> {
    quantity(text, &COUNTS, "288, 10k or 1.5M")
}

/// Bytes: `100`, `1kB` (1,000), `1KiB` (1,024).
///
/// # Errors
/// As `count`.
pub fn size(text: &str) -> Result<f64, String> {
    quantity(text, &SIZES, "100, 2kB or 5MiB")
}

/// Seconds of `500ms`, `30s`, `5m`, `1h`, `1d`.
///
/// # Errors
/// As `count`.
pub fn duration(text: &str) -> Result<f64, String> {
    quantity(text, &DURATIONS, "500ms, 30s, 5m or 1h")
}

/// A number without any unit, such as this example.
///
/// # Errors
/// As `count`.
pub fn plain(text: &str, example: &str) -> Result<f64, String> {
    quantity(text, &[("", 1.0)], example)
}

/// `10` or `10x`.
///
/// # Errors
/// As `count`.
pub fn factor(text: &str) -> Result<f64, String> {
    quantity(text, &FACTORS, "10 or 10x")
}

fn quantity(text: &str, units: &[(&str, f64)], example: &str) -> Result<f64, String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    let plain = plain.trim();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let (number, unit) = match plain.parse::<f64>() {
        Ok(_) if !plain.contains(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E') => {
            (plain, "")
        }
        _ => plain.split_at(plain.find(|c| !is_number(c)).unwrap_or(plain.len())),
    };
    let unit = unit.trim();
    let Ok(number) = number.parse::<f64>() else {
        return Err(format!("is no number: write {example}"));
    };
    let Some((_, by)) = units.iter().find(|(name, _)| *name == unit) else {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let names = names.join(", ");
        return Err(match unit {
            unit if names.is_empty() => format!("has the unit {unit}: write {example}"),
            "" => format!("has no unit: there are {names}; write {example}"),
            unit => format!("has the unit {unit}, and there are {names}: write {example}"),
        });
    };
    let value = number * by;
    match value {
        value if value < 0.0 => Err(format!("is negative: write {example}")),
        value if value.is_finite() => Ok(value),
        _ => Err(format!("is too large: write {example}")),
    }
}

/// Digits in groups of three; below ten with the two that matter.
pub fn shown(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number < 10.0 && number.fract() != 0.0 {
        let places = (1 - number.log10().floor() as i32).clamp(0, 12) as usize;
        let text = format!("{number:.places$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// US dollars with cents.
pub fn money(usd: f64) -> String {
    match usd {
        usd if usd > 0.0 && usd < 0.005 => "< 0.01".to_owned(),
        usd if usd < 1000.0 => format!("{usd:.2}"),
        usd => shown(usd),
    }
}

/// Bytes in the largest binary unit that they fill.
pub fn bytes(bytes: f64) -> String {
    let units = [
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1024.0, "KiB"),
    ];
    match units.iter().find(|(by, _)| bytes >= *by) {
        Some((by, name)) => format!("{} {name}", tenth(bytes / by)),
        None => format!("{} bytes", shown(bytes)),
    }
}

/// Seconds in the largest unit that they fill.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 2.0 * 86_400.0 => format!("{} days", tenth(s / 86_400.0)),
        s if s >= 7200.0 => format!("{} h", tenth(s / 3600.0)),
        s if s >= 120.0 => format!("{} min", tenth(s / 60.0)),
        s if s >= 1.0 => format!("{} s", tenth(s)),
        s => format!("{} ms", tenth(s * 1000.0)),
    }
}

fn tenth(number: f64) -> String {
    let text = format!("{number:.1}");
    match text.strip_suffix(".0") {
        Some(_) => shown(number.round()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_with_their_units() {
        let near = |read: Result<f64, String>, expected: f64| {
            let read = read.expect("a number");
            assert!((read - expected).abs() < 1e-9 * expected.max(1.0), "{read}");
        };
        for (text, expected) in [
            ("288", 288.0),
            ("1_000_000", 1e6),
            ("1,000,000", 1e6),
            ("1.5M", 1.5e6),
            ("10 k", 1e4),
            ("2e6", 2e6),
            ("0", 0.0),
        ] {
            near(count(text), expected);
        }
        for (text, expected) in [("100", 100.0), ("2kB", 2000.0), ("5MiB", 5_242_880.0)] {
            near(size(text), expected);
        }
        for (text, expected) in [("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0)] {
            near(duration(text), expected);
        }
        near(factor("10x"), 10.0);
        near(plain("0.25", "0.5"), 0.25);
    }

    #[test]
    fn what_is_wrong_is_told_with_a_remedy() {
        for (told, remedy) in [
            (count("-5"), "is negative: write 288, 10k or 1.5M"),
            (count("many"), "is no number: write 288, 10k or 1.5M"),
            (count(""), "is no number: write 288, 10k or 1.5M"),
            (count("inf"), "is no number: write 288, 10k or 1.5M"),
            (count("NaN"), "is no number: write 288, 10k or 1.5M"),
            (plain("2GB", "0.5"), "has the unit GB: write 0.5"),
            (count("1e999"), "is too large: write 288, 10k or 1.5M"),
            (
                duration("5mn"),
                "has the unit mn, and there are ms, s, m, h, d: write 500ms, 30s, 5m or 1h",
            ),
            (
                duration("300"),
                "has no unit: there are ms, s, m, h, d; write 500ms, 30s, 5m or 1h",
            ),
            (
                size("5mb"),
                "has the unit mb, and there are B, kB, KB, MB, GB, KiB, MiB, GiB: write 100, 2kB or 5MiB",
            ),
        ] {
            assert_eq!(told, Err(remedy.to_owned()));
        }
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        for (number, text) in [
            (0.0, "0"),
            (0.003_333, "0.0033"),
            (1.25, "1.2"),
            (7.0, "7"),
            (9.96, "10"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(shown(number), text);
        }
        assert_eq!(money(0.0), "0.00");
        assert_eq!(money(0.001), "< 0.01");
        assert_eq!(money(7.2088), "7.21");
        assert_eq!(money(4320.0), "4,320");
        assert_eq!(bytes(40.0), "40 bytes");
        assert_eq!(bytes(5_242_880.0), "5 MiB");
        assert_eq!(time(0.05), "50 ms");
        assert_eq!(time(300.0), "5 min");
        assert_eq!(time(90.0), "90 s");
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in ".{0,12}") {
            let read = [count(&text), size(&text), duration(&text), factor(&text)];
            for number in read.into_iter().flatten() {
                prop_assert!(number.is_finite() && number >= 0.0);
            }
        }

        #[test]
        fn what_is_shown_is_near(number in 0.001f64..1e15) {
            let plain = shown(number).replace(',', "");
            let read: f64 = plain.parse().expect("a number");
            prop_assert!((read - number).abs() <= number * 0.06, "{number} as {plain}");
        }
    }
}
