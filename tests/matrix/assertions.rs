//! Only a PostgreSQL with assertions can show this: it can forget what it caches of the catalogue whenever it may.

use auria_tests::{Session, database};

/// A session whose backend forgets its caches at each of these moments.
fn forget(session: &mut Session) {
    session.run("SET debug_discard_caches = 1");
}

#[test]
fn a_charge_an_encrypted_insert_and_a_sealed_update_work_while_every_cache_is_discarded() {
    let db = database();
    let user = db.sign_up_on_plan("ana@clinica.example", "price_pro_monthly_v2");
    let mut session = db.superuser();
    session.run(&format!("SELECT public.use_credits('{user}', 'case_analysis')"));
    forget(&mut session);
    let reference = uuid::Uuid::new_v4();
    for call in [
        format!("use_credits('{user}', 'case_analysis')"),
        format!("use_credits('{user}', 'dsd_simulation', '{reference}')"),
        format!("refund_credits('{user}', 'dsd_simulation', '{reference}')"),
        format!("can_use_credits('{user}', 'case_analysis')"),
    ] {
        assert!(session.value::<bool>(&format!("SELECT public.{call}")), "{call}");
    }
    session.run(&format!("INSERT INTO public.patients (user_id, name, phone) VALUES ('{user}', 'Maria', '1')"));
    session.run("RESET debug_discard_caches");
    session.run("CALL auria.phi_seal()");
    forget(&mut session);
    session.run("UPDATE public.patients SET phone = '2'");
    session.run("RESET debug_discard_caches");
    assert_eq!(session.value::<i32>("SELECT credits_used_this_month FROM public.subscriptions"), 2);
    assert_eq!(db.authenticated(user).value::<String>("SELECT phone FROM public.patients WHERE name = 'Maria'"), "2");
}
