//! The loaded plugins, and the road of a component to becoming one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use super::bindings::{self, NotifierPluginIndices, WidgetPluginIndices};
use super::call::{Admission, CallState, Runner};
use super::capability::HostServices;
use super::capability::clock::Clock;
use super::capability::log::{Journal, Log, LogLine};
use super::capability::mail::Mail;
use super::capability::random::Random;
use super::capability::service::Service;
use super::code_cache::CodeCache;
use super::compile::{self, CompileLimits, CompilerCommand};
use super::engine::{self, Ticker};
use super::interface::{self, Interface};
use super::limits::{INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};
use super::manifest::{self, Limits, Manifest};
use super::{EngineError, LoadError};

/// A Python guest has 18 MB.
pub const MAX_COMPONENT_BYTES: usize = 32 * 1024 * 1024;
/// Compilations that run at one time; each may take all its memory.
const COMPILATIONS: usize = 1;

/// What the engine is built from.
#[derive(Clone)]
pub struct Settings {
    /// Of compiled code; created for its owner alone.
    pub cache_dir: PathBuf,
    /// Authenticates what lies there; derived from the master key for nothing else.
    pub cache_key: [u8; 32],
    pub compiler: CompilerCommand,
    pub compile: CompileLimits,
}

impl Settings {
    /// Compiling in a child of this very binary, within the default limits.
    ///
    /// # Errors
    /// If the path of this binary cannot be found out.
    pub fn new(cache_dir: PathBuf, cache_key: [u8; 32]) -> std::io::Result<Self> {
        let compiler = CompilerCommand::this_binary()?;
        Ok(Self { cache_dir, cache_key, compiler, compile: CompileLimits::default() })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cache_dir", &self.cache_dir)
            .field("compiler", &self.compiler)
            .field("compile", &self.compile)
            .finish_non_exhaustive()
    }
}

/// One loaded plugin. Calls that run hold it, so it may be replaced at any time.
pub struct Plugin {
    pub(super) manifest: Arc<Manifest>,
    manifest_text: String,
    sha256: [u8; 32],
    size: usize,
    pub(super) pre: InstancePre<CallState>,
    pub(super) notifier: Option<NotifierPluginIndices>,
    pub(super) widget: Option<WidgetPluginIndices>,
    pub(super) admission: Admission,
    pub(super) journal: Arc<Journal>,
}

impl Plugin {
    #[must_use]
    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// As the author wrote it.
    #[must_use]
    pub fn manifest_text(&self) -> &str {
        &self.manifest_text
    }

    /// Of the component's bytes.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Of the component, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The last lines it wrote, and what the host wrote about its faults; oldest first.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.journal.lines()
    }

    /// Whether it is given recipients, and may use `mail`.
    #[must_use]
    pub fn sends_mail(&self) -> bool {
        self.manifest.notifier.as_ref().is_some_and(|notifier| notifier.email)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.manifest.id)
            .field("version", &self.manifest.version)
            .finish_non_exhaustive()
    }
}

/// The engine with the plugins that are loaded in it.
pub struct Plugins {
    engine: Engine,
    linker: Linker<CallState>,
    pub(super) host: HostServices,
    pub(super) runner: Runner,
    cache: CodeCache,
    compiler: CompilerCommand,
    compile: CompileLimits,
    compiling: Semaphore,
    loaded: RwLock<BTreeMap<String, Arc<Plugin>>>,
}

impl Plugins {
    /// # Errors
    /// If the engine, its threads or the cache directory cannot be had.
    pub fn new(settings: Settings, host: HostServices) -> Result<Arc<Self>, EngineError> {
        let (engine, allocation) = engine::runtime_engine()?;
        let cache =
            CodeCache::open(settings.cache_dir.clone(), settings.cache_key, engine::compatibility(&engine))
                .map_err(|error| EngineError::CacheDir { dir: settings.cache_dir, error })?;
        let ticker = Ticker::start(&engine)?;
        Ok(Arc::new(Self {
            linker: link(&engine).map_err(|error| EngineError::Engine(format!("{error:#}")))?,
            runner: Runner::new(engine.clone(), allocation, ticker).map_err(EngineError::Thread)?,
            engine,
            host,
            cache,
            compiler: settings.compiler,
            compile: settings.compile,
            compiling: Semaphore::new(COMPILATIONS),
            loaded: RwLock::default(),
        }))
    }

    /// Loads a component and puts it in the place of any with its id. Calls in flight finish on the old one; if
    /// loading fails, the old one stays.
    ///
    /// # Errors
    /// As [`Plugins::load`].
    pub async fn install(self: &Arc<Self>, component: Vec<u8>) -> Result<Arc<Plugin>, LoadError> {
        let plugin = self.load(component).await?;
        self.insert(Arc::clone(&plugin));
        Ok(plugin)
    }

    /// Puts a loaded plugin in the place of any with its id.
    pub fn insert(&self, plugin: Arc<Plugin>) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(plugin.id().to_owned(), plugin);
    }

    /// Takes a plugin out; calls in flight finish.
    pub fn remove(&self, id: &str) -> Option<Arc<Plugin>> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Plugin>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// In the order of ids.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Plugin>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Checks a component, compiles it or takes its code from the cache, and links it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub async fn load(self: &Arc<Self>, component: Vec<u8>) -> Result<Arc<Plugin>, LoadError> {
        // On the plugins' own threads: hashing and linking megabytes would hold up whoever asks.
        let this = Arc::clone(self);
        let checked = self.blocking(move || check(component)).await??;
        let cached = {
            let (this, sha256) = (Arc::clone(&this), checked.sha256);
            self.blocking(move || this.cache.load(&sha256)).await?
        };
        let code = match cached {
            Some(code) => code,
            None => this.compile(&checked).await?,
        };
        self.blocking(move || this.link(checked, &code)).await?
    }

    async fn compile(self: &Arc<Self>, checked: &Checked) -> Result<Vec<u8>, LoadError> {
        let (this, component, sha256) = (Arc::clone(self), Arc::clone(&checked.component), checked.sha256);
        let compiled = self.runner.handle().spawn(async move {
            let closed = |error: tokio::sync::AcquireError| LoadError::Host(error.to_string());
            let _turn = this.compiling.acquire().await.map_err(closed)?;
            let code = compile::compile(&this.compiler, this.compile, &component).await?;
            let keeper = Arc::clone(&this);
            // Not in place: a thread that does so may end, and a compiling child ends with the thread that began it.
            let kept = this.blocking(move || {
                keeper.cache.store(&sha256, &code);
                code
            });
            kept.await
        });
        compiled.await.map_err(|error| LoadError::Host(error.to_string()))?
    }

    fn link(&self, checked: Checked, code: &[u8]) -> Result<Arc<Plugin>, LoadError> {
        #[expect(
            unsafe_code,
            reason = "the bytes come from our compiling child, or from the cache that has authenticated them as such; \
                      they are the verified ones in memory, not read again from the file"
        )]
        // SAFETY: `code` is what `Engine::precompile_component` of this binary answered, unchanged.
        let component = unsafe { Component::deserialize(&self.engine, code) };
        let link = |error: wasmtime::Error| LoadError::Link(explain(&error));
        let component = component.map_err(link)?;
        let pre = self.linker.instantiate_pre(&component).map_err(link)?;
        let manifest = checked.manifest;
        let notifier = manifest
            .notifier
            .is_some()
            .then(|| NotifierPluginIndices::new(&pre))
            .transpose()
            .map_err(link)?;
        let widget = (!manifest.widgets.is_empty())
            .then(|| WidgetPluginIndices::new(&pre))
            .transpose()
            .map_err(link)?;
        // The lines of the version before stay: they may say why there is a new one.
        let journal = match self.get(&manifest.id) {
            Some(before) => Arc::clone(&before.journal),
            None => Arc::new(Journal::new(manifest.id.clone(), Arc::clone(&self.host.now_ms))),
        };
        Ok(Arc::new(Plugin {
            journal,
            manifest: Arc::new(manifest),
            manifest_text: checked.manifest_text,
            sha256: checked.sha256,
            size: checked.component.len(),
            pre,
            notifier,
            widget,
            admission: Admission::new(),
        }))
    }

    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, LoadError> {
        self.runner.handle().spawn_blocking(work).await.map_err(|error| LoadError::Host(error.to_string()))
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins").field("loaded", &self.list()).finish_non_exhaustive()
    }
}

/// A component that may be compiled.
struct Checked {
    component: Arc<Vec<u8>>,
    manifest_text: String,
    manifest: Manifest,
    sha256: [u8; 32],
}

/// Everything that can be known of a component without running or compiling anything: `frontdesk plugin build` and
/// `inspect` find out with it what [`Plugins::load`] would say.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_component(component: &[u8]) -> Result<(Manifest, Interface), LoadError> {
    let (_, manifest, interface) = read(component)?;
    Ok((manifest, interface))
}

fn read(component: &[u8]) -> Result<(String, Manifest, Interface), LoadError> {
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(LoadError::TooLarge(component.len()));
    }
    let text = manifest::read_section(component)?;
    let manifest = Manifest::parse(&text)?;
    let interface = interface::inspect(component)?;
    interface.check_imports()?;
    interface.check_exports(&manifest)?;
    Ok((text, manifest, interface))
}

fn check(component: Vec<u8>) -> Result<Checked, LoadError> {
    let (manifest_text, manifest, _) = read(&component)?;
    let sha256 = Sha256::digest(&component).into();
    Ok(Checked { component: Arc::new(component), manifest_text, manifest, sha256 })
}

/// wasmtime speaks of its pool where it means what a plugin may have.
fn explain(error: &wasmtime::Error) -> String {
    let told = format!("{error:#}");
    if !told.contains("pooling allocator") {
        return told;
    }
    let memory_mb = Limits::MAX.memory_mb;
    format!(
        "it is larger than a plugin may be: {MEMORIES} memories of up to {memory_mb} MiB, {TABLES} tables with \
         {TABLE_ELEMENTS} elements, {INSTANCES} modules; {}",
        error.root_cause()
    )
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    bindings::types::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    Log::link(&mut linker)?;
    Clock::link(&mut linker)?;
    Random::link(&mut linker)?;
    Mail::link(&mut linker)?;
    Service::link(&mut linker)?;
    Ok(linker)
}

/// `types` has no functions.
impl bindings::types::Host for CallState {}
