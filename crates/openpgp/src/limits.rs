//! The bounds within which any input is read, whatever its length fields claim.

/// The longest plaintext that is written or read, after decompression.
pub const MAX_PLAINTEXT: usize = 16 << 20;

/// Room for what surrounds a plaintext: packet headers, partial lengths, incompressible deflate.
pub(crate) const FRAMING: usize = 1 << 20;

/// The longest message, and the longest inflated packet, that is looked at.
pub const MAX_MESSAGE: usize = MAX_PLAINTEXT + FRAMING;

/// How many compressed packets may be wrapped around the literal data. Writers use one.
pub(crate) const MAX_NESTING: usize = 4;

/// How many passphrase packets of one message are tried: each may cost a derivation.
pub(crate) const MAX_SESSION_KEYS: usize = 4;

/// How many octets of repeated salt and secret are hashed for one message, all its passphrase
/// packets together: the largest count that one packet can name (RFC 4880, 3.7.1.3). A key longer
/// than its digest takes a second round over them.
pub const MAX_HASHED: usize = 65_011_712;

/// How many packets may stand before the data they are about (markers, keys for others).
pub(crate) const MAX_PACKETS: usize = 64;

/// Derived keys kept per secret: a listing of a thousand patients with five columns fits, even
/// when each value has a salt of its own.
pub(crate) const CACHED_KEYS: usize = 8192;

/// A reading buffer larger than this is given back after use.
pub(crate) const KEPT_BUFFER: usize = 64 << 10;
