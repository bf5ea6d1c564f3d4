//! Stages that need not be applied: a converter makes their edits, or nobody reads what they do.
use super::*;

fn editing() -> Looks {
    Looks {
        edits: true,
        ..looking(false, true, false)
    }
}

fn copying(value: ColumnNeed) -> Sink {
    Sink {
        copies_json: true,
        ..sink(ColumnNeed::Nothing, value, false)
    }
}

#[test]
fn edits_are_made_where_json_is_copied() {
    let plan = |value: Reads, mut sink: Sink, stages: Vec<Looks>| {
        let chain = stages.into_iter().map(stage).collect();
        Plan::new(parts(TEXT, value, TEXT, chain), &mut sink).value
    };
    let (decode, text) = (ColumnPlan::Decode, || copying(JSON_OR_TEXT));
    let renaming = Looks {
        renames: true,
        ..Looks::default()
    };
    let stages = vec![renaming, editing(), editing()];
    assert_eq!(plan(JSON, text(), stages), ColumnPlan::Edit);
    // Types of numbers are read, or structure.
    let reading = sink(ColumnNeed::Nothing, JSON_OR_TEXT, false);
    assert_eq!(plan(JSON, reading, vec![editing()]), decode);
    let partitioned = copying(ColumnNeed::Decoded);
    assert_eq!(plan(JSON, partitioned, vec![editing()]), decode);
    assert_eq!(plan(TEXT, text(), vec![editing()]), decode);
    // One stage has to be applied, or looks at more than the value.
    let stages = vec![editing(), looking(false, true, false)];
    assert_eq!(plan(JSON, text(), stages), decode);
    let both = Looks {
        edits: true,
        ..looking(true, true, false)
    };
    assert_eq!(plan(JSON, text(), vec![both]), decode);
    let raw = ColumnPlan::Raw(RawKind::Json);
    assert_eq!(plan(JSON, text(), vec![Looks::default()]), raw);
}

/// One that is edited and one that is not, in a chain with a stage that is always applied.
#[tokio::test]
async fn edited_values_pass_the_other_stages_only() {
    for (values, text, applied) in [(["v", "w"], Some(&b"w!"[..]), 1), (["v", "odd"], None, 2)] {
        let chain = vec![stage(editing()), stage(Looks::default())];
        let mut sink = copying(JSON_OR_TEXT);
        let mut plan = Plan::new(parts(TEXT, JSON, TEXT, chain), &mut sink);
        let mut rejected = Rejected::default();
        let mut batch = batch(["k", "k"], values, ["x", "y"]);
        plan.convert(&mut batch, &mut rejected);
        plan.transform(&mut batch, &mut rejected);
        assert_eq!(
            (&batch.timestamps, rejected.is_empty()),
            (&vec![applied; 2], true)
        );
        match &batch.values {
            Payload::Raw { column, kind } => {
                assert_eq!((column.get(1), *kind), (text, RawKind::Json));
            }
            decoded => assert!(text.is_none() && decoded.decoded().is_some()),
        }
        assert_eq!(batch.raw_value(1).as_deref(), Some(values[1].as_bytes()));
    }
}

#[test]
fn headers_that_nobody_reads_are_not_made() {
    let of_headers = || Looks {
        only_headers: true,
        ..looking(false, false, true)
    };
    let kept = |sink_reads: bool, chain: Vec<ChainStage>| {
        let mut sink = sink(ColumnNeed::Nothing, ColumnNeed::Nothing, sink_reads);
        let plan = Plan::new(parts(TEXT, TEXT, TEXT, chain), &mut sink);
        (plan.parts.chain.len(), plan.headers)
    };
    let (pass, decode) = (HeaderPlan::Pass, HeaderPlan::Decode);
    let two = || vec![stage(of_headers()), stage(of_headers())];
    assert_eq!(kept(false, two()), (0, pass));
    assert_eq!(kept(true, two()), (2, decode));
    // Of one between them that reads headers, only those before it are made.
    let mut chain = two();
    chain.insert(1, stage(looking(false, false, true)));
    assert_eq!(kept(false, chain), (2, decode));
    let conditional = ChainStage {
        predicate: Some(Box::new(Looks::default())),
        ..stage(of_headers())
    };
    assert_eq!(kept(false, vec![conditional]), (1, decode));
}
