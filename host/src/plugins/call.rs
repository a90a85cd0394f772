//! One call: admitted, run in a store of its own under its limits, and its end told in a sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, yield_now};
use wasmtime::{Engine, Store, Trap, UpdateDeadline, WasmBacktrace};

use super::bindings::Level;
use super::capability::clock::Clock;
use super::capability::log::Log;
use super::capability::mail::{MAX_MESSAGE_BYTES, Mail};
use super::capability::random::{BYTES_PER_CALL, Random};
use super::capability::service::{Service, ServiceAccess};
use super::capability::{BoxFuture, HostServices};
use super::clocks::{Clocks, Late};
use super::engine::{Allocation, Ticker};
use super::limits::{LimitHit, Limiter, TRANSFER_BYTES};
use super::manifest::Limits;
use super::registry::Plugin;
use super::text::one_line;

/// Calls of one plugin that run at one time.
pub const RUNNING_PER_PLUGIN: usize = 2;
/// Calls of one plugin that wait; the next is refused.
const WAITING_PER_PLUGIN: usize = 256;
/// Waiting is not counted as the plugin's time, but nobody waits for ever.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Why a call gave no answer. Each says which limit was reached and what raises it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("used more than {limit_ms} ms of processor time; {}", raise("cpu_ms", *.limit_ms, Limits::MAX.cpu_ms))]
    CpuBudget { limit_ms: u32 },
    #[error("took longer than {limit_ms} ms; {}", raise("wall_ms", *.limit_ms, Limits::MAX.wall_ms))]
    WallTimeout { limit_ms: u32 },
    #[error("wanted more than {limit_mb} MiB of memory; {}", raise("memory_mb", *.limit_mb, Limits::MAX.memory_mb))]
    Memory { limit_mb: u32 },
    #[error("wanted more table elements than a plugin gets; this limit is fixed")]
    Tables,
    #[error("called itself too deeply and ran out of stack; this limit is fixed")]
    Stack,
    #[error("answered with more than {} KiB; answer with less, this limit is fixed", limit_bytes / 1024)]
    ResultTooLarge { limit_bytes: usize },
    #[error("handed the host more than {} KiB at once; hand over less, this limit is fixed", limit_bytes / 1024)]
    ImportTooLarge { limit_bytes: usize },
    #[error(
        "asked for more than {BYTES_PER_CALL} random bytes; seed a generator with them instead, this limit is fixed"
    )]
    RandomBytes,
    #[error("stopped: {message}{}", last_log.as_ref().map(|line| format!(" (its last error: {line})")).unwrap_or_default())]
    Trap {
        message: String,
        /// The plugin's last line of level error; a panic's message, with the SDK.
        last_log: Option<String>,
    },
    /// The answer arrived and is not acceptable: a view beyond its bounds, a text without end.
    #[error("{0}")]
    Answer(String),
    /// The call does not fit the plugin's manifest and never reached it.
    #[error("{0}")]
    Request(String),
    #[error("{WAITING_PER_PLUGIN} calls of this plugin are waiting already; try again later")]
    QueueFull,
    #[error("waited {} s for other calls of this plugin; try again later", MAX_WAIT.as_secs())]
    QueueTimeout,
    #[error("the host could not run the plugin: {0}")]
    Host(String),
}

fn raise(key: &str, now: u32, max: u32) -> String {
    if now >= max {
        format!("[limits] {key} = {max} is the most that a plugin gets")
    } else {
        format!("plugin.toml may raise it: [limits] {key} = {}", now.saturating_mul(2).min(max))
    }
}

/// What a store holds: the state of each capability and of the limits.
#[derive(Debug)]
pub(super) struct CallState {
    limiter: Limiter,
    clocks: Clocks,
    pub(super) log: Log,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) mail: Mail,
    pub(super) service: Service,
}

impl CallState {
    pub(super) fn new(
        plugin: &Plugin,
        host: &HostServices,
        clocks: Clocks,
        widget: Option<(usize, ServiceAccess)>,
    ) -> Self {
        let manifest = plugin.manifest();
        Self {
            limiter: Limiter::new(&manifest.limits),
            log: Log::new(Arc::clone(&plugin.journal), clocks.clone()),
            clock: Clock::new(Arc::clone(&host.now_ms)),
            random: Random::new(Arc::clone(&host.random)),
            mail: Mail::new(Arc::clone(&host.mail), plugin.sends_mail(), clocks.clone()),
            service: Service::new(
                Arc::clone(&host.service),
                Arc::clone(&plugin.manifest),
                widget,
                clocks.clone(),
            ),
            clocks,
        }
    }
}

/// Who may run now: a few calls of each plugin, and no more over all than there are slots.
#[derive(Debug)]
pub(super) struct Admission {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Admission {
    pub(super) fn new() -> Self {
        Self { running: Arc::new(Semaphore::new(RUNNING_PER_PLUGIN)), waiting: AtomicUsize::new(0) }
    }

    async fn enter(&self, slots: &Arc<Semaphore>) -> Result<[OwnedSemaphorePermit; 2], CallError> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING_PER_PLUGIN {
            return Err(CallError::QueueFull);
        }
        let admitted = async {
            let own = Arc::clone(&self.running).acquire_owned().await;
            let slot = Arc::clone(slots).acquire_owned().await;
            own.and_then(|own| slot.map(|slot| [own, slot]))
        };
        match tokio::time::timeout(MAX_WAIT, admitted).await {
            Ok(permits) => permits.map_err(|_| CallError::Host("it is shutting down".to_owned())),
            Err(_) => Err(CallError::QueueTimeout),
        }
    }
}

/// Where guests run: away from the threads that serve HTTP.
#[derive(Debug)]
pub(super) struct Runner {
    runtime: Option<tokio::runtime::Runtime>,
    engine: Engine,
    ticker: Arc<Ticker>,
    slots: Arc<Semaphore>,
}

impl Runner {
    pub(super) fn new(engine: Engine, allocation: Allocation, ticker: Ticker) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(4)
            .thread_name("plugins")
            .enable_all()
            .build()?;
        let slots = Arc::new(Semaphore::new(allocation.slots() as usize));
        Ok(Self { runtime: Some(runtime), engine, ticker: Arc::new(ticker), slots })
    }

    pub(super) fn handle(&self) -> &tokio::runtime::Handle {
        self.runtime.as_ref().expect("the runtime is taken by drop alone").handle()
    }

    /// The clocks of a call that is yet to start.
    pub(super) fn clocks(&self, plugin: &Plugin) -> Clocks {
        Clocks::new(self.ticker.ticks(), &plugin.manifest().limits)
    }

    /// Runs `work` on a fresh store. Dropping the future ends the call.
    pub(super) async fn run<R, F>(
        &self,
        plugin: &Arc<Plugin>,
        state: CallState,
        work: F,
    ) -> Result<R, CallError>
    where
        R: Send + 'static,
        F: for<'a> FnOnce(&'a mut Store<CallState>, &'a Plugin) -> BoxFuture<'a, wasmtime::Result<R>>
            + Send
            + 'static,
    {
        let permits = plugin.admission.enter(&self.slots).await?;
        let limits = plugin.manifest().limits;
        let transfer_bytes = TRANSFER_BYTES + if plugin.sends_mail() { MAX_MESSAGE_BYTES } else { 0 };
        let clocks = state.clocks.clone();
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(transfer_bytes);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let clocks = context.data().clocks.clone();
            clocks.charge()?;
            let others_first = async move {
                yield_now().await;
                clocks.resume();
            };
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(others_first)))
        });

        let plugin = Arc::clone(plugin);
        let ticks = self.ticker.run();
        let call = self.handle().spawn(async move {
            let _held = (permits, ticks);
            clocks.start(&limits);
            match clocks.watch(work(&mut store, &plugin)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => Err(diagnose(&error, &store, &plugin, transfer_bytes)),
                Err(Late) => {
                    let error = CallError::WallTimeout { limit_ms: limits.wall_ms };
                    plugin.journal.write(Level::Error, error.to_string());
                    Err(error)
                }
            }
        });
        let _ended_with_caller = AbortOnDrop(call.abort_handle());
        call.await.map_err(|error| CallError::Host(error.to_string()))?
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which panics inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Turns what ended a guest into a sentence, and keeps its backtrace with the plugin's log.
fn diagnose(
    error: &wasmtime::Error,
    store: &Store<CallState>,
    plugin: &Plugin,
    transfer_bytes: usize,
) -> CallError {
    let limits = plugin.manifest().limits;
    let secrets = &store.data().log.secrets;
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let told = if let Some(hit) = error.downcast_ref::<LimitHit>() {
        match hit {
            LimitHit::Cpu => CallError::CpuBudget { limit_ms: limits.cpu_ms },
            LimitHit::Memory => CallError::Memory { limit_mb: limits.memory_mb },
            LimitHit::Table => CallError::Tables,
            LimitHit::Random => CallError::RandomBytes,
        }
    } else if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        CallError::Stack
    } else if is_transfer_bound(error) {
        // Inside an import there is a guest on the stack; an answer is read when it has returned.
        if backtrace.is_some() {
            CallError::ImportTooLarge { limit_bytes: transfer_bytes }
        } else {
            CallError::ResultTooLarge { limit_bytes: transfer_bytes }
        }
    } else {
        CallError::Trap {
            message: one_line(&secrets.cut(error.root_cause().to_string(), 500)).into_owned(),
            last_log: store.data().log.last_error.as_deref().map(|line| one_line(line).into_owned()),
        }
    };
    let trace = backtrace.map(|trace| format!("\n{trace}")).unwrap_or_default();
    plugin.journal.write(Level::Error, secrets.cut(format!("{told}{trace}"), 4_096));
    told
}

/// wasmtime keeps the type of this error to itself; a test holds its words.
fn is_transfer_bound(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("fuel allocated for hostcalls has been exhausted"))
}
