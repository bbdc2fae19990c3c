//! Helpers of several folders of tests.

pub mod catalogue;
pub mod legacy;
pub mod release;
