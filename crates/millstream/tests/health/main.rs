//! The health port as whoever probes it sees it: the command in front of a scripted worker, by the recordings of
//! kafka-connect-healthcheck, and the port that workers open themselves.
#![allow(clippy::unwrap_used)]

mod builtin;
mod golden;
mod guarded;
mod hostile;
mod process;
mod upstream;
