//! Completions and manual pages, as a shell and a reader of pages take them.

use crate::stage::run;
use std::process::Command;

#[tokio::test]
async fn bash_completes_commands_and_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    let script = run(folder.path(), "completions bash", &[], "").await;
    assert_eq!(script.code, 0, "{script:?}");
    std::fs::write(folder.path().join("millstream.bash"), script.out).unwrap();
    for (words, cur, expected) in [
        ("millstream to", "to", "topics"),
        ("millstream topics --boot", "--boot", "--bootstrap-server"),
        ("millstream groups --reset", "--reset", "--reset-offsets"),
        ("millstream completions ", "", "bash fish zsh"),
    ] {
        let last = words.split(' ').count() - 1;
        let ask = format!(
            "source ./millstream.bash; COMP_WORDS=({words}); COMP_CWORD={last}; _millstream millstream '{cur}' ''; echo \"${{COMPREPLY[*]}}\""
        );
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(ask).current_dir(folder.path());
        let Ok(answer) = bash.output() else {
            println!("skipped: there is no bash");
            return;
        };
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(answer.contains(expected), "{words}: {answer}");
    }
}

#[tokio::test]
async fn pages_are_written_where_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let own = run(folder.path(), "man", &[], "").await;
    assert!(own.out.contains("millstream\\-topics(1)"), "{own:?}");
    let all = run(folder.path(), "man pages/man1", &[], "").await;
    assert_eq!((all.code, all.err.as_str()), (0, ""), "{all:?}");
    let page = std::fs::read_to_string(folder.path().join("pages/man1/millstream-groups.1"));
    assert!(page.unwrap().contains("reset\\-offsets"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = run(folder.path(), "man file", &[], "").await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.err.contains("cannot write into file"),
        "{refused:?}"
    );
    let unknown = run(folder.path(), "completions tcsh", &[], "").await;
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("bash, fish, zsh"), "{unknown:?}");
}
