//! Literal data packets and what text in them means (RFC 4880, 5.9).

use std::ops::Range;

use crate::OpenError;

pub(crate) const UTF8: u8 = b'u';
const TEXT: u8 = b't';
const BINARY: u8 = b'b';

/// Mode, length of the file name, date.
pub(crate) const HEADER: usize = 6;

/// A literal packet's body, split.
pub(crate) struct Literal {
    mode: u8,
    nameless_and_dateless: bool,
    /// Where in the body the data is.
    pub(crate) data: Range<usize>,
}

impl Literal {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, OpenError> {
        let [mode @ (BINARY | TEXT | UTF8), name_len, rest @ ..] = body else {
            return Err(OpenError::WrongKeyOrCorrupt);
        };
        let name_len = usize::from(*name_len);
        let date = rest
            .get(name_len..name_len + 4)
            .ok_or(OpenError::WrongKeyOrCorrupt)?;
        Ok(Self {
            mode: *mode,
            nameless_and_dateless: name_len == 0 && date == [0; 4],
            data: 2 + name_len + 4..body.len(),
        })
    }

    /// Written the way [`write_header`] writes.
    pub(crate) fn is_ours(&self) -> bool {
        self.mode == UTF8 && self.nameless_and_dateless
    }

    /// Whether the data's line endings may be the network's CRLF rather than the writer's own.
    /// What this crate writes is stored octet for octet.
    pub(crate) fn may_be_canonical(&self) -> bool {
        self.mode != BINARY && !self.is_ours()
    }
}

pub(crate) fn write_header(out: &mut Vec<u8>) {
    out.extend_from_slice(&[UTF8, 0, 0, 0, 0, 0]);
}

/// Turns CRLF line endings into LF, in place, and returns the new length.
///
/// A text in which some line ends without CR was not converted by its writer (pgcrypto converts
/// only when asked to, and the message does not say whether it was): it is left as it is.
pub(crate) fn to_native_line_endings(text: &mut [u8]) -> usize {
    let mut previous = 0;
    let mut endings = 0;
    for &octet in text.iter() {
        if octet == b'\n' {
            if previous != b'\r' {
                return text.len();
            }
            endings += 1;
        }
        previous = octet;
    }
    if endings == 0 {
        return text.len();
    }
    let mut kept = 0;
    for read in 0..text.len() {
        if text[read] == b'\r' && text.get(read + 1) == Some(&b'\n') {
            continue;
        }
        text[kept] = text[read];
        kept += 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(text: &str) -> String {
        let mut text = text.as_bytes().to_vec();
        let length = to_native_line_endings(&mut text);
        String::from_utf8(text[..length].to_vec()).expect("ASCII")
    }

    #[test]
    fn only_a_text_whose_every_line_ends_in_crlf_is_converted() {
        assert_eq!(native("a\r\nb\r\n"), "a\nb\n");
        assert_eq!(native("a\r\r\nb"), "a\r\nb");
        assert_eq!(native("a\r\nb\n"), "a\r\nb\n");
        assert_eq!(native("a\rb"), "a\rb");
        assert_eq!(native("\n"), "\n");
        assert_eq!(native("\r\n"), "\n");
        assert_eq!(native(""), "");
    }

    #[test]
    fn a_cut_or_unknown_literal_header_is_refused() {
        for body in [
            &b""[..],
            b"u",
            b"u\x00\x00\x00\x00",
            b"u\x05abcd",
            b"x\x00\x00\x00\x00\x00",
        ] {
            assert!(Literal::parse(body).is_err());
        }
        assert_eq!(
            Literal::parse(b"b\x02nm\x01\x02\x03\x04data")
                .expect("whole")
                .data,
            8..12
        );
    }
}
