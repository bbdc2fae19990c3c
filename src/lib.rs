//! x
pgrx::pg_module_magic!();
#[pgrx::pg_extern]
fn hello(a: Option<i32>) -> i32 { a.unwrap_or(1) }
#[cfg(any(test, feature = "pg_test"))]
#[path = "../pgrx-tests/mod.rs"]
mod in_backend;
#[cfg(test)]
#[allow(missing_docs)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}
    pub fn postgresql_conf_options() -> Vec<&'static str> { vec![] }
}
