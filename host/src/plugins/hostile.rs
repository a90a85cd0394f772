//! Guests that behave badly, and one that behaves: each gets its own clear end, and the others go on.

mod mail;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::engine::{Allocation, runtime_engine};
use super::manifest::embed;
use super::testing::{
    MAILER, Mailbox, Mute, NOTIFIER, TempDir, WIDGET, engine, host, notification, notifier, settings, widget,
};
use super::*;
use mail::mailer;

const OK: &str = "i32.const 1024";

async fn load(plugins: &Arc<Plugins>, component: Vec<u8>) -> Arc<Plugin> {
    plugins.load(component).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn send(plugins: &Plugins, plugin: &Arc<Plugin>) -> Result<Result<Option<String>, Failure>, CallError> {
    plugins.notifier_send(plugin, notification(), &json!({}), &json!({}), &[]).await
}

/// How a notifier with this `send` ends, while another plugin's calls go on.
async fn end_of(limits: &str, imports: &str, module: &str, body: &str) -> (CallError, Vec<LogLine>) {
    let (plugins, _dir) = engine();
    let bad = load(&plugins, notifier(&format!("{NOTIFIER}{limits}"), imports, module, body)).await;
    let good = load(&plugins, notifier(&NOTIFIER.replace("demo", "good"), "", "", OK)).await;
    let others = async {
        for _ in 0..20 {
            assert_eq!(send(&plugins, &good).await, Ok(Ok(None)));
        }
    };
    let (end, ()) = tokio::join!(send(&plugins, &bad), others);
    // Its own next call begins anew, and ends the same way.
    assert_eq!(
        send(&plugins, &bad).await.map_err(|error| error.to_string()),
        end.clone().map_err(|e| e.to_string())
    );
    (end.expect_err("it does not answer"), bad.logs())
}

#[tokio::test]
async fn one_that_loops_is_stopped_by_its_processor_time() {
    let (end, _) = end_of("[limits]\ncpu_ms = 50\n", "", "", "(loop (br 0)) unreachable").await;
    assert_eq!(end, CallError::CpuBudget { limit_ms: 50 });
    assert_eq!(
        end.to_string(),
        "used more than 50 ms of processor time; plugin.toml may raise it: [limits] cpu_ms = 100"
    );
}

#[tokio::test]
async fn one_that_loops_before_it_is_called_is_stopped_as_well() {
    let limits = "[limits]\ncpu_ms = 50\n";
    let (end, _) = end_of(limits, "", "(func $init (loop (br 0))) (start $init)", OK).await;
    assert_eq!(end, CallError::CpuBudget { limit_ms: 50 });
}

#[tokio::test]
async fn one_that_takes_its_time_is_stopped_by_the_clock() {
    let (end, logs) =
        end_of("[limits]\ncpu_ms = 10000\nwall_ms = 60\n", "", "", "(loop (br 0)) unreachable").await;
    assert_eq!(end.to_string(), "took longer than 60 ms; plugin.toml may raise it: [limits] wall_ms = 120");
    assert_eq!(logs[0].message, end.to_string());
}

#[tokio::test]
async fn one_that_waits_for_ever_on_the_host_is_stopped_by_the_clock() {
    let dir = TempDir::new();
    let services = HostServices { service: Arc::new(Mute), ..host(Arc::default()) };
    let plugins = Plugins::new(settings(dir.path()), services).expect("it starts");
    let imports = r#"(import "frontdesk:plugin/service@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
    let data = r#"(data (i32.const 16) "/v1/admin/staff/online")"#;
    let body = "(call $get (i32.const 16) (i32.const 22) (i32.const 2048)) i32.const 1024";
    let manifest = format!("{WIDGET}[limits]\nwall_ms = 60\n");
    let plugin = load(&plugins, widget(&manifest, imports, data, body)).await;
    let end = plugins.widget_render(&plugin, request("online"), nobody()).await;
    assert_eq!(end, Err(CallError::WallTimeout { limit_ms: 60 }));
}

#[tokio::test]
async fn one_that_fills_memory_pays_for_the_time_that_takes() {
    // Each instruction takes many ticks, and there is one chance to interrupt it in between.
    let module = "(memory $big 3200)";
    let fill = "(memory.fill $big (i32.const 0) (i32.const 1) (i32.const 209715200))";
    let limits = "[limits]\ncpu_ms = 50\nwall_ms = 60000\nmemory_mb = 256\n";
    let (end, _) = end_of(limits, "", module, &format!("(loop {fill} (br 0)) unreachable")).await;
    assert_eq!(end, CallError::CpuBudget { limit_ms: 50 });
}

#[tokio::test]
async fn one_that_allocates_without_end_is_stopped() {
    let (end, _) = end_of("", "", "", "(loop (drop (memory.grow (i32.const 16))) (br 0)) unreachable").await;
    assert_eq!(
        end.to_string(),
        "wanted more than 64 MiB of memory; plugin.toml may raise it: [limits] memory_mb = 128"
    );
}

#[tokio::test]
async fn several_memories_share_one_bound() {
    // Each alone would stay below 64 MiB: 3 times 30.
    let grow = |memory: &str| {
        format!("(if (i32.eq (memory.grow {memory} (i32.const 480)) (i32.const -1)) (then unreachable))")
    };
    let body = format!("{}{}{}{OK}", grow("0"), grow("$b"), grow("$c"));
    let (end, _) = end_of("", "", "(memory $b 1) (memory $c 1)", &body).await;
    assert_eq!(end, CallError::Memory { limit_mb: 64 });
}

#[tokio::test]
async fn one_that_begins_with_too_much_memory_is_stopped() {
    let (end, _) = end_of("", "", "(memory $b 1100)", OK).await;
    assert_eq!(end, CallError::Memory { limit_mb: 64 });
}

#[tokio::test]
async fn one_that_grows_a_table_without_end_is_stopped() {
    let body = "(loop (drop (table.grow $t (ref.null func) (i32.const 1000))) (br 0)) unreachable";
    let (end, _) = end_of("", "", "(table $t 1 funcref)", body).await;
    assert_eq!(end.to_string(), "wanted more table elements than a plugin gets; this limit is fixed");
}

#[tokio::test]
async fn one_that_recurses_without_end_is_stopped() {
    let (end, logs) =
        end_of("", "", "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))", "call $deep").await;
    assert_eq!(end.to_string(), "called itself too deeply and ran out of stack; this limit is fixed");
    assert!(logs[0].message.contains("!deep"), "the backtrace names the function: {}", logs[0].message);
}

#[tokio::test]
async fn one_that_returns_100_mb_is_stopped() {
    let body = r"
        (drop (memory.grow (i32.const 1700)))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1032) (i32.const 2048))
        (i32.store (i32.const 1036) (i32.const 104857600))
        i32.const 1024";
    let (end, _) = end_of("[limits]\nmemory_mb = 256\n", "", "", body).await;
    assert_eq!(end.to_string(), "answered with more than 2048 KiB; answer with less, this limit is fixed");
}

#[tokio::test]
async fn one_that_hands_the_host_too_much_is_stopped() {
    let imports = r#"(import "frontdesk:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    let body = "(drop (memory.grow (i32.const 100))) (call $log (i32.const 1) (i32.const 0) (i32.const 4000000)) i32.const 1024";
    let (end, _) = end_of("", imports, "", body).await;
    assert_eq!(
        end.to_string(),
        "handed the host more than 2048 KiB at once; hand over less, this limit is fixed"
    );
}

#[tokio::test]
async fn one_that_traps_tells_its_last_error() {
    let imports = r#"(import "frontdesk:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    let data = r#"(data (i32.const 16) "panicked at lib.rs:3")"#;
    let (end, logs) =
        end_of("", imports, data, "(call $log (i32.const 3) (i32.const 16) (i32.const 20)) unreachable")
            .await;
    assert_eq!(
        end.to_string(),
        "stopped: wasm trap: wasm `unreachable` instruction executed (its last error: panicked at lib.rs:3)"
    );
    assert_eq!((logs[0].level, logs[0].message.as_str()), (Level::Error, "panicked at lib.rs:3"));
    assert!(logs[1].message.contains("!send"), "the backtrace names the function: {}", logs[1].message);
}

#[tokio::test]
async fn one_that_answers_from_outside_its_memory_is_stopped() {
    let (end, _) = end_of("", "", "", "i32.const -4").await;
    assert!(matches!(end, CallError::Trap { .. }), "{end:?}");
}

#[tokio::test]
async fn one_that_asks_for_much_randomness_is_stopped() {
    let imports = r#"(import "frontdesk:plugin/random@0.1.0" "bytes" (func $random (param i32 i32)))"#;
    let (end, _) =
        end_of("", imports, "", "(call $random (i32.const 5000) (i32.const 1024)) i32.const 1024").await;
    assert_eq!(end, CallError::RandomBytes);
}

#[tokio::test]
async fn imports_are_refused_by_name_before_anything_is_compiled() {
    let (plugins, _dir) = engine();
    let refusal = async |import: &str| {
        let component =
            wat::parse_str(format!("(component (import \"{import}\" (instance)))")).expect("it parses");
        let component = embed(&component, NOTIFIER).expect("it embeds");
        plugins.load(component).await.expect_err("it is refused").to_string()
    };
    assert_eq!(
        refusal("wasi:cli/environment@0.2.3").await,
        "imports wasi:cli/environment@0.2.3, which plugins do not get: there is no environment; declare a [[setting]] and read it from settings"
    );
    assert_eq!(
        refusal("wasi:io/streams@0.2.3").await,
        "imports wasi:io/streams@0.2.3, which plugins do not get: there is no WASI; Rust: build for wasm32-unknown-unknown instead of \
         wasm32-wasip1 or -wasip2; JavaScript: componentize-qjs --stub-wasi; Python: componentize-py --stub-wasi"
    );
    assert_eq!(
        refusal("frontdesk:plugin/http@0.1.0").await,
        "imports frontdesk:plugin/http, which this version of Frontdesk does not provide yet"
    );
    assert_eq!(
        refusal("frontdesk:plugin/log@0.2.0").await,
        "built for 0.2, this Frontdesk speaks 0.1; rebuild or upgrade"
    );
    assert_eq!(
        refusal(r"acme:host/she\1b[2Jll").await,
        "imports acme:host/she\\u{1b}[2Jll, which plugins do not get: only frontdesk:plugin/… exists in the sandbox; remove what imports it"
    );
}

#[tokio::test]
async fn tables_and_exports_are_compared_both_ways() {
    let (plugins, _dir) = engine();
    let refusal = async |component| plugins.load(component).await.expect_err("it is refused").to_string();
    assert_eq!(
        refusal(notifier(WIDGET, "", "", OK)).await,
        "the component exports a notifier, but plugin.toml has no [notifier]; add it, or remove the export"
    );
    assert_eq!(
        refusal(widget(&format!("{WIDGET}[notifier]\n"), "", "", OK)).await,
        "plugin.toml has [notifier], but the component exports no notifier; export it (Rust: frontdesk_plugin_sdk::notifier!(…)), or remove [notifier]"
    );
    assert_eq!(
        refusal(vec![0; MAX_COMPONENT_BYTES + 1]).await,
        "the component has 33554433 bytes; 33554432 are allowed"
    );
}

#[tokio::test]
async fn one_that_is_larger_than_the_pool_hears_what_it_may_have() {
    let (_, allocation) = runtime_engine().expect("it starts");
    if allocation == Allocation::OnDemand {
        // Without the pool there is nothing to be too large for before a call.
        return;
    }
    let (plugins, _dir) = engine();
    let may_have = "the component does not fit the interface: it is larger than a plugin may be: 4 memories of up to \
                    512 MiB, 20 tables with 50000 elements, 100 modules; ";
    for module in ["(memory $big 8193)", &"(memory 1)".repeat(4), &"(table 1 funcref)".repeat(21)] {
        let told = plugins.load(notifier(NOTIFIER, "", module, OK)).await.expect_err(module).to_string();
        assert!(told.starts_with(may_have), "{told}");
    }
}

#[tokio::test]
async fn no_state_survives_a_call() {
    let (plugins, _dir) = engine();
    let body = r"
        (if (i32.load (i32.const 8)) (then unreachable))
        (i32.store (i32.const 8) (i32.const 1))
        i32.const 1024";
    let plugin = load(&plugins, notifier(NOTIFIER, "", "", body)).await;
    for _ in 0..5 {
        assert_eq!(send(&plugins, &plugin).await, Ok(Ok(None)));
    }
}

fn request(widget: &str) -> WidgetRequest {
    WidgetRequest {
        widget: widget.to_owned(),
        viewer: None,
        settings: "{}".to_owned(),
        preferences: "{}".to_owned(),
    }
}

fn nobody() -> ServiceAccess {
    ServiceAccess::Shared { permission: None }
}

#[tokio::test]
async fn a_widget_is_drawn_from_what_it_reads() {
    let (plugins, _dir) = engine();
    let imports = r#"(import "frontdesk:plugin/service@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
    let data = r#"(data (i32.const 16) "/v1/admin/staff/online?limit=5")"#;
    // The summary is the document that was read: case of the result, case of the option, place and length.
    let body = r"
        (call $get (i32.const 16) (i32.const 30) (i32.const 2048))
        (i32.store8 (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1032) (i32.load (i32.const 2052)))
        (i32.store (i32.const 1036) (i32.load (i32.const 2056)))
        i32.const 1024";
    let plugin = load(&plugins, widget(WIDGET, imports, data, body)).await;
    let rendered = plugins.widget_render(&plugin, request("online"), nobody()).await;
    let json = rendered.expect("it answers").expect("it draws").json;
    assert_eq!(json, json!({ "summary": "{\"items\":[]}", "blocks": [] }));

    let act = async |action: &str, data: serde_json::Value| {
        plugins.widget_act(&plugin, request("online"), nobody(), action.to_owned(), &data).await
    };
    assert_eq!(act("refresh", json!({})).await, Ok(Ok(None)));
    assert_eq!(
        act("delete", json!({})).await.expect_err("it is not listed").to_string(),
        "widget online has no action \"delete\"; plugin.toml lists them under actions"
    );
    assert_eq!(
        act("refresh", json!("x".repeat(17_000))).await.expect_err("it is too large").to_string(),
        "the data of an action may hold 16 KiB"
    );
    let other = plugins.widget_render(&plugin, request("other"), nobody()).await;
    assert_eq!(other.expect_err("it is not there").to_string(), "plugin online has no widget \"other\"");
}

#[tokio::test]
async fn a_shared_widget_knows_no_viewer() {
    let (plugins, _dir) = engine();
    let manifest = format!("{WIDGET}cache = \"shared\"\npermission = \"staff.view\"\n");
    let plugin = load(&plugins, widget(&manifest, "", "", OK)).await;
    let access = ServiceAccess::Viewer(Arc::new("sam"));
    let error = plugins.widget_render(&plugin, request("online"), access).await.expect_err("it is refused");
    assert_eq!(error.to_string(), "widget online is shared and is rendered without a viewer");
}

#[tokio::test]
async fn the_257th_waiting_call_of_a_plugin_is_refused() {
    let dir = TempDir::new();
    let stuck = Arc::new(Mailbox::slow(Duration::MAX));
    let plugins = Plugins::new(settings(dir.path()), host(stuck)).expect("it starts");
    let busy = load(&plugins, mailer(MAILER)).await;
    let good = load(&plugins, notifier(NOTIFIER, "", "", OK)).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..2 + 256 + 1 {
        let (plugins, busy) = (Arc::clone(&plugins), Arc::clone(&busy));
        calls.spawn(async move { send(&plugins, &busy).await });
    }
    let first = calls.join_next().await.expect("there are calls").expect("no panic");
    assert_eq!(first, Err(CallError::QueueFull));
    // Others are not held up, and who gives up makes room.
    assert_eq!(send(&plugins, &good).await, Ok(Ok(None)));
    calls.shutdown().await;
    let next = tokio::time::timeout(Duration::from_millis(50), send(&plugins, &busy)).await;
    assert!(next.is_err(), "it runs again instead of being refused: {next:?}");
}

#[tokio::test]
async fn a_warm_cache_needs_no_compiler_and_a_touched_one_does() {
    let dir = TempDir::new();
    let component = notifier(NOTIFIER, "", "", OK);
    let cold = Plugins::new(settings(dir.path()), host(Arc::default())).expect("it starts");
    cold.install(component.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    drop(cold);

    let mut without = settings(dir.path());
    without.compiler.program = "/bin/false".into();
    let warm = Plugins::new(without.clone(), host(Arc::default())).expect("it starts");
    let plugin = warm.install(component.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(send(&warm, &plugin).await, Ok(Ok(None)));
    assert_eq!(warm.get("demo").map(|plugin| plugin.sha256()), Some(plugin.sha256()));

    let file =
        fs::read_dir(dir.path()).expect("it is there").next().expect("one file").expect("it reads").path();
    let mut code = fs::read(&file).expect("it reads");
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(&file, &code).expect("it writes");
    let error = warm.load(component.clone()).await.expect_err("it wants to compile");
    assert!(matches!(error, LoadError::Compile(CompileError::Child(_))), "{error}");

    let healed = Plugins::new(settings(dir.path()), host(Arc::default())).expect("it starts");
    let plugin = load(&healed, component).await;
    assert_eq!(send(&healed, &plugin).await, Ok(Ok(None)));
    assert_ne!(fs::read(&file).expect("it reads"), code, "the file is written anew");
}

#[tokio::test]
async fn a_replaced_plugin_leaves_the_old_one_to_its_callers() {
    let (plugins, _dir) = engine();
    let old = plugins.install(notifier(NOTIFIER, "", "", OK)).await.unwrap_or_else(|error| panic!("{error}"));
    let newer = NOTIFIER.replace("1.0.0", "1.1.0");
    plugins.install(notifier(&newer, "", "", OK)).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plugins.get("demo").map(|plugin| plugin.manifest().version.clone()).as_deref(), Some("1.1.0"));
    assert_eq!(send(&plugins, &old).await, Ok(Ok(None)));

    plugins.install(notifier("id = 1", "", "", OK)).await.expect_err("its manifest is wrong");
    assert_eq!(plugins.list().len(), 1);
    assert!(plugins.remove("demo").is_some() && plugins.get("demo").is_none());
}
