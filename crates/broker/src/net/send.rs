//! Sends a response: what is in memory as one rope, what lies in files from the page cache to the socket.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use base::disk::FileSlice;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;
use wire::Piece;

use super::connection::Close;
use super::rope::Rope;

/// A file that cannot be handed to the socket is read in such parts.
const PART_BYTES: usize = 256 << 10;

/// Sends all of `pieces`; a peer that takes nothing for `stall_max` is given up.
pub(super) async fn send(to: &mut OwnedWriteHalf, pieces: Vec<Piece>, stall_max: Duration) -> Result<(), Close> {
    let mixed = pieces.iter().any(|piece| matches!(piece, Piece::File(_)));
    if mixed {
        cork(to, true)?;
    }
    let mut gathered = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Memory(bytes) => gathered.push(bytes),
            Piece::File(slice) => {
                send_memory(to, std::mem::take(&mut gathered), stall_max).await?;
                send_file(to, &slice, stall_max).await?;
            }
        }
    }
    send_memory(to, gathered, stall_max).await?;
    if mixed {
        cork(to, false)?;
    }
    Ok(())
}

/// While corked, a socket sends full packets only: what stands between two parts of files is no packet of its own.
fn cork(to: &OwnedWriteHalf, corked: bool) -> Result<(), Close> {
    let socket: &TcpStream = to.as_ref();
    Ok(rustix::net::sockopt::set_tcp_cork(socket, corked).map_err(io::Error::from)?)
}

async fn send_memory(to: &mut OwnedWriteHalf, chunks: Vec<Bytes>, stall_max: Duration) -> Result<(), Close> {
    let mut rope = Rope::new(chunks);
    while rope.has_remaining() {
        match timeout(stall_max, to.write_buf(&mut rope)).await {
            Ok(Ok(0)) => return Err(Close::Eof),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(Close::Io(error)),
            Err(_) => return Err(Close::Stalled(stall_max)),
        }
    }
    Ok(())
}

async fn send_file(to: &mut OwnedWriteHalf, slice: &FileSlice, stall_max: Duration) -> Result<(), Close> {
    let mut done = 0;
    while done < slice.bytes {
        let sent = match slice.file.descriptor() {
            Some(file) => hand_over(to, slice, done, file, stall_max).await?,
            None => {
                let mut part = vec![0; PART_BYTES.min(slice.bytes - done)];
                let read = slice.read(done, &mut part).map_err(Close::File)?;
                part.truncate(read);
                send_memory(to, vec![Bytes::from(part)], stall_max).await?;
                read
            }
        };
        if sent == 0 {
            return Err(Close::File(io::ErrorKind::UnexpectedEof.into()));
        }
        done += sent;
    }
    Ok(())
}

/// As much as the socket takes at once.
async fn hand_over(
    to: &OwnedWriteHalf,
    slice: &FileSlice,
    done: usize,
    file: BorrowedFd<'_>,
    stall_max: Duration,
) -> Result<usize, Close> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, WouldBlock};
    let socket: &TcpStream = to.as_ref();
    loop {
        match timeout(stall_max, socket.writable()).await {
            Ok(ready) => ready?,
            Err(_) => return Err(Close::Stalled(stall_max)),
        }
        match socket.try_io(Interest::WRITABLE, || slice.send(done, file, socket.as_fd())) {
            Ok(sent) => return Ok(sent),
            Err(error) => match error.kind() {
                WouldBlock => {}
                BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut => return Err(Close::Io(error)),
                _ => return Err(Close::File(error)),
            },
        }
    }
}
