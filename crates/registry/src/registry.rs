//! Registry: what a client has fetched, kept within bounds, and how schemas are put together. Ids never change their meaning, so
//! that they are kept without end; that something is not there may change with the next producer, so that it is never kept.

use crate::bounded::Bounded;
use crate::client::{CallError, Client, Placed, Refusal, SchemaText};
use crate::config::{Choice, SchemaSettings};
use crate::wire::SchemaKey;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Schemas that one may refer to, directly or not; more than any registry's users have.
const MOST_REFERENCES: usize = 1_000;

/// A schema with all that it refers to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) schema: SchemaText,
    /// Name and text of each, those first that others refer to.
    pub(crate) references: Vec<(String, String)>,
}

/// The schema that something is written with.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) id: i32,
    /// Where it is not the writer's own.
    pub(crate) schema: Option<Arc<Fetched>>,
}

pub(crate) struct Registry {
    client: Client,
    known: Mutex<Known>,
}

struct Known {
    schemas: Bounded<SchemaKey, Arc<Fetched>>,
    versions: Bounded<(String, SchemaKey), Option<i32>>,
    targets: Bounded<(String, SchemaText), (Target, Instant)>,
}

impl Registry {
    pub(crate) fn new(client: Client) -> Self {
        let most = client.max_schemas();
        Registry {
            client,
            known: Mutex::new(Known {
                schemas: Bounded::new(most),
                versions: Bounded::new(most),
                targets: Bounded::new(most),
            }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Entries are put in whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schema of an id or a GUID.
    pub(crate) async fn schema(
        &self,
        key: SchemaKey,
        subject: Option<&str>,
    ) -> Result<Arc<Fetched>, CallError> {
        let known = self.known().schemas.get(&key).cloned();
        if let Some(fetched) = known {
            return Ok(fetched);
        }
        let schema = self.client.schema(key, subject).await?;
        let fetched = Arc::new(self.complete(schema).await?);
        self.known().schemas.insert(key, Arc::clone(&fetched));
        Ok(fetched)
    }

    /// The version that a schema is of its subject.
    pub(crate) async fn version(
        &self,
        subject: &str,
        key: SchemaKey,
        fetched: &Fetched,
    ) -> Result<Option<i32>, CallError> {
        let at = (subject.to_owned(), key);
        let known = self.known().versions.get(&at).copied();
        if let Some(version) = known {
            return Ok(version);
        }
        let placed = self
            .client
            .look_up(subject, &fetched.schema, false, true)
            .await?;
        self.known().versions.insert(at, placed.version);
        Ok(placed.version)
    }

    /// What is known of the schema that this one is written with.
    pub(crate) fn known_target(
        &self,
        subject: &str,
        schema: &SchemaText,
        settings: &SchemaSettings,
        now: Instant,
    ) -> Option<Target> {
        let at = (subject.to_owned(), schema.clone());
        let known = self.known();
        let (target, since) = known.targets.get(&at)?;
        let is_old = match settings.choice {
            Choice::Latest { .. } | Choice::LatestWith { .. } => {
                settings.latest_ttl.is_some_and(|ttl| now >= *since + ttl)
            }
            Choice::Register | Choice::Id { .. } | Choice::LookUp => false,
        };
        (!is_old).then(|| target.clone())
    }

    /// Finds the schema that this one is written with, as the settings say.
    pub(crate) async fn find_target(
        &self,
        subject: &str,
        schema: &SchemaText,
        settings: &SchemaSettings,
    ) -> Result<Target, CallError> {
        let client = &self.client;
        let target = match &settings.choice {
            Choice::Register => own(client.register(subject, schema, settings.normalize).await?),
            Choice::LookUp => own(client
                .look_up(subject, schema, settings.normalize, false)
                .await?),
            Choice::Id { id, .. } => Target {
                id: *id,
                schema: Some(self.schema(SchemaKey::Id(*id), Some(subject)).await?),
            },
            Choice::Latest { .. } => self.other(client.latest(subject, &[]).await?).await?,
            Choice::LatestWith { metadata, .. } => {
                self.other(client.latest(subject, metadata).await?).await?
            }
        };
        let at = (subject.to_owned(), schema.clone());
        self.known()
            .targets
            .insert(at, (target.clone(), Instant::now()));
        Ok(target)
    }

    async fn other(&self, placed: Placed) -> Result<Target, CallError> {
        let schema = match placed.schema {
            Some(schema) => Arc::new(self.complete(schema).await?),
            None => self.schema(SchemaKey::Id(placed.id), None).await?,
        };
        Ok(Target {
            id: placed.id,
            schema: Some(schema),
        })
    }

    /// Fetches what a schema refers to, and what that refers to.
    async fn complete(&self, schema: SchemaText) -> Result<Fetched, CallError> {
        let mut references = Vec::new();
        let mut seen = HashSet::new();
        // Each reference is looked at twice: its own references go before it.
        let mut open: Vec<(crate::client::Reference, Option<SchemaText>)> = schema
            .references
            .iter()
            .rev()
            .map(|reference| (reference.clone(), None))
            .collect();
        while let Some((reference, fetched)) = open.pop() {
            match fetched {
                Some(fetched) => references.push((reference.name, fetched.text)),
                None if !seen.insert(reference.name.clone()) => {}
                None if seen.len() > MOST_REFERENCES => {
                    return Err(CallError::Refused(Refusal {
                        code: 0,
                        message: format!("the schema refers to more than {MOST_REFERENCES} others"),
                    }));
                }
                None => {
                    let version = reference.version;
                    let found = self.client.version(&reference.subject, version).await?;
                    let further: Vec<_> = found.references.iter().rev().cloned().collect();
                    open.push((reference, Some(found)));
                    open.extend(further.into_iter().map(|reference| (reference, None)));
                }
            }
        }
        Ok(Fetched { schema, references })
    }
}

fn own(placed: Placed) -> Target {
    Target {
        id: placed.id,
        schema: None,
    }
}
