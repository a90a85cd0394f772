//! Plugins: WebAssembly components that run in a sandbox of their own for every call.

pub mod interface;
pub mod manifest;
