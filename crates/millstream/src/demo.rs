//! The demo's parts: embedded services, a producer, and the view of what flows.

pub(crate) mod post;
pub(crate) mod producer;
pub(crate) mod services;
pub(crate) mod stores;
pub(crate) mod view;
