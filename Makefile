# Start with `make demo` and `make test`; a DBA needs only `make install`. Each target runs a file of scripts/.

# Debian's PostgreSQL of this version. Evaluated for each target: `make setup` may just have installed it.
PG_MAJOR ?= 15
PG_CONFIG ?= $(shell ls /usr/lib/postgresql/$(PG_MAJOR)/bin/pg_config 2>/dev/null || echo pg_config)
export PG_MAJOR PG_CONFIG
DESTDIR ?=
export MINUTES SEED LAYOUT ONLY

# A shell that reads no profile does not have rustup on its PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help all build install uninstall setup setup-test setup-deb sql check-sql expected types lint test test-one test-quick test-matrix soak sqlsmith mutants test-faults soak-failover bench bench-operations demo deb dist

help:
	@echo 'make demo [KEEP=1]                    run the story of a dental practice on a throw-away server'
	@echo 'make test                             run every test'
	@echo 'make test-one T=name                  build, then run the outside tests whose names contain this'
	@echo 'make test-quick                       the rules, and access, credits, phi, install and schema from outside'
	@echo 'make bench                            measure every function beside PL/pgSQL and pgcrypto; writes docs/benchmarks.md'
	@echo 'make bench-operations                 measure installation, adoption, sealing, dump and restore at a million rows'
	@echo 'make soak [MINUTES=10] [SEED=n]       everything at once on a server that is broken in every way'
	@echo 'make sqlsmith [MINUTES=30] [SEED=n]   random queries from the catalogue'
	@echo 'make mutants                          cargo-mutants over the plain crates; hours'
	@echo 'make test-faults [ONLY=word]          faults in the sources, which the tests must notice; an hour'
	@echo 'make install PG_CONFIG=… [DESTDIR=…]  build and install for that PostgreSQL'
	@echo 'make uninstall PG_CONFIG=…            remove what install copied'
	@echo 'make sql                              write sql/auria--VERSION.sql from the files in sql/'
	@echo 'make expected                         write what a new database must contain: tables, policies, grants'
	@echo 'make types                            write docs/database.types.ts from a running database'
	@echo 'make lint                             rustfmt, clippy, rustdoc and cargo-machete, warnings are errors'
	@echo 'make test-matrix [MAJORS="17 18"]     every test on PostgreSQL 15, 16, 17 and 18, and the package'
	@echo 'make soak-failover                    kill the leader of two servers under Patroni ten times while clients charge'
	@echo 'make deb [PG_MAJOR=…]                 build a Debian package in target/debian'
	@echo 'make dist                             build the source distribution for PGXN'

# pgxn's client builds this target.
all: build

build:
	@scripts/build "$(PG_CONFIG)"

install: build
	@scripts/install "$(PG_CONFIG)" "$(DESTDIR)"

uninstall:
	@scripts/uninstall "$(PG_CONFIG)" "$(DESTDIR)"

setup:
	@scripts/setup

setup-test:
	@scripts/setup test

setup-deb:
	@scripts/setup deb

sql:
	@scripts/schema write

check-sql:
	@scripts/schema check

expected:
	@scripts/expected "$(PG_CONFIG)"

types:
	@scripts/api types

lint:
	@scripts/lint "$(PG_CONFIG)"

test: setup-test
	@scripts/test "$(PG_CONFIG)"

test-one:
	@scripts/test-outside "$(PG_CONFIG)" $(T)

test-quick:
	@scripts/test-quick "$(PG_CONFIG)"

test-matrix:
	@scripts/matrix $(MAJORS)

soak-failover: setup
	@scripts/soak-failover "$(PG_CONFIG)"

deb: setup-deb build
	@scripts/deb "$(PG_CONFIG)"

dist:
	@scripts/dist

demo: setup
	@scripts/demo "$(PG_CONFIG)"

soak: setup-test
	@scripts/soak "$(PG_CONFIG)"

sqlsmith: setup-test
	@scripts/sqlsmith "$(PG_CONFIG)"

mutants: setup-test
	@scripts/mutants

test-faults: setup-test
	@scripts/test-faults "$(PG_CONFIG)"

# Server and client are release builds: the client reads a thousand rows.
bench:
	@scripts/setup test
	@cargo bench --locked --quiet --package auria_tests --bench auria

# What a DBA runs, at a million rows; some minutes more.
bench-operations:
	@scripts/setup test
	@cargo bench --locked --quiet --package auria_tests --bench auria -- operations
