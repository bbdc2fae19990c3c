//! Literal data packets and what text in them means (RFC 4880, 5.9).

use std::ops::Range;

use crate::OpenError;

/// Whose a text is, by the id of the user.
pub type Owner = [u8; 16];

pub(crate) const UTF8: u8 = b'u';
const TEXT: u8 = b't';
const BINARY: u8 = b'b';

/// How long [`write_header`]'s header is: mode, length of the file name, the file name, date.
pub(crate) const fn header_len(owner: Option<&Owner>) -> usize {
    2 + owner_octets(owner).len() + 4
}

/// A literal packet's body, split.
pub(crate) struct Literal {
    mode: u8,
    name: Name,
    dateless: bool,
    /// Where in the body the data is.
    pub(crate) data: Range<usize>,
}

/// What the field for a file name holds.
enum Name {
    Empty,
    Owner(Owner),
    Foreign,
}

impl Literal {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, OpenError> {
        let [mode @ (BINARY | TEXT | UTF8), name_len, rest @ ..] = body else {
            return Err(OpenError::WrongKeyOrCorrupt);
        };
        let name_len = usize::from(*name_len);
        let date = rest.get(name_len..name_len + 4).ok_or(OpenError::WrongKeyOrCorrupt)?;
        let name = match &rest[..name_len] {
            [] => Name::Empty,
            name => name.try_into().map_or(Name::Foreign, Name::Owner),
        };
        Ok(Self { mode: *mode, name, dateless: date == [0; 4], data: 2 + name_len + 4..body.len() })
    }

    /// Written the way [`write_header`] writes.
    pub(crate) fn is_ours(&self) -> bool {
        self.mode == UTF8 && self.dateless && !matches!(self.name, Name::Foreign)
    }

    /// The owner that [`write_header`] wrote. A file name of another writer, who gives a date or
    /// another mode with it, is none.
    pub(crate) fn owner(&self) -> Option<Owner> {
        match self.name {
            Name::Owner(owner) if self.is_ours() => Some(owner),
            _ => None,
        }
    }

    /// Whether the data's line endings may be the network's CRLF rather than the writer's own.
    /// What this crate writes is stored octet for octet.
    pub(crate) fn may_be_canonical(&self) -> bool {
        self.mode != BINARY && !self.is_ours()
    }
}

/// The owner stands in the field for a file name, which readers of OpenPGP ignore.
pub(crate) fn write_header(out: &mut Vec<u8>, owner: Option<&Owner>) {
    let name = owner_octets(owner);
    out.extend_from_slice(&[UTF8, name.len() as u8]);
    out.extend_from_slice(name);
    out.extend_from_slice(&[0; 4]);
}

const fn owner_octets(owner: Option<&Owner>) -> &[u8] {
    match owner {
        Some(owner) => owner,
        None => &[],
    }
}

/// Turns CRLF line endings into LF, in place, and returns the new length.
///
/// A text in which some line ends without CR was not converted by its writer (pgcrypto converts
/// only when asked to, and the message does not say whether it was): it is left as it is.
pub(crate) fn to_native_line_endings(text: &mut [u8]) -> usize {
    let mut previous = 0;
    let mut has_endings = false;
    for &octet in text.iter() {
        if octet == b'\n' {
            if previous != b'\r' {
                return text.len();
            }
            has_endings = true;
        }
        previous = octet;
    }
    if !has_endings {
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
        for body in [&b""[..], b"u", b"u\x00\x00\x00\x00", b"u\x05abcd", b"x\x00\x00\x00\x00\x00"] {
            assert!(Literal::parse(body).is_err());
        }
        assert_eq!(Literal::parse(b"b\x02nm\x01\x02\x03\x04data").expect("whole").data, 8..12);
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for owner in [None, Some(*b"0123456789abcdef")] {
            let mut body = Vec::new();
            write_header(&mut body, owner.as_ref());
            assert_eq!(body.len(), header_len(owner.as_ref()));
            let header = body.len();
            body.extend_from_slice(b"data");
            let literal = Literal::parse(&body).expect("own header");
            assert!(literal.is_ours() && literal.owner() == owner);
            assert_eq!(literal.data, header..header + 4);
        }
    }

    #[test]
    fn a_file_name_of_another_writer_is_no_owner() {
        for body in [
            &b"b\x10ficha-medica.txt\0\0\0\0"[..],
            b"t\x10ficha-medica.txt\0\0\0\0",
            b"u\x10ficha-medica.txt\0\0\0\x01",
            b"u\x0fficha-medica.tx\0\0\0\0",
            b"u\x11ficha-medica.text\0\0\0\0",
        ] {
            let literal = Literal::parse(body).expect("well formed");
            assert!(!literal.is_ours() && literal.owner().is_none());
        }
    }
}
