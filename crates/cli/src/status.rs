//! `rivulet status`: what runs, where, and how it is.

use project::rest::Rest;

use crate::args::{Output, Place, Target};
use crate::error::CliError;
use crate::output;
use crate::running::Running;

pub(crate) async fn run(place: &Place, target: &Target, asked: Option<Output>) -> Result<(), CliError> {
    let api = match &target.api {
        Some(named) => named.clone(),
        None => Running::require(&place.data_dir)?.api,
    };
    let status = Rest::api(&api).get("/api/v1/status").await?;
    output::one(asked, &status)
}
