//! Row: one attribute of Java's: what it is called, what it says, and where its value comes from.

use millstream_worker::cluster::RunState;

/// An attribute of a group: its name, what it says, and its value.
pub(super) struct Row<S> {
    pub(super) attribute: &'static str,
    /// Whether it only grows, where its name does not say so.
    pub(super) is_total: bool,
    pub(super) help: &'static str,
    pub(super) value: fn(&S) -> f64,
}

/// An attribute that is a text, which becomes a label.
pub(super) struct TextRow<S> {
    pub(super) attribute: &'static str,
    pub(super) help: &'static str,
    pub(super) text: fn(&S) -> Option<String>,
}

pub(super) const fn row<S>(
    attribute: &'static str,
    help: &'static str,
    value: fn(&S) -> f64,
) -> Row<S> {
    Row {
        attribute,
        is_total: false,
        help,
        value,
    }
}

/// One that only grows although its name does not say so.
pub(super) const fn total<S>(
    attribute: &'static str,
    help: &'static str,
    value: fn(&S) -> f64,
) -> Row<S> {
    Row {
        attribute,
        is_total: true,
        help,
        value,
    }
}

pub(super) const fn text<S>(
    attribute: &'static str,
    help: &'static str,
    text: fn(&S) -> Option<String>,
) -> TextRow<S> {
    TextRow {
        attribute,
        help,
        text,
    }
}

/// Statuses are lower case in metrics.
pub(super) fn lower_case(state: RunState) -> String {
    state.name().to_ascii_lowercase()
}
