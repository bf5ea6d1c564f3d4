//! What a process asks AWS for itself: credentials, and with them MSK's sign-in tokens.
//! One thin signed client serves all services; decisions are pure functions of answers and time.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod causes;
pub mod client;
pub mod credentials;
pub mod discovery;
pub mod ecs;
pub mod environment;
pub mod http;
pub mod msk_iam;
pub mod services;
pub mod trust;

pub use client::{Call, CallError, Class, Client, Endpoints, Service};
pub use credentials::{Credentials, CredentialsChain, CredentialsError, CredentialsSettings};
pub use environment::Environment;
pub use http::Http;
pub use msk_iam::{MskIam, MskIamToken};
