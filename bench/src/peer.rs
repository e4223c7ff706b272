//! The servers under test: Rivulet in two durability classes, Apache Kafka in the same two.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rivulet_tests::binary;
use rivulet_tests::kafka::{Kafka, free_port};

/// The heap that Kafka's own start script gives it.
const HEAP_MIB: u32 = 1024;
const LOOK_EVERY: Duration = Duration::from_micros(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RivuletFsync,
    KafkaFsync,
    RivuletOs,
    KafkaOs,
}

impl Kind {
    pub(crate) const ALL: &'static [Kind] = &[Kind::KafkaFsync, Kind::RivuletFsync, Kind::KafkaOs, Kind::RivuletOs];

    pub(crate) fn is_kafka(self) -> bool {
        matches!(self, Kind::KafkaFsync | Kind::KafkaOs)
    }

    pub(crate) fn name(self) -> &'static str {
        if self.is_kafka() { "Kafka 4.3" } else { "Rivulet" }
    }

    /// The durability class.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Kind::RivuletFsync | Kind::KafkaFsync => "fsync",
            Kind::RivuletOs | Kind::KafkaOs => "os",
        }
    }

    pub(crate) fn folder(self) -> String {
        format!("{}-{}", if self.is_kafka() { "kafka" } else { "rivulet" }, self.class())
    }

    /// Further lines of Kafka's properties.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Kind::KafkaFsync => &["log.flush.interval.messages=1"],
            _ => &[],
        }
    }
}

enum Process {
    Rivulet(Child),
    Kafka(Kafka),
}

/// A running server; ends with the value.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    process: Process,
}

impl Peer {
    /// Starts on an empty folder and waits until it can be connected to.
    pub(crate) fn start(kind: Kind, folder: &Path) -> Peer {
        let mut peer = Peer::prepare(kind, folder).start_now();
        peer.wait();
        peer
    }

    /// What must be done once before a first start.
    pub(crate) fn prepare(kind: Kind, folder: &Path) -> Stopped {
        let port = if kind.is_kafka() {
            Kafka::format(folder, kind.settings()).1
        } else {
            free_port()
        };
        std::fs::create_dir_all(folder).expect("a folder for the data");
        Stopped {
            kind,
            port,
            folder: folder.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        match &self.process {
            Process::Rivulet(child) => child.id(),
            Process::Kafka(kafka) => kafka.pid(),
        }
    }

    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn wait(&mut self) {
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// SIGKILL; what is left can be started again.
    pub(crate) fn kill(mut self) -> Stopped {
        self.end();
        Stopped {
            kind: self.kind,
            port: self.port,
            folder: self.folder.clone(),
        }
    }

    fn end(&mut self) {
        match &mut self.process {
            Process::Rivulet(child) => {
                if child.kill().is_ok() && child.wait().is_err() {
                    eprintln!("the server could not be waited for");
                }
            }
            Process::Kafka(kafka) => kafka.kill(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server that does not run, with its data.
pub(crate) struct Stopped {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    folder: PathBuf,
}

impl Stopped {
    /// Starts the process and does not wait for it.
    pub(crate) fn start_now(&self) -> Peer {
        let process = if self.kind.is_kafka() {
            Process::Kafka(Kafka::spawn(&self.folder, self.port, HEAP_MIB))
        } else {
            Process::Rivulet(self.start_rivulet())
        };
        Peer {
            kind: self.kind,
            port: self.port,
            folder: self.folder.clone(),
            process,
        }
    }

    fn start_rivulet(&self) -> Child {
        let mut command = Command::new(binary());
        command.args([
            "up",
            "--durability",
            self.kind.class(),
            "--registry-port",
            "0",
            "--api-port",
            "0",
            "--kafka-port",
        ]);
        command
            .arg(self.port.to_string())
            .arg("--data-dir")
            .arg(self.folder.join("data"));
        let log = File::create(self.folder.join("server.log")).expect("a log file");
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        spawned.expect("the binary starts")
    }
}
