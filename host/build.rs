//! Puts the first-party plugins that `make plugins` built into the binary.

use std::{env, fs, path::PathBuf};

fn main() {
    let folder = env::var_os("FRONTDESK_FIRST_PARTY").map_or_else(
        || PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../target/plugins"),
        PathBuf::from,
    );
    println!("cargo::rerun-if-env-changed=FRONTDESK_FIRST_PARTY");
    // A folder that is not there yet still counts as changed once it is.
    println!("cargo::rerun-if-changed={}", folder.display());

    let mut components: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    components.sort();
    let list: String = components
        .iter()
        .map(|path| {
            println!("cargo::rerun-if-changed={}", path.display());
            format!("    include_bytes!({:?}),\n", path.display().to_string())
        })
        .collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("first_party.rs");
    fs::write(out, format!("&[\n{list}]\n")).expect("the build's folder can be written");
}
