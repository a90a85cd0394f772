//! Passwords: which are taken, what is kept of them, and the pool that hashes at most as many at once as there are cores.

mod hasher;
mod rules;
mod stored;
#[cfg(test)]
mod tests;

pub use hasher::{Hasher, Overloaded, Turn};
pub use rules::{LEAST_STAFF, LEAST_WITH_SECOND_FACTOR, MOST, Refused, Rules, check};
pub use stored::{PasswordHash, RecoveryHash, Verdict};
