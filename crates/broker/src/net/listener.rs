//! Accepts connections, counts them, and refuses those past the limits.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{self, Peer};
use crate::Broker;
use crate::options::Limits;

/// After a failed accept, most often for want of file descriptors, trying at once would only spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Refusals are logged at most this often: whoever connects in a loop must not fill the log.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// How long connections may take to finish when the broker stops.
const STOP_MAX: Duration = Duration::from_secs(6);

/// The connections open now, over all listeners.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    open: Mutex<Open>,
    /// Of the latest connection.
    number: AtomicU64,
}

impl Listeners {
    /// A number greater than that of every connection before.
    fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    refusal_logged: Option<Duration>,
}

/// Counts one connection for as long as it lives.
struct Seat {
    broker: Arc<Broker>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.broker.listeners.open.lock();
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl Open {
    fn take_seat(&mut self, address: IpAddr, limits: &Limits) -> Result<(), &'static str> {
        if self.total >= limits.connections_max {
            return Err("there are as many connections as `connections_max` allows");
        }
        let count = self.by_address.entry(address).or_default();
        if *count >= limits.connections_per_address_max {
            return Err("this address has as many connections as `connections_per_address_max` allows");
        }
        *count += 1;
        self.total += 1;
        Ok(())
    }
}

impl Broker {
    /// Accepts connections until `stop` turns true, then lets those open finish what they have begun. A broker without
    /// an advertised port advertises this listener's, as the next of its nodes'.
    pub fn serve(self: &Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let mut ports = self.ports.write();
        let node = self.options.node_id + (ports.len() as i32).min(self.node_count() - 1);
        ports.extend(listener.local_addr().map(|address| address.port()));
        drop(ports);
        let broker = Arc::clone(self);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, peer)) => broker.admit(&mut connections, stream, (peer, node), &stop),
                        Err(error) => {
                            tracing::warn!("no connection can be accepted: {error}");
                            tokio::time::sleep(ACCEPT_BACKOFF).await;
                        }
                    },
                    Some(ended) = connections.join_next() => report(ended),
                    () = connection::stopped(&mut stop) => break,
                }
            }
            drop(listener);
            let all_ended = async {
                while let Some(ended) = connections.join_next().await {
                    report(ended);
                }
            };
            if tokio::time::timeout(STOP_MAX, all_ended).await.is_err() {
                connections.shutdown().await;
            }
        })
    }

    fn admit(
        self: &Arc<Self>,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        (peer, node): (SocketAddr, i32),
        stop: &watch::Receiver<bool>,
    ) {
        let mut open = self.listeners.open.lock();
        let seat = if self.quotas.may_connect(&peer.ip().to_string()) {
            open.take_seat(peer.ip(), &self.effective().options.limits)
        } else {
            Err("this address opens more connections a second than its quota `connection_creation_rate` allows")
        };
        if let Err(why) = seat {
            let now = self.clock.monotonic();
            if open
                .refusal_logged
                .is_none_or(|logged| now > logged + REFUSAL_LOG_INTERVAL)
            {
                open.refusal_logged = Some(now);
                tracing::warn!(%peer, "connection refused: {why}");
            }
            return;
        }
        drop(open);
        let seat = Seat {
            broker: Arc::clone(self),
            address: peer.ip(),
        };
        let peer = Peer {
            address: peer,
            number: self.listeners.next_number(),
            node,
        };
        let (broker, stop) = (Arc::clone(self), stop.clone());
        connections.spawn(async move {
            let _seat = seat;
            connection::serve(broker, stream, peer, stop).await;
        });
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection ended by a defect of the broker: {error}");
    }
}
