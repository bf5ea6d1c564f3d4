//! The demo's parts: its folder, embedded services, a producer, and the view of what flows.

pub(crate) mod folder;
pub(crate) mod post;
pub(crate) mod producer;
pub(crate) mod screen;
pub(crate) mod services;
pub(crate) mod stores;
pub(crate) mod view;
