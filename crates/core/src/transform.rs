//! The seams to transforms and predicates: a batch in, a changed batch or a row mask out.

use crate::batch::{RecordBatch, RowMask};
use crate::converter::RowErrors;
use crate::digest::HashSettings;
use crate::edit::{Edit, Origin};
use crate::value::Value;

/// Which parts of a record a stage must have decoded; origin, topic and timestamps are always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub key: bool,
    pub value: bool,
    pub headers: bool,
}

impl Needs {
    pub fn or(self, other: Needs) -> Needs {
        Needs {
            key: self.key || other.key,
            value: self.value || other.value,
            headers: self.headers || other.headers,
        }
    }
}

/// A single message transform, applied to a batch at a time. Rows are independent of each other.
pub trait Transform: Send {
    /// The full Java name, with `$Key` or `$Value` where it has one.
    fn class_name(&self) -> &str;

    fn needs(&self) -> Needs;

    /// Changes the rows that the mask names. A row that fails is noted by its number and left as it is;
    /// the caller takes it out. To drop rows (Filter), clear them in `keep`.
    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        keep: &mut RowMask,
        errors: &mut RowErrors,
    );

    /// Whether it may change a record's topic; a message names those that do.
    fn renames_topics(&self) -> bool {
        false
    }

    /// Whether it changes headers alone, drops no row and refuses none, so that it may be left out where nobody reads headers.
    fn only_headers(&self) -> bool {
        false
    }

    /// What the stage does to a schemaless object, if the names of its members tell that. A
    /// converter may make the edits as it writes the object; what is no object is then left to `apply`.
    fn edits(&self) -> Option<Vec<Edit>> {
        None
    }

    /// The value that the edit of this number makes of the member's old one. `None` where `apply` does something else than that.
    fn edit(&mut self, _edit: usize, _old: &Value, _origin: &Origin<'_>) -> Option<Value> {
        None
    }

    /// What the stage does, in terms a sink may offer to do itself.
    fn fusable(&self) -> Option<Fusable> {
        None
    }
}

/// A stage that a sink may take over when it knows a faster way to the same output.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fusable {
    /// `HoistField$Value` with this field name.
    HoistValue { field: String },
    /// The value as a whole, a text or bytes, becomes its digest.
    HashValue(HashSettings),
}

/// A condition on a record.
pub trait Predicate: Send {
    /// The full Java name.
    fn class_name(&self) -> &str;

    fn needs(&self) -> Needs;

    /// The rows for which the condition holds; a row that cannot be tested is noted and left unset.
    fn test(&self, batch: &RecordBatch, errors: &mut RowErrors) -> RowMask;
}
