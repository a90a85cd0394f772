//! The command line.

pub mod config;
pub mod mailbox;
pub mod plugin;
