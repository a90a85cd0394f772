//! Frontdesk from outside: the real binary over real HTTP, with the plugins it ships, a mail server nobody here wrote,
//! SQLite and PostgreSQL.
//!
//! `make test` prepares what these tests talk to (`tests/services.sh`) and builds the binary first.

mod api_access;
mod backlog;
mod bans;
mod cookies;
mod cors;
mod delays;
mod delivery;
mod departments;
mod editing;
mod enumeration;
mod escalation;
mod expiry;
mod first_administrator;
mod foreign_pages;
mod http;
mod invitations;
mod journey;
mod mail;
mod mail_templates;
mod nodes;
mod notices;
mod openapi;
mod operation;
mod overload;
mod passwords;
mod permissions;
mod problems;
mod proxies;
mod races;
mod recovery;
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
