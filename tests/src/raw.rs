//! Requests written byte by byte, for what no client library can be made to send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Where a record batch keeps its codec.
pub const ATTRIBUTES_LOW_BYTE: usize = 22;
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A request frame with header version 1: key, version, correlation id 7, no client id.
pub fn frame(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(api_key.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(7_i32.to_be_bytes());
    request.extend((-1_i16).to_be_bytes());
    request.extend(body);
    [&(request.len() as i32).to_be_bytes()[..], &request].concat()
}

/// Sends a frame and reads the answer without its length; `None` if the server closed the connection.
pub fn ask(stream: &mut TcpStream, frame: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(frame).ok()?;
    answer(stream)
}

/// The next answer on a connection; `None` if the server closed it. A server that says nothing fails the test.
pub fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    stream
        .set_read_timeout(Some(ANSWER_WAIT))
        .expect("a timeout can be set");
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ) =>
        {
            panic!("the server neither answered nor closed the connection")
        }
        Err(_) => return None,
    }
    let length = i32::from_be_bytes(length) as usize;
    assert!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

/// Whether the server still answers: an ApiVersions request in version 0.
pub fn is_served(stream: &mut TcpStream) -> bool {
    ask(stream, &frame(18, 0, &[])).is_some_and(|answer| answer[4..6] == [0, 0])
}

/// The record set of partition 0 from offset 0, by a Fetch in version 4.
pub fn fetch(stream: &mut TcpStream, topic: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1_i32).to_be_bytes()); // replica id
    body.extend(1000_i32.to_be_bytes()); // max wait
    body.extend(1_i32.to_be_bytes()); // min bytes
    body.extend((1_i32 << 20).to_be_bytes()); // max bytes
    body.push(0); // read uncommitted
    body.extend(1_i32.to_be_bytes()); // topics
    body.extend((topic.len() as i16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(0_i32.to_be_bytes()); // partition 0
    body.extend(0_i64.to_be_bytes()); // offset 0
    body.extend((1_i32 << 20).to_be_bytes()); // partition max bytes
    let answer = ask(stream, &frame(1, 4, &body)).expect("a fetch is answered");
    // Correlation id, throttle time, one topic with its name, one partition: index, error, two offsets, no aborted
    // transactions (an empty or null list), then the records.
    let partition = 4 + 4 + 4 + 2 + topic.len() + 4;
    let error = i16::from_be_bytes([answer[partition + 4], answer[partition + 5]]);
    assert_eq!(error, 0, "the fetch failed");
    answer[partition + 4 + 2 + 8 + 8 + 4 + 4..].to_vec()
}

/// A Produce in version 3 of one record set to partition 0 of a topic, acknowledged by all.
pub fn produce(topic: &str, records: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1_i16).to_be_bytes()); // no transactional id
    body.extend((-1_i16).to_be_bytes()); // acks
    body.extend(10_000_i32.to_be_bytes()); // timeout
    body.extend(1_i32.to_be_bytes());
    body.extend((topic.len() as i16).to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(0_i32.to_be_bytes());
    body.extend((records.len() as i32).to_be_bytes());
    body.extend(records);
    frame(0, 3, &body)
}

/// The error code in the answer to [`produce`].
pub fn produce_error(answer: &[u8], topic: &str) -> i16 {
    let place = 4 + 4 + 2 + topic.len() + 4 + 4;
    i16::from_be_bytes([answer[place], answer[place + 1]])
}
