//! Security keys (WebAuthn): registered, named, asked for, each answer taken once, and removed.

use frontdesk_tests::{
    Authenticator, Database, Frontdesk, Person, Smtp, both, first_administrator, joined, recovery_codes,
    trust_this_machine,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_key_is_registered_used_renamed_and_removed,
    of_16_who_race_with_one_answer_of_a_key_one_comes_in,
    a_copied_key_is_found_out,
    nobody_comes_in_with_somebody_elses_key,
    an_answer_given_to_another_site_is_refused,
    without_a_host_name_there_are_no_keys,
}

/// Browsers write it into every answer, so it need not be where the tests connect to.
const ORIGIN: &str = "https://desk.example.com";
const KEYS: &str = "/v1/admin/me/security-keys";

fn at_home(database: Database) -> Frontdesk {
    Frontdesk::on(database).with_config(&format!("public_url = \"{ORIGIN}\""))
}

async fn running(database: Database) -> Frontdesk {
    let mut service = at_home(database);
    service.start().await;
    service
}

/// What a browser is to ask the key.
async fn options(person: &Person) -> Value {
    person.api.post(KEYS, &json!({})).await.expect(200)["options"].clone()
}

async fn register(person: &mut Person, key: &mut Authenticator, name: &str) -> Value {
    let credential = key.register(&options(person).await);
    let confirm = json!({ "name": name, "credential": credential });
    let added = person.api.post(&format!("{KEYS}/confirm"), &confirm).await.expect(200);
    person.renewed(&added);
    added
}

async fn names(person: &Person) -> Vec<String> {
    let listed = person.api.get(KEYS).await.expect(200);
    let items = listed["items"].as_array().expect("a list");
    items.iter().map(|key| key["name"].as_str().expect("a name").to_owned()).collect()
}

async fn a_key_is_registered_used_renamed_and_removed(database: Database) {
    let smtp = Smtp::start().await;
    let mut service = at_home(database).with_mail(&smtp);
    service.start().await;
    let mut ada = first_administrator(&service).await;
    let guest = service.api();
    let mut key = Authenticator::new(ORIGIN);
    let asked = options(&ada).await;
    assert_eq!(asked["publicKey"]["rp"]["id"], "desk.example.com");
    assert_eq!(asked["publicKey"]["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(names(&ada).await, [""; 0], "what is begun is no key yet");
    assert!(ada.log_in(&service).await.expect(200)["token"].is_string());

    let before = ada.api.clone();
    let credential = key.register(&asked);
    let nameless = json!({ "name": "", "credential": credential });
    ada.api.post(&format!("{KEYS}/confirm"), &nameless).await.invalid("name");
    let confirm = json!({ "name": "blue one", "credential": credential });
    let added = ada.api.post(&format!("{KEYS}/confirm"), &confirm).await.expect(200);
    ada.renewed(&added);
    before.get("/v1/admin/session").await.problem(401, "login_required");
    ada.api.post(&format!("{KEYS}/confirm"), &confirm).await.problem(409, "not_begun");
    let codes = recovery_codes(&added);
    assert_eq!(codes.len(), 10);
    let id = added["key"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(added["key"]["last_used_at"], json!(null));

    let challenge = ada.challenged(&service).await;
    assert_eq!(challenge.body["methods"], json!(["security-key", "recovery"]));
    let asked = &challenge.body["security_key"];
    assert_eq!(asked["publicKey"]["rpId"], "desk.example.com");
    assert_eq!(asked["publicKey"]["userVerification"], "required");
    let came_in = challenge.answer_with_key(&guest, &key.assert(asked)).await.expect(200);
    assert_eq!(came_in["staff"]["username"], "ada");
    let other = guest.with_token(came_in["token"].as_str().expect("a session"));
    let by_key = "SELECT data FROM events WHERE name = 'session.started' AND data LIKE '%\"security-key\"%'";
    assert_eq!(service.column(by_key).await.len(), 1);
    let listed = ada.api.get(KEYS).await.expect(200);
    assert!(listed["items"][0]["last_used_at"].is_string(), "{listed}");

    // A second one brings no further recovery codes, and each has its name.
    let second = register(&mut ada, &mut Authenticator::new(ORIGIN), "spare").await;
    assert_eq!(recovery_codes(&second), [""; 0]);
    let renamed = ada.api.patch(&format!("{KEYS}/{id}"), &json!({ "name": "in the safe" })).await.expect(200);
    assert_eq!(renamed["id"], id.as_str());
    assert_eq!(names(&ada).await, ["in the safe", "spare"]);
    let unknown = format!("{KEYS}/018f0000-0000-7000-8000-000000000000");
    ada.api.patch(&unknown, &json!({ "name": "x" })).await.problem(404, "not_found");
    ada.api.delete(&unknown).await.problem(404, "not_found");
    // Keys are their owner's, whatever a colleague's role permits.
    smtp.takes(2).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    grace.api.patch(&format!("{KEYS}/{id}"), &json!({ "name": "x" })).await.problem(404, "not_found");
    grace.api.delete(&format!("{KEYS}/{id}")).await.problem(404, "not_found");
    assert_eq!(names(&ada).await, ["in the safe", "spare"]);
    smtp.takes(3).await;

    // Removed, it opens nothing any more, not even a question that was put to it before.
    let waiting = ada.challenged(&service).await;
    let removed = ada.api.delete(&format!("{KEYS}/{id}")).await.expect(200);
    ada.renewed(&removed);
    other.get("/v1/admin/session").await.problem(401, "login_required");
    let late = key.assert(&waiting.body["security_key"]);
    waiting.answer_with_key(&guest, &late).await.problem(401, "challenge_over");
    let challenge = ada.challenged(&service).await;
    challenge.answer_with_key(&guest, &late).await.problem(401, "code_refused");
    challenge.answer(&guest, "recovery", &codes[3]).await.expect(200);
    assert_eq!(names(&ada).await, ["spare"]);
    let mails = smtp.takes(5).await;
    let told: Vec<_> = [0, 1, 3, 4].map(|n| mails[n].text()).into();
    assert!(told[0].contains("The security key \"blue one\" was added"), "{told:#?}");
    assert!(told[1].contains("The security key \"spare\" was added"), "{told:#?}");
    assert!(told[2].contains("The security key \"in the safe\" was removed"), "{told:#?}");
    assert!(told[3].contains("A recovery code was used"), "{told:#?}");
    service.keeps_its_secrets().await;
}

async fn of_16_who_race_with_one_answer_of_a_key_one_comes_in(database: Database) {
    let service = running(database).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let mut key = Authenticator::new(ORIGIN);
    register(&mut ada, &mut key, "blue one").await;
    let challenge = ada.challenged(&service).await;
    let answer = key.assert(&challenge.body["security_key"]);
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let (guest, challenge, answer) = (service.api(), challenge.clone(), answer.clone());
        racers.spawn(async move { challenge.answer_with_key(&guest, &answer).await });
    }
    let mut winners = 0;
    for answered in racers.join_all().await {
        match answered.status.as_u16() {
            200 => winners += 1,
            // They were on their way when the winner came in: too late, spent, or one of too many.
            401 => {
                let code = answered.any_problem()["code"].clone();
                assert!(code == "challenge_over" || code == "code_refused", "{code}");
            }
            _ => drop(answered.problem(429, "too_many_attempts")),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(service.column("SELECT id FROM sessions WHERE state = 'full'").await.len(), 2);
    assert_eq!(service.column("SELECT session_id FROM key_ceremonies").await, [""; 0]);
    service.keeps_its_secrets().await;
}

/// Two that count on from the same number: whoever comes second is refused.
async fn a_copied_key_is_found_out(database: Database) {
    let service = running(database).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let mut key = Authenticator::new(ORIGIN);
    register(&mut ada, &mut key, "blue one").await;
    let mut copy = key.copied();
    let challenge = ada.challenged(&service).await;
    let answer = key.assert(&challenge.body["security_key"]);
    challenge.answer_with_key(&guest, &answer).await.expect(200);
    let challenge = ada.challenged(&service).await;
    let answer = copy.assert(&challenge.body["security_key"]);
    challenge.answer_with_key(&guest, &answer).await.problem(401, "code_refused");
    // What was asked is spent, right or wrong.
    let answer = key.assert(&challenge.body["security_key"]);
    challenge.answer_with_key(&guest, &answer).await.problem(401, "code_refused");
    let warned = service.log_line("the copy", |line| line.contains("there is a copy of this key")).await;
    assert!(warned.contains("WARN"), "{warned}");
    let challenge = ada.challenged(&service).await;
    let answer = key.assert(&challenge.body["security_key"]);
    challenge.answer_with_key(&guest, &answer).await.expect(200);
    service.keeps_its_secrets().await;
}

async fn nobody_comes_in_with_somebody_elses_key(database: Database) {
    let service = running(database).await;
    let mut ada = first_administrator(&service).await;
    trust_this_machine(&ada.api).await;
    let guest = service.api();
    let mut eve = joined(&ada, &service, "eve", json!({})).await;
    let (mut adas, mut eves) = (Authenticator::new(ORIGIN), Authenticator::new(ORIGIN));
    register(&mut ada, &mut adas, "ada's").await;
    register(&mut eve, &mut eves, "eve's").await;

    // Eve knows Ada's password, and has her own key answer her own challenge.
    let (hers, adas_challenge) = (eve.challenged(&service).await, ada.challenged(&service).await);
    let answer = eves.assert(&hers.body["security_key"]);
    adas_challenge.answer_with_key(&guest, &answer).await.problem(401, "code_refused");
    // And with what Ada was asked put in the place of what she was asked.
    let adas_challenge = ada.challenged(&service).await;
    let mut mixed = hers.body["security_key"].clone();
    mixed["publicKey"]["challenge"] = adas_challenge.body["security_key"]["publicKey"]["challenge"].clone();
    let answer = eves.assert(&mixed);
    adas_challenge.answer_with_key(&guest, &answer).await.problem(401, "code_refused");
    assert_eq!(service.column("SELECT id FROM sessions WHERE state = 'full'").await.len(), 2);

    // Nor is a key registered with an answer that was meant for somebody else.
    let credential = Authenticator::new(ORIGIN).register(&options(&ada).await);
    options(&eve).await;
    let stolen = json!({ "name": "stolen", "credential": credential });
    eve.api.post(&format!("{KEYS}/confirm"), &stolen).await.invalid("credential");
    assert_eq!(names(&eve).await, ["eve's"]);
    service.keeps_its_secrets().await;
}

/// A page elsewhere that passes the question on gets an answer that says where it was given.
async fn an_answer_given_to_another_site_is_refused(database: Database) {
    let service = running(database).await;
    let mut ada = first_administrator(&service).await;
    let mut key = Authenticator::new(ORIGIN);
    let confirm = |credential: Value| json!({ "name": "blue one", "credential": credential });
    for elsewhere in ["https://desk.example.com.evil.test", "https://evil.test"] {
        let mut asked = options(&ada).await;
        let host = elsewhere.trim_start_matches("https://");
        asked["publicKey"]["rp"]["id"] = json!(host);
        let credential = Authenticator::new(elsewhere).register(&asked);
        ada.api.post(&format!("{KEYS}/confirm"), &confirm(credential)).await.invalid("credential");
    }
    for nonsense in [json!({}), json!(null), json!("x"), json!({ "id": "x", "type": "public-key" })] {
        options(&ada).await;
        ada.api.post(&format!("{KEYS}/confirm"), &confirm(nonsense)).await.invalid("credential");
    }
    assert_eq!(names(&ada).await, [""; 0]);
    register(&mut ada, &mut key, "blue one").await;
    // Five minutes, and what was begun is forgotten.
    let credential = Authenticator::new(ORIGIN).register(&options(&ada).await);
    service.execute("UPDATE key_ceremonies SET expires_at = 1").await;
    ada.api.post(&format!("{KEYS}/confirm"), &confirm(credential)).await.problem(409, "not_begun");
    service.keeps_its_secrets().await;
}

/// Browsers refuse keys on an IP address: the service says so before anybody looks for theirs.
async fn without_a_host_name_there_are_no_keys(database: Database) {
    let service = Frontdesk::running(database).await;
    let mut ada = first_administrator(&service).await;
    let guest = service.api();
    ada.api.post(KEYS, &json!({})).await.problem(409, "security_keys_unavailable");
    let confirm = json!({ "name": "blue one", "credential": {} });
    ada.api.post(&format!("{KEYS}/confirm"), &confirm).await.problem(409, "security_keys_unavailable");
    assert_eq!(names(&ada).await, [""; 0]);
    ada.enrol_app().await;
    let challenge = ada.challenged(&service).await;
    challenge.answer_with_key(&guest, &json!({})).await.problem(409, "security_keys_unavailable");
    service.keeps_its_secrets().await;
}
