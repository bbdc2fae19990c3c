//! Tests that need more than one PostgreSQL: programs that `make test-matrix` installs, servers of other versions. Compiled
//! with the feature `matrix`.

mod assertions;
mod exporter;
mod pg_upgrade;
mod pooling;
