//! Credits: the functions, what they refuse, races, and the monthly reset.

/// Runs tests twice, each in a new database: with tables that rows are written to without SQL, and with tables that have
/// a trigger, which does nothing, so that SQL does it.
macro_rules! both_ways {
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
mod refusals;
mod reset_in_batches;
mod retries;
mod settlement;

use auria_tests::Session;

fn make_sql_necessary(dba: &mut Session) {
    dba.run(
        "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER nothing AFTER UPDATE ON public.subscriptions EXECUTE FUNCTION public.nothing();
         CREATE TRIGGER nothing AFTER UPDATE ON public.rate_limits EXECUTE FUNCTION public.nothing()",
    );
}
