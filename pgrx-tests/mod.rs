//! Tests that run inside a backend: what cannot be seen over a connection.
//!
//! `cargo pgrx test` creates the extension under the crate's name, so these
//! also hold that nothing depends on the name it was created under.

#[pgrx::pg_schema]
mod tests {
    use pgrx::PgTryBuilder;
    use pgrx::pg_sys::panic::CaughtError;
    use pgrx::pg_sys::panic::ErrorReport;
    use pgrx::prelude::*;
    use uuid::Uuid;

    use crate::args;
    use crate::error::{self, Error, Result};
    use crate::pg::caught::{Caught, Text};
    use crate::pg::spi::{self, Snapshot};
    use crate::pg::{extension, random, transaction};
    use crate::schema::POLICIES;
    use crate::statement;

    statement! {
        ECHO = "SELECT $1, $2, $3, $4, $5";
        COUNT_MARKS = "SELECT count(*) FROM pg_temp.marks";
        ADD_MARK = "INSERT INTO pg_temp.marks VALUES (1)";
    }

    fn in_spi<T>(work: impl FnOnce(&spi::Spi) -> Result<T>) -> T {
        spi::connected(work).unwrap_or_else(|error| error.raise())
    }

    #[pg_test]
    fn values_of_every_kind_go_to_sql_and_back() {
        let id = Uuid::from_bytes(random::bytes());
        in_spi(|spi| {
            let rows =
                spi.query(&ECHO, Snapshot::Caller, args![id, "çã", -7, None::<&str>, transaction::start_time()])?;
            let row = rows.first().expect("one row");
            assert_eq!(row.expect::<Uuid>(1)?, id);
            assert_eq!(row.expect::<String>(2)?, "çã");
            assert_eq!(row.expect::<i32>(3)?, -7);
            assert_eq!(row.get::<String>(4)?, None);
            assert_eq!(row.expect::<pgrx::datum::TimestampWithTimeZone>(5)?, transaction::start_time());
            Ok(())
        });
    }

    #[pg_test]
    fn a_column_read_as_another_type_is_an_error_and_not_a_guess() {
        in_spi(|spi| {
            let rows = spi.read_once("SELECT 'text'::text", &[])?;
            let row = rows.first().expect("one row");
            assert!(row.get::<i32>(1).is_err());
            assert!(row.expect::<String>(1).is_ok());
            Ok(())
        });
    }

    #[pg_test]
    fn a_statement_that_only_reads_cannot_write() {
        Spi::run("CREATE TEMPORARY TABLE marks (x integer)").expect("a temporary table");
        let refused = PgTryBuilder::new(|| {
            in_spi(|spi| spi.query(&ADD_MARK, Snapshot::Caller, &[]).map(|_| ()));
            false
        })
        .catch_others(|_| true)
        .execute();
        assert!(refused);
    }

    #[pg_test]
    fn what_an_attempt_did_is_undone_when_it_fails() {
        Spi::run("CREATE TEMPORARY TABLE marks (x integer)").expect("a temporary table");
        let marks = || -> i64 {
            in_spi(|spi| spi.query(&COUNT_MARKS, Snapshot::New, &[])?.first().expect("one row").expect(1))
        };
        let add = || spi::connected(|spi| spi.query(&ADD_MARK, Snapshot::New, &[]).map(|_| ()));
        assert!(transaction::attempt(add).is_ok());
        let assert_caught = |outcome: Result<(), Caught>, code: PgSqlErrorCode, message: &str, detail: Option<&str>| {
            let caught = outcome.expect_err("an error");
            assert_eq!(caught.code, code);
            assert_eq!(caught.message(), message);
            assert_eq!(caught.text(Text::Detail).as_deref(), detail);
        };
        assert_eq!(marks(), 1);
        let by_postgres = transaction::attempt(|| {
            add()?;
            spi::connected(|spi| spi.execute_script("SELECT 1/0"))
        });
        let division = PgSqlErrorCode::ERRCODE_DIVISION_BY_ZERO;
        assert_caught(by_postgres, division, "division by zero", None);
        let by_us = transaction::attempt(|| {
            add()?;
            Err::<(), _>(error::unknown_user())
        });
        let ours = error::unknown_user();
        assert_caught(by_us, ours.code(), ours.message_text(), ours.detail_text());
        let by_a_panic = transaction::attempt(|| {
            add()?;
            panic!("a defect")
        });
        let defect = PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
        assert_caught(by_a_panic, defect, "a defect", None);
        let by_a_team = transaction::attempt(|| {
            add()?;
            let raise = "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'PT402', HINT = 'pay'; END $$";
            spi::connected(|spi| spi.execute_script(raise))
        });
        let caught = by_a_team.expect_err("an error");
        assert_eq!(caught.code.to_string(), "PT402");
        assert_eq!(caught.text(Text::Hint).as_deref(), Some("pay"));
        assert_eq!(marks(), 1);
        let cancelled = PgTryBuilder::new(|| {
            let _ = transaction::attempt(|| {
                add()?;
                spi::connected(|spi| spi.execute_script("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$"))
            });
            None
        })
        .catch_others(|error| match error {
            CaughtError::PostgresError(report) => Some(report.sql_error_code()),
            _ => None,
        })
        .execute();
        assert_eq!(cancelled, Some(PgSqlErrorCode::ERRCODE_QUERY_CANCELED));
        assert_eq!(marks(), 1);
    }

    #[pg_test]
    fn neither_an_error_nor_a_panic_carries_a_backtrace() {
        let backtrace_of = |work: fn()| {
            PgTryBuilder::new(move || {
                work();
                true
            })
            .catch_others(|error| match error {
                CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report.backtrace().is_some(),
                CaughtError::RustPanic { ereport, .. } => ereport.backtrace().is_some(),
            })
            .execute()
        };
        assert!(!backtrace_of(|| panic!("a defect")));
        assert!(!backtrace_of(|| error::unknown_user().raise()));
        assert!(!backtrace_of(|| in_spi(|spi| spi.execute_script("SELECT 1/0"))));
    }

    #[pg_test]
    fn settings_last_as_long_as_the_work() {
        let path =
            || -> String { Spi::get_one("SELECT current_setting('search_path')").expect("a query").expect("a value") };
        let before = path();
        extension::with_settings(&[(c"search_path", c"pg_catalog")], || {
            assert_eq!(path(), "pg_catalog");
        });
        assert_eq!(path(), before);
    }

    #[pg_test]
    fn a_sqlstate_is_written_as_clients_see_it() {
        assert_eq!(error::sqlstate(PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION), "23503");
        assert_eq!(error::sqlstate(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE), "42501");
    }

    #[pg_test]
    fn every_error_carries_its_sqlstate_a_message_and_a_hint() {
        for (error, state) in [
            (error::null_argument("f", "a"), "22004"),
            (error::not_own_user("f"), "42501"),
            (error::unknown_user(), "23503"),
            (error::credits_not_positive(0), "22023"),
            (error::credits_out_of_range(), "22003"),
            (error::operation_is_reserved(), "22023"),
            (error::operation_too_long(), "22023"),
            (error::function_name_too_long(), "22023"),
            (error::unexpected_null("a column"), "XX000"),
        ] {
            assert_eq!(error::sqlstate(error.code()), state);
            let report = ErrorReport::from(error);
            assert!(!report.message().is_empty());
            assert!(report.hint().is_some_and(|hint| !hint.is_empty()), "{}", report.message());
        }
    }

    #[pg_test]
    fn an_error_keeps_its_detail_and_hint() {
        let error = Error::new(PgSqlErrorCode::ERRCODE_DATA_EXCEPTION, "m").detail("d").hint("h");
        let report = ErrorReport::from(error);
        assert_eq!((report.message(), report.detail(), report.hint()), ("m", Some("d"), Some("h")));
    }

    #[pg_test]
    fn the_policies_the_migrations_name_are_the_policies_in_force() {
        let named: Vec<String> = POLICIES.iter().map(|name| (*name).to_owned()).collect();
        let in_force: Vec<String> = in_spi(|spi| {
            let rows = spi.read_once(
                "SELECT polname::text FROM pg_catalog.pg_policy ORDER BY polname::text COLLATE \"C\"",
                &[],
            )?;
            rows.iter().map(|row| row.expect(1)).collect()
        });
        assert_eq!(named, in_force);
    }

    #[pg_test]
    fn random_bytes_do_not_repeat() {
        assert_ne!(random::bytes::<32>(), random::bytes::<32>());
    }
}
