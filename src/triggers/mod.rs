//! The trigger functions of schema `public`. Nobody may call them directly;
//! a trigger needs no EXECUTE right of the role whose statement fires it.

mod created_at;
mod draft;
mod encrypt_phi;
pub mod new_user;
mod subscription;
pub mod updated_at;
