//! The sealed layout: tables whose patient data stands nowhere in the clear,
//! and views in their place that clients use as they used the tables.
//!
//! | file | what |
//! |---|---|
//! | `read` | opening a value for whoever may see it |
//! | `write` | the trigger functions of the views, and the guard of the tables |
//! | `stored` | what a stored table is |

pub mod read;
mod stored;
mod write;
