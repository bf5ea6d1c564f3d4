//! What ECS tells a task of itself: under which address others reach it, and where it runs.

mod document;
mod fetch;

pub use document::{Address, Task, address, task};
pub use fetch::{Advertised, Metadata, Source};
