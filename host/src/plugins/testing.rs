//! What the tests of this module share: a host without a network, and guests written by hand.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::capability::mail::MailTransport;
use super::capability::service::{ServiceAccess, ServiceReader};
use super::clocks::Clocks;
use super::compile::child_main;
use super::manifest::Limits;
use super::{
    BoxFuture, CompileLimits, CompilerCommand, Envelope, Failure, HostServices, Notification, Plugins,
    Recipient, Settings, Tone, manifest,
};

/// A directory of its own, removed at the end.
pub(super) struct TempDir(PathBuf);

impl TempDir {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("frontdesk-plugins-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Takes every message, at once or after a while.
#[derive(Default)]
pub(super) struct Mailbox {
    taken: Mutex<Vec<(Envelope, Vec<u8>)>>,
    takes: Duration,
}

impl Mailbox {
    pub(super) fn slow(takes: Duration) -> Self {
        Self { takes, ..Self::default() }
    }

    pub(super) fn taken(&self) -> Vec<(Envelope, Vec<u8>)> {
        self.taken.lock().expect("no test panics with it").clone()
    }
}

impl MailTransport for Mailbox {
    fn submit(&self, envelope: Envelope, message: Vec<u8>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            let mut taken = self.taken.lock().expect("no test panics with it");
            taken.push((envelope, message));
            Ok(format!("id-{}", taken.len()))
        })
    }
}

/// Answers every path with the same document.
pub(super) struct Api(pub(super) String);

impl ServiceReader for Api {
    fn get(&self, _: String, _: ServiceAccess) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// Never answers.
pub(super) struct Mute;

impl ServiceReader for Mute {
    fn get(&self, _: String, _: ServiceAccess) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(std::future::pending())
    }
}

/// Those of a call whose processor time stands still.
pub(super) fn clocks() -> Clocks {
    Clocks::new(Arc::default(), &Limits::default())
}

pub(super) fn host(mail: Arc<Mailbox>) -> HostServices {
    HostServices {
        now_ms: Arc::new(|| 1_795_300_000_000),
        random: Arc::new(|bytes| bytes.fill(7)),
        mail,
        service: Arc::new(Api("{\"items\":[]}".to_owned())),
    }
}

pub(super) fn settings(cache_dir: &Path) -> Settings {
    Settings {
        cache_dir: cache_dir.to_path_buf(),
        cache_key: [42; 32],
        compiler: compiler(),
        compile: CompileLimits::default(),
    }
}

/// An engine with the directory that its cache lies in.
pub(super) fn engine() -> (Arc<Plugins>, TempDir) {
    let dir = TempDir::new();
    let plugins = Plugins::new(settings(dir.path()), host(Arc::default())).expect("it starts");
    (plugins, dir)
}

pub(super) fn recipient(name: &str, address: &str) -> Recipient {
    Recipient { name: name.to_owned(), address: address.to_owned(), locale: "en".to_owned() }
}

pub(super) fn notification() -> Notification {
    Notification {
        id: "0198".to_owned(),
        attempt: 1,
        event: "invitation.created".to_owned(),
        at: "2026-11-21T22:45:48.123Z".to_owned(),
        tone: Tone::Info,
        title: "Jo is invited".to_owned(),
        message: "Sam invited Jo.".to_owned(),
        html: None,
        link: None,
        attributes: Vec::new(),
        recipients: vec![recipient("Jo", "jo@acme.test")],
        data: "{}".to_owned(),
    }
}

const CHILD: &str = "FRONTDESK_TEST_COMPILE_CHILD";

/// This test binary, told to run [`compile_child`] alone, as the child.
pub(super) fn compiler() -> CompilerCommand {
    CompilerCommand {
        program: std::env::current_exe().expect("a test has a binary"),
        args: ["--exact", "plugins::testing::compile_child", "--nocapture"].map(Into::into).to_vec(),
        env: vec![(CHILD.into(), "1".into())],
    }
}

/// Does nothing in an ordinary run of the tests.
#[test]
fn compile_child() {
    if std::env::var_os(CHILD).is_some() {
        let status = child_main();
        // Not by returning: what libtest then prints and does is no part of the child.
        std::process::exit(i32::from(status != std::process::ExitCode::SUCCESS));
    }
}

pub(super) const NOTIFIER: &str = "id = \"demo\"\nname = \"Demo\"\nversion = \"1.0.0\"\n[notifier]\n";
pub(super) const MAILER: &str =
    "id = \"mailer\"\nname = \"Mailer\"\nversion = \"1.0.0\"\n[notifier]\naddresses = \"email\"\n";
pub(super) const WIDGET: &str = "id = \"online\"\nname = \"Online\"\nversion = \"1.0.0\"\n\
     [[widget]]\nid = \"online\"\ntitle = \"Online\"\nreads = [\"/v1/admin/staff/online\"]\nactions = [\"refresh\"]\n";

/// What each guest needs for the host to hand it arguments: one memory and a bump allocator.
const RUNTIME: &str = r#"
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (func $realloc (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and
            (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (local.get $at))
"#;

/// A notifier whose `send` has this body. Memory from 1024 on is zero: `i32.const 1024` answers "sent, no id".
/// `module` stands before everything else in the core module: imports, then whatever `send` needs.
pub(super) fn notifier(manifest: &str, imports: &str, module: &str, send: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            {imports}
            {RUNTIME}
            {module}
            (func (export "frontdesk:plugin/notifier@0.1.0#check") (param i32 i32) (result i32) i32.const 1024)
            (func (export "frontdesk:plugin/notifier@0.1.0#options")
                (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) i32.const 1024)
            (func $send (export "frontdesk:plugin/notifier@0.1.0#send") (param $notification i32) (result i32)
                {send}))"#
    );
    wrap("notifier-plugin", &text, manifest)
}

/// A widget whose `render` has this body; `i32.const 1024` answers an empty view.
pub(super) fn widget(manifest: &str, imports: &str, module: &str, render: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            {imports}
            {RUNTIME}
            {module}
            (func (export "frontdesk:plugin/widget@0.1.0#render") (param i32) (result i32) {render})
            (func (export "frontdesk:plugin/widget@0.1.0#act") (param i32) (result i32) i32.const 1024))"#
    );
    wrap("widget-plugin", &text, manifest)
}

fn wrap(world: &str, text: &str, manifest: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).expect("the WIT parses");
    let world = resolve.select_world(&[package], Some(world)).expect("the world is there");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("it embeds");
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{error:#}"));
    manifest::embed(&component, manifest).expect("it embeds")
}

/// A component with one function of half a million additions: valid, and slow to compile.
pub(super) fn hostile_to_compile() -> Vec<u8> {
    const ADDITIONS: usize = 500_000;
    // (local.set 0 (i32.add (local.get 0) (i32.load (local.get 0))))
    const ADDITION: [u8; 10] = [0x20, 0, 0x20, 0, 0x28, 2, 0, 0x6a, 0x21, 0];
    let mut body = vec![0];
    body.extend(std::iter::repeat_n(ADDITION, ADDITIONS).flatten());
    body.push(0x0b);
    let mut code = vec![1];
    sized(&mut code, &body);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, section) in [(1, &[1, 0x60, 1, 0x7f, 0][..]), (3, &[1, 0]), (5, &[1, 0, 1]), (10, &code)] {
        module.push(id);
        sized(&mut module, section);
    }
    let mut component = b"\0asm\x0d\0\x01\0\x01".to_vec();
    sized(&mut component, &module);
    component
}

fn sized(into: &mut Vec<u8>, bytes: &[u8]) {
    let mut size = bytes.len();
    while size >= 0x80 {
        into.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    into.push(size as u8);
    into.extend_from_slice(bytes);
}
