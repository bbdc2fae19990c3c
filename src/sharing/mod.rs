//! Sharing by token: whoever presents the token of a link that has not expired
//! reads the evaluations of its session. The token is the right, so these run
//! with the rights of the tables' owner.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::access;
use crate::error::Result;
use crate::pg::bytes::{Jsonb, Text, TextArg};
use crate::pg::random;
use crate::pg::spi::{self, Arg, Declared, Row, Snapshot};
use crate::sealed::read;
use crate::statement;

statement! {
    EVALUATIONS = include_str!("evaluations.sql");

    LATEST_DSD = include_str!("latest_dsd.sql");

    SHARED_BY = "SELECT l.user_id FROM public.shared_links l WHERE l.token = $1 AND l.expires_at > pg_catalog.now()";

    IS_VALID = "SELECT l.expires_at > pg_catalog.now() FROM public.shared_links l WHERE l.token = $1";
}

/// A new secret for a shared link: 64 hexadecimal characters from 32 bytes of
/// the system's random generator. The default of `shared_links.token`.
#[pg_extern(sql = false)]
fn new_share_token() -> String {
    hex::encode(random::bytes::<32>())
}

/// A token as links have it: 64 hexadecimal characters.
struct Token<'call>(&'call str);

impl<'call> Token<'call> {
    const LENGTH: usize = 64;

    /// `None` for what is no token: it opens nothing, even if a row from before
    /// the constraint holds it. The look-up is by the index on the token, whose
    /// comparisons do not take constant time: what an attacker would learn from
    /// them is the order of entries among 2^256 possible ones.
    fn presented(argument: Option<TextArg<'call>>) -> Option<Self> {
        let text = argument?.as_str();
        (text.len() == Self::LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(Self(text))
    }

    fn as_arg(&self) -> Arg<'call> {
        Arg::from(self.0)
    }
}

/// The rows of a statement that a token opens, each read by `row`, whose last column is the id of
/// an evaluation; none where the token opens nothing. A sealed value is opened only if it belongs to
/// the dentist who shares.
fn shared<T>(
    function: &str,
    token: &Token<'_>,
    statement: &'static Declared,
    (id, row): (i32, impl Fn(&Row<'_>) -> Result<T>),
) -> Result<Vec<T>> {
    spi::connected(|spi| {
        let dentist: Option<Uuid> = spi.query(&SHARED_BY, Snapshot::Caller, &[token.as_arg()])?.one()?;
        let Some(dentist) = dentist else {
            return Ok(Vec::new());
        };
        let read: Vec<(Uuid, T)> = read::for_dentist(dentist, || {
            let rows = spi.query(statement, Snapshot::Caller, &[token.as_arg()])?;
            rows.iter().map(|shared| Ok((shared.expect(id)?, row(&shared)?))).collect::<Result<_>>()
        })?;
        let (evaluations, rows): (Vec<Uuid>, Vec<T>) = read.into_iter().unzip();
        if !evaluations.is_empty() {
            access::log_read(function, &[("dentist", &[dentist]), ("evaluations", &evaluations)])?;
        }
        Ok(rows)
    })
}

/// The evaluations that a token opens, ordered by tooth; none for a token that
/// is malformed, unknown, expired or NULL. For everyone.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // the shape pgrx needs to see
fn get_shared_evaluation(
    p_token: Option<TextArg<'_>>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(tooth, Option<Text>),
            name!(treatment_type, Option<Text>),
            name!(cavity_class, Option<Text>),
            name!(status, Option<Text>),
            name!(ai_treatment_indication, Option<Text>),
            name!(created_at, Option<TimestampWithTimeZone>),
            name!(clinic_name, Option<Text>),
            name!(patient_document, Option<Jsonb>),
        ),
    >,
    ErrorReport,
> {
    let Some(token) = Token::presented(p_token) else {
        return Ok(TableIterator::empty());
    };
    let evaluation = |row: &Row<'_>| {
        Ok((
            row.text(1)?,
            row.text(2)?,
            row.text(3)?,
            row.text(4)?,
            row.text(5)?,
            row.get(6)?,
            row.text(7)?,
            row.jsonb(8)?,
        ))
    };
    Ok(TableIterator::new(shared("get_shared_evaluation", &token, &EVALUATIONS, (9, evaluation))?))
}

/// The latest smile design of the session that a token opens: one row, or none
/// where [`get_shared_evaluation`] returns none. For everyone.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)] // the shape pgrx needs to see
fn get_shared_dsd(
    p_token: Option<TextArg<'_>>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(dsd_analysis, Option<Jsonb>),
            name!(dsd_simulation_url, Option<Text>),
            name!(dsd_simulation_layers, Option<Jsonb>),
            name!(photo_frontal, Option<Text>),
        ),
    >,
    ErrorReport,
> {
    let Some(token) = Token::presented(p_token) else {
        return Ok(TableIterator::empty());
    };
    let design = |row: &Row<'_>| Ok((row.jsonb(1)?, row.text(2)?, row.jsonb(3)?, row.text(4)?));
    Ok(TableIterator::new(shared("get_shared_dsd", &token, &LATEST_DSD, (5, design))?))
}

/// `valid`, `expired` or `not_found`; a malformed token is `not_found`, and so
/// is NULL. For everyone.
#[pg_extern(sql = false)]
fn check_shared_link_status(p_token: Option<TextArg<'_>>) -> Result<&'static str, ErrorReport> {
    const NOT_FOUND: &str = "not_found";
    let Some(token) = Token::presented(p_token) else {
        return Ok(NOT_FOUND);
    };
    let is_valid: Option<bool> =
        spi::connected(|spi| spi.query(&IS_VALID, Snapshot::Caller, &[token.as_arg()])?.one())?;
    Ok(match is_valid {
        Some(true) => "valid",
        Some(false) => "expired",
        None => NOT_FOUND,
    })
}
