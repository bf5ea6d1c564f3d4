//! What `millstream worker` would make of the document that names its first connectors.

use super::report::Report;
use crate::bootstrap::problems;
use millstream_environment::{BOOTSTRAP_CONNECTORS, Note, Place, Resolved, Variables};
use millstream_worker::WorkerSettings;

/// `settings` are the worker's, where they are right.
pub(super) async fn tell(
    variables: &Variables,
    settings: Option<&WorkerSettings>,
    report: &mut Report,
) {
    let Some(value) = variables.get(BOOTSTRAP_CONNECTORS) else {
        return;
    };
    let resolved = Resolved::of_variable(BOOTSTRAP_CONNECTORS, value);
    report.setting(BOOTSTRAP_CONNECTORS, &resolved);
    let place = match Place::parse(value) {
        Ok(place) => place,
        Err(why) => {
            let note = Note::problem(BOOTSTRAP_CONNECTORS, why);
            return report.note(note.with_remedy(format!("correct {BOOTSTRAP_CONNECTORS}")));
        }
    };
    let asked = match &place {
        Place::File(_) => None,
        Place::Parameter(name) => Some(format!("AWS Systems Manager for parameter {name}")),
        Place::Object { bucket, key } => Some(format!("S3 for object {key} in bucket {bucket}")),
    };
    if let Some(asked) = asked {
        let text = format!("would ask {asked}; what is in it is seen at the start alone");
        report.note(Note::info(BOOTSTRAP_CONNECTORS, text));
    }
    for problem in problems(&place, settings).await {
        // Each sentence ends with what to do.
        let (text, remedy) = problem.rsplit_once("; ").unwrap_or((&problem, ""));
        let note = Note::problem(BOOTSTRAP_CONNECTORS, text);
        report.note(match remedy {
            "" => note,
            remedy => note.with_remedy(remedy),
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn notes(value: &str) -> (usize, String) {
        let variables: Variables = [(BOOTSTRAP_CONNECTORS, value)].into_iter().collect();
        let mut report = Report::new("worker");
        tell(&variables, None, &mut report).await;
        (report.problems(), report.text())
    }

    #[tokio::test]
    async fn the_place_is_shown_and_a_file_is_looked_into() {
        let (problems, text) = notes("ssm:/m/connectors").await;
        assert_eq!(problems, 0);
        assert!(
            text.contains("would ask AWS Systems Manager for parameter /m/connectors"),
            "{text}"
        );
        assert_eq!(notes("s3://b").await.0, 1);
        let (problems, text) = notes("/no/such/file").await;
        assert_eq!(problems, 1);
        assert!(text.contains("put it there"), "{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connectors.json");
        std::fs::write(
            &path,
            r#"[{"config": {"a": []}}, {"name": "b", "config": {}}]"#,
        )
        .unwrap();
        let (problems, text) = notes(path.to_str().unwrap()).await;
        assert_eq!(problems, 2, "{text}");
        assert!(text.contains("add \"name\""), "{text}");
        assert_eq!(notes("").await.0, 0);
    }
}
