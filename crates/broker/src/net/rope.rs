//! Several pieces of bytes as one buffer, so that a response goes to the socket without being joined first.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

#[derive(Debug)]
pub(super) struct Rope {
    chunks: VecDeque<Bytes>,
    remaining: usize,
}

impl Rope {
    pub(super) fn new(chunks: Vec<Bytes>) -> Rope {
        let remaining = chunks.iter().map(Bytes::len).sum();
        Rope {
            chunks: chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect(),
            remaining,
        }
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.remaining -= count;
        while let Some(front) = self.chunks.front_mut() {
            if count < front.len() {
                return front.advance(count);
            }
            count -= front.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_reads_as_its_pieces_joined() {
        let mut rope = Rope::new(vec![
            Bytes::from_static(b"ab"),
            Bytes::new(),
            Bytes::from_static(b"cdef"),
        ]);
        assert_eq!(rope.remaining(), 6);
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(rope.chunks_vectored(&mut slices), 2);
        rope.advance(3);
        assert_eq!(rope.chunk(), b"def");
        rope.advance(3);
        assert!(!rope.has_remaining());
    }
}
