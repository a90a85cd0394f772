//! `random`: bytes from the host's generator, 4 KiB a call.

use std::fmt;

use wasmtime::component::{HasSelf, Linker};

use super::FillRandom;
use crate::plugins::bindings::random;
use crate::plugins::call::CallState;
use crate::plugins::limits::LimitHit;

/// Enough for keys and boundaries; a guest that needs more seeds a generator of its own.
pub(in crate::plugins) const BYTES_PER_CALL: u32 = 4 * 1024;

pub(in crate::plugins) struct Random {
    fill: FillRandom,
    left: u32,
}

impl Random {
    pub(in crate::plugins) fn new(fill: FillRandom) -> Self {
        Self { fill, left: BYTES_PER_CALL }
    }

    pub(in crate::plugins) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        random::add_to_linker::<_, HasSelf<Self>>(linker, |state| &mut state.random)
    }
}

impl random::Host for Random {
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        self.left = self.left.checked_sub(len).ok_or(LimitHit::Random)?;
        let mut bytes = vec![0; len as usize];
        (self.fill)(&mut bytes);
        Ok(bytes)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use random::Host as _;

    #[test]
    fn a_call_has_four_kibibytes() {
        let mut random = Random::new(Arc::new(|bytes| bytes.fill(7)));
        assert_eq!(random.bytes(4_000).expect("it is within bounds"), vec![7; 4_000]);
        assert_eq!(random.bytes(96).expect("it is within bounds").len(), 96);
        let error = random.bytes(1).expect_err("nothing is left");
        assert_eq!(error.downcast_ref(), Some(&LimitHit::Random));
    }
}
