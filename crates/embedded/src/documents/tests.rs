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
