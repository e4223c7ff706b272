//! `rivulet down`: stops the platform of a folder and waits for its end.

use std::time::Duration;

use base::ErrorKind;
use rustix::process::{Pid, Signal, kill_process};

use crate::args::Place;
use crate::error::CliError;
use crate::running::Running;

const LOOKS_MAX: u32 = 300;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

pub(crate) async fn run(place: &Place) -> Result<(), CliError> {
    let running = Running::require(&place.data_dir)?;
    let pid = i32::try_from(running.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| CliError::internal(format!("{} is no process number", running.pid)))?;
    kill_process(pid, Signal::TERM).map_err(|error| CliError::internal(format!("process {pid:?}: {error}")))?;
    for _ in 0..LOOKS_MAX {
        if !running.is_alive() {
            eprintln!("stopped process {}", running.pid);
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    let message = format!("process {} has not stopped in 15 s", running.pid);
    Err(CliError::new(ErrorKind::Unavailable, message).hint("nothing acknowledged is lost if you kill it"))
}
