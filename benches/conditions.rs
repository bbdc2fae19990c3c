//! The credit functions where users are: with pgAudit preloaded, as on every Supabase, and where something makes charges go
//! by SQL.

use auria_tests::TWIN;

use crate::credits::{CALLS, users};
use crate::report::Report;
use crate::rounds::Sides;

/// Why SQL writes the rows: a statement that makes it so for new sessions, and one that ends it.
const BY_SQL: [(&str, &str, &str); 4] = [
    (
        "pgAudit records",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET pgaudit.log = ''read, write''', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET pgaudit.log', current_database()); END $$",
    ),
    (
        "a team's trigger",
        "CREATE FUNCTION bench.see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
         CREATE TRIGGER see AFTER INSERT ON public.credit_usage FOR EACH ROW EXECUTE FUNCTION bench.see()",
        "DROP TRIGGER see ON public.credit_usage",
    ),
    (
        "REPEATABLE READ",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''',
                                    current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_isolation', current_database()); END $$",
    ),
    ("a ledger in partitions", include_str!("partitions.sql"), "SELECT"),
];

/// Each function beside pgAudit that records nothing, then each that writes under each condition.
pub fn run(_: &Sides<'_>, report: &mut Report) {
    let cluster = crate::server().setting("shared_preload_libraries", "pgaudit").start();
    let (native, twin) = (cluster.database(), cluster.database());
    twin.superuser().run(TWIN);
    let sides = Sides { native: &native, twin: &twin };
    users(&sides);
    for call in &CALLS {
        call.measure(&sides, report, ", pgAudit silent", call.goal);
    }
    for (condition, begin, end) in BY_SQL {
        sides.both(&[begin]);
        for call in &CALLS {
            if let Some(goal) = call.goal_by_sql {
                call.measure(&sides, report, &format!(", by SQL: {condition}"), goal);
            }
        }
        sides.both(&[end]);
    }
}
