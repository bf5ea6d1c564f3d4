//! Whether a bucket or collection holds every offset once, and what comes back from it: decisions and reports, no I/O.
//!
//! `names` takes keys apart, `ledger` collects them while a listing comes, `contents` counts what is in objects, `judge` says
//! what all of that proves, and `report` tells it.

pub mod compression;
pub mod contents;
pub mod existing;
pub mod finding;
pub mod ids;
pub mod judge;
pub mod ledger;
pub mod names;
pub mod report;
pub mod restore;
mod unreadable;
