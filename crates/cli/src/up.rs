//! `rivulet up`: starts the platform in the foreground.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use base::{Clock, RealClock};
use clap::Args;
use serde_json::json;
use server::{Addresses, Durability, Server, ServerError, ServerOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Output, Place};
use crate::error::CliError;
use crate::output;
use crate::running::Running;

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    place: Place,
    /// Keep nothing: everything is forgotten when the platform stops
    #[arg(long)]
    memory: bool,
    /// When a write counts as done: `fsync` survives a power cut, `os` only the process
    #[arg(long, value_enum, default_value = "fsync", conflicts_with = "memory")]
    durability: DurabilityArg,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    listen: IpAddr,
    /// The Kafka port; 0 takes any free one
    #[arg(long, default_value_t = 9092, value_name = "PORT")]
    kafka_port: u16,
    /// The schema registry's port; 0 takes any free one
    #[arg(long, default_value_t = 8081, value_name = "PORT")]
    registry_port: u16,
    /// The port of Rivulet's own API; 0 takes any free one
    #[arg(long, default_value_t = 8090, value_name = "PORT")]
    api_port: u16,
    /// Refuse topics that nobody created
    #[arg(long)]
    no_auto_create: bool,
    /// How many brokers clients see, all of them this process: node ids 1, 2, 3 ... on the Kafka port and those after it
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=100))]
    virtual_brokers: u16,
    /// The secret that stands for the KMS `local-kms`, so that field encryption can be tried; best given by the variable
    #[arg(long, env = "LOCAL_SECRET", hide_env_values = true, value_name = "SECRET")]
    local_kms_secret: Option<String>,
    /// A setting of the broker by Kafka's name, such as `num.partitions=3`; may be given more than once
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            let setting = (name.trim().to_owned(), value.to_owned());
            server::check_setting(&setting.0, &setting.1).map(|()| setting)
        }
        _ => Err("a setting is NAME=VALUE".to_owned()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DurabilityArg {
    Fsync,
    Os,
}

impl UpArgs {
    fn options(&self) -> ServerOptions {
        let durability = match (self.memory, self.durability) {
            (true, _) => Durability::Memory,
            (false, DurabilityArg::Fsync) => Durability::Fsync,
            (false, DurabilityArg::Os) => Durability::Os,
        };
        ServerOptions {
            data_dir: self.place.data_dir.clone(),
            durability,
            kafka: SocketAddr::new(self.listen, self.kafka_port),
            registry: SocketAddr::new(self.listen, self.registry_port),
            api: SocketAddr::new(self.listen, self.api_port),
            virtual_brokers: self.virtual_brokers,
            auto_create_topics: !self.no_auto_create,
            local_kms_secret: self.local_kms_secret.clone(),
            settings: self.settings.clone(),
        }
    }
}

pub(crate) async fn run(up: UpArgs, output: Option<Output>) -> Result<(), CliError> {
    let clock = RealClock::new();
    let data_dir = &up.place.data_dir;
    if let Some(running) = Running::find(data_dir) {
        show(output, &running, data_dir, None);
        let message = format!(
            "a platform runs on `{}` already, process {}",
            data_dir.display(),
            running.pid
        );
        return Err(CliError::internal(message).hint("stop it with `rivulet down`, or choose another `--data-dir`"));
    }
    // Signals are caught from before the start, so that none is missed.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let server = Server::start(up.options()).await.map_err(explain)?;
    for line in server.recovery() {
        eprintln!("recovery: {line}");
    }
    let running = note(server.addresses(), up.options().durability);
    running.leave(data_dir)?;
    show(output, &running, data_dir, Some(clock.monotonic().as_secs_f64()));
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = server.failed() => Some(failure),
    };
    if let Some(failure) = failed {
        // What was acknowledged is on the disk; nothing more may be promised.
        Running::remove(data_dir);
        return Err(CliError::internal(format!("the platform stops: {failure}")));
    }
    eprintln!("stopping");
    server.stop().await.map_err(explain)?;
    Running::remove(data_dir);
    Ok(())
}

fn note(addresses: Addresses, durability: Durability) -> Running {
    let host = |address: SocketAddr| match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    };
    Running {
        pid: std::process::id(),
        kafka: host(addresses.kafka),
        registry: format!("http://{}", host(addresses.registry)),
        api: format!("http://{}", host(addresses.api)),
        durability: durability.word().to_owned(),
    }
}

/// Prints the address table. A server goes on when nobody reads it.
fn show(asked: Option<Output>, running: &Running, data_dir: &Path, ready_s: Option<f64>) {
    let text = match asked {
        Some(Output::Json) => machine_readable(running, data_dir, ready_s),
        _ => address_table(running, data_dir, ready_s),
    };
    if let Err(error) = output::say(&text) {
        eprintln!("the address table could not be printed: {error}");
    }
}

fn machine_readable(running: &Running, data_dir: &Path, ready_s: Option<f64>) -> String {
    let Running {
        pid,
        kafka,
        registry,
        api,
        durability,
    } = running;
    let ready_ms = ready_s.map(|seconds| (seconds * 1000.0).round());
    json!({
        "pid": pid, "kafka": kafka, "registry": registry, "api": api,
        "data_dir": data_dir, "durability": durability, "ready_ms": ready_ms,
    })
    .to_string()
}

fn address_table(running: &Running, data_dir: &Path, ready_s: Option<f64>) -> String {
    let kept = match running.durability.as_str() {
        "memory" => "forgotten when the platform stops (durability memory)".to_owned(),
        class => format!(
            "{}/  (kept; durability {class}; --memory to forget)",
            data_dir.display()
        ),
    };
    let ready = ready_s
        .map(|seconds| format!("    ready in {seconds:.2} s"))
        .unwrap_or_default();
    format!(
        "  kafka     {}\n  registry  {}\n  api       {}\n  data      {kept}{ready}\n  \
         next      rivulet demo grocery  ·  rivulet topic list  ·  rivulet status",
        running.kafka, running.registry, running.api
    )
}

/// A taken port names the flag that moves it, and the process that holds it if that can be known.
fn explain(error: ServerError) -> CliError {
    match &error {
        ServerError::Port { face, address, source } => {
            let holder = holder_of(address.port())
                .map(|holder| format!(" (held by {holder})"))
                .unwrap_or_default();
            let message = format!(
                "port {} for the {face} face cannot be had: {source}{holder}",
                address.port()
            );
            CliError::internal(message).hint(format!("move it with `--{face}-port PORT`"))
        }
        ServerError::Setting(_) | ServerError::Start(_) => CliError::internal(error.to_string()),
    }
}

/// The name and number of the process that listens on a port, from what the kernel shows of sockets.
fn holder_of(port: u16) -> Option<String> {
    const LISTENING: &str = "0A";
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let inode = sockets
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .find_map(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let local_port = columns.next()?.rsplit(':').next()?;
            let here = u16::from_str_radix(local_port, 16) == Ok(port) && columns.nth(1)? == LISTENING;
            here.then(|| columns.nth(5).map(str::to_owned)).flatten()
        })?;
    let wanted = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut open = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        open.find(|file| std::fs::read_link(file.path()).is_ok_and(|link| link.to_str() == Some(&wanted)))?;
        let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
        Some(format!("`{}`, process {pid}", name.trim()))
    })
}
