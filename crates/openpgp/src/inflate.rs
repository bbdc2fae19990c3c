//! Compressed data packets, inflated within bounds (RFC 4880, 5.6).

use flate2::{Decompress, FlushDecompress, Status};

use crate::{
    OpenError,
    buffer::Buffer,
    limits::MAX_MESSAGE,
    packet::Body,
    work::{STRIDE, Work},
};

/// More than the window and the tables of an inflating stream take.
const STREAM_STATE: usize = 128 << 10;

const UNCOMPRESSED: u8 = 0;
const ZIP: u8 = 1;
const ZLIB: u8 = 2;

/// What the packet holds. The output grows as it fills: what a few octets may claim to inflate
/// to is never allocated ahead, and past the bound inflating stops.
pub(crate) fn inflate(body: Body<'_>, work: &mut Work<'_, '_>) -> Result<Buffer, OpenError> {
    let mut pieces = body.pieces();
    let (algorithm, first) = pieces.next().and_then(<[u8]>::split_first).ok_or(OpenError::WrongKeyOrCorrupt)?;
    let pieces = std::iter::once(first).chain(pieces);
    // The stream's own state is allocated where a failure would be a panic.
    drop(Buffer::with_capacity(STREAM_STATE)?);
    let mut stream = match *algorithm {
        UNCOMPRESSED => return stored(body.len(), pieces),
        ZIP => Decompress::new(false),
        ZLIB => Decompress::new(true),
        _ => return Err(OpenError::WrongKeyOrCorrupt),
    };
    let mut output = Buffer::with_capacity((body.len() * 4).clamp(256, MAX_MESSAGE))?;
    let mut pause_at = STRIDE;
    for mut input in pieces {
        loop {
            if output.is_full() {
                output.grow_to((output.len() * 2).min(MAX_MESSAGE + 1))?;
            }
            if output.len() >= pause_at {
                pause_at = output.len() + STRIDE;
                work.pause()?;
            }
            let before = stream.total_in();
            let status = stream
                .decompress_vec(input, output.as_vec(), FlushDecompress::None)
                .map_err(|_| OpenError::WrongKeyOrCorrupt)?;
            if output.len() > MAX_MESSAGE {
                return Err(OpenError::TooLarge);
            }
            // Octets after the end of the stream are let be: writers of old added one, for
            // zlib's sake.
            if status == Status::StreamEnd {
                return Ok(output);
            }
            // It stops for want of room, or else of input.
            if !output.is_full() {
                break;
            }
            input = &input[(stream.total_in() - before) as usize..];
        }
    }
    Err(OpenError::WrongKeyOrCorrupt)
}

fn stored<'a>(at_most: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Result<Buffer, OpenError> {
    let mut output = Buffer::with_capacity(at_most)?;
    for piece in pieces {
        output.as_vec().extend_from_slice(piece);
    }
    Ok(output)
}
