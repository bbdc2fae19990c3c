//! The error of a statement that must fail.

use std::fmt::Debug;

use postgres::Error;
use postgres::error::DbError;

/// The server's error of a statement that must fail.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T, Error>) -> DbError {
    match result {
        Ok(answer) => panic!("expected a refusal, got {answer:?}"),
        Err(error) => match error.as_db_error() {
            Some(refusal) => refusal.clone(),
            None => panic!("expected a refusal, the connection failed: {error}"),
        },
    }
}

/// The server's error of a statement that must fail with this SQLSTATE.
#[track_caller]
pub fn refused_with<T: Debug>(result: Result<T, Error>, sqlstate: &str) -> DbError {
    let refusal = refused(result);
    assert_eq!(refusal.code().code(), sqlstate, "{refusal:?}");
    refusal
}
