//! Guesses at one name become slow, from wherever they come, and nobody is locked out by somebody else's.

use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, Person, Smtp, both, first_administrator, guess, invite, log_in_as,
};
use serde_json::{Value, json};

both! {
    the_delay_grows_the_same_for_names_that_exist_and_names_that_do_not,
    strangers_hold_up_neither_an_open_session_nor_whoever_comes_from_a_known_network,
    links_work_whatever_was_typed_where_a_name_belongs,
    twenty_links_an_hour_are_sent_for_whoever_asks,
}

async fn behind_a_proxy(database: Database, smtp: &Smtp) -> (Frontdesk, Person) {
    let mut service =
        Frontdesk::on(database).with_config("trusted_proxies = [\"127.0.0.1\"]").with_mail(smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    (service, ada)
}

/// Nobody's address, another one for each number: bans by address do not show here.
fn stranger(service: &Frontdesk, number: usize) -> Api {
    service.api().forwarded_for(&format!("10.{}.{}.{}", number / 65_536, number / 256 % 256, number % 256))
}

/// From now on the last failures lie an hour ahead, so that the whole delay is to come.
async fn freeze(service: &Frontdesk) {
    service.execute("UPDATE name_delays SET last_failed_at = (SELECT MAX(at) FROM events) + 3600000").await;
}

/// The last failures were an hour ago: no delay is that long, and nothing is forgotten yet.
async fn thaw(service: &Frontdesk) {
    service.execute("UPDATE name_delays SET last_failed_at = (SELECT MAX(at) FROM events) - 3600000").await;
}

/// All that tells one refusal from another.
fn outline(answer: &Answer) -> (u16, String, Option<u64>) {
    let retry_after = answer.header("retry-after").map(|seconds| seconds.parse().expect("seconds"));
    let code = answer.any_problem()["code"].as_str().expect("a code").to_owned();
    (answer.status.as_u16(), code, retry_after)
}

fn delayed(answer: &Answer) -> u64 {
    answer.problem(429, "too_many_attempts");
    outline(answer).2.expect("when to come back")
}

async fn the_delay_grows_the_same_for_names_that_exist_and_names_that_do_not(database: Database) {
    let smtp = Smtp::start().await;
    let (service, ada) = behind_a_proxy(database, &smtp).await;
    let told = service.column("SELECT id FROM deliveries").await.len();
    let mut answers: [Vec<_>; 3] = Default::default();
    // Each name is typed in two ways: case and spaces buy nothing.
    let names = [["ada", " ADA"], ["ada@example.test", "Ada@Example.test "], ["nobody", "NoBody"]];
    let mut number = 0;
    for round in 0..14 {
        for (typed, answers) in names.iter().zip(&mut answers) {
            number += 1;
            answers.push(outline(&guess(&stranger(&service, number), typed[round % 2]).await));
        }
        freeze(&service).await;
        for (typed, answers) in names.iter().zip(&mut answers) {
            if round >= 2 {
                number += 1;
                answers.push(outline(&guess(&stranger(&service, number), typed[0]).await));
            }
        }
        thaw(&service).await;
    }
    let [known, by_address, missing] = answers;
    let expected: Vec<u64> = vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];
    let delays: Vec<_> = known.iter().filter_map(|(_, _, retry_after)| *retry_after).collect();
    assert_eq!(delays, expected);
    assert_eq!(
        known.iter().filter(|(status, ..)| *status == 401).count(),
        14,
        "none was taken as a guess too early"
    );
    assert_eq!(known, missing);
    assert_eq!(known, by_address);

    // Also the right password waits, and is not lost: whoever waits comes in.
    freeze(&service).await;
    assert_eq!(delayed(&log_in_as(&stranger(&service, 1000), &ada).await), 900);
    assert_eq!(service.column("SELECT id FROM bans").await, [""; 0]);
    thaw(&service).await;
    log_in_as(&stranger(&service, 1000), &ada).await.expect(200);
    // After that the count begins anew, and for nobody else.
    guess(&stranger(&service, 1001), "ada").await.problem(401, "login_refused");
    guess(&stranger(&service, 1002), "ada").await.problem(401, "login_refused");
    freeze(&service).await;
    assert_eq!(delayed(&guess(&stranger(&service, 1003), "nobody").await), 900);
    // What was refused early was not counted, told, or kept: 42 guesses and these two.
    let refused = service.column("SELECT id FROM events WHERE name = 'session.refused'").await;
    assert_eq!(refused.len(), 44);
    assert_eq!(
        service.column("SELECT id FROM deliveries").await.len() - told,
        1,
        "the notice of a new address"
    );
    service.keeps_its_secrets().await;
}

async fn strangers_hold_up_neither_an_open_session_nor_whoever_comes_from_a_known_network(
    database: Database,
) {
    let smtp = Smtp::start().await;
    let (service, ada) = behind_a_proxy(database, &smtp).await;
    let home = service.api().forwarded_for("192.0.2.1");
    let session = log_in_as(&home, &ada).await.expect(200);
    let open = home.with_token(session["token"].as_str().expect("a session"));
    for n in 0..6 {
        guess(&stranger(&service, n), "ada").await.problem(401, "login_refused");
        thaw(&service).await;
    }
    freeze(&service).await;
    assert_eq!(delayed(&log_in_as(&stranger(&service, 100), &ada).await), 8);

    // The session goes on, from home and on the way, and confirms itself.
    open.get("/v1/admin/session").await.expect(200);
    stranger(&service, 101).with_token(&ada.token).get("/v1/admin/session").await.expect(200);
    let right = json!({ "password": ada.password });
    let confirmed = open.post("/v1/admin/session/confirm", &right).await.expect(200);
    let open = home.with_token(confirmed["token"].as_str().expect("a new token"));
    // Nor does the owner wait at the door.
    log_in_as(&home, &ada).await.expect(200);
    assert_eq!(
        delayed(&log_in_as(&stranger(&service, 102), &ada).await),
        8,
        "that was not the strangers' success"
    );

    // Mistakes with the open session are counted as well, apart from those at the door, and end nothing.
    ada.api.patch("/v1/admin/settings", &json!({ "ban_after": 0 })).await.expect(200);
    let wrong = json!({ "password": "thimble copper 12 meadow" });
    for _ in 0..3 {
        open.post("/v1/admin/session/confirm", &wrong).await.problem(403, "confirmation_refused");
    }
    freeze(&service).await;
    assert_eq!(delayed(&open.post("/v1/admin/session/confirm", &right).await), 1);
    log_in_as(&home, &ada).await.expect(200);
    open.get("/v1/admin/session").await.expect(200);
}

/// Whoever has a link gives no name: failures with no name, or an odd one, are none of theirs.
async fn links_work_whatever_was_typed_where_a_name_belongs(database: Database) {
    let smtp = Smtp::start().await;
    let (service, ada) = behind_a_proxy(database, &smtp).await;
    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    for n in 0..5 {
        guess(&stranger(&service, n), "").await.problem(401, "login_refused");
        thaw(&service).await;
    }
    freeze(&service).await;
    assert_eq!(delayed(&guess(&stranger(&service, 5), "").await), 4);
    assert_eq!(delayed(&guess(&stranger(&service, 5), "  ").await), 4);

    let guest = stranger(&service, 6);
    let lookup = json!({ "token": invitation.token() });
    guest.post("/v1/public/invitations/lookup", &lookup).await.expect(200);
    let accept = json!({
        "token": invitation.token(), "username": "grace", "password": "copper 12 meadow thimble",
        "first_name": "Grace", "last_name": "Hopper",
    });
    guest.post("/v1/public/invitations/accept", &accept).await.expect(200);
    let ask = json!({ "audience": "staff", "login": "ada" });
    assert_eq!(guest.post("/v1/public/password-reset", &ask).await.expect(204), Value::Null);
    let mail = smtp.takes_for("ada@example.test").await;
    let complete = json!({ "token": mail.token(), "password": "meadow thimble 12 copper" });
    guest.post("/v1/public/password-reset/complete", &complete).await.expect(204);
    assert_eq!(delayed(&guess(&stranger(&service, 7), "").await), 4);
}

/// Also part of the regression "IPv6 neighbours evading the limit".
async fn twenty_links_an_hour_are_sent_for_whoever_asks(database: Database) {
    let smtp = Smtp::start().await;
    let (service, _ada) = behind_a_proxy(database, &smtp).await;
    let ask = async |from: &str| {
        let body = json!({ "audience": "staff", "login": "nobody" });
        service.api().forwarded_for(from).post("/v1/public/password-reset", &body).await
    };
    for n in 0..20 {
        ask("192.0.2.1").await.expect(204);
        ask(&format!("2001:db8::{n}:1")).await.expect(204);
    }
    for from in ["192.0.2.1", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"] {
        assert_eq!(delayed(&ask(from).await), 3600);
    }
    for from in ["192.0.2.2", "2001:db8:0:1::1"] {
        ask(from).await.expect(204);
    }
    // It is no ban, and it is over in an hour.
    guess(&service.api().forwarded_for("192.0.2.1"), "ada").await.problem(401, "login_refused");
    service.execute("UPDATE reset_requests SET at = at - 3600001").await;
    ask("192.0.2.1").await.expect(204);
    assert_eq!(smtp.mails().len(), 0);
}
