//! The command explain, for find and aggregate: how this server comes to the answer, in MongoDB's terms.
//! It looks documents up by `_id` or scans the collection; no other index is used for reads.

use super::aggregate;
use super::command::{Command, CommandError};
use super::filter::{Filter, integer};
use super::reads;
use super::store::Store;
use bson::{Bson, Document, doc};
use std::time::Instant;

pub(super) fn explain(store: &Store, command: &Command) -> Result<Document, CommandError> {
    let body = command.document()?;
    let explained = body
        .get_document("explain")
        .map_err(|_| CommandError::failed_to_parse("explain needs a command"))?;
    let (name, collection) = match explained.iter().next() {
        Some((name, Bson::String(collection))) => (name.as_str(), collection.as_str()),
        Some((name, _)) => (name.as_str(), ""),
        None => ("", ""),
    };
    let runs = !matches!(body.get_str("verbosity"), Ok("queryPlanner"));
    let mut answer = match name {
        "find" => Query::of_find(explained).explain(store, &command.db, collection, runs)?,
        "aggregate" => {
            let pipeline = aggregate::pipeline(explained)?;
            let (query, rest) = Query::of_pipeline(&pipeline);
            let plan = query
                .map(|query| query.explain(store, &command.db, collection, runs))
                .transpose()?;
            match plan {
                Some(plan) if rest.is_empty() => plan,
                plan => {
                    let cursor = plan.map(|plan| doc! {"$cursor": plan});
                    doc! {"stages": cursor.into_iter().chain(rest.iter().cloned()).collect::<Vec<_>>()}
                }
            }
        }
        _ => {
            return Err(CommandError::new(
                59,
                "CommandNotFound",
                format!("Explain failed due to unknown command: {name}"),
            ));
        }
    };
    answer.insert("explainVersion", "1");
    answer.insert("command", explained.clone());
    answer.insert("ok", 1.0);
    Ok(answer)
}

/// What is read from a collection, before any further stage of a pipeline.
#[derive(Default)]
struct Query {
    filter: Document,
    sort: Document,
    projection: Document,
    skip: i64,
    limit: Option<i64>,
}

impl Query {
    fn of_find(find: &Document) -> Self {
        let part = |name| find.get_document(name).cloned().unwrap_or_default();
        let amount = |name| find.get(name).and_then(integer).map(i64::saturating_abs);
        Query {
            filter: part("filter"),
            sort: part("sort"),
            projection: part("projection"),
            skip: amount("skip").unwrap_or(0),
            limit: amount("limit").filter(|&limit| limit > 0),
        }
    }

    /// What a first `$match` narrows, and the stages after it; nothing is read if a stage makes documents.
    fn of_pipeline(pipeline: &[Document]) -> (Option<Self>, &[Document]) {
        let first = pipeline.first().and_then(|stage| stage.iter().next());
        match first {
            Some((name, _)) if aggregate::is_source(name) => (None, pipeline),
            Some((name, Bson::Document(filter))) if name == "$match" => {
                let filter = filter.clone();
                (
                    Some(Query {
                        filter,
                        ..Query::default()
                    }),
                    &pipeline[1..],
                )
            }
            _ => (Some(Query::default()), pipeline),
        }
    }

    fn explain(
        &self,
        store: &Store,
        db: &str,
        name: &str,
        runs: bool,
    ) -> Result<Document, CommandError> {
        let filter = Filter::parse(&self.filter)?;
        let plan = self.plan(&filter, store.collection(db, name).is_some());
        let mut answer = doc! {"queryPlanner": {"namespace": format!("{db}.{name}"), "indexFilterSet": false,
        "parsedQuery": self.filter.clone(), "winningPlan": plan.clone(), "rejectedPlans": []}};
        if runs {
            answer.insert("executionStats", self.run(store, db, name, &filter, plan)?);
        }
        Ok(answer)
    }

    fn plan(&self, filter: &Filter, exists: bool) -> Document {
        let backwards = reads::scan_direction(&self.sort);
        let mut plan = if !exists {
            doc! {"stage": "EOF"}
        } else if filter.ids().is_some() {
            doc! {"stage": "FETCH", "filter": self.filter.clone(), "inputStage":
            {"stage": "IXSCAN", "keyPattern": {"_id": 1}, "indexName": "_id_", "isUnique": true, "direction": "forward"}}
        } else {
            let direction = if backwards == Some(true) {
                "backward"
            } else {
                "forward"
            };
            doc! {"stage": "COLLSCAN", "filter": self.filter.clone(), "direction": direction}
        };
        let mut over = |mut stage: Document| {
            stage.insert("inputStage", plan.clone());
            plan = stage;
        };
        if backwards.is_none() {
            over(doc! {"stage": "SORT", "sortPattern": self.sort.clone()});
        }
        if self.skip > 0 {
            over(doc! {"stage": "SKIP", "skipAmount": self.skip});
        }
        if let Some(limit) = self.limit {
            over(doc! {"stage": "LIMIT", "limitAmount": limit});
        }
        if !self.projection.is_empty() {
            over(doc! {"stage": "PROJECTION_DEFAULT", "transformBy": self.projection.clone()});
        }
        plan
    }

    /// Does the reading, and counts.
    fn run(
        &self,
        store: &Store,
        db: &str,
        name: &str,
        filter: &Filter,
        plan: Document,
    ) -> Result<Document, CommandError> {
        let begun = Instant::now();
        // All documents that are looked at, not only those that match.
        let ids = filter.ids();
        let looked_at = match &ids {
            Some(ids) => doc! {"_id": {"$in": ids.clone()}},
            None => Document::new(),
        };
        let sorts = reads::scan_direction(&self.sort).is_none();
        let enough = self
            .limit
            .filter(|_| !sorts)
            .map_or(i64::MAX, |limit| self.skip.saturating_add(limit));
        let (mut examined, mut found) = (0i64, 0i64);
        if let Some(collection) = store.collection(db, name) {
            reads::visit(
                store,
                collection,
                &Filter::parse(&looked_at)?,
                |_, document| {
                    examined += 1;
                    found += i64::from(filter.matches(&document));
                    Ok(found < enough)
                },
            )?;
        }
        let returned = (found - self.skip).clamp(0, self.limit.unwrap_or(i64::MAX));
        let millis = begun.elapsed().as_millis() as i64;
        let mut stages = plan;
        stages.insert("nReturned", returned);
        stages.insert("executionTimeMillisEstimate", millis);
        Ok(
            doc! {"executionSuccess": true, "nReturned": returned, "executionTimeMillis": millis,
            "totalKeysExamined": if ids.is_some() { examined } else { 0 }, "totalDocsExamined": examined,
            "executionStages": stages, "allPlansExecution": []},
        )
    }
}
