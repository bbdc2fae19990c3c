//! .
pgrx::extension_sql!("SELECT 1;", name = "adopt_functions");
