//! A server whose environment asks Rust for backtraces: errors must not carry one.

use auria_tests::{ClusterOptions, refused_with};

#[test]
fn no_error_carries_a_backtrace_whatever_the_environment_of_the_server() {
    for (variable, value, preload) in
        [("RUST_BACKTRACE", "1", ""), ("RUST_BACKTRACE", "full", "auria_pg"), ("RUST_LIB_BACKTRACE", "1", "")]
    {
        let cluster =
            ClusterOptions::default().environment(variable, value).setting("shared_preload_libraries", preload).start();
        let db = cluster.database();
        // The library is called with fewer arguments than its function takes: a panic in Rust. Only a superuser
        // can declare such a function.
        db.superuser().run(
            "CREATE FUNCTION public.called_wrongly() RETURNS boolean LANGUAGE c \
                     AS '$libdir/auria_pg', 'use_credits_wrapper'; \
                 GRANT EXECUTE ON FUNCTION public.called_wrongly() TO service_role",
        );
        let mut service = db.service();
        for (statement, sqlstate, detail) in [
            // PostgreSQL's own error, two of the extension's, and a panic.
            ("SET TRANSACTION READ ONLY; SELECT public.use_credits(gen_random_uuid(), 'case_analysis')", "25006", None),
            ("SELECT public.use_credits(NULL, 'case_analysis')", "22004", None),
            ("SELECT public.add_bonus_credits(gen_random_uuid(), -1)", "22023", Some("-1 credits were asked for.")),
            ("SELECT public.called_wrongly()", "XX000", None),
        ] {
            let refusal = refused_with(service.batch_execute(statement), sqlstate);
            assert_eq!(refusal.detail(), detail, "{variable}={value}, {statement}");
            let whole = format!("{refusal:?}");
            for trace in ["stack backtrace", "rust_begin_unwind", "library/std", "   0: "] {
                assert!(!whole.contains(trace), "{variable}={value}: {whole}");
            }
        }
        let log = cluster.log();
        assert!(log.contains("auria_pg: panic at "), "{log}");
        assert!(!log.contains("rust_begin_unwind"), "{log}");
    }
}
