//! A user who may not write is told of before the connector is created; where a store does not say, nothing is refused.

use bson::{Bson, Document, doc};
use millstream_core::{Connector, Properties};
use millstream_embedded::documents::DocumentFaultAction::ReplaceReply;
use millstream_embedded::documents::{DocumentProxy, DocumentServer};
use millstream_mongodb::MongoSinkConnector;

/// A store with a user, of whom it tells what a test says.
struct Stage {
    _server: DocumentServer,
    proxy: DocumentProxy,
}

impl Stage {
    async fn new(status: Document, role: Option<Document>) -> Stage {
        let any = ([127, 0, 0, 1], 0).into();
        let server = DocumentServer::start_with_user(any, "alice", "s3cret/pass");
        let server = server.await.unwrap();
        let proxy = DocumentProxy::start(server.addr(), Vec::new())
            .await
            .unwrap();
        proxy.break_all("connectionStatus", ReplaceReply(status));
        if let Some(role) = role {
            proxy.break_all("rolesInfo", ReplaceReply(role));
        }
        Stage {
            _server: server,
            proxy,
        }
    }

    /// The errors of `connection.uri` with these settings beside it.
    async fn errors(&self, more: &[(&str, &str)]) -> Vec<String> {
        self.errors_of("alice:s3cret%2Fpass@", more).await
    }

    async fn errors_of(&self, user: &str, more: &[(&str, &str)]) -> Vec<String> {
        let uri = format!("mongodb://{user}{}/", self.proxy.addr());
        let mut properties =
            Properties::from_iter([("database", "shop"), ("connection.uri", uri.as_str())]);
        if !more.iter().any(|(key, _)| *key == "topics.regex") {
            properties.insert("topics", "orders");
        }
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        let mut values = MongoSinkConnector.validate(&properties);
        MongoSinkConnector.probe(&properties, &mut values).await;
        let of_uri = values
            .into_iter()
            .filter(|value| !value.errors.is_empty())
            .inspect(|value| assert_eq!(value.name, "connection.uri", "{:?}", value.errors));
        of_uri.flat_map(|value| value.errors).collect()
    }

    fn asked(&self, command: &str) -> Vec<Document> {
        let recorded = self.proxy.recorded().into_iter();
        let named = recorded.filter(|one| one.name == command);
        named.map(|one| one.body).collect()
    }
}

fn status(privileges: Vec<Bson>, roles: Vec<Bson>) -> Document {
    doc! {"authInfo": {"authenticatedUserPrivileges": privileges, "authenticatedUserRoles": roles}, "ok": 1.0}
}

fn granted(database: &str, collection: &str, actions: &[&str]) -> Bson {
    doc! {"resource": {"db": database, "collection": collection}, "actions": actions.to_vec()}
        .into()
}

fn refused() -> Document {
    doc! {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": "no such command"}
}

fn misses(actions: &str) -> [String; 1] {
    [format!(
        "Invalid user permissions. Missing the following action permissions: {actions}"
    )]
}

const ALL: [&str; 4] = ["find", "insert", "update", "remove"];

#[tokio::test]
async fn what_a_user_may_not_is_an_error_of_the_connection_string() {
    let stage = Stage::new(status(vec![granted("shop", "", &["insert"])], vec![]), None).await;
    assert_eq!(stage.errors(&[]).await, misses("update, remove"));
    // Once for both topics.
    let two = [("topics", "orders,returns")];
    assert_eq!(stage.errors(&two).await, misses("update, remove"));
    let pattern = [("topics.regex", "o.*")];
    assert_eq!(stage.errors(&pattern).await, misses("update, remove"));
    let elsewhere = [("topic.override.orders.database", "other")];
    assert_eq!(
        stage.errors(&elsewhere).await,
        misses("insert, update, remove")
    );
    // Nobody has signed in, so the store is asked nothing.
    let before = stage.asked("connectionStatus").len();
    assert_eq!(stage.errors_of("", &[]).await, [""; 0]);
    assert_eq!(
        stage
            .errors(&[("millstream.mongo.validate.connect", "false")])
            .await,
        [""; 0]
    );
    assert_eq!(stage.asked("connectionStatus").len(), before);
}

#[tokio::test]
async fn the_collection_of_a_topic_is_the_one_that_is_written() {
    let status = status(vec![granted("shop", "orders", &ALL)], vec![]);
    let stage = Stage::new(status, None).await;
    assert_eq!(stage.errors(&[]).await, [""; 0]);
    let other = [("collection", "returns")];
    assert_eq!(stage.errors(&other).await, misses("insert, update, remove"));
    let series = [("timeseries.timefield", "ts")];
    assert_eq!(stage.errors(&series).await, misses("collStats"));
    // No collection is made for a user who may not.
    assert!(stage.asked("create").is_empty());
}

#[tokio::test]
async fn roles_are_asked_where_privileges_do_not_suffice() {
    let role = |name: &str| Bson::Document(doc! {"role": name, "db": "hr"});
    let info =
        doc! {"roles": [{"inheritedPrivileges": [granted("shop", "", &["update"])]}], "ok": 1.0};
    let insert = vec![granted("shop", "", &["insert", "remove"])];
    let stage = Stage::new(
        status(insert, vec![role("a"), role("b")]),
        Some(info.clone()),
    )
    .await;
    assert_eq!(stage.errors(&[]).await, [""; 0]);
    let asked = stage.asked("rolesInfo");
    assert_eq!(asked.len(), 1, "nothing is missing behind the first");
    let question =
        doc! {"rolesInfo": "a", "showPrivileges": true, "showBuiltinRoles": true, "$db": "hr"};
    for (name, value) in &question {
        assert_eq!(asked[0].get(name), Some(value), "{name}");
    }
    let stage = Stage::new(status(vec![], vec![role("a")]), Some(info)).await;
    assert_eq!(stage.errors(&[]).await, misses("insert, remove"));
}

/// FerretDB tells nothing, DocumentDB's elastic clusters know no roles.
#[tokio::test]
async fn a_store_that_does_not_say_refuses_nobody() {
    let role = vec![Bson::Document(doc! {"role": "a", "db": "hr"})];
    for (told, info) in [
        (status(vec![], vec![]), None),
        (doc! {"ok": 1.0}, None),
        (refused(), None),
        (status(vec![Bson::Int32(1)], vec![]), None),
        (status(vec![], role.clone()), Some(refused())),
        (
            status(vec![], role),
            Some(doc! {"roles": "none", "ok": 1.0}),
        ),
    ] {
        let stage = Stage::new(told.clone(), info).await;
        assert_eq!(stage.errors(&[]).await, [""; 0], "{told}");
        assert_eq!(stage.asked("connectionStatus").len(), 1);
    }
}
