use super::*;

fn workspace(manifest: &str) -> (tempfile::TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    let workspace = Workspace {
        root: dir.path().to_owned(),
        target_directory: dir.path().join("target"),
        packages: vec![Package {
            id: "path+file:///plugins/slack#0.1.0".to_owned(),
            name: "slack".to_owned(),
            manifest_path: dir.path().join("Cargo.toml"),
            targets: vec![Target { crate_types: vec!["cdylib".to_owned(), "lib".to_owned()] }],
        }],
    };
    (dir, workspace)
}

fn arguments(command: &Command) -> Vec<String> {
    command.get_args().map(|argument| argument.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_package_is_found_by_its_directory() {
    let (dir, workspace) = workspace("");
    assert!(workspace.package(dir.path()).is_some_and(Package::is_cdylib));
    assert!(workspace.package(Path::new("/nonexistent")).is_none());
}

#[test]
fn a_copied_out_plugin_gets_linker_flags_and_profile() {
    let (_dir, workspace) = workspace("[package]\nname = \"slack\"\n");
    let arguments = arguments(&workspace.command(&Toolchain::Target, &[&workspace.packages[0]], false));
    let has = |argument: &str| arguments.iter().any(|given| given == argument);
    assert!(has("target.wasm32-unknown-unknown.linker=\"wasm-component-ld\""), "{arguments:?}");
    assert!(has("profile.guest.panic=\"abort\""), "{arguments:?}");
    let flags = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("target.wasm32-unknown-unknown.rustflags="))
        .unwrap();
    let flags: toml::Table = toml::from_str(&format!("flags = {flags}")).unwrap();
    let flags: Vec<&str> =
        flags["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
    assert_eq!(flags[..2], ["--cfg", "getrandom_backend=\"custom\""]);
    assert_eq!(flags.last(), Some(&&*format!("--remap-path-prefix={}=.", workspace.root.display())));
}

#[test]
fn a_profile_of_the_authors_is_kept() {
    let (_dir, workspace) = workspace("[profile.guest]\ninherits = \"release\"\n");
    let arguments = arguments(&workspace.command(&Toolchain::Target, &[&workspace.packages[0]], false));
    assert!(!arguments.iter().any(|argument| argument.starts_with("profile.guest")), "{arguments:?}");
}

#[test]
fn a_library_is_built_from_source_where_there_is_none() {
    let (_dir, workspace) = workspace("");
    let toolchain =
        Toolchain::Source { rustc: PathBuf::from("/usr/bin/rustc"), linkers: PathBuf::from("/opt/bin") };
    let command = workspace.command(&toolchain, &[&workspace.packages[0]], false);
    let variables: BTreeMap<_, _> =
        command.get_envs().filter_map(|(key, value)| Some((key.to_str()?, value?))).collect();
    assert_eq!(variables["RUSTC"], "/usr/bin/rustc");
    assert_eq!(variables["RUSTC_BOOTSTRAP"], "1");
    assert!(variables["PATH"].to_str().unwrap().starts_with("/opt/bin"));
    let arguments = arguments(&command);
    assert!(arguments.iter().any(|argument| argument == "-Zbuild-std=std,panic_abort"), "{arguments:?}");
    assert!(arguments.iter().any(|argument| argument.contains("-Clinker-flavor=wasm-ld")), "{arguments:?}");
}

#[test]
fn cargos_messages_are_read_and_unknown_ones_passed_over() {
    let artifact =
        r#"{"reason":"compiler-artifact","package_id":"p","filenames":["/t/x.wasm"],"fresh":true}"#;
    assert!(matches!(
        serde_json::from_str(artifact).unwrap(),
        Message::Artifact { package_id, .. } if package_id == "p"
    ));
    let other = r#"{"reason":"build-script-executed","package_id":"p"}"#;
    assert!(matches!(serde_json::from_str(other).unwrap(), Message::Other));
}
