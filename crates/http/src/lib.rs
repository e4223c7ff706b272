//! Every REST face: the schema registry's, and Rivulet's own API for SQL and status. The only crate that knows axum
//! and the shapes of public JSON.
//!
//! Invariants: a body is read up to a limit; every answer, also to a wrong path, is JSON in the face's own error
//! shape; a handler never holds a lock across an await.
//!
//! What this crate does not know: how anything is stored.

pub mod api;
mod listen;
pub mod registry;

pub use listen::{Serving, serve};
