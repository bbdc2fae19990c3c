//! Sharing by token. The RPCs are queries and nothing else, so they are SQL
//! (`sql/sharing.sql`); only the token's randomness needs native code.

use pgrx::prelude::*;

use crate::pg::random;

/// A new secret for a shared link: 64 hexadecimal characters from 32 bytes of
/// the system's random generator. The default of `shared_links.token`.
#[pg_extern(sql = false)]
fn new_share_token() -> String {
    hex::encode(random::bytes::<32>())
}
