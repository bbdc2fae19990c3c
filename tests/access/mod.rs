//! Who may see and write what.
//!
//! | file | subject |
//! |---|---|
//! | [`matrix`] | the access matrix: MATRIX for tables, FUNCTIONS for functions |
//! | [`tables`], [`functions`] | a database compared with it |
//! | [`policies`] | which rows policies show, and their form |
//! | [`second_line`] | functions of the backend refuse API roles whatever was granted |
//! | [`share_token`], [`share_rpcs`] | links: by the header, by the functions |
//! | [`sign_up`], [`created_at`], [`storage`] | profiles, times of creation, files |
//! | [`foreign_code`] | a schema `auth` of somebody else |

mod created_at;
mod foreign_code;
mod functions;
pub mod matrix;
mod policies;
mod second_line;
mod share_rpcs;
mod share_token;
mod sign_up;
mod storage;
mod tables;
