//! Authenticator apps and recovery codes: enrolled, asked for, each taken once, and required where somebody says so.

use crate::openapi::{Operation, all_is_refused_but, document};
use frontdesk_tests::{
    Answer, AuthenticatorApp, Challenge, Database, Frontdesk, Person, Smtp, both, eventually,
    first_administrator, joined, recovery_codes, roles, trust_this_machine,
};
use reqwest::header;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

both! {
    an_app_is_enrolled_by_a_first_code_and_asked_for_from_then_on,
    a_code_is_taken_once,
    of_16_who_race_with_one_code_one_comes_in,
    of_16_who_race_with_one_recovery_code_one_comes_in,
    new_challenges_buy_no_guesses,
    seed_and_recovery_codes_are_renewed,
    a_second_factor_is_removed,
    a_setting_requires_a_second_factor,
    a_role_requires_a_second_factor,
    half_of_a_login_is_no_session,
}

const WORKS_WHILE_ENROLLING: [&str; 8] = [
    "DELETE /v1/admin/session",
    "GET /v1/admin/me",
    "GET /v1/admin/me/security-keys",
    "GET /v1/admin/session",
    "POST /v1/admin/me/security-keys",
    "POST /v1/admin/me/security-keys/confirm",
    "POST /v1/admin/me/totp",
    "POST /v1/admin/me/totp/confirm",
];

/// As if the last code had been taken long ago: tests do not wait half a minute for the next one.
async fn later(service: &Frontdesk) {
    service.execute("UPDATE totp SET last_step = 0").await;
}

/// Nobody remembers failed guesses, nor whoever failed.
async fn forgiven(service: &Frontdesk) {
    service.execute("DELETE FROM name_delays").await;
}

/// What is enrolled, as its owner sees it.
async fn enrolled(person: &Person) -> Value {
    person.api.get("/v1/admin/me").await.expect(200)["second_factor"].clone()
}

fn count(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut outcomes = BTreeMap::new();
    for answer in answers {
        *outcomes.entry(answer.status.as_u16()).or_default() += 1;
        match answer.status.as_u16() {
            200 => {}
            401 => {
                let problem = answer.any_problem();
                assert!(["code_refused", "challenge_over"].contains(&problem["code"].as_str().unwrap_or("")));
            }
            _ => drop(answer.problem(429, "too_many_attempts")),
        }
    }
    outcomes
}

/// Everybody answers at once, each their own challenge, with the same code.
async fn race(
    service: &Frontdesk,
    challenges: &[Challenge],
    method: &'static str,
    code: &str,
) -> Vec<Answer> {
    let mut racers = JoinSet::new();
    for challenge in challenges {
        let (guest, challenge, code) = (service.api(), challenge.clone(), code.to_owned());
        racers.spawn(async move { challenge.answer(&guest, method, &code).await });
    }
    racers.join_all().await
}

async fn challenges(person: &Person, service: &Frontdesk, count: usize) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for _ in 0..count {
        challenges.push(person.challenged(service).await);
    }
    challenges
}

/// The text in the QR code of an SVG image, as a camera reads it.
fn scanned(svg: &str) -> String {
    let number = |text: &str, name: &str| -> usize {
        let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("no {name} in {text}"));
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("no number after {name}"))
    };
    let (width, height) = (number(svg, " width=\""), number(svg, " height=\""));
    // The last path is what is dark: rectangles, each `Mx yhWvH…`.
    let (_, dark) = svg.rsplit_once(" d=\"").expect("a path");
    let mut image = vec![255; width * height];
    for part in dark.split('M').skip(1) {
        let (x, y) = (number(&format!("M{part}"), "M"), number(part, " "));
        for row in y..y + number(part, "v") {
            image[row * width + x..row * width + x + number(part, "h")].fill(0);
        }
    }
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| image[y * width + x]);
    let codes = image.detect_grids();
    assert_eq!(codes.len(), 1, "one QR code");
    codes[0].decode().expect("it can be read").1
}

/// RFC 6238, appendix B, in six digits: the app of these tests is one.
#[test]
fn the_app_shows_the_codes_of_the_rfc() {
    let app = AuthenticatorApp::with_seed(b"12345678901234567890");
    for (second, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
        assert_eq!(app.code_at(second), code);
    }
}

async fn an_app_is_enrolled_by_a_first_code_and_asked_for_from_then_on(database: Database) {
    let smtp = Smtp::start().await;
    let mut service = Frontdesk::on(database).with_config("company_name = \"Acme & Söhne\"").with_mail(&smtp);
    service.start().await;
    let mut ada = first_administrator(&service).await;
    let guest = service.api();
    let none = json!({ "code": "000000" });
    ada.api.post("/v1/admin/me/totp/confirm", &none).await.problem(409, "not_begun");

    let begun = ada.api.post("/v1/admin/me/totp", &json!({})).await.expect(200);
    let secret = begun["secret"].as_str().expect("a seed").to_owned();
    assert_eq!(secret.len(), 32, "160 bits in base32");
    let url = begun["otpauth_url"].as_str().expect("an address");
    assert_eq!(
        url,
        format!(
            "otpauth://totp/Acme%20%26%20S%C3%B6hne:ada?secret={secret}&issuer=Acme%20%26%20S%C3%B6hne\
             &algorithm=SHA1&digits=6&period=30"
        )
    );
    let svg = begun["qr_svg"].as_str().expect("an image");
    assert!(
        svg.contains("xmlns=\"http://www.w3.org/2000/svg\"") && svg.trim_end().ends_with("</svg>"),
        "{svg}"
    );
    assert!(!svg.contains("<script"), "{svg}");
    assert_eq!(scanned(svg), url);
    let app = AuthenticatorApp::scanned(&begun);

    // What is begun changes nothing, nor does a wrong code.
    let wrong = json!({ "code": app.wrong_code() });
    ada.api.post("/v1/admin/me/totp/confirm", &wrong).await.invalid("code");
    assert_eq!(
        enrolled(&ada).await,
        json!({ "totp": false, "security_keys": 0, "recovery_codes_left": 0, "required": false })
    );
    assert!(ada.log_in(&service).await.expect(200)["token"].is_string());
    assert_eq!(smtp.mails().len(), 0);

    let right = json!({ "code": app.code() });
    let confirmed = ada.api.post("/v1/admin/me/totp/confirm", &right).await.expect(200);
    let codes: BTreeSet<_> = recovery_codes(&confirmed).into_iter().collect();
    assert_eq!(codes.len(), 10, "ten, all different");
    assert!(codes.iter().all(|code| code.len() == 14), "in groups that people can copy");
    let before = ada.api.clone();
    ada.renewed(&confirmed);
    before.get("/v1/admin/session").await.problem(401, "login_required");
    ada.api.post("/v1/admin/me/totp/confirm", &right).await.problem(409, "not_begun");
    assert_eq!(
        enrolled(&ada).await,
        json!({ "totp": true, "security_keys": 0, "recovery_codes_left": 10, "required": false })
    );
    assert_eq!(smtp.takes(1).await[0].to, ["ada@example.test"]);

    let question = ada.log_in(&service).await;
    assert_eq!(question.header("set-cookie"), None);
    let challenge = Challenge::from(&question.expect(200));
    assert_eq!(challenge.body["methods"], json!(["totp", "recovery"]));
    let fields: Vec<_> = challenge.body.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["challenge", "methods"], "nothing of the person");
    challenge.answer(&guest, "totp", &app.wrong_code()).await.problem(401, "code_refused");
    challenge.answer(&guest, "security-key", "").await.invalid("credential");
    later(&service).await;
    let came_in = challenge.answer(&guest, "totp", &app.code()).await.expect(200);
    assert_eq!(came_in["staff"]["username"], "ada");
    assert_eq!(came_in["pending"], json!([]));
    let session = guest.with_token(came_in["token"].as_str().expect("a session"));
    session.get("/v1/admin/staff").await.expect(200);
    later(&service).await;
    challenge.answer(&guest, "totp", &app.code()).await.problem(401, "challenge_over");
    let methods = "SELECT data FROM events WHERE name = 'session.started' AND data LIKE '%\"totp\"%'";
    assert_eq!(service.column(methods).await.len(), 1);

    // In a cookie, if a browser asks for one.
    later(&service).await;
    let answer = json!({
        "challenge": ada.challenged(&service).await.token, "method": "totp", "code": app.code(), "session": "cookie",
    });
    let cookie = guest.post("/v1/admin/session/second-factor", &answer).await;
    assert_eq!(cookie.expect(200).get("token"), None);
    assert!(cookie.header("set-cookie").is_some_and(|set| set.starts_with("__Host-frontdesk-admin=")));
    smtp.takes(1).await;
    service.keeps_its_secrets().await;
}

/// Not for as long as it would be right, in whatever challenge; and neither are those before it.
async fn a_code_is_taken_once(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let begun = ada.api.post("/v1/admin/me/totp", &json!({})).await.expect(200);
    let app = AuthenticatorApp::scanned(&begun);
    let first = app.code();
    let confirmed = ada.api.post("/v1/admin/me/totp/confirm", &json!({ "code": first })).await.expect(200);
    ada.renewed(&confirmed);
    ada.challenged(&service).await.answer(&guest, "totp", &first).await.problem(401, "code_refused");

    forgiven(&service).await;
    later(&service).await;
    let code = app.code();
    ada.challenged(&service).await.answer(&guest, "totp", &code).await.expect(200);
    let again = ada.challenged(&service).await;
    again.answer(&guest, "totp", &code).await.problem(401, "code_refused");
    // It is still the hour of this code: nothing but its having been taken is wrong with it.
    later(&service).await;
    again.answer(&guest, "totp", &code).await.expect(200);
    // Nor is one from before the last one that was taken.
    service.execute("UPDATE totp SET last_step = last_step + 1").await;
    let earlier = ada.challenged(&service).await;
    earlier.answer(&guest, "totp", &app.code()).await.problem(401, "code_refused");
    service.keeps_its_secrets().await;
}

async fn of_16_who_race_with_one_code_one_comes_in(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let (app, _) = ada.enrol_app().await;
    let full = "SELECT id FROM sessions WHERE state = 'full'";

    // Each with a challenge of their own.
    later(&service).await;
    let apart = challenges(&ada, &service, 16).await;
    let outcomes = count(&race(&service, &apart, "totp", &app.code()).await);
    assert_eq!(outcomes.get(&200), Some(&1), "{outcomes:?}");
    assert_eq!(service.column(full).await.len(), 2);

    // And all with the same.
    forgiven(&service).await;
    later(&service).await;
    let shared = ada.challenged(&service).await;
    let outcomes = count(&race(&service, &vec![shared; 16], "totp", &app.code()).await);
    assert_eq!(outcomes.get(&200), Some(&1), "{outcomes:?}");
    assert_eq!(service.column(full).await.len(), 3);
    service.keeps_its_secrets().await;
}

async fn of_16_who_race_with_one_recovery_code_one_comes_in(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let (_, codes) = ada.enrol_app().await;
    smtp.takes(1).await;
    let apart = challenges(&ada, &service, 16).await;
    let outcomes = count(&race(&service, &apart, "recovery", &codes[0]).await);
    assert_eq!(outcomes.get(&200), Some(&1), "{outcomes:?}");
    assert_eq!(service.column("SELECT id FROM sessions WHERE state = 'full'").await.len(), 2);
    assert_eq!(enrolled(&ada).await["recovery_codes_left"], 9);
    let used = "SELECT data FROM events WHERE name = 'staff.recovery_code_used'";
    assert_eq!(service.column(used).await.len(), 1);
    let mails = smtp.takes(2).await;
    assert_eq!(mails[1].to, ["ada@example.test"]);
    assert!(mails[1].text().contains("9 are left"), "{}", mails[1].text());

    // Spent for good; another one is read as people type it.
    forgiven(&service).await;
    let challenge = ada.challenged(&service).await;
    challenge.answer(&guest, "recovery", &codes[0]).await.problem(401, "code_refused");
    let typed = format!(" {} ", codes[1].replace('-', " ").to_uppercase());
    challenge.answer(&guest, "recovery", &typed).await.expect(200);
    smtp.takes(3).await;
    service.keeps_its_secrets().await;
}

/// Wrong answers are counted per person, whatever was asked and how it was answered.
async fn new_challenges_buy_no_guesses(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let (app, codes) = ada.enrol_app().await;
    later(&service).await;
    for (method, wrong) in
        [("totp", app.wrong_code()), ("recovery", "0000-0000-0000".into()), ("totp", app.wrong_code())]
    {
        // Each with a new challenge, which takes a right password.
        let challenge = ada.challenged(&service).await;
        challenge.answer(&guest, method, &wrong).await.problem(401, "code_refused");
        let confirm = json!({ "password": ada.password });
        let confirmed = ada.api.post("/v1/admin/session/confirm", &confirm).await.expect(200);
        ada.renewed(&confirmed);
    }
    let failures = "SELECT CAST(failures AS TEXT) FROM name_delays WHERE step = 'code'";
    assert_eq!(service.column(failures).await, ["3"]);
    // The last was just now, however long this test takes.
    service.execute("UPDATE name_delays SET last_failed_at = last_failed_at + 3600000").await;

    let challenge = ada.challenged(&service).await;
    for (method, answer) in [
        ("totp", app.wrong_code()),
        ("totp", app.code()),
        ("recovery", codes[0].clone()),
        ("recovery", "0000-0000-0000".into()),
    ] {
        let slowed = challenge.answer(&guest, method, &answer).await;
        slowed.problem(429, "too_many_attempts");
        assert_eq!(slowed.header("retry-after"), Some("1"));
    }
    assert_eq!(service.column(failures).await, ["3"], "what was not looked at does not count");
    ada.api.get("/v1/admin/session").await.expect(200);

    // The longer it goes on, the longer the wait: an hour in the end.
    service.execute("UPDATE name_delays SET failures = 40").await;
    let slowed = challenge.answer(&guest, "totp", &app.code()).await;
    slowed.problem(429, "too_many_attempts");
    assert_eq!(slowed.header("retry-after"), Some("3600"));
    service.execute("UPDATE name_delays SET last_failed_at = last_failed_at - 7200001").await;
    challenge.answer(&guest, "totp", &app.code()).await.expect(200);
    assert_eq!(service.column(failures).await, [""; 0]);
    service.keeps_its_secrets().await;
}

async fn seed_and_recovery_codes_are_renewed(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    ada.api.post("/v1/admin/me/recovery-codes", &json!({})).await.problem(404, "not_found");
    let (old, codes) = ada.enrol_app().await;
    let (new, none) = ada.enrol_app().await;
    assert_eq!(none, [""; 0], "the recovery codes stay");
    later(&service).await;
    let challenge = ada.challenged(&service).await;
    challenge.answer(&guest, "totp", &old.code()).await.problem(401, "code_refused");
    challenge.answer(&guest, "totp", &new.code()).await.expect(200);
    smtp.takes(2).await;

    let renewed = ada.api.post("/v1/admin/me/recovery-codes", &json!({})).await.expect(200);
    let fresh = recovery_codes(&renewed);
    assert_eq!(fresh.len(), 10);
    let challenge = ada.challenged(&service).await;
    challenge.answer(&guest, "recovery", &codes[0]).await.problem(401, "code_refused");
    challenge.answer(&guest, "recovery", &fresh[9]).await.expect(200);
    smtp.takes(4).await;
    let hashes = service.column("SELECT hash FROM recovery_codes").await;
    assert_eq!(hashes.len(), 10);
    service.keeps_its_secrets().await;
}

async fn a_second_factor_is_removed(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let mut ada = first_administrator(&service).await;
    ada.api.delete("/v1/admin/me/totp").await.problem(404, "not_found");
    let guest = service.api();
    let (app, _) = ada.enrol_app().await;
    later(&service).await;
    let other = ada.challenged(&service).await.answer(&guest, "totp", &app.code()).await.expect(200);
    let other = guest.with_token(other["token"].as_str().expect("a session"));
    let waiting = ada.challenged(&service).await;

    let staff = json!({ "second_factor_required": "staff" });
    ada.api.patch("/v1/admin/settings", &staff).await.expect(200);
    ada.api.delete("/v1/admin/me/totp").await.problem(409, "second_factor_needed");
    assert_eq!(enrolled(&ada).await["totp"], true, "nothing of it was kept");
    other.get("/v1/admin/session").await.expect(200);
    let nobody = json!({ "second_factor_required": "none" });
    ada.api.patch("/v1/admin/settings", &nobody).await.expect(200);
    smtp.takes(1).await;

    let removed = ada.api.delete("/v1/admin/me/totp").await.expect(200);
    assert_eq!(removed["pending"], json!([]));
    let before = ada.api.clone();
    ada.renewed(&removed);
    before.get("/v1/admin/session").await.problem(401, "login_required");
    other.get("/v1/admin/session").await.problem(401, "login_required");
    later(&service).await;
    waiting.answer(&guest, "totp", &app.code()).await.problem(401, "challenge_over");
    for rows in
        ["SELECT login_id FROM totp", "SELECT hash FROM recovery_codes", "SELECT login_id FROM recovery_sets"]
    {
        assert_eq!(service.column(rows).await, [""; 0], "{rows}");
    }
    assert!(ada.log_in(&service).await.expect(200)["token"].is_string());
    ada.api.delete("/v1/admin/me/totp").await.problem(404, "not_found");
    let mails = smtp.takes(2).await;
    assert!(mails[1].text().contains("was removed from your login"), "{}", mails[1].text());
    service.keeps_its_secrets().await;
}

/// Logs in with the password and finds out that a second factor is to be enrolled first; does so.
async fn is_made_to_enrol(service: &Frontdesk, person: &mut Person) {
    let restricted = person.log_in(service).await.expect(200);
    assert_eq!(restricted["pending"], json!(["enrol_second_factor"]));
    person.renewed(&restricted);
    let mut open =
        all_is_refused_but(&person.api, "staff", "enrol_second_factor", "second_factor_required").await;
    assert!(open.remove("POST /v1/admin/session/confirm"));
    assert_eq!(open, WORKS_WHILE_ENROLLING.map(str::to_owned).into());
    let me = person.api.get("/v1/admin/session").await.expect(200);
    assert_eq!(me["pending"], json!(["enrol_second_factor"]));
    // A new token by the password is no way round.
    let confirm = json!({ "password": person.password });
    let confirmed = person.api.post("/v1/admin/session/confirm", &confirm).await.expect(200);
    assert_eq!(confirmed["pending"], json!(["enrol_second_factor"]));
    person.renewed(&confirmed);
    person.api.get("/v1/admin/sessions").await.problem(403, "second_factor_required");

    let restricted = person.api.clone();
    let (app, codes) = person.enrol_app().await;
    assert_eq!(codes.len(), 10);
    restricted.get("/v1/admin/session").await.problem(401, "login_required");
    let me = person.api.get("/v1/admin/session").await.expect(200);
    assert_eq!(me["pending"], json!([]));
    person.api.get("/v1/admin/sessions").await.expect(200);
    assert_eq!(enrolled(person).await["required"], true);
    person.api.delete("/v1/admin/me/totp").await.problem(409, "second_factor_needed");
    later(service).await;
    let answer = person.challenged(service).await.answer(&service.api(), "totp", &app.code()).await;
    assert_eq!(answer.expect(200)["pending"], json!([]));
}

async fn a_setting_requires_a_second_factor(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    let mut grace = joined(&ada, &service, "grace", json!({})).await;
    let staff = json!({ "second_factor_required": "staff" });
    ada.api.patch("/v1/admin/settings", &staff).await.expect(200);
    // Whoever is in stays in; whoever comes in enrols first.
    ada.api.get("/v1/admin/staff").await.expect(200);
    is_made_to_enrol(&service, &mut grace).await;
    is_made_to_enrol(&service, &mut ada).await;
    service.keeps_its_secrets().await;
}

async fn a_role_requires_a_second_factor(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let mut grace = joined(&ada, &service, "grace", json!({ "role_id": powerless })).await;
    let required = json!({ "second_factor_required": true });
    let role = ada.api.patch(&format!("/v1/admin/roles/{powerless}"), &required).await.expect(200);
    assert_eq!(role["second_factor_required"], true);
    is_made_to_enrol(&service, &mut grace).await;
    // Others have other roles.
    assert_eq!(ada.log_in(&service).await.expect(200)["pending"], json!([]));
    assert_eq!(enrolled(&ada).await["required"], false);
    service.keeps_its_secrets().await;
}

/// A challenge answers one question, and opens nothing.
async fn half_of_a_login_is_no_session(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    let (app, _) = ada.enrol_app().await;
    let guest = service.api();
    let challenge = ada.challenged(&service).await;
    let half = guest.with_token(&challenge.token);
    for operation in Operation::all(&document(&guest).await) {
        if operation.audience() == "public" {
            continue;
        }
        for request in operation.nonsense(&half) {
            half.send(request).await.problem(401, "login_required");
        }
        for request in operation.nonsense(&guest) {
            let cookie = format!("__Host-frontdesk-admin={}", challenge.token);
            let request = request.header(header::COOKIE, cookie).header(header::ORIGIN, service.base());
            guest.send(request).await.problem(401, "login_required");
        }
    }
    // Nor is a session a challenge.
    let session = Challenge { token: ada.token.clone(), body: json!({}) };
    later(&service).await;
    session.answer(&guest, "totp", &app.code()).await.problem(401, "challenge_over");
    // Ten minutes, and it is over.
    service.execute("UPDATE sessions SET expires_at = 1 WHERE state = 'challenge'").await;
    challenge.answer(&guest, "totp", &app.code()).await.problem(401, "challenge_over");
    let challenge = ada.challenged(&service).await;
    eventually("the way in", || async {
        let answer = challenge.answer(&guest, "totp", &app.code()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    service.keeps_its_secrets().await;
}
