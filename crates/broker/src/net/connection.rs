//! One connection: a task that reads requests and one that answers them in order.
//!
//! Reading goes on while earlier answers are awaited. Produce requests are appended as they are read, so that many
//! share one flush; everything else is worked off in order by the writing task, as a client may rely on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::Piece;
use wire::frame::SIZE_BYTES;

use super::budget::Permit;
use super::buffers;
use super::garbage;
use super::mute::Mute;
use super::send::send;
use crate::Broker;
use crate::api;

/// What is read from a socket at a time while no large request is under way.
const READ_BYTES: usize = 64 * 1024;
/// The same after a large request: another is likely, and its bytes belong into a buffer of their own.
const READ_AFTER_LARGE_BYTES: usize = 1024;
/// What is larger may take long to arrive, and has a budget of its own.
const LARGE_REQUEST_BYTES: usize = 1 << 20;
/// How long requests that arrived before the peer closed may still take.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Close {
    #[error("the peer closed it")]
    Eof,
    #[error("the broker stops")]
    Shutdown,
    #[error("idle for {0:?}")]
    Idle(Duration),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("its first bytes, read as a size, say {size}: that is {looks_like}; hint: {hint}")]
    Size {
        size: i32,
        looks_like: &'static str,
        hint: &'static str,
    },
    #[error("a request of {size} bytes did not arrive within {max:?}")]
    Late { size: usize, max: Duration },
    #[error("the peer took no bytes for {0:?}")]
    Stalled(Duration),
    #[error("request is malformed: {0}; hint: the peer does not speak the Kafka protocol, or is damaged")]
    Malformed(#[from] wire::DecodeError),
    #[error("API key {key} is not served; hint: ask ApiVersions first")]
    UnknownKey { key: i16 },
    #[error(
        "API key {key} is served in versions {min} to {max}, not in version {version}; hint: ask ApiVersions first"
    )]
    UnknownVersion { key: i16, version: i16, min: i16, max: i16 },
    #[error("records on the disk could not be sent: {0}")]
    File(std::io::Error),
    #[error("a produce request without acknowledgements failed: {0}")]
    UnacknowledgedFailure(String),
    #[error("an answer cannot be written, a defect of the broker: {0}")]
    Unwritable(#[from] wire::EncodeError),
    #[error("a defect of the broker, see the panic above")]
    Panic,
}

impl Close {
    /// Ends that are nobody's fault.
    fn is_ordinary(&self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self {
            Close::Eof | Close::Shutdown | Close::Idle(_) => true,
            Close::Io(error) => matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe),
            _ => false,
        }
    }
}

/// An answer on its way out, with what it holds of the memory budget.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Empty for requests that get no answer.
    pub(crate) pieces: Vec<Piece>,
    /// How long the client was told to wait; so long nothing more of it is worked off.
    pub(crate) throttle_ms: i32,
    pub(crate) _held: Vec<Permit>,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Counts connections in the order they were accepted.
    pub(crate) number: u64,
    /// The broker that it believes to talk to.
    pub(crate) node: i32,
}

/// A request as far as it was worked off when it was read.
pub(crate) type Work = BoxFuture<'static, Result<Reply, Close>>;

struct Queued {
    work: Work,
    /// The request's part of the memory budget, given back when it is answered.
    _request: Permit,
}

/// Stops the task when whoever started it is gone.
struct AbortOnDrop(JoinHandle<Close>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Resolves when `stop` turns true, or when nobody can turn it any more.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await.is_err();
}

/// Serves one connection to its end, and says once why it ended.
pub(super) async fn serve(broker: Arc<Broker>, stream: TcpStream, peer: Peer, stop: watch::Receiver<bool>) {
    let close = run(broker, stream, peer, stop).await;
    let peer = peer.address;
    if close.is_ordinary() {
        tracing::debug!(%peer, "connection closed: {close}");
    } else {
        tracing::warn!(%peer, "connection closed: {close}");
    }
}

async fn run(broker: Arc<Broker>, stream: TcpStream, peer: Peer, stop: watch::Receiver<bool>) -> Close {
    if let Err(error) = stream.set_nodelay(true) {
        return Close::Io(error);
    }
    let (from, to) = stream.into_split();
    let in_flight = Arc::new(AtomicUsize::new(0));
    let (queue, queued) = mpsc::channel(broker.options.limits.requests_in_flight_max);
    let stall_max = broker.options.limits.write_stall_max;
    let _share_sessions = broker.shares.connected(peer.number);
    let _telemetry = broker
        .telemetry
        .as_ref()
        .map(|telemetry| telemetry.connected(peer.number));
    let mute = Mute::default();
    let writing = write(queued, to, stall_max, Arc::clone(&in_flight), mute.clone());
    let mut writer = AbortOnDrop(tokio::spawn(writing));
    let mut reader = Reader {
        broker,
        from,
        peer,
        buffer: BytesMut::new(),
        read_bytes: READ_BYTES,
        queue,
        in_flight,
        mute,
    };
    let close = tokio::select! {
        close = reader.read(stop) => close,
        ended = &mut writer.0 => return ended.unwrap_or(Close::Panic),
    };
    drop(reader);
    if matches!(close, Close::Eof | Close::Shutdown) {
        // What arrived before the end is still worked off: a client may commit, leave its group and go.
        match timeout(DRAIN_MAX, &mut writer.0).await {
            Ok(Ok(Close::Eof)) | Err(_) => {}
            Ok(Ok(other)) => return other,
            Ok(Err(_)) => return Close::Panic,
        }
    }
    close
}

struct Reader {
    broker: Arc<Broker>,
    from: OwnedReadHalf,
    peer: Peer,
    buffer: BytesMut,
    /// How much is read at a time.
    read_bytes: usize,
    queue: mpsc::Sender<Queued>,
    in_flight: Arc<AtomicUsize>,
    mute: Mute,
}

impl Reader {
    async fn read(&mut self, mut stop: watch::Receiver<bool>) -> Close {
        loop {
            let next = tokio::select! {
                next = self.next_request() => next,
                () = stopped(&mut stop) => return Close::Shutdown,
            };
            let (frame, request) = match next {
                Ok(next) => next,
                Err(close) => return close,
            };
            let work = match api::start(&self.broker, &self.peer, frame).await {
                Ok(work) => work,
                Err(close) => return close,
            };
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            if self
                .queue
                .send(Queued {
                    work,
                    _request: request,
                })
                .await
                .is_err()
            {
                // The writer is gone and its end says why.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next frame without its size.
    async fn next_request(&mut self) -> Result<(Bytes, Permit), Close> {
        while self.buffer.len() < SIZE_BYTES {
            self.fill().await?;
        }
        let first = [self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]];
        let size = i32::from_be_bytes(first);
        let limits = &self.broker.options.limits;
        if size < 1 || size as usize > limits.request_bytes_max {
            let (looks_like, hint) = garbage::looks_like(first);
            return Err(Close::Size { size, looks_like, hint });
        }
        let (size, arrival_max) = (size as usize, limits.request_arrival_max);
        let budget = if size > LARGE_REQUEST_BYTES {
            &self.broker.large_request_budget
        } else {
            &self.broker.request_budget
        };
        let permit = budget.take(size).await;
        self.buffer.advance(SIZE_BYTES);
        let frame = match timeout(arrival_max, self.frame(size)).await {
            Ok(frame) => frame?,
            Err(_) => return Err(Close::Late { size, max: arrival_max }),
        };
        self.mute.over().await;
        Ok((frame, permit))
    }

    /// The next `size` bytes.
    async fn frame(&mut self, size: usize) -> Result<Bytes, Close> {
        if size >= buffers::FROM_BYTES {
            self.read_bytes = READ_AFTER_LARGE_BYTES;
            return self.large_frame(size).await;
        }
        self.read_bytes = READ_BYTES;
        self.buffer.reserve(size.saturating_sub(self.buffer.len()));
        while self.buffer.len() < size {
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Err(Close::Eof);
            }
        }
        Ok(self.buffer.split_to(size).freeze())
    }

    /// The same of so many that a buffer of their own pays.
    async fn large_frame(&mut self, size: usize) -> Result<Bytes, Close> {
        let mut large = self.broker.buffers.take(size);
        let arrived = size.min(self.buffer.len());
        large.content.extend_from_slice(&self.buffer[..arrived]);
        self.buffer.advance(arrived);
        while large.content.len() < size {
            let missing = size - large.content.len();
            let mut rest = (&mut large.content).limit(missing);
            if self.from.read_buf(&mut rest).await? == 0 {
                return Err(Close::Eof);
            }
        }
        Ok(large.freeze())
    }

    /// Reads what there is; a connection that is silent while nothing is in flight is closed after a while.
    async fn fill(&mut self) -> Result<(), Close> {
        let idle_max = self.broker.options.limits.idle_max;
        if self.buffer.capacity() - self.buffer.len() < self.read_bytes.min(READ_BYTES / 4) {
            self.buffer.reserve(READ_BYTES);
        }
        loop {
            let mut room = (&mut self.buffer).limit(self.read_bytes);
            match timeout(idle_max, self.from.read_buf(&mut room)).await {
                Ok(Ok(0)) => return Err(Close::Eof),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(Close::Io(error)),
                Err(_) if self.in_flight.load(Ordering::Relaxed) == 0 => return Err(Close::Idle(idle_max)),
                Err(_) => {}
            }
        }
    }
}

/// Answers in the order the requests came. Ends when the queue does, or when an answer cannot be given.
async fn write(
    mut queued: mpsc::Receiver<Queued>,
    mut to: OwnedWriteHalf,
    stall_max: Duration,
    in_flight: Arc<AtomicUsize>,
    mute: Mute,
) -> Close {
    while let Some(Queued { work, _request }) = queued.recv().await {
        mute.over().await;
        let Reply {
            pieces,
            throttle_ms,
            _held,
        } = match work.await {
            Ok(reply) => reply,
            Err(close) => return close,
        };
        if let Err(close) = send(&mut to, pieces, stall_max).await {
            return close;
        }
        mute.extend(throttle_ms);
        in_flight.fetch_sub(1, Ordering::Relaxed);
    }
    Close::Eof
}

#[cfg(test)]
mod tests {
    use base::{OsRandom, RealClock};
    use catalog::Catalog;
    use log::{Durability, Env, Log, LogOptions};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::options::BrokerOptions;

    /// A frame of an API in version 0, with correlation id 1 and no client id.
    async fn ask(stream: &mut TcpStream, key: i16) -> Option<Vec<u8>> {
        let body = [&key.to_be_bytes()[..], &[0, 0, 0, 0, 0, 1, 0xff, 0xff]].concat();
        stream
            .write_all(&[&(body.len() as i32).to_be_bytes()[..], &body].concat())
            .await
            .ok()?;
        let size = stream.read_i32().await.ok()?;
        let mut answer = vec![0; size as usize];
        stream.read_exact(&mut answer).await.ok()?;
        Some(answer)
    }

    #[tokio::test]
    async fn a_defect_ends_its_connection_and_no_other() {
        const API_VERSIONS: i16 = 18;
        let dir = tempfile::tempdir().unwrap();
        let options = LogOptions {
            dir: dir.path().to_owned(),
            durability: Durability::Os,
            ..LogOptions::default()
        };
        let (log, _) = Log::open(options, Env::real()).unwrap();
        let catalog = Catalog::open(log.clone(), Arc::new(OsRandom)).await.unwrap();
        let (clock, random) = (Arc::new(RealClock::new()), Arc::new(OsRandom));
        let broker = Broker::new(BrokerOptions::default(), log, Arc::new(catalog), clock, random);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = watch::channel(false);
        broker.serve(listener, stopped);
        let mut bystander = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut bystander, API_VERSIONS).await.is_some());
        for key in api::PANICKING_KEYS {
            let mut unlucky = TcpStream::connect(address).await.unwrap();
            assert!(ask(&mut unlucky, API_VERSIONS).await.is_some());
            assert_eq!(ask(&mut unlucky, key).await, None, "{key}");
            assert!(ask(&mut bystander, API_VERSIONS).await.is_some(), "after {key}");
        }
    }
}
