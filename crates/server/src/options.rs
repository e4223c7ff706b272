//! Where and how a server runs, and why it may not start.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where and how a server runs.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Kept data; nothing is written there with [`Durability::Memory`].
    pub data_dir: PathBuf,
    pub durability: Durability,
    /// Port 0 takes any free one.
    pub kafka: SocketAddr,
    pub registry: SocketAddr,
    pub api: SocketAddr,
    /// How many brokers clients see, each on a port of its own: `kafka`'s and those after it.
    pub virtual_brokers: u16,
    /// Topics are made when a client first names them.
    pub auto_create_topics: bool,
    /// The secret that is the local KMS of client-side field encryption.
    pub local_kms_secret: Option<String>,
    /// Settings of the broker by Kafka's names, and their values.
    pub settings: Vec<(String, String)>,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it would survive a power cut.
    #[default]
    Fsync,
    /// When the operating system has it.
    Os,
    /// At once; nothing is kept.
    Memory,
}

impl Durability {
    /// The name shown beside figures and in `status`.
    pub fn word(self) -> &'static str {
        match self {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
            Durability::Memory => "memory",
        }
    }
}

/// Where a running server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub kafka: SocketAddr,
    pub registry: SocketAddr,
    pub api: SocketAddr,
}

/// Why a server did not start, or did not stop in order.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A face (`kafka`, `registry`, `api`) could not have its port.
    #[error("port {} for {face} cannot be had: {source}", address.port())]
    Port {
        face: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    /// A setting that there is not, or a value it cannot have.
    #[error("{0}")]
    Setting(String),
    #[error("{0}")]
    Start(String),
}
