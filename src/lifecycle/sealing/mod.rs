//! From the open layout to the sealed one and back, and migrations in a sealed database.
//!
//! | file | what |
//! |---|---|
//! | `tables` | a table becomes a stored table with a view |
//! | `seal` | `CALL auria.phi_seal()` |
//! | `unseal` | `CALL auria.phi_unseal()` |
//! | `obstacles` | what a team built on what is to go |
//! | `reopen` | migrations in a sealed database |

mod obstacles;
pub mod reopen;
mod seal;
pub mod tables;
mod unseal;
