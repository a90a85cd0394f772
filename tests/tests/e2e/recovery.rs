//! Ways back in: a link by mail, a colleague, the command line.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Mail, PASSWORD, Person, Smtp, both, eventually, first_administrator,
    joined, log_in, roles, token_of, trust_this_machine,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

both! {
    asking_tells_nobody_who_is_there,
    links_lead_here_whatever_the_request_says,
    a_link_works_once_and_logs_nobody_in,
    of_16_who_race_with_one_link_one_sets_the_password,
    a_link_is_good_for_an_hour_and_until_another_is_used,
    a_link_does_not_stand_in_for_the_second_factor,
    whoever_squats_an_address_keeps_its_owner_out_with_no_second_factor,
    what_is_turned_off_is_refused_for_everybody,
    a_colleague_helps,
    the_command_line_helps_beside_a_running_service,
    the_command_line_helps_while_nothing_runs,
}

const ASK: &str = "/v1/public/password-reset";
const COMPLETE: &str = "/v1/public/password-reset/complete";

async fn ask(guest: &Api, login: &str) -> Answer {
    guest.post(ASK, &json!({ "audience": "staff", "login": login })).await
}

async fn complete(guest: &Api, token: &str, password: &str) -> Answer {
    guest.post(COMPLETE, &json!({ "token": token, "password": password })).await
}

/// Everything that was asked for was looked up.
async fn looked_up(service: &Frontdesk) {
    eventually("what was asked for to be looked up", || async {
        service.column("SELECT id FROM reset_requests WHERE name IS NOT NULL").await.is_empty().then_some(())
    })
    .await;
}

/// What a mail says, however its lines are broken.
fn words(mail: &Mail) -> String {
    mail.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs `frontdesk staff …`, and answers what it printed.
async fn staff(service: &Frontdesk, arguments: &[&str]) -> String {
    let outcome = service.run(&[&["staff"], arguments].concat()).await;
    assert!(outcome.status.success(), "{outcome:?}");
    // Without public_url it says so beside each link, and else nothing.
    let warned = outcome.stderr.starts_with("public_url is not set") && outcome.stderr.lines().count() == 1;
    assert!(outcome.stderr.is_empty() || warned, "{outcome:?}");
    if outcome.stdout.contains("#token=") {
        service.secrets.keep_link(outcome.stdout.trim());
    }
    outcome.stdout
}

async fn events(service: &Frontdesk, name: &str) -> Vec<String> {
    service.column(&format!("SELECT actor_kind FROM events WHERE name = '{name}'")).await
}

/// Somebody is there, is not there, is shut out, or belongs to the other side: the answer is the same, and one mail goes out.
async fn asking_tells_nobody_who_is_there(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    joined(&ada, &service, "grace", json!({})).await;
    smtp.takes(1).await;
    service.execute("UPDATE logins SET disabled = TRUE WHERE username = 'grace'").await;
    let guest = service.api();
    let mut answers = Vec::new();
    for login in
        ["nobody", "nobody@example.test", "grace", "grace@example.test", "", "a\0b", &"x".repeat(5000)]
    {
        answers.push(ask(&guest, login).await);
    }
    answers.push(guest.post(ASK, &json!({ "audience": "user", "login": "ada@example.test" })).await);
    answers.push(ask(&guest, " Ada@Example.TEST ").await);
    let mut seen: Vec<_> = answers
        .iter()
        .map(|answer| {
            let names = answer.headers.keys().map(ToString::to_string);
            (answer.status.as_u16(), answer.text.clone(), names.collect::<Vec<_>>())
        })
        .collect();
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!((seen[0].0, seen[0].1.as_str()), (204, ""));

    looked_up(&service).await;
    let mails = smtp.takes(2).await;
    assert_eq!(mails[1].to, ["ada@example.test"]);
    let text = words(&mails[1]);
    assert!(text.contains("from the address 127.0.0.1. Choose it here"), "{text}");
    assert_eq!(events(&service, "staff.password_reset_requested").await, ["guest"]);
    // What was typed is forgotten, also where it was nobody's name.
    assert_eq!(service.column("SELECT name FROM reset_requests WHERE name IS NOT NULL").await, [""; 0]);
    // Asking again brings no second mail within the minute.
    ask(&guest, "ada").await.expect(204);
    looked_up(&service).await;
    smtp.takes(2).await;
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), 2);
    ada.api.get("/v1/admin/session").await.expect(200);
    service.keeps_its_secrets().await;
}

/// They begin with `public_url`, and with nothing that a stranger could choose.
async fn links_lead_here_whatever_the_request_says(database: Database) {
    let smtp = Smtp::start().await;
    let mut service = Frontdesk::on(database)
        .with_config("public_url = \"https://desk.example.com/front\"")
        .with_mail(&smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    let guest = service.api();
    let forged = guest
        .request(Method::POST, ASK)
        .header(header::HOST, "evil.test")
        .header("x-forwarded-host", "evil.test")
        .header("x-forwarded-proto", "http")
        .header("x-original-url", "http://evil.test/")
        .header("forwarded", "for=192.0.2.1;host=evil.test;proto=http")
        .json(&json!({ "audience": "staff", "login": "ada" }));
    guest.send(forged).await.expect(204);
    let mail = smtp.takes_for("ada@example.test").await;
    assert!(
        mail.link().starts_with("https://desk.example.com/front/reset-password#token="),
        "{}",
        mail.link()
    );
    assert!(!String::from_utf8_lossy(&mail.raw).contains("evil.test"));
    assert!(!mail.html().contains("evil.test"));
    service.secrets.keep_link(&mail.link());

    let invitation = json!({ "email": "grace@example.test", "role_id": roles(&ada.api).await.0 });
    let forged = ada
        .api
        .request(Method::POST, "/v1/admin/staff-invitations")
        .header(header::HOST, "evil.test")
        .header("x-forwarded-host", "evil.test");
    let invited = ada.api.send(forged.json(&invitation)).await.expect(201);
    assert!(
        invited["link"]
            .as_str()
            .is_some_and(|link| link.starts_with("https://desk.example.com/front/accept#"))
    );
    let mail = smtp.takes_for("grace@example.test").await;
    assert_eq!(invited["link"], mail.link());
    assert!(!String::from_utf8_lossy(&mail.raw).contains("evil.test"));
    complete(&guest, token_of(&smtp.mails()[0].link()), PASSWORD).await.expect(204);
    service.keeps_its_secrets().await;
}

/// Asks for a link and takes it out of the mail.
async fn mailed(service: &Frontdesk, smtp: &Smtp, login: &str) -> String {
    let before = smtp.mails().len();
    ask(&service.api(), login).await.expect(204);
    let link = smtp.takes(before + 1).await.remove(before).link();
    service.secrets.keep_link(&link);
    token_of(&link).to_owned()
}

async fn a_link_works_once_and_logs_nobody_in(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let token = mailed(&service, &smtp, "ada").await;
    ada.api.get("/v1/admin/session").await.expect(200);
    let guest = service.api();
    for wrong in ["", "x", &"Ab".repeat(22)[..43], &ada.token] {
        complete(&guest, wrong, PASSWORD).await.problem(410, "reset_link_dead");
    }
    guest.with_token(&token).get("/v1/admin/session").await.problem(401, "login_required");
    let invited = json!({ "token": token });
    guest.post("/v1/public/invitations/lookup", &invited).await.problem(404, "invitation_unknown");

    let done = complete(&guest, &token, PASSWORD).await;
    assert_eq!(done.expect(204), Value::Null);
    assert_eq!(done.header("set-cookie"), None);
    assert_eq!(service.column("SELECT id FROM sessions").await, [""; 0], "nobody is in");
    ada.api.get("/v1/admin/session").await.problem(401, "login_required");
    complete(&guest, &token, "another quartz lantern 48").await.problem(410, "reset_link_dead");
    ada.log_in(&service).await.problem(401, "login_refused");
    log_in(&guest, "ada", PASSWORD).await.expect(200);
    let mails = smtp.takes(2).await;
    assert!(mails[1].text().contains("was changed with a reset link"), "{}", mails[1].text());
    assert_eq!(events(&service, "staff.password_changed").await, ["guest"]);
    service.keeps_its_secrets().await;
}

async fn of_16_who_race_with_one_link_one_sets_the_password(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let token = mailed(&service, &smtp, "ada").await;
    let mut racers = JoinSet::new();
    for n in 0..16 {
        let (guest, token, password) = (service.api(), token.clone(), format!("{PASSWORD} number {n}"));
        racers.spawn(async move { (complete(&guest, &token, &password).await, password) });
    }
    let mut outcomes: BTreeMap<u16, usize> = BTreeMap::new();
    let mut won = Vec::new();
    for (answer, password) in racers.join_all().await {
        *outcomes.entry(answer.status.as_u16()).or_default() += 1;
        if answer.status == 204 {
            won.push(password);
        } else {
            answer.problem(410, "reset_link_dead");
        }
    }
    assert_eq!(outcomes, BTreeMap::from([(204, 1), (410, 15)]));
    log_in(&service.api(), "ada", &won[0]).await.expect(200);
    assert_eq!(events(&service, "staff.password_changed").await.len(), 1);
    smtp.takes(2).await;
    service.keeps_its_secrets().await;
}

async fn a_link_is_good_for_an_hour_and_until_another_is_used(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    first_administrator(&service).await;
    let guest = service.api();
    let first = mailed(&service, &smtp, "ada").await;
    let life = "SELECT CAST(expires_at - created_at AS TEXT) FROM password_resets";
    assert_eq!(service.column(life).await, ["3600000"]);
    service.execute("UPDATE password_resets SET created_at = created_at - 61000").await;
    let second = mailed(&service, &smtp, "ada").await;
    assert_ne!(first, second);
    service.execute("UPDATE password_resets SET expires_at = expires_at - 3600000").await;
    complete(&guest, &second, PASSWORD).await.problem(410, "reset_link_dead");
    service.execute("UPDATE password_resets SET expires_at = expires_at + 3600000").await;
    // Nor does it let in whoever was shut out meanwhile.
    service.execute("UPDATE logins SET disabled = TRUE").await;
    complete(&guest, &second, PASSWORD).await.problem(410, "reset_link_dead");
    service.execute("UPDATE logins SET disabled = FALSE").await;
    // Anybody can ask for a further link, so that kills none; using one does.
    complete(&guest, &first, PASSWORD).await.expect(204);
    complete(&guest, &second, "thimble copper 12 meadow").await.problem(410, "reset_link_dead");
    smtp.takes(3).await;
    service.keeps_its_secrets().await;
}

async fn a_link_does_not_stand_in_for_the_second_factor(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let mut ada = first_administrator(&service).await;
    let (app, codes) = ada.enrol_app().await;
    smtp.takes(1).await;
    let waiting = ada.challenged(&service).await;
    let token = mailed(&service, &smtp, "ada").await;
    let guest = service.api();
    complete(&guest, &token, PASSWORD).await.expect(204);
    // What was begun with the old password is over.
    service.execute("UPDATE totp SET last_step = 0").await;
    waiting.answer(&guest, "totp", &app.code()).await.problem(401, "challenge_over");
    PASSWORD.clone_into(&mut ada.password);
    let challenge = ada.challenged(&service).await;
    assert_eq!(challenge.body["methods"], json!(["totp", "recovery"]));
    guest.with_token(&challenge.token).get("/v1/admin/session").await.problem(401, "login_required");
    challenge.answer(&guest, "totp", &app.wrong_code()).await.problem(401, "code_refused");
    challenge.answer(&guest, "totp", &app.code()).await.expect(200);
    ada.challenged(&service).await.answer(&guest, "recovery", &codes[0]).await.expect(200);
    smtp.takes(4).await;
    service.keeps_its_secrets().await;
}

/// Regression: a second factor planted by somebody who has the address in use, but never proved that it is theirs.
async fn whoever_squats_an_address_keeps_its_owner_out_with_no_second_factor(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let mut squatter = first_administrator(&service).await;
    let unverified = "UPDATE logins SET email_verified = FALSE";
    service.execute(unverified).await;
    squatter.api.post("/v1/admin/me/totp", &json!({})).await.problem(409, "email_unverified");
    assert_eq!(service.column("SELECT login_id FROM totp_pending").await, [""; 0]);

    // And where one came there all the same, it goes when the owner of the address comes by a link.
    service.execute("UPDATE logins SET email_verified = TRUE").await;
    squatter.enrol_app().await;
    smtp.takes(1).await;
    service.execute(unverified).await;
    let token = mailed(&service, &smtp, "ada").await;
    complete(&service.api(), &token, PASSWORD).await.expect(204);
    squatter.api.get("/v1/admin/session").await.problem(401, "login_required");
    let session = log_in(&service.api(), "ada", PASSWORD).await.expect(200);
    assert!(session["token"].is_string(), "the planted factor is gone: {session}");
}

async fn what_is_turned_off_is_refused_for_everybody(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let off = json!({ "staff_password_reset": false });
    ada.api.patch("/v1/admin/settings", &off).await.expect(200);
    let guest = service.api();
    let mut answers = Vec::new();
    for login in ["ada", "nobody"] {
        let mut problem = ask(&guest, login).await.problem(403, "turned_off");
        problem.as_object_mut().expect("an object").remove("request_id");
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(service.column("SELECT id FROM reset_requests").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM deliveries").await, [""; 0]);
    // Whoever runs the service helps all the same.
    let link = staff(&service, &["reset-password", "ada"]).await;
    complete(&guest, token_of(link.trim()), PASSWORD).await.expect(204);
    service.keeps_its_secrets().await;
}

/// With the permission, for somebody else, who may nothing that they may not: by mail, so that they do not come in by it.
async fn a_colleague_helps(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let mut grace = joined(&ada, &service, "grace", json!({ "role_id": powerless })).await;
    smtp.takes(1).await;
    let guest = service.api();
    let at = |id: &str, what: &str| format!("/v1/admin/staff/{id}/{what}");
    let none = json!({});

    // Nothing of this does anything.
    let nobody = "018f0000-0000-7000-8000-000000000000";
    for what in ["reset-password", "remove-second-factor"] {
        ada.api.post(&at(&ada.id, what), &none).await.problem(409, "own_login");
        ada.api.post(&at(nobody, what), &none).await.problem(404, "not_found");
        let refused = grace.api.post(&at(&ada.id, what), &none).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "staff.security");
    }
    ada.api.post(&at(&grace.id, "remove-second-factor"), &none).await.problem(404, "not_found");
    let helper = "UPDATE roles SET permissions = 'staff.security' WHERE name = 'No Permissions'";
    service.execute(helper).await;
    for what in ["reset-password", "remove-second-factor"] {
        grace.api.post(&at(&ada.id, what), &none).await.problem(403, "beyond_own_permissions");
    }
    assert_eq!(service.column("SELECT id FROM password_resets").await, [""; 0]);
    assert_eq!(service.column("SELECT id FROM deliveries").await.len(), 1);

    // The one with the wider role helps the one with the narrower.
    let (app, _) = grace.enrol_app().await;
    smtp.takes(2).await;
    let asked = ada.api.post(&at(&grace.id, "reset-password"), &none).await;
    assert_eq!(asked.expect(204), Value::Null);
    let mail = smtp.takes(3).await.remove(2);
    assert_eq!(mail.to, ["grace@example.test"]);
    assert!(
        words(&mail).contains("your login at Frontdesk. Choose it here"),
        "not from where: {}",
        mail.text()
    );
    service.secrets.keep_link(&mail.link());
    assert_eq!(events(&service, "staff.password_reset_requested").await, ["staff"]);
    grace.api.get("/v1/admin/session").await.expect(200);
    grace.challenged(&service).await;

    let waiting = grace.challenged(&service).await;
    ada.api.post(&at(&grace.id, "remove-second-factor"), &none).await.expect(204);
    grace.api.get("/v1/admin/session").await.problem(401, "login_required");
    service.execute("UPDATE totp SET last_step = 0").await;
    waiting.answer(&guest, "totp", &app.code()).await.problem(401, "challenge_over");
    let mail = smtp.takes(4).await.remove(3);
    assert_eq!(mail.to, ["grace@example.test"]);
    assert!(mail.text().contains("An administrator removed every second factor"), "{}", mail.text());
    let removed = "SELECT data FROM events WHERE name = 'staff.second_factor_removed'";
    let removed: Value = serde_json::from_str(&service.column(removed).await[0]).expect("JSON");
    assert_eq!((&removed["by"], &removed["factor"]), (&json!("colleague"), &json!("all")));
    assert!(grace.log_in(&service).await.expect(200)["token"].is_string());
    let link = smtp.mails()[2].link();
    complete(&guest, token_of(&link), PASSWORD).await.expect(204);
    log_in(&guest, "grace", PASSWORD).await.expect(200);
    smtp.takes(5).await;
    service.keeps_its_secrets().await;
}

async fn at_home(database: Database, smtp: &Smtp) -> Frontdesk {
    let mut service =
        Frontdesk::on(database).with_config("public_url = \"https://desk.example.com\"").with_mail(smtp);
    service.start().await;
    service
}

/// What the commands print that help, checked; the links in them are still to be used.
struct Help {
    reset: String,
    invitation: String,
}

/// Ada's phone and password are lost, and Grace was shut out: the command line lets everybody in again.
async fn help(service: &Frontdesk) -> Help {
    let listed = staff(service, &["list"]).await;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].starts_with("grace  grace@example.test  Full Administrator  "), "{listed}");
    assert!(lines[0].ends_with("  disabled"), "{listed}");
    assert!(lines[1].starts_with("ada  ada@example.test  Full Administrator  "), "{listed}");
    assert!(lines[1].ends_with("  second factor"), "{listed}");

    let reset = staff(service, &["reset-password", "ADA@example.test"]).await;
    assert!(
        reset.starts_with("https://desk.example.com/reset-password#token=") && reset.lines().count() == 1
    );
    let removed = staff(service, &["remove-second-factor", "ada"]).await;
    assert!(removed.starts_with("ada is asked for the password alone"), "{removed}");
    assert_eq!(staff(service, &["enable", "grace"]).await, "grace can log in again.\n");
    let invitation = staff(service, &["invite", "joan@example.test", "--role", "sales"]).await;
    assert!(invitation.starts_with("https://desk.example.com/accept#token="));

    for (arguments, why) in [
        (["reset-password", "nobody"], "nobody has the username or email address nobody"),
        (["remove-second-factor", "ada"], "ada has no second factor"),
        (["enable", "grace"], "grace is not disabled"),
        (["invite", "ada@example.test"], "email address"),
        (["invite", "joan"], "address"),
    ] {
        let outcome = service.run(&["staff", arguments[0], arguments[1]]).await;
        assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
        assert_eq!(outcome.stdout, "", "{outcome:?}");
        assert!(outcome.stderr.contains(why), "{outcome:?}");
    }
    for event in ["staff.password_reset_requested", "staff.second_factor_removed", "staff.enabled"] {
        assert_eq!(events(service, event).await, ["command_line"], "{event}");
    }
    let invited = "SELECT actor_kind FROM events WHERE name = 'invitation.created' ORDER BY at, id";
    assert_eq!(
        service.column(invited).await,
        ["system", "staff", "command_line"],
        "the first link is the system's"
    );
    Help { reset: reset.trim().to_owned(), invitation: invitation.trim().to_owned() }
}

async fn all_get_in(service: &Frontdesk, ada: &Person, grace: &Person, help: &Help) {
    let guest = service.api();
    guest.with_token(&ada.token).get("/v1/admin/session").await.problem(401, "login_required");
    complete(&guest, token_of(&help.reset), PASSWORD).await.expect(204);
    let session = log_in(&guest, "ada", PASSWORD).await.expect(200);
    assert!(session["token"].is_string(), "the second factor is gone: {session}");
    assert!(grace.log_in(service).await.expect(200)["token"].is_string());
    let accept = json!({
        "token": token_of(&help.invitation), "username": "joan", "password": PASSWORD,
        "first_name": "Joan", "last_name": "Clarke",
    });
    let joan = guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    assert_eq!(joan["staff"]["role"]["name"], "Sales");
}

/// Ada with a second factor and Grace, who is shut out.
async fn locked_out(service: &Frontdesk) -> (Person, Person) {
    let mut ada = first_administrator(service).await;
    ada.enrol_app().await;
    let grace = joined(&ada, service, "grace", json!({})).await;
    service.execute("UPDATE logins SET disabled = TRUE WHERE username = 'grace'").await;
    grace.log_in(service).await.problem(401, "login_refused");
    (ada, grace)
}

fn told(smtp: &Smtp) -> Vec<(String, String)> {
    let mut told: Vec<_> =
        smtp.mails().iter().map(|mail| (mail.to[0].clone(), mail.header("Subject"))).collect();
    told.sort();
    told
}

async fn the_command_line_helps_beside_a_running_service(database: Database) {
    let smtp = Smtp::start().await;
    let service = at_home(database, &smtp).await;
    let (ada, grace) = locked_out(&service).await;
    smtp.takes(2).await;
    let help = help(&service).await;
    // A link that is used before its mail went makes the mail obsolete.
    smtp.takes(5).await;
    all_get_in(&service, &ada, &grace, &help).await;
    // Factor added, invitation; reset link, factor removed, invitation; password changed.
    smtp.takes(6).await;
    assert_eq!(told(&smtp).iter().filter(|(to, _)| to == "ada@example.test").count(), 4);
    assert_eq!(smtp.takes_for("joan@example.test").await.link(), help.invitation);
    service.keeps_its_secrets().await;
}

async fn the_command_line_helps_while_nothing_runs(database: Database) {
    let mut smtp = Smtp::start().await;
    let mut service = at_home(database, &smtp).await;
    let (ada, grace) = locked_out(&service).await;
    smtp.takes(2).await;
    service.stop().await;
    smtp.stop().await;
    let help = help(&service).await;
    smtp.resume().await;
    service.start().await;
    // The mails waited.
    smtp.takes(5).await;
    assert_eq!(smtp.takes_for("joan@example.test").await.link(), help.invitation);
    all_get_in(&service, &ada, &grace, &help).await;
    smtp.takes(6).await;
    service.keeps_its_secrets().await;
}
