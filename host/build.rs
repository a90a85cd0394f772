//! Puts the first-party plugins that `make plugins` built into the binary: `target/plugins/ID.wasm` for each folder of
//! `plugins/`, and nothing else that may lie there.

use std::{env, fs, path::PathBuf};

fn main() {
    let variable = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
    let out = variable("OUT_DIR");
    // OUT_DIR is TARGET/PROFILE/build/PACKAGE/out.
    let built = out.ancestors().nth(4).expect("cargo's layout").join("plugins");
    let sources = variable("CARGO_MANIFEST_DIR").join("../plugins");
    // A folder that is not there yet counts as changed once it is.
    println!("cargo::rerun-if-changed={}", built.display());
    println!("cargo::rerun-if-changed={}", sources.display());

    let mut components: Vec<_> = fs::read_dir(&sources)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("plugin.toml").is_file())
        .filter_map(|folder| Some(built.join(folder.file_name()?).with_extension("wasm")))
        .filter(|component| component.is_file())
        .collect();
    components.sort();
    let list: String = components
        .iter()
        .map(|path| format!("    include_bytes!({:?}),\n", path.display().to_string()))
        .collect();
    fs::write(out.join("first_party.rs"), format!("&[\n{list}]\n"))
        .expect("the build's folder can be written");
}
