//! What one call of a plugin costs: a fresh instance, the call, and the end of it. The host's side does nothing.

use frontdesk::plugins::{
    BoxFuture, CompileLimits, CompilerCommand, Envelope, Failure, HostServices, MailTransport, Notification,
    Plugins, Recipient, ServiceAccess, ServiceReader, Settings, Tone, WidgetRequest,
};
use frontdesk_tests::binary;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

const CALLS: usize = 2000;

/// A mail server that takes everything, and a service where one person is online.
struct Lent;

impl MailTransport for Lent {
    fn submit(&self, _: Envelope, _: Vec<u8>) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async { Ok("taken".to_owned()) })
    }
}

impl ServiceReader for Lent {
    fn get(&self, _: String, _: ServiceAccess) -> BoxFuture<'_, Result<String, Failure>> {
        let online = r#"{"items": [{"username": "ada", "first_name": "Ada", "last_name": "Lovelace"}], "next_cursor": null}"#;
        Box::pin(async move { Ok(online.to_owned()) })
    }
}

pub(crate) async fn measure() {
    let cache = tempfile::tempdir().expect("a temporary directory");
    let compiler = CompilerCommand::this_binary().expect("how the binary is asked to compile");
    let settings = Settings {
        cache_dir: cache.path().join("code-cache"),
        cache_key: [0; 32],
        compiler: CompilerCommand { program: binary(), ..compiler },
        compile: CompileLimits::default(),
    };
    let host = HostServices {
        now_ms: Arc::new(|| 1_767_225_600_000),
        random: Arc::new(|bytes| bytes.fill(7)),
        mail: Arc::new(Lent),
        service: Arc::new(Lent),
    };
    let plugins = Plugins::new(settings, host).expect("the engine starts");
    let mut loaded = Vec::new();
    for name in ["email", "staff-online"] {
        let component = std::fs::read(super::component(name)).expect("make plugins built it");
        loaded.push(plugins.install(component).await.unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    let [email, online] = loaded.try_into().expect("two plugins");

    let settings = json!({ "sender_name": "Frontdesk", "sender_address": "frontdesk@example.test" });
    let mut sends = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let notification = invitation();
        let start = Instant::now();
        let sent = plugins.notifier_send(&email, notification, &settings, &json!({}), &[]).await;
        sends.push(start.elapsed());
        assert!(matches!(sent, Ok(Ok(_))), "{sent:?}");
    }
    super::print("email: instance and send()", super::summary(sends));

    let mut renders = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let request = WidgetRequest {
            widget: "staff-online".to_owned(),
            viewer: None,
            settings: "{}".to_owned(),
            preferences: "{}".to_owned(),
        };
        let access = ServiceAccess::Shared { permission: Some("staff.view".to_owned()) };
        let start = Instant::now();
        let drawn = plugins.widget_render(&online, request, access).await;
        renders.push(start.elapsed());
        assert!(matches!(drawn, Ok(Ok(_))), "{drawn:?}");
    }
    super::print("staff-online: instance and render()", super::summary(renders));
}

fn invitation() -> Notification {
    let text = "Ada Lovelace invites you to Frontdesk. Follow the link within seven days.".to_owned();
    Notification {
        id: "01980000-0000-7000-8000-000000000000".to_owned(),
        attempt: 1,
        event: "invitation.created".to_owned(),
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        tone: Tone::Info,
        title: "Ada Lovelace invites you".to_owned(),
        html: Some(format!("<p>{text}</p>")),
        message: text,
        link: None,
        attributes: Vec::new(),
        recipients: vec![Recipient {
            name: "Grace Hopper".to_owned(),
            address: "grace@example.test".to_owned(),
            locale: "en".to_owned(),
        }],
        data: "{}".to_owned(),
    }
}
