//! Settings (GUCs). All can be set by a superuser only, and are shown to
//! superusers only where they name a place of a secret.

use std::ffi::CString;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// Which functions CREATE EXTENSION replaces (`auria.adopt_functions`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, PostgresGucEnum)]
pub enum AdoptFunctions {
    /// Those that the original shipped.
    #[name = c"known"]
    Known,
    /// Every function with the signature of a managed one.
    #[name = c"all"]
    All,
}

static PHI_KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static PHI_PREVIOUS_KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static ADOPT_FUNCTIONS: GucSetting<AdoptFunctions> = GucSetting::<AdoptFunctions>::new(AdoptFunctions::Known);
static SIGN_UP_PLAN: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static SIGN_UP_BONUS: GucSetting<i32> = GucSetting::<i32>::new(0);
static LOG_READS: GucSetting<bool> = GucSetting::<bool>::new(false);
static TRUSTED_OWNERS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// Registers the settings; called once, when the library is loaded.
///
/// A value that an API role set before the library was loaded is thrown away
/// by PostgreSQL when the setting turns out to be superuser-only.
pub fn register() {
    // Not NOT_WHILE_SEC_REST: where the first call of the session comes from
    // within a SECURITY DEFINER function, PostgreSQL would throw away even what
    // the configuration file says.
    let secret_place = GucFlags::SUPERUSER_ONLY;
    GucRegistry::define_string_guc(
        c"auria.phi_key_file",
        c"File whose first line is the secret that encrypts patient data.",
        c"Absolute path; the file must belong to the server's account and be closed to others, or to root and be readable by the server's group at most.",
        &PHI_KEY_FILE,
        GucContext::Suset,
        secret_place,
    );
    GucRegistry::define_string_guc(
        c"auria.phi_previous_key_file",
        c"File whose first line is the secret used before the last rotation.",
        c"Tried for reading when the current secret does not fit.",
        &PHI_PREVIOUS_KEY_FILE,
        GucContext::Suset,
        secret_place,
    );
    GucRegistry::define_string_guc(
        c"auria.trusted_owners",
        c"Roles, separated by commas, whose tables and functions CREATE EXTENSION may adopt.",
        c"Beside the installing role, superusers and the owner of the database.",
        &TRUSTED_OWNERS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"auria.log_reads",
        c"Logs who reads which patient data by a function that opens it.",
        c"A line in the server's log for each share link, export and statement that opens encrypted values, with ids alone.",
        &LOG_READS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"auria.adopt_functions",
        c"Which functions CREATE EXTENSION replaces in an existing database.",
        c"known: those that the original shipped, recognised by their body; all: every function with the signature of a managed one.",
        &ADOPT_FUNCTIONS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"auria.sign_up_plan",
        c"Plan of the subscription that each new account gets.",
        c"An id of public.subscription_plans; empty for none.",
        &SIGN_UP_PLAN,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"auria.sign_up_bonus",
        c"Bonus credits of the subscription that each new account gets.",
        c"Counts where auria.sign_up_plan names a plan.",
        &SIGN_UP_BONUS,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::default(),
    );
    crate::pg::extension::reserve_setting_prefix(c"auria");
}

/// The path in `auria.phi_key_file`; `None` when unset or empty.
pub fn phi_key_file() -> Option<String> {
    text(&PHI_KEY_FILE)
}

/// The path in `auria.phi_previous_key_file`; `None` when unset or empty.
pub fn phi_previous_key_file() -> Option<String> {
    text(&PHI_PREVIOUS_KEY_FILE)
}

/// The plan in `auria.sign_up_plan`; `None` when unset or empty.
pub fn sign_up_plan() -> Option<String> {
    text(&SIGN_UP_PLAN)
}

/// The credits in `auria.sign_up_bonus`.
pub fn sign_up_bonus() -> i32 {
    SIGN_UP_BONUS.get()
}

/// The value of `auria.adopt_functions`.
pub fn adopt_functions() -> AdoptFunctions {
    ADOPT_FUNCTIONS.get()
}

/// The value of `auria.log_reads`.
pub fn log_reads() -> bool {
    LOG_READS.get()
}

/// The role names in `auria.trusted_owners`.
pub fn trusted_owners() -> Vec<String> {
    text(&TRUSTED_OWNERS)
        .map(|list| list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
        .unwrap_or_default()
}

fn text(setting: &GucSetting<Option<CString>>) -> Option<String> {
    setting.get().map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}
