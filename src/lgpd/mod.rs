//! What the law (LGPD, article 18) lets a person ask for: everything that is
//! stored about them, and its removal.
//!
//! | file | what |
//! |---|---|
//! | `parts` | which rows of which table belong to a person, from the catalogue |
//! | `export` | `auria.export_user()`, `auria.export_patient()` |
//! | `erase` | `auria.erase_user()`, `auria.erase_patient()` |
//! | `storage` | the files of a person |

mod erase;
mod export;
mod parts;
mod storage;
