//! The harness: a server of its own for each test, as a process of the release binary, and programs run against it.
//!
//! The binary is `target/release/rivulet`, or the one `RIVULET_BIN` names; `make test` builds it first.

pub mod differential;
pub mod kafka;
pub mod raw;
pub mod registry_differential;
pub mod torture;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// The program under test.
pub fn binary() -> PathBuf {
    let path = match std::env::var_os("RIVULET_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
            target.join("release/rivulet")
        }
    };
    assert!(
        path.exists(),
        "`{}` is not built: run `cargo build --release`, or `make test`",
        path.display()
    );
    path
}

/// A server process with a data folder of its own; both end with it.
pub struct Server {
    child: Child,
    folder: PathBuf,
    /// Removes the folder, if the server was not given one.
    owned: Option<TempDir>,
    extra: Vec<String>,
    pub kafka: String,
    pub registry: String,
    pub api: String,
}

impl Server {
    /// Starts a server on free ports and waits until it says it is ready.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    pub fn start_with(extra: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let mut server = Server::start_in(folder.path(), extra);
        server.owned = Some(folder);
        server
    }

    /// Starts a server that keeps its data in a folder there is.
    pub fn start_in(folder: &Path, extra: &[&str]) -> Server {
        let extra: Vec<String> = extra.iter().map(|&arg| arg.to_owned()).collect();
        let (child, line) = spawn(folder, &extra, [0, 0, 0]);
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let (kafka, registry, api) = (text("kafka"), text("registry"), text("api"));
        Server {
            child,
            folder: folder.to_owned(),
            owned: None,
            extra,
            kafka,
            registry,
            api,
        }
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server is gone");
    }

    /// Starts again after [`Server::kill`], on the same ports and data.
    pub fn restart(&mut self) {
        let ports = [&self.kafka, &self.registry, &self.api].map(|address| port(address));
        self.child = spawn(&self.folder, &self.extra, ports).0;
    }

    /// A connection to the Kafka port.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", port(&self.kafka))).expect("the server listens")
    }

    pub fn kafka_port(&self) -> u16 {
        port(&self.kafka)
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The `up` process's folder: data below `data`, log lines in `server.log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// Runs a command of the binary against this server.
    pub fn rivulet(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).args([
            "--bootstrap",
            &self.kafka,
            "--registry",
            &self.registry,
            "--api",
            &self.api,
        ]);
        command.stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// The same, expecting success; gives stdout.
    pub fn rivulet_ok(&self, arguments: &[&str]) -> String {
        let output = self.rivulet(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "rivulet {arguments:?}: {}\n{errors}",
            output.status
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        if self.child.kill().is_ok() && self.child.wait().is_err() {
            eprintln!("the server could not be waited for");
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
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

fn spawn(folder: &Path, extra: &[String], ports: [u16; 3]) -> (Child, Json) {
    let log_file = folder.join("server.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_file)
        .expect("the log file opens");
    let mut command = Command::new(binary());
    command
        .args(["up", "--output", "json", "--data-dir"])
        .arg(folder.join("data"))
        .args(extra);
    for (flag, port) in ["--kafka-port", "--registry-port", "--api-port"].iter().zip(ports) {
        command.arg(flag).arg(port.to_string());
    }
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
    let mut child = spawned.expect("the binary starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the server says something");
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
        let log = std::fs::read_to_string(&log_file).unwrap_or_default();
        panic!("the server did not start: {line:?}\n{log}")
    });
    (child, ready)
}

/// Runs a program and expects success; gives stdout.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{errors}",
        output.status
    );
    out.into_owned()
}

/// A folder below `target/clients` that `tests/setup` has filled.
pub fn client_folder(name: &str) -> PathBuf {
    let folder = workspace().join("target/clients").join(name);
    assert!(
        folder.exists(),
        "`{}` is missing: run `tests/setup`, or `make test`",
        folder.display()
    );
    folder
}

/// A program of the Java suite, with its arguments to come.
pub fn java(class: &str) -> Command {
    let folder = client_folder("java");
    let classpath = format!(
        "{}:{}/*",
        folder.join("classes").display(),
        folder.join("jars").display()
    );
    let mut command = Command::new("java");
    command.args([
        "-Xmx256m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "-cp",
        &classpath,
        class,
    ]);
    command
}
