//! Credits: the functions, what they refuse, races, and the monthly reset.

/// Runs tests three times, each in a new database: with tables that rows are written to without SQL, with tables that have
/// a trigger, which does nothing, so that SQL does it, and with such a trigger on the ledger alone.
macro_rules! all_ways {
    ($($test:ident,)+) => {
        mod by_rows {
            $(#[test]
            fn $test() {
                super::$test(&auria_tests::database());
            })+
        }

        mod by_sql {
            $(#[test]
            fn $test() {
                let db = auria_tests::database();
                crate::credits::make_sql_necessary(&mut db.superuser());
                super::$test(&db);
            })+
        }

        mod by_sql_on_the_ledger_alone {
            $(#[test]
            fn $test() {
                let db = auria_tests::database();
                crate::credits::make_sql_necessary_on(&["credit_usage"], &mut db.superuser());
                super::$test(&db);
            })+
        }
    };
}

mod account;
mod cached;
pub(crate) mod direct;
mod free_tier;
pub mod functions;
mod histories;
mod ledger;
mod plan_change;
mod prices;
mod races;
mod rate_limits;
mod refusals;
mod reset_in_batches;
mod retries;
mod settlement;

use auria_tests::Session;

fn make_sql_necessary(dba: &mut Session) {
    make_sql_necessary_on(&["subscriptions", "credit_usage", "rate_limits"], dba);
}

fn make_sql_necessary_on(tables: &[&str], dba: &mut Session) {
    dba.run("CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$");
    for table in tables {
        dba.run(&format!(
            "CREATE TRIGGER nothing AFTER INSERT OR UPDATE ON public.{table} EXECUTE FUNCTION public.nothing()"
        ));
    }
}
