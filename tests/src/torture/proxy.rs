//! Stands between clients and a broker, knows Kafka's frames, and does to them what networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Random, SeededRandom};

const FRAME_BYTES_MAX: usize = 128 << 20;
/// What brokers on this machine call it.
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];
const END_TXN: i16 = 26;
const ADD_PARTITIONS: i16 = 24;
const TXN_OFFSET_COMMIT: i16 = 28;
const PRODUCE: i16 = 0;

/// How often what happens to a frame, of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Kept back for up to a second.
    pub delay: u64,
    /// The broker never sees the request; the connection ends.
    pub drop_request: u64,
    /// The broker does what was asked, the client never hears of it; the connection ends.
    pub drop_answer: u64,
    /// The request comes a second time later, on a connection of its own: of those that may harm a later transaction.
    pub replay: u64,
    /// Sent byte by byte.
    pub trickle: u64,
}

/// What was done so far.
#[derive(Debug, Default)]
pub struct Done {
    pub delayed: AtomicU64,
    pub requests_dropped: AtomicU64,
    pub answers_dropped: AtomicU64,
    pub replayed: AtomicU64,
    pub trickled: AtomicU64,
}

struct Shared {
    random: SeededRandom,
    plan: Mutex<Plan>,
    done: Done,
    broker_port: u16,
    port: u16,
    connections: Mutex<Vec<TcpStream>>,
}

/// A listening proxy; goes on until the process ends.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn start(broker_port: u16, seed: u64) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let shared = Arc::new(Shared {
            random: SeededRandom::new(seed),
            plan: Mutex::default(),
            done: Done::default(),
            broker_port,
            port,
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepting.serve(stream);
            }
        });
        Proxy { shared }
    }

    pub fn port(&self) -> u16 {
        self.shared.port
    }

    pub fn done(&self) -> &Done {
        &self.shared.done
    }

    pub fn set(&self, plan: Plan) {
        *self.shared.plan.lock().expect("nobody panics here") = plan;
    }

    /// Ends every connection at once, in the middle of whatever is on it.
    pub fn cut_all(&self) {
        for stream in self.shared.connections.lock().expect("nobody panics here").drain(..) {
            end(&stream);
        }
    }
}

/// A connection that is over cannot be ended once more, and need not.
fn end(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap_or_default();
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        let Ok(broker) = TcpStream::connect(("127.0.0.1", self.broker_port)) else {
            end(&client);
            return;
        };
        let (Ok(client_again), Ok(broker_again)) = (client.try_clone(), broker.try_clone()) else {
            return;
        };
        let mut connections = self.connections.lock().expect("nobody panics here");
        connections.retain(|stream| stream.peer_addr().is_ok());
        connections.extend(client.try_clone());
        drop(connections);
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || {
            there.requests(&client, &broker);
            end(&client);
            end(&broker);
        });
        std::thread::spawn(move || {
            back.answers(&broker_again, &client_again);
            end(&client_again);
            end(&broker_again);
        });
    }

    fn happens(&self, chance: impl Fn(&Plan) -> u64, count: impl Fn(&Done) -> &AtomicU64) -> bool {
        let per_mille = chance(&self.plan.lock().expect("nobody panics here"));
        let happens = self.random.below(1000) < per_mille;
        if happens {
            count(&self.done).fetch_add(1, Ordering::Relaxed);
        }
        happens
    }

    fn requests(self: &Arc<Self>, mut client: &TcpStream, mut broker: &TcpStream) {
        while let Some(frame) = read_frame(&mut client) {
            self.maybe_delay();
            if self.happens(|plan| plan.drop_request, |done| &done.requests_dropped) {
                return;
            }
            let key = i16::from_be_bytes([frame[4], frame[5]]);
            let harmful = [END_TXN, ADD_PARTITIONS, TXN_OFFSET_COMMIT, PRODUCE].contains(&key);
            if harmful && self.happens(|plan| plan.replay, |done| &done.replayed) {
                self.replay(frame.clone());
            }
            let trickled = self.happens(|plan| plan.trickle, |done| &done.trickled);
            let sent = if trickled {
                frame.chunks(1).take(64).all(|byte| broker.write_all(byte).is_ok())
                    && broker.write_all(&frame[frame.len().min(64)..]).is_ok()
            } else {
                broker.write_all(&frame).is_ok()
            };
            if !sent {
                return;
            }
        }
    }

    fn answers(&self, mut broker: &TcpStream, mut client: &TcpStream) {
        while let Some(mut frame) = read_frame(&mut broker) {
            self.maybe_delay();
            if self.happens(|plan| plan.drop_answer, |done| &done.answers_dropped) {
                return;
            }
            self.redirect(&mut frame);
            if client.write_all(&frame).is_err() {
                return;
            }
        }
    }

    fn maybe_delay(&self) {
        if self.happens(|plan| plan.delay, |done| &done.delayed) {
            std::thread::sleep(Duration::from_millis(self.random.below(1000)));
        }
    }

    /// Clients are to come back here: the broker's port behind its host becomes ours, of the same length.
    fn redirect(&self, frame: &mut [u8]) {
        let port = |port: u16| u32::from(port).to_be_bytes();
        for host in HOSTS {
            let theirs = [host.as_bytes(), &port(self.broker_port)].concat();
            let ours = [host.as_bytes(), &port(self.port)].concat();
            let mut at = 0;
            while let Some(found) = frame[at..].windows(theirs.len()).position(|window| window == theirs) {
                frame[at + found..at + found + ours.len()].copy_from_slice(&ours);
                at += found + ours.len();
            }
        }
    }

    /// Sends a recorded request once more, a little later, to nobody's benefit.
    fn replay(self: &Arc<Self>, frame: Vec<u8>) {
        let wait = Duration::from_millis(self.random.below(300));
        let port = self.broker_port;
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port))
                && stream.write_all(&frame).is_ok()
            {
                read_frame(&mut stream);
            }
        });
    }
}

/// A frame with its size.
fn read_frame(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).ok()?;
    let length = i32::from_be_bytes(size) as usize;
    if !(8..=FRAME_BYTES_MAX).contains(&length) {
        return None;
    }
    let mut frame = vec![0; 4 + length];
    frame[..4].copy_from_slice(&size);
    stream.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}
