//! The imports, as a component has them.

use crate::{
    Failure,
    bindings::frontdesk::plugin::{self as imports, log::Level, mail::Envelope},
};

pub(crate) fn log(level: Level, message: &str) {
    imports::log::write(level, message);
}

pub(crate) fn now_ms() -> u64 {
    imports::clock::now_ms()
}

pub(crate) fn random(len: u32) -> Vec<u8> {
    imports::random::bytes(len)
}

pub(crate) fn submit(envelope: &Envelope, message: &[u8]) -> Result<String, Failure> {
    imports::mail::submit(envelope, message)
}

pub(crate) fn get(path: &str) -> Result<String, Failure> {
    imports::service::get(path)
}

/// A panic ends the call in a trap, which carries no words: they go to the log first.
pub(crate) fn install_panic_hook() {
    use std::{panic, sync::Once};

    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| panic::set_hook(Box::new(|info| log(Level::Error, &info.to_string()))));
}
