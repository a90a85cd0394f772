//! Whether the time of an answer tells what the answer does not: existing and missing names, replaced and unknown links.

use crate::client::{Client, post};
use crate::print;
use frontdesk_tests::{Database, Frontdesk, Invitation, first_administrator, invite};
use serde_json::json;
use std::time::Duration;

const PAIRS: usize = 300;
/// How many links one address may ask for in an hour.
const ASKED_PER_ADDRESS: usize = 20;

pub(crate) async fn measure() {
    let service = Frontdesk::running(Database::sqlite()).await;
    let ada = first_administrator(&service).await;
    // Delays are by name, and each name is tried once.
    ada.api.patch("/v1/admin/settings", &json!({ "ban_after": 0 })).await.expect(200);
    members(&service).await;
    let base = service.base();
    let password = "marble cactus 58 violin";

    let login = |name| post("/v1/admin/session", &json!({ "login": name, "password": password }));
    let mut client = Client::new(base).await;
    let mut times = Times::default();
    for n in 0..PAIRS {
        for which in order(n) {
            let answer = client.call(&login(format!("{}{n:05}", NAMES[which]))).await;
            assert_eq!(answer.status, 401);
            times[which].push(answer.took);
        }
    }
    compare("login, wrong password: existing, missing name", times);

    let mut times = Times::default();
    for n in 0..PAIRS {
        if n % (ASKED_PER_ADDRESS / 2) == 0 {
            let address = u8::try_from(2 + n / (ASKED_PER_ADDRESS / 2)).expect("few addresses");
            client = Client::from(base, [127, 0, 0, address]).await;
        }
        for which in order(n) {
            let name = format!("{}{n:05}", NAMES[which]);
            let ask = post("/v1/public/password-reset", &json!({ "audience": "staff", "login": name }));
            let answer = client.call(&ask).await;
            assert_eq!(answer.status, 204);
            times[which].push(answer.took);
            // The mail that follows is not part of the answer, and shall not slow the next.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    compare("password reset: existing, missing name", times);

    let first = invite(&ada.api, "grace@example.test", json!({})).await;
    let again = ada.api.post(&format!("{}/resend", first.path()), &json!({})).await.expect(200);
    assert_ne!(Invitation::from(again).token(), first.token());
    let mut client = Client::new(base).await;
    let mut times = Times::default();
    for n in 0..PAIRS {
        for which in order(n) {
            let unknown = format!("{n:05}{}", &first.token()[5..]);
            let token = [first.token(), &unknown][which];
            let answer =
                client.call(&post("/v1/public/invitations/lookup", &json!({ "token": token }))).await;
            assert_eq!(answer.status, [410, 404][which]);
            times[which].push(answer.took);
        }
    }
    compare("invitation look-up: replaced, unknown link", times);
}

/// What is there, and what is not. The names are equally long.
const NAMES: [&str; 2] = ["member", "nobody"];
type Times = [Vec<Duration>; 2];

/// Neither always comes first.
fn order(n: usize) -> [usize; 2] {
    // A bit of a multiplicative hash: no pattern that a timer could share.
    if n.wrapping_mul(0x9E37_79B9) >> 16 & 1 == 0 { [0, 1] } else { [1, 0] }
}

/// As many members as there are tries, all with Ada's password.
async fn members(service: &Frontdesk) {
    let mut logins = Vec::new();
    let mut staff = Vec::new();
    for n in 0..PAIRS {
        let id = format!("01980000-0000-7000-8000-{n:012}");
        let name = format!("{}{n:05}", NAMES[0]);
        logins.push(format!("('{id}', '{name}')"));
        staff.push(format!("('{id}', '00000000-0000-7000-8000-000000000003')"));
    }
    let sql = format!(
        "WITH made (id, name) AS (VALUES {})
         INSERT INTO logins (id, audience, username, username_folded, email, email_folded, email_verified, first_name,
             last_name, language, password_hash, password_changed_at, password_needs_factor, must_change_password,
             disabled, last_login_at, created_at)
         SELECT made.id, audience, name, name, name || '@example.test', name || '@example.test', email_verified,
             first_name, last_name, language, password_hash, password_changed_at, password_needs_factor,
             must_change_password, disabled, last_login_at, created_at
         FROM made JOIN logins ON username_folded = 'ada'",
        logins.join(", ")
    );
    service.execute(&sql).await;
    service.execute(&format!("INSERT INTO staff (id, role_id) VALUES {}", staff.join(", "))).await;
}

/// The medians, and by the rank test of Mann and Whitney how likely so great a difference is when there is none.
fn compare(what: &str, times: Times) {
    let [there, missing] = times.clone().map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    });
    let z = mann_whitney(&times);
    let p = erfc(z.abs() / std::f64::consts::SQRT_2);
    print(what, format!("p50 {there:.3} ms, {missing:.3} ms; {z:+.2} σ, p = {p:.3}, n = 2 × {PAIRS}"));
}

/// How many standard deviations the first lies above the second. Ties of nanoseconds are left as they fall.
fn mann_whitney(times: &Times) -> f64 {
    let mut all: Vec<(Duration, usize)> =
        (0..2).flat_map(|which| times[which].iter().map(move |took| (*took, which))).collect();
    all.sort();
    let ranks: f64 =
        (1u32..).zip(&all).filter(|(_, (_, which))| *which == 0).map(|(rank, _)| f64::from(rank)).sum();
    let [a, b] = [times[0].len() as f64, times[1].len() as f64];
    let u = ranks - a * (a + 1.0) / 2.0;
    (u - a * b / 2.0) / (a * b * (a + b + 1.0) / 12.0).sqrt()
}

/// The complementary error function, for numbers from 0 on (Abramowitz and Stegun, 7.1.26: right to 1.5e-7).
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let sum = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    sum.iter().fold(0.0, |sum, factor| (sum + factor) * t) * (-x * x).exp()
}
