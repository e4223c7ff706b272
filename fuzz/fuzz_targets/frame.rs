//! Any bytes as a request frame: header and body of whichever message they name.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::codec::Visitor;
use wire::frame::RequestHeader;
use wire::{Message, Reader};

/// Reads the rest as the message of the given key, and writes what was read back.
struct Decode {
    key: i16,
    version: i16,
    body: Bytes,
}

impl Visitor for Decode {
    fn visit<M: Message>(&mut self) {
        if M::KEY != self.key || !(M::VERSION_MIN..=M::VERSION_MAX).contains(&self.version) {
            return;
        }
        if let Ok(message) = M::from_bytes(&self.body, self.version) {
            let bytes = message.to_bytes(self.version).expect("what was read can be written");
            assert_eq!(M::from_bytes(&bytes, self.version).as_ref(), Ok(&message));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(Bytes::copy_from_slice(data));
    let Ok(header) = RequestHeader::decode(&mut reader) else {
        return;
    };
    // The body is what follows the shortest header; requests and responses of the key are both tried on it.
    let body = Bytes::copy_from_slice(&data[data.len().min(10)..]);
    wire::messages::visit_all(&mut Decode { key: header.key, version: header.version, body });
});
