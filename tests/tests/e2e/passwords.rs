//! Which passwords are taken, and what becomes of those that were made elsewhere.

use crate::openapi::all_is_refused_but;
use frontdesk_tests::{
    Database, Frontdesk, PASSWORD, Smtp, both, first_administrator, invite, log_in, token_of,
    trust_this_machine,
};
use reqwest::Method;
use serde_json::json;

both! {
    easily_guessed_passwords_are_refused_with_the_reason,
    eight_characters_do_beside_a_second_factor_and_no_longer,
    an_imported_password_lets_its_owner_in_and_is_stored_as_our_own_from_then_on,
}

const OWN_WORDS: &str = "This is little more than a name or address that belongs to you or to this service. Take words that do not.";

/// On the first day, at a change, and by a link: the same rules, and whoever is refused learns why.
async fn easily_guessed_passwords_are_refused_with_the_reason(database: Database) {
    let smtp = Smtp::start().await;
    let mut service =
        Frontdesk::on(database).with_config("company_name = \"Analytical Engines\"").with_mail(&smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    let names = json!({ "first_name": "Ada", "last_name": "Byron" });
    let invitation = invite(&ada.api, "lovelace@example.test", names).await;
    let printed = service.run(&["staff", "reset-password", "ada"]).await;
    let link = printed.stdout.trim();
    service.secrets.keep_link(link);
    smtp.takes(2).await;
    let hash = "SELECT password_hash FROM logins WHERE username = 'ada'";
    let before = service.column(hash).await;

    let guest = service.api();
    let accept =
        |password: &str| json!({ "token": invitation.token(), "username": "lovelace", "password": password });
    let complete = |password: &str| json!({ "token": token_of(link), "password": password });
    for (password, reason) in [
        ("fourteen chars", "A password here has at least 15 characters."),
        (&*"x".repeat(257), "A password has at most 256 characters."),
        (
            "1qaz2wsx3edc4rfv",
            "This is one of the passwords that are tried first. Take one that is not in use everywhere.",
        ),
        ("hunter22hunter22", "This is one short piece, repeated. Take something that goes on."),
        ("adalovelace2026!", OWN_WORDS),
        ("AnalyticalEngines1", OWN_WORDS),
    ] {
        for refused in [
            guest.post("/v1/public/invitations/accept", &accept(password)).await,
            ada.api.json(Method::PUT, "/v1/admin/me/password", &json!({ "password": password })).await,
            guest.post("/v1/public/password-reset/complete", &complete(password)).await,
        ] {
            assert_eq!(refused.problem(422, "password_refused")["detail"], reason, "{password}");
        }
    }
    assert_eq!(service.column(hash).await, before);
    assert_eq!(service.column("SELECT id FROM sessions").await.len(), 1);

    // Neither link was spent by it, and only now somebody is told.
    guest.post("/v1/public/invitations/accept", &accept(PASSWORD)).await.expect(200);
    smtp.takes(2).await;
    guest.post("/v1/public/password-reset/complete", &complete(PASSWORD)).await.expect(204);
    let told = smtp.takes(3).await;
    assert_eq!(told[2].to, ["ada@example.test"]);
    let events = "SELECT data FROM events WHERE name = 'staff.password_changed'";
    assert_eq!(service.column(events).await.len(), 1);
    service.keeps_its_secrets().await;
}

async fn eight_characters_do_beside_a_second_factor_and_no_longer(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    let short = "kV7#qz2x";
    let change = |password: &str| json!({ "password": password });
    let path = "/v1/admin/me/password";
    let refused = ada.api.json(Method::PUT, path, &change(short)).await;
    assert_eq!(
        refused.problem(422, "password_refused")["detail"],
        "A password here has at least 15 characters."
    );

    let (app, _) = ada.enrol_app().await;
    for (weak, reason) in [
        ("kV7#qz2", "A password here has at least 8 characters."),
        (
            "trustno1",
            "This is one of the passwords that are tried first. Take one that is not in use everywhere.",
        ),
    ] {
        let refused = ada.api.json(Method::PUT, path, &change(weak)).await;
        assert_eq!(refused.problem(422, "password_refused")["detail"], reason);
    }
    let changed = ada.api.json(Method::PUT, path, &change(short)).await.expect(200);
    assert_eq!(changed["pending"], json!([]));
    ada.renewed(&changed);
    short.clone_into(&mut ada.password);

    // Without the second factor it no longer stands, in this session and in the next.
    let removed = ada.api.delete("/v1/admin/me/totp").await.expect(200);
    assert_eq!(removed["pending"], json!(["change_password"]));
    ada.renewed(&removed);
    let next = ada.log_in(&service).await.expect(200);
    assert_eq!(next["pending"], json!(["change_password"]));
    let next = ada.api.with_token(next["token"].as_str().expect("a session"));
    for api in [&ada.api, &next] {
        let open = all_is_refused_but(api, "staff", "change_password", "password_change_required").await;
        assert_eq!(
            open,
            [
                "DELETE /v1/admin/session",
                "GET /v1/admin/me",
                "GET /v1/admin/session",
                "POST /v1/admin/session/confirm",
                "PUT /v1/admin/me/password",
            ]
            .map(str::to_owned)
            .into()
        );
        let me = api.get("/v1/admin/session").await.expect(200);
        assert_eq!(me["pending"], json!(["change_password"]));
    }
    let confirmed = ada.api.post("/v1/admin/session/confirm", &change(short)).await.expect(200);
    assert_eq!(confirmed["pending"], json!(["change_password"]), "no way round");
    ada.renewed(&confirmed);
    ada.api.json(Method::PUT, path, &change("kV7#qz2xkV7#qz")).await.problem(422, "password_refused");
    let changed = ada.api.json(Method::PUT, path, &change(PASSWORD)).await.expect(200);
    assert_eq!(changed["pending"], json!([]));
    let restricted = ada.api.clone();
    ada.renewed(&changed);
    ada.api.get("/v1/admin/staff").await.expect(200);
    restricted.get("/v1/admin/session").await.problem(401, "login_required");
    next.get("/v1/admin/session").await.problem(401, "login_required");
    assert_eq!(log_in(&service.api(), "ada", PASSWORD).await.expect(200)["pending"], json!([]));
    drop(app);
    service.keeps_its_secrets().await;
}

/// As PHP's `password_hash` made it.
async fn an_imported_password_lets_its_owner_in_and_is_stored_as_our_own_from_then_on(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let imported = "$2y$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS";
    let hash = "SELECT password_hash FROM logins WHERE username = 'ada'";
    service.execute(&format!("UPDATE logins SET password_hash = '{imported}' WHERE username = 'ada'")).await;
    for wrong in [&*ada.password, "correct horse battery stapl"] {
        log_in(&guest, "ada", wrong).await.problem(401, "login_refused");
    }
    assert_eq!(service.column(hash).await, [imported]);

    let password = "correct horse battery staple";
    log_in(&guest, "ada", password).await.expect(200);
    let ours = service.column(hash).await.remove(0);
    assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
    log_in(&guest, "ada", password).await.expect(200);
    assert_eq!(service.column(hash).await, [ours], "and stays");
    log_in(&guest, "ada", "correct horse battery stapl").await.problem(401, "login_refused");
    // It is the same password.
    ada.api.get("/v1/admin/session").await.expect(200);
    let events = "SELECT data FROM events WHERE name = 'staff.password_changed'";
    assert_eq!(service.column(events).await.len(), 0);
    service.keeps_its_secrets().await;
}
