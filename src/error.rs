//! The vocabulary of errors: every refusal this extension raises by itself is
//! made by one constructor here, with its SQLSTATE, message, detail and hint.
//!
//! No constructor takes patient data, key material or a share token, so none
//! can reach a message or the server log.

use std::borrow::Cow;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

/// An error on its way to the client.
#[derive(Debug)]
pub struct Error {
    code: PgSqlErrorCode,
    message: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    hint: Option<Cow<'static, str>>,
}

/// What functions inside the extension return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// An error with a SQLSTATE and a message; detail and hint come by
    /// [`Error::detail`] and [`Error::hint`].
    pub fn new(code: PgSqlErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Adds what was found.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The SQLSTATE.
    pub fn code(&self) -> PgSqlErrorCode {
        self.code
    }

    /// Raises the error now, for callers that have no `Result` to return it in.
    pub fn raise(self) -> ! {
        ErrorReport::from(self).report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let mut report = ErrorReport::new(error.code, error.message, "auria");
        if let Some(detail) = error.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = error.hint {
            report = report.set_hint(hint);
        }
        report
    }
}

/// The five characters of a SQLSTATE, as clients see them.
pub fn sqlstate(code: PgSqlErrorCode) -> String {
    // PostgreSQL packs them six bits each, the first one lowest.
    (0..5)
        .map(|place| char::from(b'0' + ((code as i32 >> (6 * place)) & 0x3f) as u8))
        .collect()
}

/// 22004: an argument that is required was NULL.
pub fn null_argument(function: &str, argument: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
        format!("{argument} must not be null"),
    )
    .hint(format!("Pass a value for {argument} to {function}()."))
}

/// The value of an argument that must not be NULL (22004).
pub fn required<T>(value: Option<T>, function: &str, argument: &str) -> Result<T> {
    value.ok_or_else(|| null_argument(function, argument))
}

/// 42501: a signed-in user asked about somebody else.
pub fn not_own_user(function: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("{function}() answers signed-in users about themselves only"),
    )
    .hint("Pass the id of the signed-in user, auth.uid(), or call it as service_role.")
}

/// 23503: the user id is not in `auth.users`.
pub fn unknown_user() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION,
        "there is no user with this id",
    )
    .detail("The id passed as p_user_id is not in auth.users.")
    .hint("Pass the id of a user who signed up and was not deleted.")
}

/// 22023: a purchase of no credits, or of less than none.
pub fn credits_not_positive(credits: i32) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "p_credits must be positive",
    )
    .detail(format!("{credits} credits were to be added."))
    .hint("Use refund_credits() to give back what an operation cost.")
}

/// 22003: a counter would leave the range of its integer column.
pub fn credits_out_of_range() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        "credit counter out of range",
    )
    .detail("The new value does not fit into a column of type integer.")
    .hint("Nothing was changed. Check the amount, and the subscription's counters.")
}

/// 22023: an operation name that the ledger could not tell from a refund.
pub fn operation_is_refund() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "p_operation must not end in \"_refund\"",
    )
    .detail("The ledger writes refunds under the operation's name with that ending.")
    .hint("Call refund_credits() with the name of the operation that was charged.")
}

/// 22023: text too long to be the name of an operation.
pub fn operation_too_long() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "p_operation is too long",
    )
    .detail("The name of an operation has at most 200 bytes.")
    .hint("Pass a name such as case_analysis or dsd_simulation.")
}

/// 22023: text too long to be the name of a function.
pub fn function_name_too_long() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "p_function_name is too long",
    )
    .detail("The name of a function has at most 200 bytes.")
    .hint("Pass the name of the Edge Function whose requests are counted.")
}

/// XX000: a value came back from a query that its SQL rules out.
pub fn unexpected_null(what: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        format!("unexpected null in {what}"),
    )
    .hint("Run SELECT * FROM auria.doctor() and report its output.")
}
