//! Writes without the fields that are null.

use crate::null_fields::remove_nulls;
use crate::write_model::Model;
use bson::Bson;

/// The write without them: a replacement loses all, an update those that it sets. `None` if nothing is left to write.
pub(super) fn without(mut model: Model) -> Option<Model> {
    let is_empty = match &mut model {
        Model::Replace { replacement, .. } => {
            remove_nulls(replacement);
            replacement.is_empty()
        }
        Model::Update { update, .. } => {
            if let Some(Bson::Document(set)) = update.get_mut("$set") {
                remove_nulls(set);
                if set.is_empty() {
                    update.remove("$set");
                }
            }
            update.is_empty()
        }
        Model::Insert(_) | Model::Delete(_) => false,
    };
    (!is_empty).then_some(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Document, doc};

    fn update(update: Document) -> Option<Document> {
        let model = Model::Update {
            filter: doc! {"_id": 1},
            update,
            upsert: false,
        };
        match without(model)? {
            Model::Update { update, .. } => Some(update),
            _ => None,
        }
    }

    #[test]
    fn an_update_loses_the_nulls_that_it_sets_and_what_is_empty_then() {
        let (set, unset) = ("$set", "$unset");
        assert_eq!(
            update(doc! {set: {"a": null, "b": 1}, unset: {"c": ""}}),
            Some(doc! {set: {"b": 1}, unset: {"c": ""}})
        );
        assert_eq!(
            update(doc! {set: {"a": null}, unset: {"c": ""}}),
            Some(doc! {unset: {"c": ""}})
        );
        assert_eq!(update(doc! {set: {"a": null}}), None);
    }

    #[test]
    fn a_delete_is_left_alone() {
        let delete = Model::Delete(doc! {"a": null});
        assert_eq!(without(delete.clone()), Some(delete));
    }
}
