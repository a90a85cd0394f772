//! `clock`: the host's time.

use std::fmt;

use wasmtime::component::{HasSelf, Linker};

use super::NowMs;
use crate::plugins::bindings::clock;
use crate::plugins::call::CallState;

pub(in crate::plugins) struct Clock {
    now_ms: NowMs,
}

impl Clock {
    pub(in crate::plugins) fn new(now_ms: NowMs) -> Self {
        Self { now_ms }
    }

    pub(in crate::plugins) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        clock::add_to_linker::<_, HasSelf<Self>>(linker, |state| &mut state.clock)
    }
}

impl clock::Host for Clock {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok((self.now_ms)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use clock::Host as _;

    #[test]
    fn it_is_the_hosts_time() {
        assert_eq!(
            Clock::new(Arc::new(|| 1_795_300_000_000)).now_ms().expect("it answers"),
            1_795_300_000_000
        );
    }
}
