//! What a process of the workshop finds in AWS, in a process of its own: the control plane that checks signatures, a document
//! store for one user, and S3. `workshop CONTROL DOCUMENTS S3 S3_FOLDER KEY SECRET`, the first three as host:port.
//!
//! What is in it is told by lines of JSON on the standard input, each an object of the `Order` below; each is answered by a
//! line, `{}` unless the order asks something. The process ends with its input, so that it outlives nobody.

use millstream_embedded::aws::{ControlPlane, Key};
use millstream_embedded::documents::DocumentServer;
use millstream_embedded::s3::S3Server;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    /// Instances of a service, in place of those that were there.
    Register {
        namespace: String,
        service: String,
        instances: BTreeMap<String, BTreeMap<String, String>>,
    },
    /// What `GetBootstrapBrokers` answers for a cluster.
    Brokers {
        arn: String,
        answer: Json,
    },
    Secret {
        id: String,
        text: String,
    },
    /// What stands at a path, for whoever brings the token.
    Document {
        path: String,
        document: Json,
        token: Option<String>,
    },
    /// Keys that may sign for the control plane, in place of those that were there.
    Keys(Vec<SigningKey>),
    /// Who has to sign in to the document store from now on.
    User {
        name: String,
        password: String,
    },
    /// The set that the document store is the primary of, and where its member is.
    Set {
        name: String,
        host: String,
    },
    Bucket(String),
    /// What was called, and whose signatures were refused.
    Calls {},
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningKey {
    id: String,
    secret: String,
    session_token: Option<String>,
    is_expired: bool,
}

struct Workshop {
    plane: ControlPlane,
    documents: DocumentServer,
    s3: S3Server,
}

impl Workshop {
    fn follow(&self, order: Order) -> io::Result<Json> {
        let plane = &self.plane;
        match order {
            Order::Register {
                namespace,
                service,
                instances,
            } => {
                let borrowed: Vec<(&str, Vec<(&str, &str)>)> = instances
                    .iter()
                    .map(|(id, attributes)| {
                        let pairs = attributes.iter();
                        (
                            &**id,
                            pairs.map(|(name, value)| (&**name, &**value)).collect(),
                        )
                    })
                    .collect();
                let slices: Vec<_> = borrowed.iter().map(|(id, it)| (*id, &**it)).collect();
                plane.register(&namespace, &service, &slices);
            }
            Order::Brokers { arn, answer } => plane.set_brokers(&arn, answer),
            Order::Secret { id, text } => plane.set_secret(&id, &text),
            Order::Document {
                path,
                document,
                token,
            } => plane.set_document(&path, document, token.as_deref()),
            Order::Keys(keys) => {
                let keys = keys.into_iter().map(|key| Key {
                    id: key.id,
                    secret: key.secret,
                    session_token: key.session_token,
                    is_expired: key.is_expired,
                });
                plane.set_keys(keys.collect());
            }
            Order::User { name, password } => self.documents.set_user(&name, &password),
            Order::Set { name, host } => self.documents.lead_set(&name, &host),
            Order::Bucket(name) => self.s3.create_bucket(&name)?,
            Order::Calls {} => {
                let refusals = plane.refusals().into_iter();
                let refusals =
                    refusals.map(|refusal| format!("{}: {}", refusal.name, refusal.message));
                let refusals: Vec<String> = refusals.collect();
                return Ok(json!({"calls": plane.all_calls(), "refusals": refusals}));
            }
        }
        Ok(json!({}))
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [control, documents, s3, folder, key, secret] = &*args else {
        return Err("usage: workshop CONTROL DOCUMENTS S3 S3_FOLDER KEY SECRET".into());
    };
    let workshop = Workshop {
        plane: ControlPlane::start(control.parse()?, key, secret).await?,
        documents: DocumentServer::start(documents.parse()?, None).await?,
        s3: S3Server::start(s3.parse()?, folder.as_ref(), key, secret).await?,
    };
    // The servers are at work on the other threads meanwhile.
    tokio::task::block_in_place(|| -> io::Result<()> {
        for line in io::stdin().lock().lines() {
            let order: Order = serde_json::from_str(&line?)?;
            let answer = workshop.follow(order)?;
            let mut out = io::stdout().lock();
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        Ok(())
    })?;
    Ok(())
}
