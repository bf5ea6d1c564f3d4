//! Which files of the folder a runner takes. Every file has one: what nobody would read is an error, not a silence.

use crate::folder;
use std::path::Path;

/// How many cases of a file of `data/` are due at least; a line a file.
const DUE: &str = include_str!("../data/due.txt");

/// The files of the folder that fit one of the patterns and none of those that begin with `!`, by name. A pattern has a
/// subfolder and a name, in which one `*` stands for anything.
pub fn files(patterns: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = all().into_iter().filter(|f| takes(patterns, f)).collect();
    found.sort_unstable();
    found
}

fn takes(patterns: &[&str], file: &str) -> bool {
    let (without, with): (Vec<&str>, Vec<&str>) = patterns
        .iter()
        .partition(|pattern| pattern.starts_with('!'));
    let is_out = without.iter().any(|pattern| fits(&pattern[1..], file));
    !is_out && with.iter().any(|pattern| fits(pattern, file))
}

fn fits(pattern: &str, file: &str) -> bool {
    let Some((first, last)) = pattern.split_once('*') else {
        return pattern == file;
    };
    let middle = file
        .strip_prefix(first)
        .and_then(|rest| rest.strip_suffix(last));
    middle.is_some_and(|middle| !middle.contains('/'))
}

/// The number in `due.txt`, if the folder is ours and the file is in it.
pub(crate) fn least_due(file: &str) -> Option<usize> {
    if std::env::var_os("MILLSTREAM_GOLDEN").is_some() {
        return None;
    }
    let mut rows = DUE.lines().filter_map(|line| line.split_once(' '));
    rows.find(|(name, _)| *name == file)
        .and_then(|(_, due)| due.trim().parse().ok())
}

/// Cases in all subfolders, as paths from the folder.
fn all() -> Vec<String> {
    let (root, mut found, mut open) = (folder(), Vec::new(), vec![String::new()]);
    while let Some(at) = open.pop() {
        for name in names(&root.join(&at)) {
            let path = format!("{at}{name}");
            if root.join(&path).is_dir() {
                open.push(format!("{path}/"));
            } else if path.ends_with(".jsonl") || path.ends_with(".json") {
                found.push(path);
            }
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    /// Every runner, with the crate whose tests it is in.
    const RUNNERS: [(&str, &[&str]); 9] = [
        ("worker", &["connect/*.jsonl", "connect/*.json"]),
        ("worker", &["s3/rest/*.json"]),
        ("plugins", &["converters/*.jsonl", "transforms/*.jsonl"]),
        ("plugins", &["transforms/configdefs*.json"]),
        ("kafka", &["groups/consumer-*.jsonl", "records/*.jsonl"]),
        ("s3", &["s3/*.jsonl", "s3/configdef*.json"]),
        (
            "mongodb",
            &[
                "mongodb/models*.jsonl",
                "mongodb/config.jsonl",
                "mongodb/config-live.jsonl",
                "mongodb/e2e.jsonl",
                "mongodb/e2e-replset.jsonl",
                "mongodb/configdef*.json",
            ],
        ),
        // Run here: nothing of them is due.
        ("golden", NOT_DUE[0].1),
        ("golden", NOT_DUE[1].1),
    ];

    /// Recordings for what does not exist yet.
    const NOT_DUE: [(&str, &[&str]); 2] = [
        (
            "the parts of a distributed worker",
            &["groups/connect-*.jsonl", "aws/*.jsonl", "aws/*.json"],
        ),
        ("a store that signs in", &["mongodb/config-secure*.jsonl"]),
    ];

    #[test]
    fn every_file_has_a_runner() {
        let is_read = |file: &&String| RUNNERS.iter().any(|(_, patterns)| takes(patterns, file));
        let all = all();
        assert!(!all.is_empty(), "the folder has no cases");
        let silent: Vec<&String> = all.iter().filter(|file| !is_read(file)).collect();
        assert!(silent.is_empty(), "nobody reads {silent:?}");
    }

    #[test]
    fn golden_not_due() {
        for (why, patterns) in NOT_DUE {
            crate::run(patterns, |_, _| Outcome::NotDue(why.to_owned()));
        }
    }

    #[test]
    fn patterns_take_files_of_other_names() {
        let takes = |file| takes(&["s3/*.jsonl", "!s3/validate*.jsonl"], file);
        assert!(takes("s3/keys.jsonl") && takes("s3/more-of-it.jsonl"));
        assert!(!takes("s3/validate-2.jsonl") && !takes("s3/rest/a.jsonl"));
        assert!(!takes("s3/configdef.json"));
    }

    #[test]
    fn a_judge_that_panics_fails_its_case_alone() {
        let panic = std::panic::catch_unwind(|| panic!("no {}", "path")).map(|()| "");
        let panic = panic.expect_err("it panicked");
        assert_eq!(crate::text_of(&*panic), "the judge panicked: no path");
    }
}
