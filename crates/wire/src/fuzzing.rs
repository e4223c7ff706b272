//! The doors for bytes that a peer may send: each takes any bytes and never panics.
//!
//! Called by the targets in `fuzz/` and, with the files of their corpus, by the tests.

use bytes::Bytes;

use crate::codec::Visitor;
use crate::frame::RequestHeader;
use crate::{EndMarker, Message, Reader, RecordLimits, batches, records, rewrite, validate};

/// The body is what follows the shortest request header.
const HEADER_BYTES_MIN: usize = 10;
const RECORDS_BYTES_MAX: usize = 1 << 20;

/// Any bytes as record batches: walk, validate, decompress, read every record, write them again.
pub fn batch(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for (header, batch) in batches(&bytes).flatten() {
        // Whether it is valid or not, whatever follows must bear it.
        validate(&batch).ok();
        EndMarker::read(&batch);
        let limits = RecordLimits {
            bytes_max: RECORDS_BYTES_MAX,
        };
        let Ok(read) = records(&batch, limits) else { continue };
        let Ok(read) = read.collect::<Result<Vec<_>, _>>() else {
            continue;
        };
        if let Ok(written) = rewrite::rewrite(&header, &read, None) {
            let again = records(&written, RecordLimits::default()).map(Iterator::count);
            assert_eq!(again, Ok(read.len()));
        }
    }
}

/// Any bytes as a request frame: header and body of whichever message they name.
pub fn frame(data: &[u8]) {
    let mut reader = Reader::new(Bytes::copy_from_slice(data));
    let Ok(header) = RequestHeader::decode(&mut reader) else {
        return;
    };
    // Requests and responses of the key are both tried on it.
    let body = Bytes::copy_from_slice(&data[data.len().min(HEADER_BYTES_MIN)..]);
    crate::messages::visit_all(&mut Decode {
        key: header.key,
        version: header.version,
        body,
    });
}

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every file that fuzzing found worth keeping goes through its door again.
    fn replay(target: &str, door: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            door(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 10, "{count} files for {target}");
    }

    #[test]
    fn the_corpus_does_no_harm() {
        replay("batch", batch);
        replay("frame", frame);
    }
}
