//! Frontdesk, the service: HTTP in front, sandboxed plugins behind, the domain of `frontdesk-core` between.
//!
//! [`build`] turns a configuration into a running [`App`]; [`router`] gives its HTTP surface. The binary adds
//! only the command line.

pub mod api;
mod app;
mod bring_up;
pub mod cli;
pub mod config;
pub mod delivery;
mod lending;
pub mod mail;
pub mod pages;
pub mod plugins;
mod seen;
mod server;

pub use api::router;
pub use app::{App, BuildError, Surroundings, build};
