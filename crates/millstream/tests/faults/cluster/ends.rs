//! How a worker of a cluster ends that cannot begin: at once, with a reason and an exit code.

use super::{broker, file};
use crate::worker::Worker;

#[tokio::test]
async fn an_exit_code_tells_what_keeps_a_worker_from_its_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker().await;
    broker.create_topic("kc_config", 2).unwrap();
    let unfit = file(folder.path(), "unfit", &broker, &[]);
    let wrong = file(
        folder.path(),
        "wrong",
        &broker,
        &[("connect.protocol", "x")],
    );
    for (arguments, code, reason) in [
        (vec!["worker"], 1, "CONNECT_BOOTSTRAP_SERVERS is required."),
        (vec!["worker", "nowhere"], 2, "cannot read nowhere"),
        (
            vec!["worker", &wrong],
            2,
            "Invalid value x for configuration connect.protocol: Invalid Connect protocol compatibility",
        ),
        (vec!["worker", &unfit], 3, "but found 2 partitions."),
    ] {
        let log = folder.path().join("log");
        let (found, text) = Worker::run(&arguments, &[], log).await;
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
}
