//! The report as text, JSON and a page.
use super::*;
use crate::finding::Findings;

fn report(findings: Vec<Finding>, proof: Proof) -> Report {
    let mut all = Findings::default();
    for finding in findings {
        all.push(finding);
    }
    let partition = PartitionVerdict {
        topic: "t".to_owned(),
        partition: 0,
        objects: 2,
        bytes: 2048,
        records: Some(6),
        first: Some(0),
        end: Some(8),
        proven_to: None,
        missing: 2,
        without_record: 0,
        proof,
    };
    let verdict = Verdict {
        partitions: vec![partition],
        findings: all,
        objects: 2,
        bytes: 2048,
    };
    let looked = Looked {
        place: "s3://b/topics/<x>".to_owned(),
        range: "of the objects".to_owned(),
        ..Looked::default()
    };
    Report::new(verdict, looked)
}

#[test]
fn documents_are_called_so() {
    let mut report = report(Vec::new(), Proof::Counted);
    report.looked.is_documents = true;
    report.looked.is_deep = true;
    for told in [text(&report), html(&report)] {
        assert!(told.contains("every offset has one document"), "{told}");
        assert!(!told.contains("objects read"), "{told}");
    }
    assert!(text(&report).contains("DOCUMENTS"));
}

#[test]
fn the_outcome_goes_by_what_was_found() {
    let note = Finding::new(Kind::OpenUpload, "t", "begun a minute ago");
    assert_eq!(
        report(vec![note.clone()], Proof::Counted).outcome,
        Outcome::Proven
    );
    assert_eq!(
        report(vec![note], Proof::Names).outcome,
        Outcome::NothingFound
    );
    let gap = Finding::new(Kind::Gap, "t", "2 offsets")
        .of(0)
        .at(3, Some(5));
    assert_eq!(report(vec![gap], Proof::Faulty).outcome, Outcome::Findings);
}

#[test]
fn texts_say_what_is_wrong_where_and_what_to_do() {
    let gap = Finding::new(Kind::Gap, "t", "2 offsets")
        .of(0)
        .at(3, Some(5));
    let foreign = Finding::new(Kind::Foreign, "", "no name").object("topics/t/<script>\u{1}");
    let report = report(vec![foreign, gap], Proof::Faulty);
    let told = text(&report);
    assert!(
        told.contains("error gap t-0 3 to 4: 2 offsets\nwarning foreign: no name [topics/t/"),
        "{told}"
    );
    assert!(
        told.contains("t-0        2        6        0      8    2        faulty"),
        "{told}"
    );
    let page = html(&report);
    assert!(
        page.contains("topics/t/&lt;script&gt;\u{fffd}")
            && page.contains("s3://b/topics/&lt;x&gt;"),
        "{page}"
    );
    for outside in ["http://", "https://", "src=", "<script", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap_or_default();
    assert_eq!(json["outcome"], "findings");
    assert_eq!(
        (&json["findings"][0]["kind"], &json["findings"][0]["from"]),
        (&"gap".into(), &3.into())
    );
}
