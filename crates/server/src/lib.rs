//! Starts and stops the whole platform in one process, in order.
//!
//! What this crate does not know: terminals.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where and how a server runs.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Kept data; ignored when `memory` is set.
    pub data_dir: PathBuf,
    /// `fsync`, `os` or `memory`.
    pub durability: Durability,
    /// Port 0 takes any free one.
    pub kafka: SocketAddr,
    pub registry: SocketAddr,
    pub api: SocketAddr,
    /// Topics are made when a client first names them.
    pub auto_create_topics: bool,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    #[default]
    Fsync,
    Os,
    Memory,
}

/// Where a running server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub kafka: SocketAddr,
    pub registry: SocketAddr,
    pub api: SocketAddr,
}

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Which face (`kafka`, `registry`, `api`) could not have its port.
    #[error("port {} for {face} cannot be had: {source}", address.port())]
    Port {
        face: &'static str,
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("{0}")]
    Start(String),
}
