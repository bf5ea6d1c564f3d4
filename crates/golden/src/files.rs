//! Which files of the folder a runner takes, and what is known of each. Every file has one runner and one line of the list:
//! what nobody would read, or what grew less, is an error, not a silence.

use crate::folder;
use std::path::Path;

/// The list of our own folder.
const LIST: &str = include_str!("../data/cases.txt");

/// Every runner: its name, the crate whose tests it is in, and its files. A pattern has a subfolder and a name, in which one
/// `*` stands for anything; one that begins with `!` takes files away.
const RUNNERS: [(&str, &str, &[&str]); 27] = [
    (
        "connect",
        "worker",
        &[
            "connect/*.jsonl",
            "connect/*.json",
            "!connect/protocol-*.jsonl",
            "!connect/topics-*.jsonl",
        ],
    ),
    ("internal topics", "millstream", &["connect/topics-*.jsonl"]),
    (
        "connect protocol",
        "distributed",
        &["connect/protocol-*.jsonl"],
    ),
    (
        "connect assignors",
        "distributed",
        &["groups/connect-*.jsonl"],
    ),
    ("s3 over REST", "worker", &["s3/rest/*.json"]),
    (
        "converters",
        "plugins",
        &["converters/*.jsonl", "!converters/AvroConverter*.jsonl"],
    ),
    (
        "avro converter",
        "registry",
        &["converters/AvroConverter*.jsonl"],
    ),
    ("transforms", "plugins", &["transforms/*.jsonl"]),
    (
        "plugin settings",
        "plugins",
        &["transforms/configdefs*.json"],
    ),
    (
        "assignors",
        "kafka",
        &[
            "groups/consumer-*.jsonl",
            "!groups/consumer-protocol*.jsonl",
        ],
    ),
    (
        "consumer protocol",
        "kafka",
        &["groups/consumer-protocol*.jsonl"],
    ),
    (
        "batches",
        "kafka",
        &[
            "records/*.jsonl",
            "!records/transactions*.jsonl",
            "!records/partitioner*.jsonl",
        ],
    ),
    ("transactions", "kafka", &["records/transactions*.jsonl"]),
    ("partitioner", "kafka", &["records/partitioner*.jsonl"]),
    ("s3", "s3", &["s3/*.jsonl", "!s3/validate*.jsonl"]),
    ("s3 validation", "s3", &["s3/validate*.jsonl"]),
    ("s3 settings", "s3", &["s3/configdef*.json"]),
    ("mongodb models", "mongodb", &["mongodb/models*.jsonl"]),
    ("mongodb config", "mongodb", &["mongodb/config.jsonl"]),
    (
        "mongodb config live",
        "mongodb",
        &["mongodb/config-live.jsonl"],
    ),
    (
        "mongodb config secure",
        "mongodb",
        &["mongodb/config-secure.jsonl"],
    ),
    ("mongodb end to end", "mongodb", &["mongodb/e2e*.jsonl"]),
    ("mongodb settings", "mongodb", &["mongodb/configdef*.json"]),
    ("msk iam", "aws", &["aws/msk-iam*.jsonl"]),
    ("aws requests", "aws", &["aws/aws-requests*.jsonl"]),
    ("ecs metadata", "aws", &["aws/ecs-metadata*.jsonl"]),
    ("healthcheck", "millstream", &["aws/healthcheck*.jsonl"]),
];

/// What is known of a file: how many of its cases are due, how many are not, and why if it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    pub(crate) file: &'a str,
    pub(crate) due: usize,
    pub(crate) not_due: usize,
    pub(crate) why: &'a str,
}

/// The lines of a list: `file due not-due`, and a reason behind them where nothing is due.
fn lines(list: &str) -> impl Iterator<Item = Listed<'_>> {
    list.lines().map(|line| {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (file, due, not_due, why) = (next(), next(), next(), next());
        let number = |text: &str| {
            let number = text.parse();
            number.unwrap_or_else(|_| panic!("{line:?} is no line of a list of cases"))
        };
        Listed {
            file,
            due: number(due),
            not_due: number(not_due),
            why,
        }
    })
}

/// The list of the folder: its own, or ours, of which a folder that was named has to hold the files, not the numbers.
pub(crate) struct List {
    text: String,
    pub(crate) has_numbers: bool,
}

impl List {
    pub(crate) fn of_folder() -> Self {
        let is_ours = std::env::var_os("MILLSTREAM_GOLDEN").is_none();
        let own = std::fs::read_to_string(folder().join("cases.txt"));
        List {
            has_numbers: is_ours || own.is_ok(),
            text: own.unwrap_or_else(|_| LIST.to_owned()),
        }
    }

    pub(crate) fn of(&self, file: &str) -> Option<Listed<'_>> {
        lines(&self.text).find(|listed| listed.file == file)
    }

    /// The listed files of a runner that the folder lacks.
    pub(crate) fn missing(&self, runner: &str) -> Vec<&str> {
        let patterns = patterns(runner);
        let listed = lines(&self.text).map(|listed| listed.file);
        listed
            .filter(|file| takes(patterns, file) && !folder().join(file).is_file())
            .collect()
    }
}

/// The files of the folder that the runner takes, by name.
pub(crate) fn files(runner: &str) -> Vec<String> {
    let patterns = patterns(runner);
    let mut found: Vec<String> = all().into_iter().filter(|f| takes(patterns, f)).collect();
    found.sort_unstable();
    found
}

fn patterns(runner: &str) -> &'static [&'static str] {
    let known = RUNNERS.iter().find(|(name, _, _)| *name == runner);
    known.unwrap_or_else(|| panic!("{runner} is no runner")).2
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

    #[test]
    fn every_file_has_one_runner() {
        let all = all();
        assert!(!all.is_empty(), "the folder has no cases");
        for file in all {
            let runners = RUNNERS.iter().filter(|runner| takes(runner.2, &file));
            let names: Vec<&str> = runners.map(|runner| runner.0).collect();
            assert_eq!(names.len(), 1, "{file} is read by {names:?}");
        }
    }

    /// A runner that is on the list and in no test would leave its files unread.
    #[test]
    fn every_runner_is_called() {
        for (name, of, _) in RUNNERS {
            let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let mut sources = Vec::new();
            for part in ["src", "tests"] {
                sources_under(&crates.join(of).join(part), &mut sources);
            }
            let call = format!("run(\"{name}\", ");
            let is_called = sources.iter().any(|source| source.contains(&call));
            assert!(is_called, "no test of {of} has {call}");
        }
    }

    fn sources_under(folder: &Path, into: &mut Vec<String>) {
        for name in names(folder) {
            let path = folder.join(&name);
            if path.is_dir() {
                sources_under(&path, into);
            } else if name.ends_with(".rs") {
                into.push(std::fs::read_to_string(path).expect("a source"));
            }
        }
    }

    /// Files that were added are on the list, and where nothing is due stands why.
    #[test]
    fn every_file_of_ours_is_on_the_list() {
        let known: Vec<Listed<'_>> = lines(LIST).collect();
        let list = List::of_folder();
        if list.text == LIST {
            let unknown = all().into_iter().filter(|file| list.of(file).is_none());
            let unknown: Vec<String> = unknown.collect();
            assert!(unknown.is_empty(), "not in cases.txt: {unknown:?}");
        }
        for listed in &known {
            let needs_reason = listed.due == 0;
            assert_eq!(needs_reason, !listed.why.is_empty(), "{listed:?}");
        }
        assert!(known.is_sorted_by(|a, b| a.file < b.file), "not in order");
    }

    /// `MILLSTREAM_WRITE_DOCS` writes it.
    #[test]
    fn the_page_of_recordings_shows_the_list() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/golden.md");
        let page = std::fs::read_to_string(&path).expect("the page");
        let (intro, _) = page.split_once("| File |").expect("a table");
        let mut written = format!(
            "{intro}| File | Cases that are due, and pass | not due | why none is due |\n|---|---|---|---|\n"
        );
        for Listed {
            file,
            due,
            not_due,
            why,
        } in lines(LIST)
        {
            written.push_str(&format!("| {file} | {due} | {not_due} | {why} |\n"));
        }
        if std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
            std::fs::write(&path, &written).expect("the page is writable");
        } else {
            assert!(
                page == written,
                "docs/golden.md is stale; run `MILLSTREAM_WRITE_DOCS=1 cargo test --release -p millstream-golden`"
            );
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

    #[test]
    fn a_folder_without_a_listed_file_is_told() {
        let list = List {
            text: "converters/primitives.jsonl 76 0\nconverters/gone.jsonl 1 0\ns3/gone.jsonl 1 0"
                .to_owned(),
            has_numbers: true,
        };
        // A named folder may be short of the first.
        let missing = list.missing("converters");
        assert!(missing.ends_with(&["converters/gone.jsonl"]), "{missing:?}");
        assert!(!missing.contains(&"s3/gone.jsonl"));
    }
}
