//! The one wasmtime engine: what WebAssembly may contain, where instances live, and the clock that interrupts them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use super::EngineError;
use super::limits::{INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES, TICK_MS};
use super::manifest::Limits;

/// Calls that run at one time, over all plugins.
const SLOTS: u32 = 64;
/// Where the address space is too small for the pool: each memory alone reserves 4 GiB of it.
const SLOTS_ON_DEMAND: u32 = 8;

/// Of wasm frames alone; the fiber's stack holds the host functions above them as well.
const WASM_STACK: usize = 512 * 1024;
const FIBER_STACK: usize = 2 * 1024 * 1024;

/// Where instances take their memory from. Compiled code does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    Pool,
    OnDemand,
}

impl Allocation {
    /// Calls that may run at one time.
    pub(super) fn slots(self) -> u32 {
        match self {
            Self::Pool => SLOTS,
            Self::OnDemand => SLOTS_ON_DEMAND,
        }
    }
}

/// Threads, garbage collection, exceptions and the component model's async are left out of the build of wasmtime;
/// what remains beyond the guests' needs is switched off here.
fn config(allocation: Allocation) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        // An operator's environment must not change what compiled code looks like.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    if allocation == Allocation::Pool {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(SLOTS)
            .total_core_instances(SLOTS * INSTANCES)
            .max_core_instances_per_component(INSTANCES)
            .total_memories(SLOTS * MEMORIES)
            .max_memories_per_component(MEMORIES)
            .max_memories_per_module(MEMORIES)
            .max_memory_size(Limits::MAX.memory_mb as usize * 1024 * 1024)
            .total_tables(SLOTS * TABLES)
            .max_tables_per_component(TABLES)
            .max_tables_per_module(TABLES)
            // As many as all tables of a call together may have, so that our bound is the one that is told.
            .table_elements(TABLE_ELEMENTS)
            .total_stacks(SLOTS)
            .max_component_instance_size(4 * 1024 * 1024)
            .max_core_instance_size(4 * 1024 * 1024)
            .max_unused_warm_slots(SLOTS / 4);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// The engine that runs guests: pooled, or on demand where the address space is too small for the pool.
pub(super) fn runtime_engine() -> Result<(Engine, Allocation), EngineError> {
    match Engine::new(&config(Allocation::Pool)) {
        Ok(engine) => Ok((engine, Allocation::Pool)),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "no address space for the pool of plugin instances: they are allocated on demand"
            );
            let engine = Engine::new(&config(Allocation::OnDemand))
                .map_err(|error| EngineError::Engine(format!("{error:#}")))?;
            Ok((engine, Allocation::OnDemand))
        }
    }
}

/// The engine of the compiling child, which works under a small address space.
pub(super) fn compiler_engine() -> wasmtime::Result<Engine> {
    Engine::new(&config(Allocation::OnDemand))
}

/// What two engines must share to exchange compiled code: wasmtime's version, target, CPU features and settings.
pub(super) fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Advances the engine's epoch every [`TICK_MS`] while calls run, and sleeps while none does.
pub(super) struct Ticker {
    shared: Arc<TickerShared>,
    thread: Thread,
    _handle: JoinHandle<()>,
}

#[derive(Default)]
struct TickerShared {
    running: AtomicUsize,
    stopped: AtomicBool,
    /// How many ticks there were: what calls are charged with.
    ticks: Arc<AtomicU64>,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> Result<Self, EngineError> {
        let shared = Arc::new(TickerShared::default());
        let engine = engine.clone();
        let inside = Arc::clone(&shared);
        let tick = Duration::from_millis(TICK_MS.into());
        let handle = thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(move || {
                while !inside.stopped.load(Ordering::Acquire) {
                    if inside.running.load(Ordering::Acquire) == 0 {
                        // An unpark between the check and here is not lost: park then returns at once.
                        thread::park();
                    } else {
                        thread::sleep(tick);
                        inside.ticks.fetch_add(1, Ordering::Relaxed);
                        engine.increment_epoch();
                    }
                }
            })
            .map_err(EngineError::Thread)?;
        Ok(Self { shared, thread: handle.thread().clone(), _handle: handle })
    }

    pub(super) fn ticks(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.ticks)
    }

    /// Ticks come while the guard lives.
    pub(super) fn run(self: &Arc<Self>) -> Running {
        if self.shared.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Running(Arc::clone(self))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").field("running", &self.shared.running).finish_non_exhaustive()
    }
}

/// One call that runs.
#[derive(Debug)]
pub(super) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_the_compiling_child_fits_the_pooled_engine() {
        let (engine, _) = runtime_engine().expect("it starts");
        let child = compiler_engine().expect("it starts");
        assert_eq!(compatibility(&engine), compatibility(&child));
    }
}
