//! The document server through its own sockets.

#![allow(clippy::unwrap_used)]
use super::wire::{Message, read_message};
use super::*;
use bson::{Document, doc};
use tokio::io::AsyncWriteExt;

/// A client of a few lines: one command, one answer.
struct Client(TcpStream);

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        Client(TcpStream::connect(addr).await.unwrap())
    }

    async fn run(&mut self, command: Document) -> Document {
        let body = command.to_vec().unwrap();
        let mut out = (21 + body.len() as i32).to_le_bytes().to_vec();
        for field in [1i32, 0, 2013, 0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.push(0);
        out.extend_from_slice(&body);
        self.0.write_all(&out).await.unwrap();
        let mut reply = Vec::new();
        assert!(read_message(&mut self.0, &mut reply).await.unwrap());
        let message = Message::parse(&reply).unwrap();
        Document::try_from(message.command.body.as_ref()).unwrap()
    }
}

async fn start(path: Option<PathBuf>) -> (DocumentServer, Client) {
    let server = DocumentServer::start(([127, 0, 0, 1], 0).into(), path)
        .await
        .unwrap();
    let client = Client::connect(server.addr()).await;
    (server, client)
}

fn batch(answer: &Document) -> Vec<Document> {
    let cursor = answer.get_document("cursor").unwrap();
    let batch = cursor
        .get_array("firstBatch")
        .or_else(|_| cursor.get_array("nextBatch"))
        .unwrap();
    batch
        .iter()
        .map(|item| item.as_document().unwrap().clone())
        .collect()
}

#[tokio::test]
async fn writes_and_reads() {
    let (server, mut client) = start(None).await;
    let documents: Vec<Document> = (0..250).map(|n| doc! {"_id": n, "n": n % 5}).collect();
    let answer = client
        .run(doc! {"insert": "c", "documents": documents, "$db": "d"})
        .await;
    assert_eq!(answer, doc! {"n": 250, "ok": 1.0});

    let again = doc! {"insert": "c", "documents": [{"_id": 1.0}, {"_id": "new"}], "ordered": false, "$db": "d"};
    let answer = client.run(again).await;
    assert_eq!(answer.get_i32("n").ok(), Some(1));
    let error = answer.get_array("writeErrors").unwrap()[0]
        .as_document()
        .unwrap()
        .clone();
    assert_eq!(error.get_i32("code").ok(), Some(11000));
    assert_eq!(
        error.get_str("errmsg").ok(),
        Some("E11000 duplicate key error collection: d.c index: _id_ dup key: { _id: 1.0 }")
    );

    let answer = client.run(doc! {"count": "c", "$db": "d"}).await;
    assert_eq!(answer.get_i32("n").ok(), Some(251));
    let answer = client
        .run(doc! {"find": "c", "filter": {"n": 3}, "sort": {"_id": -1}, "limit": 2, "$db": "d"})
        .await;
    assert_eq!(
        batch(&answer),
        [doc! {"_id": 248, "n": 3}, doc! {"_id": 243, "n": 3}]
    );

    let mut seen = 0;
    let mut answer = client
        .run(doc! {"find": "c", "batchSize": 100, "$db": "d"})
        .await;
    loop {
        seen += batch(&answer).len();
        let id = answer
            .get_document("cursor")
            .unwrap()
            .get_i64("id")
            .unwrap();
        if id == 0 {
            break;
        }
        answer = client
            .run(doc! {"getMore": id, "collection": "c", "batchSize": 100, "$db": "d"})
            .await;
    }
    assert_eq!(seen, 251);

    let updates = vec![
        doc! {"q": {"_id": 1}, "u": {"$set": {"x": 1}}},
        doc! {"q": {"_id": "u"}, "u": {"_id": "u", "y": 2}, "upsert": true},
    ];
    let answer = client
        .run(doc! {"update": "c", "updates": updates, "$db": "d"})
        .await;
    assert_eq!(
        answer,
        doc! {"n": 2, "nModified": 1, "upserted": [{"index": 1, "_id": "u"}], "ok": 1.0}
    );
    let answer = client
        .run(doc! {"delete": "c", "deletes": [{"q": {"n": 0}, "limit": 0}], "$db": "d"})
        .await;
    assert_eq!(answer, doc! {"n": 50, "ok": 1.0});
    let pipeline = vec![
        doc! {"$match": {"n": {"$gt": 0}}},
        doc! {"$group": {"_id": "$n", "sum": {"$sum": 1}}},
        doc! {"$sort": {"_id": -1}},
        doc! {"$limit": 1},
    ];
    let answer = client
        .run(doc! {"aggregate": "c", "pipeline": pipeline, "cursor": {}, "$db": "d"})
        .await;
    assert_eq!(batch(&answer), [doc! {"_id": 4, "sum": 50}]);
    server.stop().await;
}

#[tokio::test]
async fn unique_indexes_hold() {
    let (_server, mut client) = start(None).await;
    let index = doc! {"key": {"u": 1}, "name": "u_1", "unique": true};
    client
        .run(doc! {"createIndexes": "c", "indexes": [index], "$db": "d"})
        .await;
    client
        .run(
            doc! {"insert": "c", "documents": [{"_id": 1, "u": 1}, {"_id": 2, "u": 2}], "$db": "d"},
        )
        .await;
    let change = doc! {"q": {"_id": 2}, "u": {"$set": {"u": 1}}};
    let answer = client
        .run(doc! {"update": "c", "updates": [change.clone()], "$db": "d"})
        .await;
    let error = answer.get_array("writeErrors").unwrap()[0]
        .as_document()
        .unwrap();
    assert_eq!(
        error.get_str("errmsg").ok(),
        Some("E11000 duplicate key error collection: d.c index: u_1 dup key: { u: 1 }")
    );
    client
        .run(doc! {"delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}], "$db": "d"})
        .await;
    let answer = client
        .run(doc! {"update": "c", "updates": [change], "$db": "d"})
        .await;
    assert_eq!(answer, doc! {"n": 1, "nModified": 1, "ok": 1.0});
}

#[tokio::test]
async fn documents_survive_a_restart() {
    let path =
        std::env::temp_dir().join(format!("millstream-documents-{}.db", uuid::Uuid::new_v4()));
    let (server, mut client) = start(Some(path.clone())).await;
    client
        .run(doc! {"insert": "c", "documents": [{"_id": 1}], "$db": "d"})
        .await;
    drop(client);
    server.stop().await;
    let (_server, mut client) = start(Some(path.clone())).await;
    let answer = client.run(doc! {"find": "c", "$db": "d"}).await;
    assert_eq!(batch(&answer), [doc! {"_id": 1}]);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}

#[tokio::test]
async fn the_proxy_breaks_what_it_is_told_to() {
    let (server, mut direct) = start(None).await;
    let fault = |nth, action| DocumentFault {
        command: "insert".to_owned(),
        nth,
        action,
    };
    let proxy = DocumentProxy::start(
        server.addr(),
        vec![
            fault(
                1,
                DocumentFaultAction::MergeReply(doc! {"writeConcernError": {"code": 64}}),
            ),
            fault(
                2,
                DocumentFaultAction::ReplaceReply(doc! {"ok": 0.0, "code": 13}),
            ),
            fault(3, DocumentFaultAction::CloseAfter),
        ],
    )
    .await
    .unwrap();
    let mut client = Client::connect(proxy.addr()).await;
    let insert = |id| doc! {"insert": "c", "documents": [{"_id": id}], "$db": "d"};
    let answer = client.run(insert(1)).await;
    assert_eq!(
        answer.get_document("writeConcernError").unwrap(),
        &doc! {"code": 64}
    );
    assert_eq!(client.run(insert(2)).await.get_i32("code").ok(), Some(13));
    let last = tokio::spawn(async move { client.run(insert(3)).await }).await;
    assert!(last.is_err(), "the connection closes instead of an answer");
    assert_eq!(proxy.recorded().len(), 3);
    let answer = direct.run(doc! {"find": "c", "$db": "d"}).await;
    assert_eq!(batch(&answer), [doc! {"_id": 1}, doc! {"_id": 3}]);
}

/// The first document of a pipeline's answer.
async fn first_of(client: &mut Client, collection: &str, pipeline: Vec<Document>) -> Document {
    let answer = client
        .run(doc! {"aggregate": collection, "pipeline": pipeline, "cursor": {}, "$db": "d"})
        .await;
    assert_eq!(answer.get_f64("ok").ok(), Some(1.0), "{answer}");
    batch(&answer).into_iter().next().unwrap_or_default()
}

async fn code(client: &mut Client, command: Document) -> i32 {
    client.run(command).await.get_i32("code").unwrap_or(0)
}

async fn fill(client: &mut Client) {
    let documents: Vec<Document> = (0..10)
        .map(|n| doc! {"_id": n, "u": n, "n": n % 5})
        .collect();
    let index = doc! {"key": {"u": 1}, "name": "u_1", "unique": true};
    client
        .run(doc! {"createIndexes": "c", "indexes": [index], "$db": "d"})
        .await;
    client
        .run(doc! {"insert": "c", "documents": documents, "$db": "d"})
        .await;
}

#[tokio::test]
async fn a_browser_reads_sizes() {
    let (_server, mut client) = start(None).await;
    fill(&mut client).await;
    let storage = || doc! {"$collStats": {"storageStats": {}}};
    let sum = |field: &str| doc! {"$sum": {"$toDouble": format!("$storageStats.{field}")}};
    let group = doc! {"_id": null, "count": {"$sum": "$storageStats.count"}, "size": sum("size"),
    "free": {"$first": {"$type": "$storageStats.freeStorageSize"}},
    "unscaled": {"$sum": {"$multiply": [{"$toDouble": "$storageStats.avgObjSize"}, {"$toDouble": "$storageStats.count"}]}}};
    let average = doc! {"$cond": {"if": {"$ne": ["$count", 0]}, "then": {"$divide": ["$unscaled", {"$toDouble": "$count"}]}, "else": 0}};
    let stages = vec![
        storage(),
        doc! {"$group": group},
        doc! {"$addFields": {"average": average, "none": "$nothing"}},
    ];
    let stats = first_of(&mut client, "c", stages).await;
    // 4 bytes of length, "_id" 9, "u" and "n" 7 each, 1 at the end.
    assert_eq!(
        stats,
        doc! {"_id": null, "count": 10i64, "size": 280.0, "free": "missing", "unscaled": 280.0, "average": 28.0}
    );

    let stages = vec![
        storage(),
        doc! {"$project": {"sizes": {"$objectToArray": "$storageStats.indexSizes"}}},
        doc! {"$unwind": "$sizes"},
        doc! {"$group": {"_id": "$sizes.k", "size": sum("none"), "bytes": {"$sum": {"$toDouble": "$sizes.v"}}}},
        doc! {"$sort": {"_id": -1}},
    ];
    let index = first_of(&mut client, "c", stages).await;
    assert_eq!(index.get_str("_id").ok(), Some("u_1"));
    assert!(index.get_f64("bytes").unwrap() > 0.0, "{index}");
    let stages = vec![
        doc! {"$indexStats": {}},
        doc! {"$project": {"name": 1, "since": "$accesses.since", "building": "$building"}},
    ];
    let index = first_of(&mut client, "c", stages).await;
    assert!(
        index.get_datetime("since").is_ok() && !index.contains_key("building"),
        "{index}"
    );

    let none = doc! {"aggregate": "none", "pipeline": [storage()], "cursor": {}, "$db": "d"};
    let answer = client.run(none).await;
    assert_eq!(
        answer.get_str("errmsg").ok(),
        Some("Collection [d.none] not found.")
    );
}

#[tokio::test]
async fn a_browser_asks_what_the_server_does() {
    let (_server, mut client) = start(None).await;
    fill(&mut client).await;
    client.run(doc! {"find": "c", "$db": "d"}).await;
    let operations =
        doc! {"aggregate": 1, "pipeline": [{"$currentOp": {}}], "cursor": {}, "$db": "admin"};
    assert!(batch(&client.run(operations).await).is_empty());
    let status = client.run(doc! {"serverStatus": 1, "$db": "admin"}).await;
    assert_eq!(
        status.get_document("opcounters").unwrap(),
        &doc! {"insert": 10i64, "query": 1i64, "update": 0i64, "delete": 0i64, "getmore": 0i64, "command": 2i64}
    );
    let network = status.get_document("network").unwrap();
    assert_eq!(network.get_i64("numRequests").ok(), Some(4));
    let top = client.run(doc! {"top": 1, "$db": "admin"}).await;
    let used = top
        .get_document("totals")
        .unwrap()
        .get_document("d.c")
        .unwrap();
    for (what, count) in [
        ("total", 3),
        ("writeLock", 1),
        ("queries", 1),
        ("insert", 1),
        ("remove", 0),
    ] {
        let spent = used.get_document(what).unwrap();
        assert_eq!(spent.get_i64("count").ok(), Some(count), "{what}");
    }
    client.run(doc! {"drop": "c", "$db": "d"}).await;
    let top = client.run(doc! {"top": 1, "$db": "admin"}).await;
    assert!(!top.get_document("totals").unwrap().contains_key("d.c"));
    let host = client.run(doc! {"hostInfo": 1, "$db": "admin"}).await;
    let os = host.get_document("os").unwrap();
    assert_eq!(os.get_str("type").ok(), Some(std::env::consts::OS));
}

#[tokio::test]
async fn plans_are_explained() {
    let (_server, mut client) = start(None).await;
    fill(&mut client).await;
    let mut check = async |find: Document, stages: &[&str], returned: i64, examined: i64| {
        let answer = client
            .run(doc! {"explain": find, "verbosity": "executionStats", "$db": "d"})
            .await;
        let stats = answer.get_document("executionStats").unwrap();
        assert_eq!(stats.get_i64("nReturned").ok(), Some(returned), "{answer}");
        assert_eq!(
            stats.get_i64("totalDocsExamined").ok(),
            Some(examined),
            "{answer}"
        );
        let planner = answer.get_document("queryPlanner").unwrap();
        let mut plan = planner.get_document("winningPlan").ok();
        let mut seen = Vec::new();
        while let Some(stage) = plan {
            seen.push(stage.get_str("stage").unwrap());
            plan = stage.get_document("inputStage").ok();
        }
        assert_eq!(seen, stages, "{answer}");
    };
    check(
        doc! {"find": "c", "filter": {"_id": 3}},
        &["FETCH", "IXSCAN"],
        1,
        1,
    )
    .await;
    check(
        doc! {"find": "c", "filter": {"_id": 3, "n": 0}},
        &["FETCH", "IXSCAN"],
        0,
        1,
    )
    .await;
    check(doc! {"find": "c", "filter": {"n": 3}}, &["COLLSCAN"], 2, 10).await;
    check(
        doc! {"find": "c", "limit": 2, "skip": 1},
        &["LIMIT", "SKIP", "COLLSCAN"],
        2,
        3,
    )
    .await;
    check(
        doc! {"find": "c", "sort": {"n": 1}, "limit": 2},
        &["LIMIT", "SORT", "COLLSCAN"],
        2,
        10,
    )
    .await;
    check(doc! {"find": "none"}, &["EOF"], 0, 0).await;
    check(
        doc! {"aggregate": "c", "pipeline": [{"$match": {"n": 1}}]},
        &["COLLSCAN"],
        2,
        10,
    )
    .await;

    let group = doc! {"$group": {"_id": "$n"}};
    let explained =
        doc! {"aggregate": "c", "pipeline": [{"$match": {"_id": 1}}, group.clone()], "cursor": {}};
    let answer = client
        .run(doc! {"explain": explained, "verbosity": "queryPlanner", "$db": "d"})
        .await;
    let stages = answer.get_array("stages").unwrap();
    let cursor = stages[0]
        .as_document()
        .unwrap()
        .get_document("$cursor")
        .unwrap();
    assert!(
        cursor.contains_key("queryPlanner") && !cursor.contains_key("executionStats"),
        "{answer}"
    );
    assert_eq!(stages[1].as_document(), Some(&group));
    let other = doc! {"explain": {"insert": "c", "documents": []}, "$db": "d"};
    assert_eq!(code(&mut client, other).await, 59);
}

#[tokio::test]
async fn what_would_not_be_kept_is_refused() {
    let (_server, mut client) = start(None).await;
    fill(&mut client).await;
    let update = doc! {"q": {"_id": 1}, "u": {"$set": {"n": 9}}};
    let transaction = doc! {"update": "c", "updates": [update], "txnNumber": 1i64,
    "startTransaction": true, "autocommit": false, "$db": "d"};
    assert_eq!(code(&mut client, transaction).await, 20);
    let answer = client
        .run(doc! {"find": "c", "filter": {"_id": 1}, "$db": "d"})
        .await;
    assert_eq!(batch(&answer), [doc! {"_id": 1, "u": 1, "n": 1}]);
    let view = doc! {"create": "v", "viewOn": "c", "pipeline": [], "$db": "d"};
    assert_eq!(code(&mut client, view).await, 238);
}

#[tokio::test]
async fn a_collection_is_renamed() {
    let (_server, mut client) = start(None).await;
    fill(&mut client).await;
    let rename = |to: &str, drop: bool| doc! {"renameCollection": "d.c", "to": to, "dropTarget": drop, "$db": "admin"};
    client.run(doc! {"create": "taken", "$db": "d"}).await;
    assert_eq!(code(&mut client, rename("d.taken", false)).await, 48);
    assert_eq!(code(&mut client, rename("d.c", true)).await, 48);
    assert_eq!(code(&mut client, rename("d.taken", true)).await, 0);
    assert_eq!(code(&mut client, rename("d.more", false)).await, 26);
    let answer = client.run(doc! {"count": "taken", "$db": "d"}).await;
    assert_eq!(answer.get_i32("n").ok(), Some(10));
    let again = doc! {"insert": "taken", "documents": [{"_id": 10, "u": 1}], "$db": "d"};
    let answer = client.run(again).await;
    assert_eq!(answer.get_array("writeErrors").map(Vec::len).ok(), Some(1));
}

#[tokio::test]
async fn an_expression_in_a_list_of_ids_matches() {
    let (_server, mut client) = start(None).await;
    client
        .run(doc! {"insert": "c", "documents": [{"_id": "a#1"}, {"_id": "b#1"}], "$db": "d"})
        .await;
    let pattern = bson::Regex {
        pattern: "^a#".try_into().unwrap(),
        options: "".try_into().unwrap(),
    };
    let answer = client
        .run(doc! {"find": "c", "filter": {"_id": {"$in": [pattern]}}, "$db": "d"})
        .await;
    assert_eq!(batch(&answer), [doc! {"_id": "a#1"}]);
}

/// A sign-in up to the server's proof, by a client that checks nothing: whether the password is taken.
async fn signs_in(client: &mut Client, name: &str, password: &str) -> bool {
    let user = User {
        name: name.to_owned(),
        password: password.to_owned(),
    };
    let binary = |bytes: &str| bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: bytes.as_bytes().to_vec(),
    };
    let bare = format!("n={name},r=nonce");
    let payload = binary(&format!("n,,{bare}"));
    let start =
        doc! {"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": payload, "$db": "admin"};
    let challenge = client.run(start).await;
    let Ok(challenge) = challenge.get_binary_generic("payload") else {
        return false;
    };
    let challenge = String::from_utf8(challenge.clone()).unwrap();
    let last = crate::scram::proof(&user, &bare, &challenge);
    for payload in [binary(&last), binary("")] {
        let go_on =
            doc! {"saslContinue": 1, "conversationId": 1, "payload": payload, "$db": "admin"};
        if client.run(go_on).await.get_f64("ok").ok() != Some(1.0) {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn a_primary_says_so_and_its_password_can_change() {
    let (server, mut client) = start(None).await;
    let hello = doc! {"hello": 1, "saslSupportedMechs": "admin.u", "$db": "admin"};
    let plain = client.run(hello.clone()).await;
    assert!(!plain.contains_key("setName") && !plain.contains_key("saslSupportedMechs"));
    server.set_user("u", "old");
    server.lead_set("rs0", "db:27017");
    let told = client.run(hello).await;
    assert_eq!(told.get_str("setName").ok(), Some("rs0"));
    assert_eq!(told.get_str("primary").ok(), Some("db:27017"));
    let hosts = told.get_array("hosts").unwrap();
    assert_eq!(hosts, &["db:27017".into()]);
    let mechanisms = told.get_array("saslSupportedMechs").unwrap();
    assert_eq!(mechanisms, &["SCRAM-SHA-256".into()]);
    let count = doc! {"count": "c", "$db": "d"};
    assert_eq!(code(&mut client, count.clone()).await, 13);
    assert!(!signs_in(&mut client, "u", "new").await);
    assert!(signs_in(&mut client, "u", "old").await);
    server.set_user("u", "new");
    // Who is in stays in; who comes has to know the new one.
    assert_eq!(client.run(count).await.get_i32("n").ok(), Some(0));
    let mut other = Client::connect(server.addr()).await;
    assert!(!signs_in(&mut other, "u", "old").await);
    assert!(signs_in(&mut other, "u", "new").await);
    let retryable = doc! {"insert": "c", "documents": [{"_id": 1}], "txnNumber": 1_i64, "$db": "d"};
    assert_eq!(code(&mut other, retryable).await, 301);
}
