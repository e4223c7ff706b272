//! `rivulet topic delete`.

use client::kafka::Admin;

use crate::error::CliError;
use crate::topic::existing;

pub(crate) async fn run(admin: &Admin, name: &str) -> Result<(), CliError> {
    existing(admin, name)?;
    admin.delete(name).await?;
    eprintln!("deleted topic `{name}`");
    Ok(())
}
