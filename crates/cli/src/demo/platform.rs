//! The demo's own server: a child process that can be killed and started again on the same ports.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use project::Endpoints;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::error::CliError;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// A running server and what it takes to start it again.
pub(super) struct Platform {
    folder: PathBuf,
    child: Child,
    pub endpoints: Endpoints,
    pub ready_ms: u64,
}

impl Platform {
    /// Starts a server on free ports, with its data below `folder`.
    pub(super) async fn start(folder: &Path) -> Result<Platform, CliError> {
        let (child, line) = spawn(folder, [0, 0, 0]).await?;
        let text = |key: &str| line.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let endpoints = Endpoints {
            kafka: text("kafka"),
            registry: text("registry"),
            api: text("api"),
        };
        let ready_ms = line.get("ready_ms").and_then(Json::as_f64).unwrap_or_default() as u64;
        Ok(Platform {
            folder: folder.to_owned(),
            child,
            endpoints,
            ready_ms,
        })
    }

    /// Kills the server in the middle of whatever it does, and starts it again.
    pub(super) async fn kill_and_restart(&mut self) -> Result<(), CliError> {
        self.child.kill().await?;
        let ports = [&self.endpoints.kafka, &self.endpoints.registry, &self.endpoints.api].map(|address| port(address));
        self.child = spawn(&self.folder, ports).await?.0;
        Ok(())
    }

    /// Says if the server ended by itself, which it must not.
    pub(super) fn check_alive(&mut self) -> Result<(), CliError> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(died(&self.folder, &format!("the server ended by itself: {status}"))),
        }
    }

    pub(super) async fn stop(mut self) -> Result<(), CliError> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::TERM).map_err(|error| CliError::internal(error.to_string()))?;
        }
        match tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(died(&self.folder, &format!("the server stopped with {status}"))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                self.child.kill().await?;
                Err(died(&self.folder, "the server did not stop in 15 s"))
            }
        }
    }
}

fn port(address: &str) -> u16 {
    address
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap_or(0)
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

async fn spawn(folder: &Path, ports: [u16; 3]) -> Result<(Child, Json), CliError> {
    let log: File = OpenOptions::new().create(true).append(true).open(log_file(folder))?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["up", "--output", "json", "--data-dir"])
        .arg(folder.join("data"));
    for (flag, port) in ["--kafka-port", "--registry-port", "--api-port"].iter().zip(ports) {
        command.arg(flag).arg(port.to_string());
    }
    // A group of its own: Ctrl-C in the terminal ends the demo, which then still needs its server.
    command
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let mut child = command.spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return Err(CliError::internal("the server has no stdout"));
    };
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(START_TIMEOUT, lines.next_line()).await;
    let line = line
        .ok()
        .and_then(Result::ok)
        .flatten()
        .and_then(|line| serde_json::from_str(&line).ok());
    match line {
        Some(line) => Ok((child, line)),
        None => Err(died(folder, "the server did not start")),
    }
}

fn died(folder: &Path, what: &str) -> CliError {
    let path = log_file(folder);
    let log = std::fs::read_to_string(&path).unwrap_or_default();
    let last: Vec<&str> = log.lines().rev().take(5).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
    CliError::internal(format!("{what}\n  {last}")).hint(format!("its log is `{}`", path.display()))
}
