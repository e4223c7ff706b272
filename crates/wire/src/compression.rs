//! The four codecs a batch may be written in; decompression stops at a limit the caller names.

use std::io::{Read, Write};

use bytes::Bytes;

use crate::batch::BatchError;

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// What Java's snappy streams begin with, before two 4-byte version numbers and length-prefixed raw blocks.
const XERIAL_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// A snappy copy of 64 bytes takes 3: a block that claims more than this per input byte lies.
const SNAPPY_RATIO_MAX: usize = 32;
/// The largest window a zstd frame may ask for: 2^27, what level 22 uses.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The codec of a batch's attribute bits 0 to 2.
    pub fn from_code(code: i16) -> Option<Compression> {
        Compression::ALL.get(usize::try_from(code).ok()?).copied()
    }

    pub fn code(self) -> i16 {
        self as i16
    }

    /// As `compression.type` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The bytes `input` stands for, at most `bytes_max` of them. [`Compression::None`] copies nothing.
    pub fn decompress(self, input: &Bytes, bytes_max: usize) -> Result<Bytes, BatchError> {
        match self {
            Compression::None if input.len() > bytes_max => Err(BatchError::TooLarge { bytes_max }),
            Compression::None => Ok(input.clone()),
            Compression::Gzip => self.read_capped(flate2::read::MultiGzDecoder::new(input.as_ref()), bytes_max),
            Compression::Snappy => self.unsnap(input, bytes_max).map(Bytes::from),
            Compression::Lz4 => self.read_capped(lz4_flex::frame::FrameDecoder::new(input.as_ref()), bytes_max),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input.as_ref())
                    .map_err(|_| BatchError::Compressed(self))?;
                decoder
                    .window_log_max(ZSTD_WINDOW_LOG_MAX)
                    .map_err(|_| BatchError::Compressed(self))?;
                self.read_capped(decoder, bytes_max)
            }
        }
    }

    /// Compresses `input`; fails only when memory does.
    pub fn compress(self, input: &[u8]) -> std::io::Result<Vec<u8>> {
        self.compress_at(input, None)
    }

    /// The same at a level of the codec's own scale, for those that have one: gzip 1 to 9, zstd up to 22.
    pub fn compress_at(self, input: &[u8], level: Option<i32>) -> std::io::Result<Vec<u8>> {
        match self {
            Compression::None => Ok(input.to_vec()),
            Compression::Gzip => {
                let level = level.and_then(|level| u32::try_from(level).ok());
                let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(input)?;
                encoder.finish()
            }
            Compression::Snappy => snap(input),
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(input)?;
                encoder.finish().map_err(std::io::Error::other)
            }
            Compression::Zstd => zstd::stream::encode_all(input, level.unwrap_or(ZSTD_LEVEL)),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "capped by `take` one line above")]
    fn read_capped(self, reader: impl Read, bytes_max: usize) -> Result<Bytes, BatchError> {
        let mut out = Vec::new();
        let mut capped = reader.take(bytes_max as u64 + 1);
        capped.read_to_end(&mut out).map_err(|_| BatchError::Compressed(self))?;
        if out.len() > bytes_max {
            return Err(BatchError::TooLarge { bytes_max });
        }
        Ok(Bytes::from(out))
    }

    /// Raw snappy (librdkafka, Go clients) or xerial's framing of it (Java).
    fn unsnap(self, input: &[u8], bytes_max: usize) -> Result<Vec<u8>, BatchError> {
        let mut out = Vec::new();
        if !input.starts_with(XERIAL_MAGIC) {
            self.unsnap_block(input, &mut out, bytes_max)?;
            return Ok(out);
        }
        let mut rest = input.get(XERIAL_HEADER_BYTES..).ok_or(BatchError::Compressed(self))?;
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            // Concatenated streams repeat the header; read as a length it would be negative.
            if rest.starts_with(XERIAL_MAGIC) {
                rest = rest.get(XERIAL_HEADER_BYTES..).ok_or(BatchError::Compressed(self))?;
                continue;
            }
            let (block, after) = after
                .split_at_checked(u32::from_be_bytes(*length) as usize)
                .ok_or(BatchError::Compressed(self))?;
            self.unsnap_block(block, &mut out, bytes_max)?;
            rest = after;
        }
        if rest.is_empty() {
            Ok(out)
        } else {
            Err(BatchError::Compressed(self))
        }
    }

    fn unsnap_block(self, block: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> Result<(), BatchError> {
        let length = snap::raw::decompress_len(block).map_err(|_| BatchError::Compressed(self))?;
        if length > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
            return Err(BatchError::Compressed(self));
        }
        let from = out.len();
        if length > bytes_max.saturating_sub(from) {
            return Err(BatchError::TooLarge { bytes_max });
        }
        out.resize(from + length, 0);
        let written = snap::raw::Decoder::new().decompress(block, &mut out[from..]);
        match written {
            Ok(written) if written == length => Ok(()),
            _ => Err(BatchError::Compressed(self)),
        }
    }
}

fn snap(input: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(XERIAL_HEADER_BYTES + input.len() / 2);
    out.extend_from_slice(XERIAL_MAGIC);
    out.extend_from_slice(&1_u32.to_be_bytes());
    out.extend_from_slice(&1_u32.to_be_bytes());
    for block in input.chunks(XERIAL_BLOCK_BYTES) {
        let packed = snap::raw::Encoder::new()
            .compress_vec(block)
            .map_err(std::io::Error::other)?;
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_reads_what_it_wrote() {
        let text = Bytes::from("a rivulet runs ".repeat(10_000));
        for codec in Compression::ALL {
            let packed = Bytes::from(codec.compress(&text).unwrap());
            assert_eq!(codec.decompress(&packed, text.len()).unwrap(), text, "{codec:?}");
            assert_eq!(
                codec.decompress(&packed, text.len() - 1),
                Err(BatchError::TooLarge {
                    bytes_max: text.len() - 1
                }),
                "{codec:?} stops at the cap"
            );
        }
    }

    #[test]
    fn raw_and_concatenated_snappy_are_read() {
        let text = b"rain rain rain rain rain";
        let raw = Bytes::from(snap::raw::Encoder::new().compress_vec(text).unwrap());
        assert_eq!(Compression::Snappy.decompress(&raw, 1024).unwrap().as_ref(), text);
        let once = Compression::Snappy.compress(text).unwrap();
        let twice = Bytes::from([once.clone(), once].concat());
        assert_eq!(
            Compression::Snappy.decompress(&twice, 1024).unwrap().as_ref(),
            [&text[..], &text[..]].concat()
        );
    }

    #[test]
    fn lies_about_sizes_are_errors() {
        // A raw block of 5 bytes that claims 256 MiB.
        let lie = Bytes::from_static(&[0x80, 0x80, 0x80, 0x80, 0x01]);
        assert_eq!(
            Compression::Snappy.decompress(&lie, usize::MAX),
            Err(BatchError::Compressed(Compression::Snappy))
        );
        for codec in [
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let garbage = Bytes::from_static(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
            assert_eq!(
                codec.decompress(&garbage, 1024),
                Err(BatchError::Compressed(codec)),
                "{codec:?}"
            );
        }
    }
}
