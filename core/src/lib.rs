//! The domain of Frontdesk: who works there, who is invited, what happened, and who is to be told.
//!
//! It knows SQL, and knows neither HTTP nor WebAssembly. Start at [`cx`]: every change is one unit of work. Each
//! feature is a folder with the rules in `mod.rs` and its statements in `store.rs`.

pub mod account_groups;
pub mod accounts;
pub mod activity;
pub mod api_access;
pub mod authority;
pub mod contacts;
pub mod custom_fields;
pub mod cx;
pub mod db;
pub mod departments;
pub mod event;
pub mod ids;
pub mod invalid;
pub mod invitations;
pub mod limits;
pub mod logins;
pub mod mail_templates;
pub mod network;
pub mod outbox;
pub mod page;
pub mod password;
pub mod rates;
pub mod recovery;
pub mod reports;
pub mod roles;
pub mod search;
pub mod second_factor;
pub mod secret;
pub mod security_questions;
pub mod sessions;
pub mod settings;
pub mod staff;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text_enum;
pub mod time;
pub mod users;
