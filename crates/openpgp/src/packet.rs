//! Packet framing: both header styles and partial body lengths (RFC 4880, 4.2).
//!
//! Nothing is copied and nothing is allocated here: a body is a view of the input, and a length
//! field can claim no more than the input holds.

use crate::OpenError;

pub(crate) const PUBLIC_KEY_SESSION_KEY: u8 = 1;
pub(crate) const SYMMETRIC_KEY_SESSION_KEY: u8 = 3;
pub(crate) const COMPRESSED: u8 = 8;
pub(crate) const SYMMETRICALLY_ENCRYPTED: u8 = 9;
pub(crate) const MARKER: u8 = 10;
pub(crate) const LITERAL: u8 = 11;
pub(crate) const INTEGRITY_PROTECTED: u8 = 18;

/// A packet at the front of some input, and what follows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) tag: u8,
    pub(crate) body: Body<'a>,
    pub(crate) rest: &'a [u8],
}

/// A packet's body, in one piece or framed by partial lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    Whole(&'a [u8]),
    /// Begins with its first length octet; checked to be complete.
    Partial(&'a [u8]),
}

impl<'a> Packet<'a> {
    pub(crate) fn parse(input: &'a [u8]) -> Result<Self, OpenError> {
        let (&header, after) = input.split_first().ok_or(OpenError::WrongKeyOrCorrupt)?;
        if header & 0x80 == 0 {
            return Err(OpenError::WrongKeyOrCorrupt);
        }
        if header & 0x40 == 0 {
            let (body, rest) = old_style(header & 3, after)?;
            return Ok(Self { tag: (header >> 2) & 15, body: Body::Whole(body), rest });
        }
        let (body, rest) = new_style(after)?;
        Ok(Self { tag: header & 63, body, rest })
    }
}

/// RFC 4880, 4.2.1. Length type 3 is indeterminate: the packet lasts to the end of the input.
fn old_style(length_type: u8, input: &[u8]) -> Result<(&[u8], &[u8]), OpenError> {
    let width = match length_type {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return Ok((input, &[])),
    };
    let (length, after) = split(input, width)?;
    let length = length.iter().fold(0usize, |length, octet| length << 8 | usize::from(*octet));
    split(after, length)
}

fn new_style(input: &[u8]) -> Result<(Body<'_>, &[u8]), OpenError> {
    let (length, after) = Length::parse(input)?;
    if let Length::Last(length) = length {
        let (body, rest) = split(after, length)?;
        return Ok((Body::Whole(body), rest));
    }
    let mut rest = input;
    loop {
        let (length, after) = Length::parse(rest)?;
        rest = split(after, length.octets())?.1;
        if let Length::Last(_) = length {
            let framed = &input[..input.len() - rest.len()];
            return Ok((Body::Partial(framed), rest));
        }
    }
}

/// RFC 4880, 4.2.2.
enum Length {
    Last(usize),
    Partial(usize),
}

impl Length {
    fn parse(input: &[u8]) -> Result<(Self, &[u8]), OpenError> {
        match *input {
            [first @ 0..=191, ref rest @ ..] => Ok((Self::Last(usize::from(first)), rest)),
            [first @ 192..=223, second, ref rest @ ..] => {
                Ok((Self::Last((usize::from(first) - 192) * 256 + usize::from(second) + 192), rest))
            }
            [255, a, b, c, d, ref rest @ ..] => Ok((Self::Last(u32::from_be_bytes([a, b, c, d]) as usize), rest)),
            [first @ 224..=254, ref rest @ ..] => Ok((Self::Partial(1 << (first & 31)), rest)),
            _ => Err(OpenError::WrongKeyOrCorrupt),
        }
    }

    fn octets(&self) -> usize {
        match *self {
            Self::Last(octets) | Self::Partial(octets) => octets,
        }
    }
}

fn split(input: &[u8], at: usize) -> Result<(&[u8], &[u8]), OpenError> {
    input.split_at_checked(at).ok_or(OpenError::WrongKeyOrCorrupt)
}

impl<'a> Body<'a> {
    /// The pieces of the body in order, their framing removed.
    pub(crate) fn pieces(self) -> Pieces<'a> {
        Pieces { left: Some(self) }
    }

    /// Appends the body to `buffer`, which must have room for it: no reallocation may leave
    /// decrypted octets behind.
    pub(crate) fn append_to(self, buffer: &mut Vec<u8>) {
        for piece in self.pieces() {
            buffer.extend_from_slice(piece);
        }
    }

    pub(crate) fn len(self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }
}

/// See [`Body::pieces`].
pub(crate) struct Pieces<'a> {
    left: Option<Body<'a>>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.left.take()? {
            Body::Whole(body) => Some(body),
            Body::Partial(framed) => {
                // Cannot fail: the framing was walked once when the packet was parsed.
                let (length, after) = Length::parse(framed).ok()?;
                let (piece, rest) = after.split_at_checked(length.octets())?;
                if let Length::Partial(_) = length {
                    self.left = Some(Body::Partial(rest));
                }
                Some(piece)
            }
        }
    }
}

/// Appends a new-style header: the tag and the shortest form of `length`.
pub(crate) fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(0xC0 | tag);
    match length {
        0..192 => out.push(length as u8),
        192..8384 => {
            let above = length - 192;
            out.extend_from_slice(&[192 + (above >> 8) as u8, above as u8]);
        }
        _ => {
            out.push(255);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
}

/// How long [`write_header`]'s header is.
pub(crate) const fn header_len(length: usize) -> usize {
    match length {
        0..192 => 2,
        192..8384 => 3,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(body: Body<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        body.append_to(&mut out);
        assert_eq!(out.len(), body.len());
        out
    }

    #[test]
    fn every_length_form_round_trips_at_its_borders() {
        for length in [0, 1, 191, 192, 193, 8383, 8384, 70_000] {
            let mut message = Vec::new();
            write_header(&mut message, LITERAL, length);
            assert_eq!(message.len(), header_len(length));
            message.extend(std::iter::repeat_n(9, length));
            message.push(77);
            let packet = Packet::parse(&message).expect("own header");
            assert_eq!(packet.tag, LITERAL);
            assert_eq!(joined(packet.body), vec![9; length]);
            assert_eq!(packet.rest, [77]);
        }
    }

    #[test]
    fn old_style_headers_of_each_width_are_read() {
        for (header, body, rest) in [
            (&[0x80 | 11 << 2, 2, 5, 6, 7][..], &[5, 6][..], &[7][..]),
            (&[0x81 | 11 << 2, 0, 1, 5, 7], &[5], &[7]),
            (&[0x82 | 11 << 2, 0, 0, 0, 1, 5, 7], &[5], &[7]),
            (&[0x83 | 11 << 2, 5, 6, 7], &[5, 6, 7], &[]),
        ] {
            let packet = Packet::parse(header).expect("well formed");
            assert_eq!(packet.tag, LITERAL);
            assert_eq!(joined(packet.body), body);
            assert_eq!(packet.rest, rest);
        }
        for (header, length) in
            [(&[0x81 | 11 << 2, 0x12, 0x34][..], 0x1234), (&[0x82 | 11 << 2, 0, 1, 2, 3], 0x0001_0203)]
        {
            let message = [header, &vec![5; length], &[7]].concat();
            let packet = Packet::parse(&message).expect("well formed");
            assert_eq!((packet.body.len(), packet.rest), (length, &[7][..]));
        }
    }

    #[test]
    fn partial_lengths_are_joined_and_an_empty_last_piece_ends_them() {
        let framed = [0xC0 | LITERAL, 225, 1, 2, 224, 3, 0, 77];
        let packet = Packet::parse(&framed).expect("well formed");
        assert_eq!(joined(packet.body), [1, 2, 3]);
        assert_eq!(packet.rest, [77]);
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_not_allocated() {
        for bytes in [
            &[0xCB, 255, 255, 255, 255, 255, 1][..],
            &[0xCB, 254, 1, 2],
            &[0xCB, 224],
            &[0xCB, 224, 1],
            &[0x82 | 11 << 2, 255, 255, 255, 255],
            &[0xCB],
            &[0x0B, 1, 1],
            &[],
        ] {
            assert!(Packet::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
