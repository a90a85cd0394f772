//! The imports, answered by the fake host of `crate::testing`.

use crate::{
    Failure,
    bindings::frontdesk::plugin::{log::Level, mail::Envelope},
    testing::with,
};

pub(crate) fn log(level: Level, message: &str) {
    with(|host| host.log(level, message));
}

pub(crate) fn now_ms() -> u64 {
    with(|host| host.now_ms())
}

pub(crate) fn random(len: u32) -> Vec<u8> {
    with(|host| host.random(len))
}

pub(crate) fn submit(envelope: &Envelope, message: &[u8]) -> Result<String, Failure> {
    with(|host| host.submit(envelope, message))
}

pub(crate) fn get(path: &str) -> Result<String, Failure> {
    with(|host| host.get(path))
}

/// Tests keep their own hook.
pub(crate) fn install_panic_hook() {}
