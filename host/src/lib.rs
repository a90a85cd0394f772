//! Frontdesk, the service: HTTP in front, sandboxed plugins behind, the domain of `frontdesk-core` between.
//!
//! [`build`] turns a configuration into a running [`App`]; [`router`] gives its HTTP surface. The binary adds
//! only the command line.

mod activity;
pub mod api;
mod app;
mod bans;
mod bring_up;
pub mod cli;
pub mod config;
pub mod delivery;
mod lending;
mod live;
pub mod mail;
pub mod pages;
pub mod plugins;
mod programs;
mod recovery;
mod seen;
mod server;
mod standing;

pub use api::router;
pub use app::{App, BuildError, Surroundings, build};
