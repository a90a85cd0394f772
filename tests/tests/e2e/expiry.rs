//! What time ends, to the millisecond: the library in this process, with a clock that the test turns.

use frontdesk::config::{Config, Overrides};
use frontdesk::plugins::CompilerCommand;
use frontdesk::{App, Surroundings};
use frontdesk_core::testing::ManualClock;
use frontdesk_tests::{
    Api, Database, Invitation, PASSWORD, Person, Secrets, accept_as_first, binary, both, invite, token_of,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

both! {
    a_link_lives_seven_days_to_the_millisecond,
    the_first_link_lives_a_day,
    a_session_ends_when_idle_and_at_the_latest_after_twelve_hours,
    sensitive_changes_want_the_password_every_ten_minutes,
}

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The service without its process: at 2026-01-01T00:00:00Z until the clock is turned.
pub(crate) struct Inside {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) guest: Api,
    app: App,
    // Last: what the service uses goes after it.
    _directory: TempDir,
    _database: Database,
}

impl Inside {
    pub(crate) async fn on(database: Database) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let overrides = Overrides {
            data: Some(directory.path().join("data")),
            database: database.url(),
            ..Overrides::default()
        };
        let config = Config::load(None, std::iter::empty(), &overrides).expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let bound = listener.local_addr().expect("it is bound");
        let clock = ManualClock::new();
        // This process is the tests'; what compiles plugins is the real binary.
        let compiler = CompilerCommand {
            program: binary(),
            ..CompilerCommand::this_binary().expect("how the binary is asked to compile")
        };
        let around =
            Surroundings { clock: clock.clone(), compiler: Some(compiler), ..Surroundings::at(bound) };
        let app = frontdesk::build(config, around).await.expect("it starts");
        let service = frontdesk::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let guest = Api::new(&format!("http://{bound}"), &Secrets::default());
        Self { clock, guest, app, _directory: directory, _database: database }
    }

    async fn first_link(&self) -> String {
        self.app.first_administrator().await.expect("the database answers").expect("there is nobody yet")
    }

    pub(crate) async fn first_administrator(&self) -> Person {
        accept_as_first(&self.guest, &self.first_link().await).await
    }

    async fn log_in(&self, person: &Person) -> Api {
        let login = json!({ "login": person.username, "password": person.password });
        let session = self.guest.post("/v1/admin/session", &login).await.expect(200);
        self.guest.with_token(session["token"].as_str().expect("a session"))
    }
}

fn acceptance(invitation: &Invitation, username: &str) -> Value {
    json!({
        "token": invitation.token(), "username": username, "password": PASSWORD,
        "first_name": "Somebody", "last_name": "Invited",
    })
}

async fn a_link_lives_seven_days_to_the_millisecond(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    let grace = invite(&ada.api, "grace@example.test", json!({})).await;
    let joan = invite(&ada.api, "joan@example.test", json!({})).await;
    assert_eq!(joan.body["created_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(joan.body["expires_at"], "2026-01-08T00:00:00.000Z");
    let guest = &service.guest;
    let accept = "/v1/public/invitations/accept";

    service.clock.advance(7 * DAY - MILLISECOND);
    guest.post("/v1/public/invitations/lookup", &json!({ "token": joan.token() })).await.expect(200);
    guest.post(accept, &acceptance(&grace, "grace")).await.expect(200);

    service.clock.advance(MILLISECOND);
    let looked = guest.post("/v1/public/invitations/lookup", &json!({ "token": joan.token() })).await;
    looked.problem(410, "invitation_expired");
    guest.post(accept, &acceptance(&joan, "joan")).await.problem(410, "invitation_expired");

    // It stays listed, and a new link has seven days of its own.
    let api = service.log_in(&ada).await;
    let listed = api.get("/v1/admin/staff-invitations").await.expect(200);
    assert_eq!(listed["items"][0]["id"], joan.id.as_str());
    assert_eq!(listed["items"][0]["state"], "expired");
    let resent = api.post(&format!("{}/resend", joan.path()), &json!({})).await;
    let resent = Invitation::from(resent.expect(200));
    assert_eq!(resent.body["expires_at"], "2026-01-15T00:00:00.000Z");
    guest.post(accept, &acceptance(&joan, "joan")).await.problem(410, "invitation_replaced");
    service.clock.advance(7 * DAY - MILLISECOND);
    guest.post(accept, &acceptance(&resent, "joan")).await.expect(200);
}

async fn the_first_link_lives_a_day(database: Database) {
    let service = Inside::on(database).await;
    let link = service.first_link().await;
    let lookup = json!({ "token": token_of(&link) });
    service.clock.advance(DAY - MILLISECOND);
    service.guest.post("/v1/public/invitations/lookup", &lookup).await.expect(200);
    service.clock.advance(MILLISECOND);
    service.guest.post("/v1/public/invitations/lookup", &lookup).await.problem(410, "invitation_expired");
    service.first_administrator().await;
}

async fn a_session_ends_when_idle_and_at_the_latest_after_twelve_hours(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    let who_am_i = "/v1/admin/session";

    let idle = service.log_in(&ada).await;
    service.clock.advance(HOUR - MILLISECOND);
    idle.get(who_am_i).await.expect(200);
    service.clock.advance(HOUR);
    idle.get(who_am_i).await.problem(401, "login_required");

    let busy = service.log_in(&ada).await;
    for _ in 0..15 {
        service.clock.advance(45 * MINUTE);
        busy.get(who_am_i).await.expect(200);
    }
    service.clock.advance(45 * MINUTE - MILLISECOND);
    busy.get(who_am_i).await.expect(200);
    service.clock.advance(MILLISECOND);
    busy.get(who_am_i).await.problem(401, "login_required");
}

async fn sensitive_changes_want_the_password_every_ten_minutes(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    service.clock.advance(10 * MINUTE - MILLISECOND);
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    service.clock.advance(MILLISECOND);
    let unread = ada.api.post("/v1/admin/staff-invitations", &json!("not looked at")).await;
    unread.problem(403, "confirmation_required");
    ada.api.delete(&invitation.path()).await.problem(403, "confirmation_required");
    ada.api.get("/v1/admin/staff-invitations").await.expect(200);

    let wrong = json!({ "password": PASSWORD });
    ada.api.post("/v1/admin/session/confirm", &wrong).await.problem(403, "confirmation_refused");
    ada.api.delete(&invitation.path()).await.problem(403, "confirmation_required");
    let right = json!({ "password": ada.password });
    let confirmed = ada.api.post("/v1/admin/session/confirm", &right).await.expect(200);
    let api = ada.api.with_token(confirmed["token"].as_str().expect("a new token"));
    api.delete(&invitation.path()).await.expect(204);

    // It opens this session, not another one of the same person's.
    let other = service.log_in(&ada).await;
    service.clock.advance(10 * MINUTE);
    api.post("/v1/admin/session/confirm", &right).await.expect(200);
    other
        .post(&format!("{}/resend", invitation.path()), &json!({}))
        .await
        .problem(403, "confirmation_required");
}
