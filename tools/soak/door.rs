//! The two ways in: PostgREST, and SQL as PostgREST speaks it. A workload writes each call once and takes either.

use std::time::Duration;

use auria_tests::{As, Cluster, Session};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::postgrest;

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Anon,
    User(Uuid),
    Service,
}

/// One call. A filter is equality of a column.
#[derive(Clone, Debug)]
pub enum Request<'a> {
    /// A function that returns one value.
    Call(&'a str, Value),
    /// A function that returns rows.
    Rows(&'a str, Value),
    Insert(&'a str, Value),
    /// An insert that changes the row that has these columns already.
    Upsert(&'a str, &'a str, Value),
    Update(&'a str, (&'a str, String), Value),
    Delete(&'a str, (&'a str, String)),
    Select(&'a str, &'a str, (&'a str, String)),
}

impl Request<'_> {
    /// How the report counts it.
    pub fn name(&self) -> String {
        match self {
            Request::Call(function, _) | Request::Rows(function, _) => format!("{function}()"),
            Request::Insert(table, _) => format!("insert {table}"),
            Request::Upsert(table, ..) => format!("upsert {table}"),
            Request::Update(table, ..) => format!("update {table}"),
            Request::Delete(table, _) => format!("delete {table}"),
            Request::Select(table, ..) => format!("select {table}"),
        }
    }
}

/// Why a call gave no answer.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server refused it with this SQLSTATE, or PostgREST with a code of its own: nothing was changed.
    Refused { code: String, message: String },
    /// There was nobody to ask: nothing was changed.
    Unreachable(String),
    /// The connection ended first: it may have been done or not.
    Unknown(String),
}

pub type Answer = Result<Value, Failure>;

pub enum Door<'a> {
    Api {
        agent: ureq::Agent,
        /// For DELETE, which an agent repeats by itself when a connection that it kept is closed before the answer: the
        /// second one finds nothing to delete. This one keeps no connection.
        once: ureq::Agent,
        url: String,
    },
    Sql {
        cluster: &'a Cluster,
        database: &'a str,
        session: Option<Box<Session>>,
    },
}

impl<'a> Door<'a> {
    pub fn api(url: String) -> Self {
        let agent = || ureq::AgentBuilder::new().timeout(Duration::from_secs(80));
        Door::Api { agent: agent().build(), once: agent().max_idle_connections(0).build(), url }
    }

    pub fn sql(cluster: &'a Cluster, database: &'a str) -> Self {
        Door::Sql { cluster, database, session: None }
    }

    pub fn call(&mut self, who: Who, request: &Request<'_>) -> Answer {
        match self {
            Door::Api { agent, once, url } => {
                let is_delete = matches!(request, Request::Delete(..));
                through_postgrest(if is_delete { once } else { agent }, url, who, request)
            }
            Door::Sql { .. } => self.through_sql(who, request, "COMMIT"),
        }
    }

    /// Does it and rolls it back; `None` where the way in cannot.
    pub fn rolled_back(&mut self, who: Who, request: &Request<'_>) -> Option<Answer> {
        match self {
            Door::Api { .. } => None,
            Door::Sql { .. } => Some(self.through_sql(who, request, "ROLLBACK")),
        }
    }

    fn through_sql(&mut self, who: Who, request: &Request<'_>, end: &str) -> Answer {
        let Door::Sql { cluster, database, session } = self else {
            unreachable!("asked for SQL only");
        };
        if session.as_ref().is_none_or(|session| session.is_closed()) {
            *session = None;
            let opened = cluster.try_session(database, As::Anon);
            *session = Some(Box::new(opened.map_err(|error| Failure::Unreachable(error.to_string()))?));
        }
        let Some(open) = session.as_mut() else {
            unreachable!("just opened");
        };
        let answer = transaction(open, who, request, end);
        if let Err(error) = &answer {
            let failure = of_postgres(error);
            let is_lost = matches!(failure, Failure::Unknown(_));
            if is_lost || open.batch_execute("ROLLBACK").is_err() {
                *session = None;
            }
            return Err(failure);
        }
        Ok(answer.unwrap_or_default())
    }
}

fn transaction(session: &mut Session, who: Who, request: &Request<'_>, end: &str) -> Result<Value, postgres::Error> {
    let (role, claims) = claims(who);
    session.batch_execute(&format!(
        "BEGIN; SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', {}, true)",
        quoted(&claims.to_string())
    ))?;
    let rows = session.query(&statement(request), &[])?;
    let value = rows.first().and_then(|row| row.get::<_, Option<Value>>(0)).unwrap_or(Value::Null);
    session.batch_execute(end)?;
    Ok(value)
}

pub fn of_postgres(error: &postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(refusal)
            if !matches!(refusal.severity(), "FATAL" | "PANIC") && !refusal.code().code().starts_with("57P") =>
        {
            Failure::Refused { code: refusal.code().code().to_owned(), message: refusal.to_string() }
        }
        _ => Failure::Unknown(error.to_string()),
    }
}

/// Functions without a result.
const VOID: [&str; 2] = ["add_bonus_credits", "increment_case_usage"];

fn claims(who: Who) -> (&'static str, Value) {
    match who {
        Who::Anon => ("anon", json!({"role": "anon"})),
        Who::Service => ("service_role", json!({"role": "service_role"})),
        Who::User(id) => ("authenticated", json!({"role": "authenticated", "sub": id.to_string()})),
    }
}

fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("a row is an object")
}

/// The statement whose only value is the answer as JSON.
fn statement(request: &Request<'_>) -> String {
    let arguments = |given: &Value| -> String {
        object(given).iter().map(|(name, value)| format!("{name} => {}", literal(value))).collect::<Vec<_>>().join(", ")
    };
    let insert = |table: &str, row: &Value| -> String {
        let names = object(row).keys().cloned().collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO public.{table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::public.{table}, {}::jsonb)",
            quoted(&row.to_string())
        )
    };
    let returning = |change: String, table: &str| {
        format!(
            "WITH changed AS ({change} RETURNING {table}.*) SELECT coalesce(jsonb_agg(to_jsonb(changed)), '[]') FROM changed"
        )
    };
    match request {
        Request::Call(function, given) if VOID.contains(function) => {
            format!("SELECT NULL::jsonb FROM public.{function}({})", arguments(given))
        }
        Request::Call(function, given) => {
            format!("SELECT to_jsonb(public.{function}({}))", arguments(given))
        }
        Request::Rows(function, given) => {
            format!("SELECT coalesce(jsonb_agg(to_jsonb(f)), '[]') FROM public.{function}({}) AS f", arguments(given))
        }
        Request::Insert(table, row) => returning(insert(table, row), table),
        Request::Upsert(table, keys, row) => {
            let updates =
                object(row).keys().map(|name| format!("{name} = EXCLUDED.{name}")).collect::<Vec<_>>().join(", ");
            returning(format!("{} ON CONFLICT ({keys}) DO UPDATE SET {updates}", insert(table, row)), table)
        }
        Request::Update(table, (column, value), row) => {
            let names = object(row).keys().cloned().collect::<Vec<_>>();
            let updates = names.iter().map(|name| format!("{name} = given.{name}")).collect::<Vec<_>>().join(", ");
            returning(
                format!(
                    "UPDATE public.{table} SET {updates} FROM jsonb_populate_record(NULL::public.{table}, {}::jsonb) AS given WHERE {table}.{column} = {}",
                    quoted(&row.to_string()),
                    quoted(value)
                ),
                table,
            )
        }
        Request::Delete(table, (column, value)) => {
            returning(format!("DELETE FROM public.{table} WHERE {column} = {}", quoted(value)), table)
        }
        Request::Select(table, columns, (column, value)) => format!(
            "SELECT coalesce(jsonb_agg(to_jsonb(found)), '[]') FROM (SELECT {columns} FROM public.{table} WHERE {column} = {}) AS found",
            quoted(value)
        ),
    }
}

fn through_postgrest(agent: &ureq::Agent, url: &str, who: Who, request: &Request<'_>) -> Answer {
    let (method, path, body, prefer) = match request {
        Request::Call(function, given) | Request::Rows(function, given) => {
            ("POST", format!("rpc/{function}"), Some(given), "")
        }
        Request::Insert(table, row) => ("POST", (*table).to_owned(), Some(row), "return=representation"),
        Request::Upsert(table, keys, row) => (
            "POST",
            format!("{table}?on_conflict={}", keys.replace(' ', "")),
            Some(row),
            "return=representation,resolution=merge-duplicates",
        ),
        Request::Update(table, (column, value), row) => {
            ("PATCH", format!("{table}?{column}=eq.{value}"), Some(row), "return=representation")
        }
        Request::Delete(table, (column, value)) => {
            ("DELETE", format!("{table}?{column}=eq.{value}"), None, "return=representation")
        }
        Request::Select(table, columns, (column, value)) => {
            ("GET", format!("{table}?select={}&{column}=eq.{value}", columns.replace(' ', "")), None, "")
        }
    };
    let (_, claims) = claims(who);
    let mut call = agent
        .request(method, &format!("{url}/{path}"))
        .set("Authorization", &format!("Bearer {}", postgrest::token(claims)));
    if !prefer.is_empty() {
        call = call.set("Prefer", prefer);
    }
    let answer = match body {
        Some(body) => call.send_json(body),
        None => call.call(),
    };
    match answer {
        Ok(response) => {
            let text = response.into_string().map_err(|error| Failure::Unknown(error.to_string()))?;
            if text.is_empty() {
                return Ok(Value::Null);
            }
            serde_json::from_str(&text).map_err(|error| Failure::Unknown(format!("{error}: {text}")))
        }
        Err(ureq::Error::Status(status, response)) => {
            let text = response.into_string().unwrap_or_default();
            let error: Value = serde_json::from_str(&text).unwrap_or_default();
            let code = error["code"].as_str().unwrap_or_default().to_owned();
            let message = format!("{status} {text}");
            // PGRST0xx: PostgREST has no connection, or lost it in the middle.
            let is_answer = code.len() == 5 && !code.starts_with("57P") && !code.starts_with("08")
                || code.starts_with("PGRST") && !code.starts_with("PGRST0");
            Err(if is_answer { Failure::Refused { code, message } } else { Failure::Unknown(message) })
        }
        Err(error) if error.kind() == ureq::ErrorKind::ConnectionFailed => Err(Failure::Unreachable(error.to_string())),
        Err(error) => Err(Failure::Unknown(error.to_string())),
    }
}
