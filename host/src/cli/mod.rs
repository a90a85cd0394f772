pub mod config;
pub mod mailbox;
