//! Report: settings with where they are from, then what is to be said of them, for people and for machines.

use millstream_environment::secret::{HIDDEN, shown};
use millstream_environment::{Note, Origin, Resolved, Severity};
use serde_json::{Value, json};
use std::fmt::Write;

/// The widest that a name and a value make a column; what is longer goes beyond it.
const NAME_WIDTH: usize = 44;
const VALUE_WIDTH: usize = 60;

pub(super) struct Report {
    command: &'static str,
    settings: Vec<Setting>,
    notes: Vec<Note>,
}

struct Setting {
    name: String,
    /// As it may be shown; none where it is still to be found.
    value: Option<String>,
    from: Option<Origin>,
    /// What would be done to find it.
    way: Option<String>,
}

impl Report {
    pub(super) fn new(command: &'static str) -> Self {
        Report {
            command,
            settings: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn setting(&mut self, name: impl Into<String>, resolved: &Resolved) {
        let name = name.into();
        // What the name of the key does not tell, that of the variable may.
        let by_key = shown(&name, &resolved.value);
        let by_origin = resolved
            .from
            .name()
            .map(|from| shown(from, &resolved.value));
        let value = match by_origin {
            Some(hidden) if hidden == HIDDEN => hidden,
            _ => by_key,
        };
        self.settings.push(Setting {
            name,
            value: Some(value),
            from: Some(resolved.from.clone()),
            way: None,
        });
    }

    /// A setting that somebody would have to find.
    pub(super) fn open(&mut self, name: impl Into<String>, way: impl Into<String>) {
        self.settings.push(Setting {
            name: name.into(),
            value: None,
            from: None,
            way: Some(way.into()),
        });
    }

    /// Takes a note; of several about one thing that say the same, one.
    pub(super) fn note(&mut self, note: Note) {
        let is_known = |known: &Note| known.about == note.about && known.text == note.text;
        if !self.notes.iter().any(is_known) {
            self.notes.push(note);
        }
    }

    pub(super) fn says_of(&self, about: &str) -> bool {
        self.notes.iter().any(|note| note.about == about)
    }

    pub(super) fn problems(&self) -> usize {
        let problems = self.sorted();
        let problems = problems.iter();
        problems
            .filter(|note| note.severity == Severity::Problem)
            .count()
    }

    /// The least first, so that what keeps from a start stands at the end.
    fn sorted(&self) -> Vec<&Note> {
        let mut notes: Vec<&Note> = self.notes.iter().collect();
        notes.sort_by_key(|note| note.severity);
        notes
    }

    pub(super) fn json(&self) -> Value {
        let settings: Vec<Value> = self.settings.iter().map(Setting::json).collect();
        let notes: Vec<Value> = self.sorted().into_iter().map(note_json).collect();
        json!({
            "for": self.command,
            "ok": self.problems() == 0,
            "settings": settings,
            "notes": notes,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("millstream {}, as the environment has it\n\n", self.command);
        let names = width(self.settings.iter().map(|it| &*it.name), NAME_WIDTH);
        let values = self.settings.iter().map(Setting::shown);
        let values = width(values, VALUE_WIDTH);
        // Writing to a text does not fail.
        for setting in &self.settings {
            let value = setting.shown();
            let from = setting.from.as_ref().map(ToString::to_string);
            let from = from.or_else(|| setting.way.clone()).unwrap_or_default();
            let _ = writeln!(text, "{:names$}  {value:values$}  {from}", setting.name);
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in self.sorted() {
            let _ = writeln!(text, "{:8} {}", word(note.severity), sentence(note));
            if let Some(remedy) = &note.remedy {
                let _ = writeln!(text, "{:8}   {remedy}", "");
            }
        }
        let _ = match self.problems() {
            0 => writeln!(text, "\nnothing keeps it from starting"),
            count => writeln!(text, "\n{count} problem(s)"),
        };
        text
    }
}

/// Of the widest text that is no wider than it may be.
fn width<'a>(texts: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let widths = texts.map(|text| text.chars().count());
    widths.filter(|width| *width <= most).max().unwrap_or(0)
}

impl Setting {
    fn shown(&self) -> &str {
        self.value.as_deref().unwrap_or("-")
    }

    fn json(&self) -> Value {
        let from = self.from.as_ref();
        json!({
            "name": self.name,
            "value": self.value,
            "hidden": self.value.as_deref().is_some_and(|value| value.contains(HIDDEN)),
            "from": from.map(|from| json!({"kind": from.kind(), "name": from.name()})),
            "open": self.way,
        })
    }
}

fn note_json(note: &Note) -> Value {
    json!({
        "severity": word(note.severity),
        "about": note.about,
        "text": note.text,
        "remedy": note.remedy,
    })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Problem => "problem",
    }
}

/// What the text is about stands before it, unless it names it itself.
fn sentence(note: &Note) -> String {
    match note.about.is_empty() || note.text.contains(&note.about) {
        true => note.text.clone(),
        false => format!("{} {}", note.about, note.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_hides_secrets_and_ends_with_what_keeps_from_a_start() {
        let mut report = Report::new("worker");
        report.setting("group.id", &Resolved::of_variable("CONNECT_GROUP_ID", "g"));
        report.setting(
            "sasl.jaas.config",
            &Resolved::of_variable("CONNECT_SASL_JAAS_CONFIG", "s3cr3t"),
        );
        report.setting("x", &Resolved::of_variable("MY_PASSWORD", "s3cr3t"));
        report.open("bootstrap.servers", "would ask");
        report.note(Note::problem("A", "is required.").with_remedy("set it"));
        report.note(Note::info("B", "has no effect"));
        report.note(Note::info("B", "has no effect"));
        let text = report.text();
        assert!(!text.contains("s3cr3t"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2..],
            [
                "group.id           g         CONNECT_GROUP_ID",
                "sasl.jaas.config   [hidden]  CONNECT_SASL_JAAS_CONFIG",
                "x                  [hidden]  MY_PASSWORD",
                "bootstrap.servers  -         would ask",
                "",
                "info     B has no effect",
                "problem  A is required.",
                "           set it",
                "",
                "1 problem(s)",
            ]
        );
        let json = report.json();
        assert_eq!(json["ok"], false);
        assert_eq!(
            json["settings"][1],
            json!({
                "name": "sasl.jaas.config", "value": "[hidden]", "hidden": true, "open": null,
                "from": {"kind": "variable", "name": "CONNECT_SASL_JAAS_CONFIG"},
            })
        );
        assert_eq!(
            json["notes"][1],
            json!({"severity": "problem", "about": "A", "text": "is required.", "remedy": "set it"})
        );
    }
}
