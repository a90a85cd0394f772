//! Plugins: WebAssembly components, each call in a sandbox of its own.
//!
//! A component becomes a [`Plugin`] in [`Plugins::load`]: its manifest is read and its imports and exports are
//! compared with what this host serves, before anything of it is compiled; it is compiled in a killable child; the
//! code is kept on disk, authenticated. Every call then gets a fresh store, its own budget of processor time, wall
//! time and memory, and the imports of [`capability`] with their bounds. Nothing survives a call.

mod bindings;
mod call;
pub mod capability;
mod clocks;
mod code_cache;
pub mod compile;
mod engine;
mod hooks;
pub mod interface;
mod limits;
pub mod manifest;
mod registry;
mod text;
mod view;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod testing;

use std::path::PathBuf;

pub use bindings::widget::{Block, Request as WidgetRequest, View, Viewer};
pub use bindings::{
    Attribute, Choice, Envelope, Failure, Level, Link, Notification, Problem, Recipient, Tone, widget,
};
pub use call::{CallError, RUNNING_PER_PLUGIN};
pub use capability::log::LogLine;
pub use capability::mail::MailTransport;
pub use capability::service::{ServiceAccess, ServiceReader};
pub use capability::{BoxFuture, FillRandom, HostServices, NowMs};
pub use compile::{CompileError, CompileLimits, CompilerCommand};
pub use hooks::Rendered;
pub use manifest::Manifest;
pub use registry::{MAX_COMPONENT_BYTES, Plugin, Plugins, Settings, check_component};
pub use view::{ViewError, view_json};

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    #[error("the plugins' threads do not start: {0}")]
    Thread(#[source] std::io::Error),
    #[error("the directory of compiled code {} cannot be used: {error}", dir.display())]
    CacheDir {
        dir: PathBuf,
        #[source]
        error: std::io::Error,
    },
}

/// Why a component does not become a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("the component has {0} bytes; {MAX_COMPONENT_BYTES} are allowed")]
    TooLarge(usize),
    #[error(transparent)]
    Section(#[from] manifest::SectionError),
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestErrors),
    #[error(transparent)]
    Interface(#[from] interface::InterfaceError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("the component does not fit the interface: {0}")]
    Link(String),
    #[error("the host could not load the component: {0}")]
    Host(String),
}
