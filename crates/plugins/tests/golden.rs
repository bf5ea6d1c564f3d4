//! The recordings of converters and transforms, run against our plugins.
#![allow(clippy::unwrap_used)]

#[path = "golden/converters.rs"]
mod converters;

#[path = "golden/transforms.rs"]
mod transforms;

#[path = "golden/configdefs.rs"]
mod configdefs;
