//! What one call may use, and how going beyond it is noticed.

use wasmtime::ResourceLimiter;

use super::manifest::Limits;

/// Epochs are counted in steps of this.
pub(super) const TICK_MS: u32 = 2;
/// Bytes that one host call may carry out of the guest, and that a call may answer with.
pub(super) const TRANSFER_BYTES: usize = 2 * 1024 * 1024;
/// Table elements of all tables of a call; CPython in WebAssembly needs some 15,000.
pub(super) const TABLE_ELEMENTS: usize = 50_000;
/// Core instances of a call: a linked Python guest has about twenty.
pub(super) const INSTANCES: u32 = 100;
pub(super) const MEMORIES: u32 = 4;
pub(super) const TABLES: u32 = 20;

/// The bound that a call ran into. Travels as the error that ends the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LimitHit {
    #[error("CPU budget used up")]
    Cpu,
    #[error("memory limit reached")]
    Memory,
    #[error("table limit reached")]
    Table,
    #[error("random bytes used up")]
    Random,
}

/// One budget over all memories and one over all tables of a call.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_left: usize,
    table_left: usize,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { memory_left: limits.memory_mb as usize * 1024 * 1024, table_left: TABLE_ELEMENTS }
    }
}

fn take(left: &mut usize, current: usize, desired: usize, hit: LimitHit) -> wasmtime::Result<bool> {
    match left.checked_sub(desired.saturating_sub(current)) {
        Some(rest) => {
            *left = rest;
            Ok(true)
        }
        // Ended here rather than answered with -1: the guest's allocator would turn that into a bare trap.
        None => Err(hit.into()),
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        take(&mut self.memory_left, current, desired, LimitHit::Memory)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        take(&mut self.table_left, current, desired, LimitHit::Table)
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_budget() {
        let mut limiter = Limiter::new(&Limits { memory_mb: 1, ..Limits::default() });
        let half = 512 * 1024;
        assert!(limiter.memory_growing(0, half, None).expect("it fits"));
        assert!(limiter.memory_growing(0, half, None).expect("it fits"));
        let error = limiter.memory_growing(half, half + 1, None).expect_err("it is one byte too many");
        assert_eq!(error.downcast_ref(), Some(&LimitHit::Memory));
    }
}
