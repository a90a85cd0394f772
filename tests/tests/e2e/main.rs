//! Frontdesk from outside: the real binary over real HTTP, with the plugins it ships, a mail server nobody here wrote,
//! SQLite and PostgreSQL.
//!
//! `make test` prepares what these tests talk to (`tests/services.sh`) and builds the binary first.

mod backlog;
mod cookies;
mod delivery;
mod editing;
mod expiry;
mod first_administrator;
mod http;
mod invitations;
mod journey;
mod mail;
mod nodes;
mod openapi;
mod operation;
mod overload;
mod problems;
mod roles;
mod sessions;
mod usernames;
