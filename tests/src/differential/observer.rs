//! Asks a broker and writes down what it answers.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use base::{Clock, RealClock};
use bytes::Bytes;
use wire::messages::fetch_request::FetchRequest;
use wire::messages::fetch_response::FetchResponse;
use wire::messages::share_fetch_response::ShareFetchResponse;
use wire::{Message, Piece, Request, frame};

use super::flatten::flatten;
use super::record;

/// Past this a broker is taken to be silent, which is an answer too.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
const SETTLE_WAIT: Duration = Duration::from_secs(20);
const SETTLE_EVERY: Duration = Duration::from_millis(20);
const ANSWER_BYTES_MAX: usize = 64 << 20;
const CLIENT_ID: &str = "observer";

/// What was answered to one step: fields, or the one field `connection`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    pub step: String,
    pub fields: Vec<(String, String)>,
}

impl Observation {
    /// The scenario that the step belongs to.
    pub fn scenario(&self) -> &str {
        self.step.split(':').next().unwrap_or_default()
    }
}

/// One connection. Requests on different lanes do not wait for each other.
#[derive(Default)]
pub struct Lane {
    stream: Option<TcpStream>,
}

/// Plays at one broker.
pub struct Observer {
    port: u16,
    scenario: &'static str,
    lane: Lane,
    /// How often each step was taken.
    steps: HashMap<String, usize>,
    pub observations: Vec<Observation>,
}

impl Observer {
    pub fn new(port: u16) -> Observer {
        Observer {
            port,
            scenario: "",
            lane: Lane::default(),
            steps: HashMap::new(),
            observations: Vec::new(),
        }
    }

    /// Steps that follow belong to `scenario`; they get a fresh connection.
    pub fn begin(&mut self, scenario: &'static str) {
        self.scenario = scenario;
        self.lane = Lane::default();
    }

    /// Asks on the common lane and notes the answer.
    pub fn ask<R: Request<Response: 'static>>(&mut self, step: &str, version: i16, request: &R) -> Option<R::Response> {
        let mut lane = std::mem::take(&mut self.lane);
        let answer = self.ask_on(&mut lane, step, version, request);
        self.lane = lane;
        answer
    }

    /// Asks on a lane of its own and notes the answer.
    pub fn ask_on<R: Request<Response: 'static>>(
        &mut self,
        lane: &mut Lane,
        step: &str,
        version: i16,
        request: &R,
    ) -> Option<R::Response> {
        self.send(lane, version, request);
        self.receive::<R>(lane, step, version)
    }

    /// The same request in every version that has its fields.
    pub fn ask_each<R: Request<Response: 'static>>(&mut self, step: &str, request: &R) {
        for version in R::VERSION_MIN..=R::VERSION_MAX {
            if request.to_bytes(version).is_ok() {
                self.ask(step, version, request);
            }
        }
    }

    /// Asks if the version has the fields of the request.
    pub fn ask_if_it_fits<R: Request<Response: 'static>>(&mut self, step: &str, version: i16, request: &R) {
        if request.to_bytes(version).is_ok() {
            self.ask(step, version, request);
        }
    }

    /// Asks without noting.
    pub fn quietly<R: Request<Response: 'static>>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        let mut lane = std::mem::take(&mut self.lane);
        self.send(&mut lane, version, request);
        let answer = take(&mut lane).map(|frame| read::<R>(frame, version));
        self.lane = lane;
        answer.ok()
    }

    /// The record sets of a fetch's partitions, as they are.
    pub fn records(&mut self, version: i16, request: &FetchRequest) -> Vec<Bytes> {
        let mut lane = std::mem::take(&mut self.lane);
        self.send(&mut lane, version, request);
        let answer = take(&mut lane).map(|frame| read_whole::<FetchRequest>(frame, version));
        self.lane = lane;
        let topics = answer.into_iter().flat_map(|answer| answer.responses);
        let partitions = topics.flat_map(|topic| topic.partitions);
        partitions
            .filter_map(|partition| partition.records?.memory().cloned())
            .collect()
    }

    /// Asks until the answer is as wanted (brokers settle in their own time); notes the last one.
    pub fn settle<R: Request<Response: 'static>>(
        &mut self,
        step: &str,
        version: i16,
        request: &R,
        wanted: impl Fn(&R::Response) -> bool,
    ) -> Option<R::Response> {
        let answer = self.wait(version, request, wanted);
        self.note(step_name::<R>(version, step), answer.as_ref().ok_or("closed"));
        answer
    }

    /// Asks until the answer is as wanted, or for [`SETTLE_WAIT`] at most, without noting; gives the last answer.
    pub fn wait<R: Request<Response: 'static>>(
        &mut self,
        version: i16,
        request: &R,
        wanted: impl Fn(&R::Response) -> bool,
    ) -> Option<R::Response> {
        let clock = RealClock::new();
        let until = clock.monotonic() + SETTLE_WAIT;
        loop {
            let answer = self.quietly(version, request);
            if answer.as_ref().is_none_or(&wanted) || clock.monotonic() > until {
                return answer;
            }
            std::thread::sleep(SETTLE_EVERY);
        }
    }

    /// Sends without waiting for the answer.
    pub fn send<R: Request<Response: 'static>>(&self, lane: &mut Lane, version: i16, request: &R) {
        let frame = frame::request(7, Some(CLIENT_ID), request, version)
            .unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME));
        self.send_bytes(lane, &frame);
    }

    /// The answer to what was sent.
    pub fn receive<R: Request<Response: 'static>>(
        &mut self,
        lane: &mut Lane,
        step: &str,
        version: i16,
    ) -> Option<R::Response> {
        let answer = take(lane).map(|frame| read::<R>(frame, version));
        self.note(
            step_name::<R>(version, step),
            answer.as_ref().map_err(|nothing| *nothing),
        );
        answer.ok()
    }

    /// Sends bytes as they are, size included; notes the answer's bytes or that the connection was closed.
    pub fn ask_raw(&mut self, step: &str, bytes: &[u8]) {
        let mut lane = Lane::default();
        self.send_bytes(&mut lane, bytes);
        let said = match take(&mut lane) {
            Ok(answer) => format!("{} bytes, {:?}", answer.len(), &answer[..answer.len().min(10)]),
            Err(nothing) => nothing.to_owned(),
        };
        self.push(step.to_owned(), vec![("connection".to_owned(), said)]);
    }

    /// Notes what a program printed, a line a field.
    pub fn note_lines(&mut self, step: &str, lines: impl Iterator<Item = (String, String)>) {
        self.push(step.to_owned(), lines.collect());
    }

    /// Notes what a program printed in the form of the record; the broker's address is its last
    /// argument, and stands for `{address}` in its input.
    pub fn note_program(&mut self, command: &mut Command, input: &str) {
        let address = format!("127.0.0.1:{}", self.port);
        command.arg(&address).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        if let Some(mut stdin) = child.stdin.take() {
            let written = stdin.write_all(input.replace("{address}", &address).as_bytes());
            written.unwrap_or_else(|error| panic!("{command:?} does not read: {error}"));
        }
        let output = child
            .wait_with_output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", output.status);
        for Observation { step, fields } in record::parse(&String::from_utf8_lossy(&output.stdout)) {
            self.push(step, fields);
        }
    }

    fn send_bytes(&self, lane: &mut Lane, bytes: &[u8]) {
        if lane.stream.is_none() {
            lane.stream = TcpStream::connect(("127.0.0.1", self.port)).ok();
        }
        let sent = lane
            .stream
            .as_mut()
            .is_some_and(|stream| stream.write_all(bytes).is_ok());
        if !sent {
            lane.stream = None;
        }
    }

    fn note<M: Message>(&mut self, step: String, answer: Result<&M, &str>) {
        let fields = match answer {
            Ok(answer) => flatten(answer),
            Err(nothing) => vec![("connection".to_owned(), nothing.to_owned())],
        };
        self.push(step, fields);
    }

    fn push(&mut self, step: String, fields: Vec<(String, String)>) {
        let name = format!("{}: {step}", self.scenario);
        let before = self.steps.entry(name.clone()).or_default();
        *before += 1;
        let step = if *before == 1 {
            name
        } else {
            format!("{name} ({before})")
        };
        self.observations.push(Observation { step, fields });
    }
}

fn step_name<R: Request<Response: 'static>>(version: i16, step: &str) -> String {
    format!("{} v{version} {step}", R::NAME.trim_end_matches("Request"))
}

/// The next frame on a lane, or what came instead; then the lane begins anew.
fn take(lane: &mut Lane) -> Result<Bytes, &'static str> {
    let frame = lane.stream.as_mut().ok_or("closed").and_then(read_frame);
    if frame.is_err() {
        lane.stream = None;
    }
    frame
}

fn read_frame(stream: &mut TcpStream) -> Result<Bytes, &'static str> {
    let nothing = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "silent",
        _ => "closed",
    };
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(nothing)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(nothing)?;
    let length = i32::from_be_bytes(length) as usize;
    assert!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).map_err(nothing)?;
    Ok(Bytes::from(answer))
}

fn read<R: Request<Response: 'static>>(answer: Bytes, version: i16) -> R::Response {
    summarized(read_whole::<R>(answer, version))
}

fn read_whole<R: Request<Response: 'static>>(answer: Bytes, version: i16) -> R::Response {
    let (_, response) = frame::read_response::<R::Response>(answer, version)
        .unwrap_or_else(|error| panic!("the answer to {} v{version} cannot be read: {error}", R::NAME));
    response
}

/// Record sets as what their headers say.
fn summarized<M: Message + 'static>(mut response: M) -> M {
    let any: &mut dyn std::any::Any = &mut response;
    if let Some(fetch) = any.downcast_mut::<FetchResponse>() {
        for partition in fetch.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            let records = partition.records.as_ref().and_then(Piece::memory);
            partition.records = records.map(|records| Piece::Memory(summary(records)));
        }
    } else if let Some(fetch) = any.downcast_mut::<ShareFetchResponse>() {
        for partition in fetch.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            partition.records = partition.records.take().map(|records| summary(&records));
        }
    }
    response
}

fn summary(records: &Bytes) -> Bytes {
    let mut text = String::new();
    for batch in wire::batches(records) {
        match batch {
            Ok((header, bytes)) => {
                let control = header.is_control();
                let content = if control {
                    "control".to_owned()
                } else {
                    format!("{} bytes", bytes.len())
                };
                text.push_str(&format!(
                    "({}..{} attributes {} epoch {} sequence {} count {} {content})",
                    header.base_offset,
                    header.last_offset(),
                    header.attributes,
                    header.producer_epoch,
                    header.base_sequence,
                    header.count,
                ));
            }
            Err(error) => text.push_str(&format!("({error})")),
        }
    }
    Bytes::from(text)
}
