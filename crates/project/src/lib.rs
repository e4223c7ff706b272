//! The project folder: reads and checks `rivulet.yaml`, and applies it to a running platform.
//!
//! Invariant: reading reports every problem at once, each with its line.
//!
//! What this crate does not know: our server. It goes through Kafka's protocol, the registry's REST face and the API.

mod apply;
mod check;
mod model;
mod read;
pub mod rest;
mod yaml;

pub use apply::{Applied, Endpoints, apply};
pub use model::{Problem, Project, Schema, Sql, Topic};

/// The file every project has.
pub const PROJECT_FILE: &str = "rivulet.yaml";

/// Reads the project in `folder` and checks all that can be checked without a server.
pub fn load(folder: &std::path::Path) -> Result<Project, Vec<Problem>> {
    let project = read::read(folder)?;
    let problems = check::check(&project);
    if problems.is_empty() {
        Ok(project)
    } else {
        Err(problems)
    }
}
