//! The vocabulary of errors: every refusal this extension raises by itself is
//! made by one constructor here, with its SQLSTATE, message, detail and hint.
//!
//! No constructor takes patient data, key material or a share token, so none
//! can reach a message or the server log.

use std::borrow::Cow;
use std::fmt::{self, Write};

use auria_credits::STATUSES;
use pgrx::PgSqlErrorCode;

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    code: PgSqlErrorCode,
    message: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
    hint: Option<Cow<'static, str>>,
    object: Option<Box<Object>>,
}

/// A table of schema public, and what of it an error is about: clients read them as fields of the error.
#[derive(Clone, Debug)]
pub struct Object {
    /// The table.
    pub table: String,
    /// Its column.
    pub column: Option<String>,
    /// Its constraint.
    pub constraint: Option<String>,
}

/// What a caller may have to decide by. A SQLSTATE is for clients: several
/// situations share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A stored value that the secret at hand does not open.
    WrongKeyOrCorrupt,
    /// A stored value that no secret makes readable.
    StoredValue,
    /// Anything else.
    Other,
}

/// What functions inside the extension return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

impl Error {
    /// An error with a SQLSTATE and a message; detail and hint come by
    /// [`Error::detail`] and [`Error::hint`].
    pub fn new(code: PgSqlErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Other, code, message: message.into(), detail: None, hint: None, object: None }
    }

    fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
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

    fn of_column(self, table: &str, column: &str) -> Self {
        self.of(Object { table: table.to_owned(), column: Some(column.to_owned()), constraint: None })
    }

    fn of_constraint(self, table: &str, constraint: &str) -> Self {
        self.of(Object { table: table.to_owned(), column: None, constraint: Some(constraint.to_owned()) })
    }

    fn of(mut self, object: Object) -> Self {
        self.object = Some(Box::new(object));
        self
    }

    /// The SQLSTATE.
    pub fn code(&self) -> PgSqlErrorCode {
        self.code
    }

    /// The primary message.
    pub fn message_text(&self) -> &str {
        &self.message
    }

    /// The DETAIL, if there is one.
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The hint, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Message and detail in one line, for a report.
    pub fn summary(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}: {detail}", self.message),
            None => self.message.clone().into_owned(),
        }
    }

    /// The hint, for a report; empty where there is none.
    pub fn advice(&self) -> &str {
        self.hint.as_deref().unwrap_or_default()
    }

    /// Whether it is [`phi_wrong_key_or_corrupt`].
    pub fn is_wrong_key_or_corrupt(&self) -> bool {
        self.kind == Kind::WrongKeyOrCorrupt
    }

    /// Whether it is about a stored value that cannot be read, rather than
    /// about the key or the database.
    pub fn is_about_a_stored_value(&self) -> bool {
        matches!(self.kind, Kind::WrongKeyOrCorrupt | Kind::StoredValue)
    }

    /// What the error is about, for clients to read as its fields.
    pub fn object(&self) -> Option<&Object> {
        self.object.as_deref()
    }
}

/// A SQLSTATE: any five characters, where [`PgSqlErrorCode`] has those alone
/// that PostgreSQL raises by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqlState(i32);

impl SqlState {
    /// As PostgreSQL packs it: six bits for each character, the first one lowest.
    pub fn of_packed(packed: i32) -> Self {
        Self(packed)
    }

    /// The same.
    pub fn packed(self) -> i32 {
        self.0
    }

    /// Whether these are its first two characters.
    pub fn is_of_class(self, class: &str) -> bool {
        self.to_string().starts_with(class)
    }
}

impl From<PgSqlErrorCode> for SqlState {
    fn from(code: PgSqlErrorCode) -> Self {
        Self(code as i32)
    }
}

impl From<SqlState> for PgSqlErrorCode {
    /// XX000 for a code that is not in its list.
    fn from(code: SqlState) -> Self {
        Self::from(code.0)
    }
}

impl PartialEq<PgSqlErrorCode> for SqlState {
    fn eq(&self, code: &PgSqlErrorCode) -> bool {
        *self == Self::from(*code)
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..5).try_for_each(|place| formatter.write_char(char::from(b'0' + ((self.0 >> (6 * place)) & 0x3f) as u8)))
    }
}

/// The five characters of a SQLSTATE, as clients see them.
pub fn sqlstate(code: impl Into<SqlState>) -> String {
    code.into().to_string()
}

/// 22004: an argument that is required was NULL.
pub fn null_argument(function: &str, argument: &str) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} must not be null"))
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

/// 42501: a client of the API called what is the backend's alone.
pub fn for_the_backend_alone(function: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("{function}() is for the backend alone, and not for anon and authenticated"),
    )
    .hint(
        "Call it as service_role. If the role was granted EXECUTE, a superuser can run \
         SELECT * FROM auria.migrate(again => true), which puts the grants right.",
    )
}

/// 42501: a client of the API tried to change when a row was created.
pub fn created_at_is_the_servers(table: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("created_at of table \"{table}\" cannot be changed"),
    )
    .hint("Leave created_at out of the UPDATE, or send the stored value.")
}

/// 23503: the user id is not in `auth.users`.
pub fn unknown_user() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION, "there is no user with this id")
        .detail("The id passed as p_user_id is not in auth.users.")
        .hint("Pass the id of a user who signed up and was not deleted.")
}

/// 22023: a purchase of no credits, or of less than none.
pub fn credits_not_positive(credits: i32) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "p_credits must be positive")
        .detail(format!("{credits} credits were asked for."))
        .hint("Use refund_credits() to give back what an operation cost.")
}

/// 55000: the database's schema is older than the library and cannot do this yet.
pub fn schema_is_older() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "the extension auria in this database is older than its library",
    )
    .detail("Charges, refunds and purchases go on; months and changes of a plan wait for the update.")
    .hint("Run ALTER EXTENSION auria UPDATE.")
}

/// 22023: a reference that names no purchase.
pub fn reference_of_wrong_length() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "p_reference is empty or too long")
        .hint("Pass the id of Stripe's session or payment: 1 to 200 octets.")
}

/// 22003: a counter would leave the range of its integer column.
pub fn credits_out_of_range() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "credit counter out of range")
        .detail("The new value does not fit into a column of type integer.")
        .hint("Nothing was changed. Check the amount, and the subscription's counters.")
}

/// 22023: an operation name that the ledger writes by itself.
pub fn operation_is_reserved() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "p_operation must not be \"plan_change\" or end in \"_refund\"",
    )
    .detail("The ledger writes changes of plan and refunds under these names.")
    .hint("Call refund_credits() with the name of the operation that was charged.")
}

/// 09000: a trigger suppressed an update that the ledger depends on.
pub fn kept_by_a_trigger() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_TRIGGERED_ACTION_EXCEPTION, "a trigger kept the subscription from being written")
        .detail("Counter and ledger would disagree. Nothing was changed.")
        .hint("Look for a BEFORE trigger on subscriptions, credit_usage or credit_events that returns NULL.")
}

/// 23514: a status of a subscription that nobody knows.
pub fn unknown_status() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_CHECK_VIOLATION, "unknown status of a subscription")
        .detail(format!("It must be one of {}.", STATUSES.join(", ")))
        .hint("Write Stripe's word as it comes.")
        .of_column("subscriptions", "status")
}

/// 40001: what this transaction needs was changed after its snapshot.
pub fn not_serialisable() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE, "could not serialize access due to concurrent update")
        .hint("Run the transaction again.")
}

/// 22023: text too long to be the name of an operation.
pub fn operation_too_long() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "p_operation is too long")
        .detail("The name of an operation has at most 200 bytes.")
        .hint("Pass a name such as case_analysis or dsd_simulation.")
}

/// 22023: text too long to be the name of a function.
pub fn function_name_too_long() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "p_function_name is too long")
        .detail("The name of a function has at most 200 bytes.")
        .hint("Pass the name of the Edge Function whose requests are counted.")
}

/// 55000: neither Vault nor a key file gives the secret for patient data.
pub fn phi_key_missing() -> Error {
    phi_key_state("there is no key for patient data").hint(
        "Store a secret named phi_encryption_key in Supabase Vault (vault.create_secret), or have \
         a superuser set auria.phi_key_file to a file whose first line is the secret.",
    )
}

/// 55000: the secret that was found opens nothing that is stored.
pub fn phi_key_of_other_data() -> Error {
    phi_key_state("the key for patient data opens none of the stored values").hint(
        "Store the secret that the values were encrypted with under the name phi_encryption_key, or \
         under phi_encryption_key_previous if it was replaced.",
    )
}

/// 55000: the secret that was found cannot be used.
pub fn phi_key_refused(place: &'static str, reason: &'static str) -> Error {
    phi_key_state("the key for patient data was refused").detail(format!("{place} {reason}.")).hint(
        "A key is one line of 16 bytes or more, as openssl rand -base64 32 makes it; a key \
             file is a regular file with an absolute path, owned by the server's account, mode 0600, or by \
             root and readable by the server's group, mode 0640.",
    )
}

/// 55000: Supabase Vault raised an error instead of giving its secret.
pub fn phi_vault_failed(message: &str) -> Error {
    phi_key_state("Supabase Vault does not give the key for patient data")
        .detail(format!("Vault says: {message}"))
        .hint(
            "Vault has to be in shared_preload_libraries, with the root key that the secret was \
             stored under: a restored or copied project needs the root key of the original. If the \
             secret is damaged, store it again with vault.update_secret.",
        )
}

/// 42501: anyone who may create a schema could otherwise plant a key.
pub fn phi_vault_untrusted() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "vault.decrypted_secrets is not Supabase Vault's")
        .detail(
            "It, or its schema, belongs to a role that is no superuser and owns neither the database \
         nor the AURIA schema.",
        )
        .hint(
            "Drop it, or, if you trust what it does, give it to a superuser or name its owner in \
         auria.trusted_owners.",
        )
}

fn phi_key_state(message: &'static str) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

/// 39000: one message for a key that does not fit and for damaged data.
pub fn phi_wrong_key_or_corrupt() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION, "wrong key or corrupt data")
        .of_kind(Kind::WrongKeyOrCorrupt)
        .hint(
            "If the key was changed, keep the previous one as phi_encryption_key_previous in Vault or \
         in auria.phi_previous_key_file until CALL auria.phi_backfill() is through.",
        )
}

/// 39000: a value in a dentist's row that may be another one's.
pub fn phi_of_another() -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION,
        "an encrypted value does not belong to the user whose row it is in",
    )
    .detail("It names another user, or it names nobody and has no integrity protection.")
    .hint(
        "SELECT * FROM auria.phi_status() counts such values as differing or unreadable. Write the value again \
         through the view, or set its encrypted column to NULL as service_role.",
    )
}

/// 54000: a plaintext above the limit, or a message that becomes one.
pub fn phi_too_large() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "encrypted value exceeds the size limit")
        .of_kind(Kind::StoredValue)
        .detail("A plaintext has at most 16 MiB, after decompression.")
        .hint("Store what is larger outside of the patient's record.")
}

/// 54000: packets within packets beyond what any writer makes.
pub fn phi_too_deep() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "encrypted value exceeds the nesting limit")
        .of_kind(Kind::StoredValue)
        .hint("No writer nests packets this deep: find out where the value came from.")
}

/// 54000: a message whose keys would take too long to derive.
pub fn phi_too_costly() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "encrypted value exceeds the work limit")
        .of_kind(Kind::StoredValue)
        .detail("Deriving the keys of one value may hash 65,011,712 octets, all its passphrases together.")
        .hint("No writer needs more than one passphrase: find out where the value came from.")
}

/// 53200: there is no memory for a value.
pub fn out_of_memory() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory")
        .detail("There is no memory for a value of patient data.")
        .hint("Nothing was changed. Try again, or give the server more memory.")
}

/// 53200: there is no memory to copy an error to.
pub fn out_of_memory_for_an_error() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory")
        .detail("There is no memory for the text of an error.")
        .hint("Nothing was changed. Try again, or give the server more memory.")
}

/// 42501: the encrypted columns are the triggers' to write.
pub fn phi_ciphertext_refused(table: &str, column: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("column \"{column}\" of table \"{table}\" cannot be written directly"),
    )
    .detail("The value is not the encrypted form of the plain value in the same row.")
    .hint("Write the plain column alone: a trigger encrypts it.")
    .of_column(table, column)
}

/// 42501: the stored tables of the sealed layout are written through the views.
pub fn write_through_view(table: &str) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, format!("table \"{table}\" cannot be written directly"))
        .hint("Write to the view of schema public in its place: it encrypts.")
}

/// 55000: what is written to a view while no INSTEAD OF trigger fires.
pub fn write_is_stored_nowhere(view: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("what is written to view \"{view}\" would be stored nowhere"),
    )
    .detail("session_replication_role is replica: PostgreSQL fires no trigger of a view then, and reports success.")
    .hint(format!(
        "SET session_replication_role = origin for what is written to this view: its triggers encrypt and store it. \
         A dump of a sealed database writes to auria_raw.{view}_raw instead.",
    ))
}

/// 42501, with PostgreSQL's own message for a table.
pub fn row_security_violated(table: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("new row violates row-level security policy for table \"{table}\""),
    )
}

/// 23502, with PostgreSQL's own message for a table.
pub fn null_in_column(table: &str, column: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"),
    )
    .of_column(table, column)
}

/// 54000: as the index of this constraint over names would refuse it in the open layout.
pub fn name_too_long(longest: usize, table: &str, constraint: &str) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the name of a patient is too long")
        .detail(format!("It has more than {longest} octets."))
        .hint("Write a shorter name, and what else there is to say to the notes.")
        .of_constraint(table, constraint)
}

/// 22021: an intact message whose content no text of PostgreSQL can hold.
pub fn phi_not_text() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "encrypted value is not text")
        .of_kind(Kind::StoredValue)
        .detail("It was decrypted, and is not valid UTF-8 or holds a zero byte.")
        .hint("Read it with pgcrypto's pgp_sym_decrypt_bytea().")
}

/// 0A000: the database is in another encoding than UTF8.
pub fn needs_utf8(encoding: &str) -> Error {
    Error::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "extension \"auria\" needs a database in the encoding UTF8",
    )
    .detail(format!("The encoding of this database is {encoding}. Nothing was changed."))
    .hint(
        "Make another with CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8', or \
         LOCALE 'C'; move the data with pg_dump --encoding=UTF8 and psql; create the extension there.",
    )
}

/// 22021: a text that is not UTF-8, as no UTF8 database has.
pub fn not_utf8() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "a value is not valid text in UTF-8")
        .hint("Find out where it came from: PostgreSQL lets no such text into a UTF8 database.")
}

/// 22003: a column that was widened holds more than its shipped type.
pub fn integer_out_of_range() -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a counter is out of range for type integer")
        .hint("Correct the row: credits are counted as integers.")
}

/// 42804: a managed column was changed after the installation.
pub fn column_of_other_shape(what: String) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH, what)
        .hint("SELECT * FROM auria.doctor() names the column and the statement that restores it.")
}

/// XX000: a value came back from a query that its SQL rules out.
pub fn unexpected_null(what: &str) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("unexpected null in {what}"))
        .hint("Run SELECT * FROM auria.doctor() and report its output.")
}
