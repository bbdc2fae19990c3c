//! What several tests share.

pub mod catalogue;
pub mod legacy;
pub mod release;
