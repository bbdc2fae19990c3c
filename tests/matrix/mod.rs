//! What takes more than a PostgreSQL: programs that `make test-matrix` installs, servers of other versions, libraries of
//! released ones. Compiled with the feature `matrix`.

mod pg_upgrade;
mod pooling;
mod released_library;
