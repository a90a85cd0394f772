//! Frontdesk from outside: the real binary over real HTTP, with the plugins it ships, a mail server nobody here wrote,
//! SQLite and PostgreSQL.
//!
//! `make test` prepares what these tests talk to (`tests/services.sh`) and builds the binary first.

mod api_access;
mod backlog;
mod bans;
mod client_invitations;
mod client_sessions;
mod cookies;
mod cors;
mod cross_account;
mod delays;
mod delivery;
mod departments;
mod editing;
mod email_verification;
mod enumeration;
mod escalation;
mod expiry;
mod first_administrator;
mod foreign_pages;
mod http;
mod invitations;
mod journey;
mod login_as;
mod mail;
mod nodes;
mod notices;
mod openapi;
mod operation;
mod overload;
mod ownership;
mod passwords;
mod permissions;
mod problems;
mod proxies;
mod races;
mod recovery;
mod registration;
mod roles;
mod rotation;
mod second_factor;
mod security_keys;
mod sessions;
mod settings;
mod snapshot;
mod staff;
mod staff_list;
mod standing;
mod usernames;
