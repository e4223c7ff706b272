//! Apache Kafka as a process beside ours: one node, KRaft, the jars that `tests/setup-kafka` fetched.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base::{Clock, RealClock};

use crate::{client_folder, workspace};

const START_WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const CLUSTER_ID: &str = "cml2dWxldC1kaWZmZXJlbg";

/// A running broker; ends with the value.
pub struct Kafka {
    child: Child,
    pub port: u16,
    pub folder: PathBuf,
}

/// The jars of Apache Kafka's server and tools.
pub fn jars() -> PathBuf {
    let jars = workspace().join("target/clients/kafka/jars");
    assert!(
        jars.exists(),
        "`{}` is missing: run `tests/setup-kafka`",
        jars.display()
    );
    jars
}

fn class_path() -> String {
    format!("{}/*", jars().display())
}

/// A program of the Java suite that needs Kafka's own tools.
pub fn java_with_tools(class: &str) -> Command {
    let classes = client_folder("java").join("classes");
    let mut command = Command::new("java");
    command.args([
        "-Xmx256m",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
        "-cp",
        &format!("{}:{}", classes.display(), class_path()),
        class,
    ]);
    command
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

impl Kafka {
    /// Formats `folder` and starts a broker on it. `settings` are further lines of its properties, `heap_mib` its heap.
    pub fn start(folder: &Path, settings: &[&str], heap_mib: u32) -> Kafka {
        let kafka = Kafka::format(folder, settings);
        Kafka::start_formatted(&kafka.0, kafka.1, heap_mib)
    }

    /// Formats `folder`; gives it back with the port that was written into the properties.
    pub fn format(folder: &Path, settings: &[&str]) -> (PathBuf, u16) {
        let (port, controller) = (free_port(), free_port());
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
             log.dirs={}\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n{}\n",
            folder.join("data").display(),
            settings.join("\n")
        );
        std::fs::create_dir_all(folder).expect("a folder for the broker");
        std::fs::write(folder.join("server.properties"), properties).expect("the properties can be written");
        let status = Command::new("java")
            .args([
                "-cp",
                &class_path(),
                "kafka.tools.StorageTool",
                "format",
                "-t",
                CLUSTER_ID,
                "-c",
            ])
            .arg(folder.join("server.properties"))
            .stdout(File::create(folder.join("format.log")).expect("a log file"))
            .stderr(Stdio::null())
            .status()
            .expect("java runs");
        assert!(status.success(), "formatting `{}` failed", folder.display());
        (folder.to_owned(), port)
    }

    /// Starts on a formatted folder and waits until it accepts connections.
    pub fn start_formatted(folder: &Path, port: u16, heap_mib: u32) -> Kafka {
        let kafka = Kafka::spawn(folder, port, heap_mib);
        let clock = RealClock::new();
        let began = clock.monotonic();
        while TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), LOOK_EVERY).is_err() {
            assert!(
                clock.monotonic() - began < START_WAIT,
                "Kafka did not start, see `{}`",
                folder.display()
            );
            std::thread::sleep(LOOK_EVERY);
        }
        kafka
    }

    /// Starts on a formatted folder without waiting.
    pub fn spawn(folder: &Path, port: u16, heap_mib: u32) -> Kafka {
        let child = Command::new("java")
            .args([
                &format!("-Xms{heap_mib}m"),
                &format!("-Xmx{heap_mib}m"),
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp",
                &class_path(),
                "kafka.Kafka",
            ])
            .arg(folder.join("server.properties"))
            .stdout(File::create(folder.join("out.log")).expect("a log file"))
            .stderr(File::create(folder.join("err.log")).expect("a log file"))
            .spawn()
            .expect("java runs");
        Kafka {
            child,
            port,
            folder: folder.to_owned(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if self.child.kill().is_ok() && self.child.wait().is_err() {
            eprintln!("Kafka could not be waited for");
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}
