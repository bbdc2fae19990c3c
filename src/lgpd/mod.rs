//! What the law (LGPD, article 18) lets a person ask for: everything that is
//! stored about them, and its removal.
//!
//! | file | what |
//! |---|---|
//! | `parts` | which rows of which table belong to a person, from the catalogue |
//! | `export` | `auria.export_user()`, `auria.export_patient()` |
//! | `erase` | `auria.erase_user()`, `auria.erase_patient()` |
//! | `again` | `auria.erase_again()`: repeating erasures after a restore |
//! | `storage` | the files of a person |
//! | `log` | `auria.erasures`: what was erased, without saying whose it was |

mod again;
mod erase;
mod export;
mod log;
mod parts;
mod storage;
