//! The sealed layout: tables whose patient data stands nowhere in the clear,
//! and views in their place that clients use as they used the tables.
//!
//! | file | what |
//! |---|---|
//! | `read` | opening a value for whoever may see it |
//! | `write` | the trigger functions of the views, and the guard of the tables |
//! | `layout` | from tables to stored tables with views, and back |
//! | `seal` | `CALL auria.phi_seal()` |
//! | `unseal` | `CALL auria.phi_unseal()` |
//! | `obstacles` | what a team built on what is to go |
//! | `reopen` | migrations in a sealed database |

pub mod layout;
mod obstacles;
pub mod read;
pub mod reopen;
mod seal;
mod unseal;
mod write;
