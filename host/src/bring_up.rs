//! Bringing plugins up at start: those inside the binary, then those in the operator's directory.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;

use crate::plugins::{LoadError, MAX_COMPONENT_BYTES, Plugin, Plugins};

/// How long the start waits for the plugins of the operator's directory.
const PATIENCE: Duration = Duration::from_secs(3);

/// Built by `make plugins` and approved by being part of this binary.
const FIRST_PARTY: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/first_party.rs"));

/// Loads what there is. A plugin that fails costs itself: the reason goes to the log, and the service starts.
pub(crate) async fn bring_up(plugins: &Arc<Plugins>, directory: Option<&Path>) {
    if FIRST_PARTY.is_empty() {
        tracing::warn!(
            "this binary was built without its plugins, so no mail can be composed; `make plugins`, then build again"
        );
    }
    let inside = FIRST_PARTY.iter().map(|component| ("this binary".to_owned(), component.to_vec()));
    install(plugins, inside.collect()).await;
    let Some(directory) = directory.map(Path::to_path_buf) else { return };
    // What is slow to compile, or never ends, holds nobody up: it comes later, or not at all.
    let plugins = Arc::clone(plugins);
    let later = tokio::spawn(async move { install(&plugins, components(&directory)).await });
    if tokio::time::timeout(PATIENCE, later).await.is_err() {
        tracing::warn!("plugins of the directory are still being compiled; the service starts without them");
    }
}

/// Says at start what would otherwise only be found in the first delivery that waits.
pub(crate) fn check_mailer(plugins: &Plugins, mailer: &str) {
    match plugins.get(mailer) {
        None => tracing::warn!(mailer, "[mailer] names a plugin that is not loaded: mail waits until it is"),
        Some(plugin) if !plugin.sends_mail() => {
            tracing::warn!(
                mailer,
                "[mailer] names a plugin that sends no mail (addresses = \"email\"): mail waits"
            );
        }
        Some(_) => {}
    }
}

async fn install(plugins: &Arc<Plugins>, components: Vec<(String, Vec<u8>)>) {
    // Each comes up when it is compiled: a slow one holds up itself.
    let loads = components.into_iter().map(async |(origin, component)| {
        let loaded = plugins.load(component).await;
        accept(plugins, &origin, loaded);
    });
    join_all(loads).await;
}

fn accept(plugins: &Plugins, origin: &str, loaded: Result<Arc<Plugin>, LoadError>) {
    match loaded {
        Ok(plugin) if plugins.get(plugin.id()).is_some() => {
            tracing::warn!(
                plugin = plugin.id(),
                origin,
                "a plugin with this id is loaded already; this one is left out"
            );
        }
        Ok(plugin) => {
            let version = plugin.manifest().version.as_str();
            tracing::info!(plugin = plugin.id(), version, size = plugin.size(), origin, "plugin loaded");
            plugins.insert(plugin);
        }
        Err(error) => tracing::error!(origin, %error, "a plugin could not be loaded"),
    }
}

fn components(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(directory = %directory.display(), %error, "the plugin directory cannot be read");
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| match read(&path) {
            Ok(component) => Some((path.display().to_string(), component)),
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "a plugin could not be read");
                None
            }
        })
        .collect()
}

/// Only what can be a component: a file, and no larger than one may be.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > MAX_COMPONENT_BYTES as u64 {
        let bound = MAX_COMPONENT_BYTES / (1024 * 1024);
        return Err(io::Error::other(format!("a plugin is a file of {bound} MiB at most")));
    }
    fs::read(path)
}
