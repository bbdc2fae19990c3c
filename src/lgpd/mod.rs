//! What the law (LGPD, article 18) lets a person ask for: everything that is
//! stored about them, and its removal.
//!
//! | file | what |
//! |---|---|
//! | `part` | whom a request is about, and their rows in one table |
//! | `catalogue` | the stored tables and their foreign keys |
//! | `belonging` | whose a row is, beyond what its own columns say |
//! | `order` | the order in which rows can be deleted |
//! | `parts` | which rows of which table belong to a person: the four above put together |
//! | `export` | `auria.export_user()`, `auria.export_patient()` |
//! | `erase` | `auria.erase_user()`, `auria.erase_patient()` |
//! | `report` | what an erasure reports |
//! | `again` | `auria.erase_again()`: repeating erasures after a restore |
//! | `storage` | the files of a person |
//! | `log` | `auria.erasures`: what was erased, without saying whose it was |

mod again;
mod belonging;
mod catalogue;
mod erase;
mod export;
mod log;
mod order;
mod part;
mod parts;
mod report;
mod storage;
