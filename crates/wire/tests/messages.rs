//! Every message in every version: reads back as written, and never panics on what is not a message.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use base::disk::{Disk, FileSlice, MemoryDisk, OpenMode};
use base::{Random, SeededRandom};
use bytes::Bytes;
use rivulet_wire as wire;
use wire::codec::{ELEMENTS_MAX, Visitor};
use wire::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use wire::messages::metadata_request::MetadataRequest;
use wire::messages::visit_all;
use wire::{DecodeError, EncodeError, Message, Piece, Reader, Source, frame};

/// Makes values up: decoding from it gives a random message.
struct Imagination {
    random: SeededRandom,
    /// The next tag of each struct being read, innermost last.
    tags: Vec<(u32, u32)>,
}

impl Imagination {
    fn new(seed: u64) -> Imagination {
        Imagination {
            random: SeededRandom::new(seed),
            tags: Vec::new(),
        }
    }

    fn number(&mut self) -> i64 {
        match self.random.below(6) {
            0 => 0,
            1 => -1,
            2 => i64::MAX,
            3 => i64::MIN,
            _ => self.random.next_u64() as i64,
        }
    }

    fn null(&mut self) -> bool {
        self.random.below(4) == 0
    }
}

impl Source for Imagination {
    fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.random.below(2) == 0)
    }
    fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(self.number() as i8)
    }
    fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(self.number() as i16)
    }
    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(self.number() as u16)
    }
    fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(self.number() as i32)
    }
    fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(self.number())
    }
    fn f64(&mut self) -> Result<f64, DecodeError> {
        self.i32().map(f64::from)
    }
    fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        Ok(self.random.uuid())
    }
    fn string(&mut self, _: bool) -> Result<String, DecodeError> {
        let length = self.random.below(20) as usize;
        Ok("Rinnsäle fließen".chars().cycle().take(length).collect())
    }
    fn nullable_string(&mut self, flexible: bool) -> Result<Option<String>, DecodeError> {
        if self.null() {
            Ok(None)
        } else {
            self.string(flexible).map(Some)
        }
    }
    fn bytes(&mut self, _: bool) -> Result<Bytes, DecodeError> {
        // Now and then long enough to be spliced instead of copied.
        let length = if self.random.below(8) == 0 {
            5000
        } else {
            self.random.below(40) as usize
        };
        Ok(Bytes::from(vec![self.random.next_u64() as u8; length]))
    }
    fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>, DecodeError> {
        if self.null() {
            Ok(None)
        } else {
            self.bytes(flexible).map(Some)
        }
    }
    fn count(&mut self, _: bool, _: usize, nullable: bool) -> Result<Option<usize>, DecodeError> {
        Ok(if nullable && self.null() {
            None
        } else {
            Some(self.random.below(4) as usize)
        })
    }
    fn present(&mut self) -> Result<bool, DecodeError> {
        Ok(!self.null())
    }
    fn tag_count(&mut self) -> Result<u32, DecodeError> {
        let count = self.random.below(5) as u32;
        if count > 0 {
            self.tags.push((0, count));
        }
        Ok(count)
    }
    fn tag(&mut self) -> Result<(u32, usize), DecodeError> {
        let top = self.tags.last_mut().expect("tags follow their count");
        top.0 += 1;
        Ok((top.0 - 1, 0))
    }
    fn skip_tag(&mut self, _: usize) -> Result<(), DecodeError> {
        Ok(())
    }
    fn end_tag(&mut self, _: usize) -> Result<(), DecodeError> {
        if self.tags.last().is_some_and(|(next, count)| next == count) {
            self.tags.pop();
        }
        Ok(())
    }
}

const SEEDS: u64 = 24;

struct RoundTrip {
    messages: usize,
}

impl Visitor for RoundTrip {
    fn visit<M: Message>(&mut self) {
        self.messages += 1;
        for version in M::VERSION_MIN..=M::VERSION_MAX {
            for seed in 0..SEEDS {
                let message = M::decode(&mut Imagination::new(seed), version).unwrap();
                let bytes = message
                    .to_bytes(version)
                    .unwrap_or_else(|error| panic!("{} {version}: {error}", M::NAME));
                let read =
                    M::from_bytes(&bytes, version).unwrap_or_else(|error| panic!("{} {version}: {error}", M::NAME));
                assert_eq!(read, message, "{} version {version}, seed {seed}", M::NAME);
            }
        }
    }
}

#[test]
fn every_message_reads_back_as_written() {
    let mut visitor = RoundTrip { messages: 0 };
    visit_all(&mut visitor);
    assert_eq!(visitor.messages, 146);
}

struct Damage;

impl Visitor for Damage {
    fn visit<M: Message>(&mut self) {
        let random = SeededRandom::new(M::KEY as u64);
        for version in M::VERSION_MIN..=M::VERSION_MAX {
            for seed in 0..SEEDS {
                let message = M::decode(&mut Imagination::new(seed), version).unwrap();
                let good = message.to_bytes(version).unwrap();
                for cut in [0, good.len() / 3, good.len().saturating_sub(1)] {
                    let _outcome = M::from_bytes(&good.slice(..cut), version);
                }
                for _ in 0..16 {
                    let mut bytes = good.to_vec();
                    for _ in 0..=random.below(3) {
                        let at = random.below(bytes.len().max(1) as u64) as usize;
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = [0, 0x7f, 0x80, 0xff, random.next_u64() as u8][random.below(5) as usize];
                        }
                    }
                    let _outcome = M::from_bytes(&Bytes::from(bytes), version);
                }
                let noise: Vec<u8> = (0..random.below(200)).map(|_| random.next_u64() as u8).collect();
                let _outcome = M::from_bytes(&Bytes::from(noise), version);
            }
        }
    }
}

#[test]
fn damaged_messages_are_errors_and_never_panics() {
    visit_all(&mut Damage);
}

#[test]
fn claims_about_counts_are_compared_with_the_bytes_that_remain() {
    // Twelve bytes that claim two thousand million topics.
    let claim = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(
        MetadataRequest::from_bytes(&claim, 1),
        Err(DecodeError::Length {
            length: 0x7fff_ffff,
            ..
        })
    ));
    // As many empty strings as there are bytes for, yet more than a message may hold.
    let count = ELEMENTS_MAX as i32 + 1;
    let mut many = count.to_be_bytes().to_vec();
    many.resize(4 + 2 * count as usize, 0);
    assert_eq!(
        MetadataRequest::from_bytes(&Bytes::from(many), 1),
        Err(DecodeError::Elements)
    );
}

#[test]
fn fields_that_a_version_lacks_are_refused_or_ignored_as_defined() {
    let absent = MetadataRequest {
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    assert_eq!(
        absent.to_bytes(3),
        Err(EncodeError::Absent {
            field: "MetadataRequest.allow_auto_topic_creation",
            version: 3
        })
    );
    let null = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    assert_eq!(
        null.to_bytes(0),
        Err(EncodeError::Null {
            field: "MetadataRequest.topics",
            version: 0
        })
    );
    let ignorable = FetchResponse {
        throttle_time_ms: 7,
        error_code: 1,
        ..FetchResponse::default()
    };
    assert_eq!(
        FetchResponse::from_bytes(&ignorable.to_bytes(4).unwrap(), 4)
            .unwrap()
            .error_code,
        0
    );
}

#[test]
fn fetched_records_are_spliced_not_copied() {
    let records = Bytes::from(vec![9; 100_000]);
    let partitions = vec![PartitionData {
        records: Some(Piece::Memory(records.clone())),
        ..PartitionData::default()
    }];
    let message = FetchResponse {
        responses: vec![FetchableTopicResponse {
            partitions,
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    let pieces = frame::response(5, &message, 13).unwrap();
    let chunks: Vec<&Bytes> = pieces.iter().filter_map(Piece::memory).collect();
    assert!(chunks.iter().any(|chunk| chunk.as_ptr() == records.as_ptr()));
    let whole = Bytes::from(chunks.into_iter().map(|chunk| &chunk[..]).collect::<Vec<_>>().concat());
    assert_eq!(
        i32::from_be_bytes([whole[0], whole[1], whole[2], whole[3]]) as usize,
        whole.len() - 4
    );
    let (correlation_id, read) = frame::read_response::<FetchResponse>(whole.slice(4..), 13).unwrap();
    assert_eq!((correlation_id, read), (5, message));
}

#[test]
fn records_in_a_file_count_and_stand_where_they_belong() {
    let file = MemoryDisk::default().open(Path::new("/f"), OpenMode::Create).unwrap();
    let slice = FileSlice {
        file,
        at: 7,
        bytes: 100,
    };
    let partitions = vec![PartitionData {
        records: Some(Piece::File(slice.clone())),
        ..PartitionData::default()
    }];
    let mut message = FetchResponse {
        responses: vec![FetchableTopicResponse {
            partitions,
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    assert_eq!(message.to_bytes(13), Err(EncodeError::Apart));
    let pieces = frame::response(5, &message, 13).unwrap();
    message.responses[0].partitions[0].records = Some(Piece::Memory(Bytes::from(vec![9; 100])));
    let expected = frame::response(5, &message, 13).unwrap();
    let joined: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| match piece {
            Piece::Memory(bytes) => bytes.to_vec(),
            Piece::File(found) => {
                assert_eq!(*found, slice);
                vec![9; found.bytes]
            }
        })
        .collect();
    assert_eq!(joined, expected[0].memory().unwrap().to_vec());
}

#[test]
fn headers_follow_the_version() {
    let request = MetadataRequest::default();
    for version in [1, 9] {
        let frame = frame::request(77, Some("me"), &request, version).unwrap();
        let mut reader = Reader::new(frame.slice(4..));
        let header = frame::RequestHeader::decode(&mut reader).unwrap();
        assert_eq!((header.key, header.version, header.correlation_id), (3, version, 77));
        assert_eq!(MetadataRequest::decode(&mut reader, version).unwrap(), request);
        reader.finish().unwrap();
    }
}
