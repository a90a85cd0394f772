//! C11: security questions: offered by admins, chosen by users, and asked where a password is set anew.

use crate::{registration::mails_to, staff::events};
use frontdesk_tests::{
    Answer, Api, Database, Frontdesk, PASSWORD, Person, Smtp, User, both, client_log_in, colleague,
    eventually, first_administrator, found, open_registration, registered, trust_this_machine, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

both! {
    a_question_is_offered_reworded_and_deleted,
    what_makes_no_question_is_refused,
    questions_want_their_permissions,
    whoever_chooses_has_proved_their_address,
    what_makes_no_answer_is_refused_by_field,
    a_question_somebody_chooses_while_it_is_deleted_stays_or_is_gone,
    a_new_password_wants_the_answer,
    five_wrong_answers_kill_a_link,
    of_eight_answers_at_once_five_count,
    wrong_answers_count_over_all_links,
    an_admin_clears_a_question_and_the_user_is_told,
    nobody_learns_by_asking_who_has_a_question,
}

const QUESTIONS: &str = "/v1/admin/security-questions";
const OWN: &str = "/v1/client/me/security-question";
const ASK: &str = "/v1/public/password-reset";
const LOOK_UP: &str = "/v1/public/password-reset/lookup";
const COMPLETE: &str = "/v1/public/password-reset/complete";
const NOBODY: &str = "018f0000-0000-7000-8000-000000000000";
const NEW: &str = "meadow thimble 12 copper";
const RIGHT: &str = "Saint Mary's at Ärgersheim";

fn path(question: &Value) -> String {
    format!("{QUESTIONS}/{}", question["id"].as_str().expect("an id"))
}

async fn made(admin: &Api, question: &str) -> Value {
    admin.post(QUESTIONS, &json!({ "question": question })).await.expect(201)
}

async fn choose(user: &User, question: &Value, answer: &str) -> Answer {
    user.api.json(Method::PUT, OWN, &json!({ "question_id": question["id"], "answer": answer })).await
}

/// Staff know whose the address is.
async fn verify(admin: &Api, user: &User) {
    let verified = json!({ "email_verified": true });
    admin.patch(&format!("/v1/admin/users/{}", user.id), &verified).await.expect(200);
}

/// The service with a mail server, a question, and a user of this name who has chosen it.
async fn with_a_question(database: Database, smtp: &Smtp) -> (Frontdesk, Person, User, Value) {
    let service = Frontdesk::start_with_mail(database, smtp).await;
    let admin = first_administrator(&service).await;
    open_registration(&admin.api).await;
    trust_this_machine(&admin.api).await;
    service.secrets.keep(RIGHT);
    let question = made(&admin.api, "Which was your first school?").await;
    let anne = registered(&service, "anne").await;
    verify(&admin.api, &anne).await;
    choose(&anne, &question, RIGHT).await.expect(200);
    (service, admin, anne, question)
}

/// The tokens of all links to set a password that somebody got.
fn links(smtp: &Smtp, user: &User) -> Vec<String> {
    let mails = smtp.mails().into_iter().filter(|mail| mail.to == [user.email.as_str()]);
    mails.filter(|mail| mail.text().contains("/reset-password#token=")).map(|mail| mail.token()).collect()
}

/// A further link to set the password, which staff have sent.
async fn link(smtp: &Smtp, admin: &Api, user: &User) -> String {
    let before = links(smtp, user);
    admin.post(&format!("/v1/admin/users/{}/reset-password", user.id), &json!({})).await.expect(204);
    eventually("a further link", || async {
        links(smtp, user).into_iter().find(|link| !before.contains(link))
    })
    .await
}

async fn look_up(service: &Frontdesk, token: &str) -> Answer {
    service.api().post(LOOK_UP, &json!({ "token": token })).await
}

async fn complete(guest: &Api, token: &str, answer: &str) -> Answer {
    guest.post(COMPLETE, &json!({ "token": token, "password": NEW, "answer": answer })).await
}

/// The password is the one from before.
async fn is_unchanged(service: &Frontdesk, user: &User) {
    user.log_in(service).await.expect(200);
    client_log_in(&service.api(), &user.email, NEW).await.problem(401, "login_refused");
    assert_eq!(events(service, "user.password_changed").await, [Value::Null; 0]);
}

async fn refusals(service: &Frontdesk) -> usize {
    events(service, "user.security_answer_refused").await.len()
}

async fn a_question_is_offered_reworded_and_deleted(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    verify(&admin.api, &anne).await;
    let school = made(&admin.api, "  Your first school? ").await;
    let mut expected = json!({
        "id": school["id"], "question": "Your first school?", "user_count": 0, "created_at": school["created_at"],
    });
    assert_eq!(school, expected);
    let pet = made(&admin.api, "Your first pet?").await;
    let list = admin.api.get(&format!("{QUESTIONS}?total=true")).await.expect(200);
    assert_eq!((&list["items"], &list["total"]), (&json!([pet, school]), &json!(2)));
    // Users see what there is to choose from, and not how many have chosen it.
    let offered = anne.api.get("/v1/client/security-questions").await.expect(200);
    let shown = |one: &Value| json!({ "id": one["id"], "question": one["question"] });
    assert_eq!(offered["items"], json!([shown(&pet), shown(&school)]));

    choose(&anne, &school, "Hogwarts").await.expect(200);
    expected["user_count"] = json!(1);
    assert_eq!(
        found(&admin.api.get(QUESTIONS).await.expect(200), "question", "Your first school?"),
        Some(&expected)
    );
    let in_use = admin.api.delete(&path(&school)).await.problem(409, "question_in_use");
    assert!(in_use["detail"].as_str().is_some_and(|detail| detail.contains("chosen it: 1")), "{in_use}");

    // Worded anew, it is whose it was.
    let wording = json!({ "question": "Which was your first school?" });
    let reworded = admin.api.patch(&path(&school), &wording).await.expect(200);
    expected["question"] = wording["question"].clone();
    assert_eq!(reworded, expected);
    admin.api.patch(&path(&school), &wording).await.expect(200);
    assert_eq!(
        events(&service, "system.security_question_edited").await,
        [json!({
            "security_question_id": school["id"], "before": "Your first school?",
            "after": "Which was your first school?",
        })]
    );
    assert_eq!(anne.api.get("/v1/client/me").await.expect(200)["security_question_id"], school["id"]);

    // Whoever chooses another one, or none, lets it go.
    choose(&anne, &pet, "Nessie").await.expect(200);
    admin.api.delete(&path(&school)).await.expect(204);
    admin.api.delete(&path(&pet)).await.problem(409, "question_in_use");
    anne.api.delete(OWN).await.expect(204);
    assert_eq!(anne.api.get("/v1/client/me").await.expect(200)["security_question_id"], Value::Null);
    admin.api.delete(&path(&pet)).await.expect(204);
    for gone in [&school, &pet] {
        admin.api.delete(&path(gone)).await.problem(404, "not_found");
        admin.api.patch(&path(gone), &wording).await.problem(404, "not_found");
        choose(&anne, gone, "Nessie").await.problem(404, "not_found");
    }
    assert_eq!(anne.api.get("/v1/client/security-questions").await.expect(200)["items"], json!([]));
    let named = |one: &Value, text: &str| json!({ "security_question_id": one["id"], "question": text });
    let of = |name: &'static str| events(&service, name);
    assert_eq!(
        of("system.security_question_created").await,
        [named(&school, "Your first school?"), named(&pet, "Your first pet?")]
    );
    assert_eq!(
        of("system.security_question_deleted").await,
        [named(&school, "Which was your first school?"), named(&pet, "Your first pet?")]
    );
}

async fn what_makes_no_question_is_refused(database: Database) {
    let (service, admin) = with_clients(database).await;
    let school = made(&admin.api, "Your first school?").await;
    let pet = made(&admin.api, "Your first pet?").await;
    let count = "SELECT id FROM events WHERE name LIKE 'system.security_question%'";
    for wrong in
        [json!(""), json!(" \t"), json!("a\nb"), json!("a\u{202e}b"), json!("x".repeat(201)), json!(7)]
    {
        admin.api.post(QUESTIONS, &json!({ "question": wrong })).await.invalid("question");
        admin.api.patch(&path(&school), &json!({ "question": wrong })).await.invalid("question");
    }
    admin.api.post(QUESTIONS, &json!({})).await.invalid("question");
    admin.api.post(QUESTIONS, &json!({ "question": "Why?", "user_count": 1 })).await.invalid("user_count");
    for taken in ["your FIRST school?", "  Your first school?"] {
        admin.api.post(QUESTIONS, &json!({ "question": taken })).await.problem(409, "name_taken");
        admin.api.patch(&path(&pet), &json!({ "question": taken })).await.problem(409, "name_taken");
    }
    assert_eq!(service.column(count).await.len(), 2);
    assert_eq!(admin.api.get(QUESTIONS).await.expect(200)["items"], json!([pet, school]));
    admin.api.patch(&path(&school), &json!({ "question": "YOUR FIRST SCHOOL?" })).await.expect(200);
}

async fn questions_want_their_permissions(database: Database) {
    let (service, admin) = with_clients(database).await;
    let viewer =
        colleague(&service, &admin.api, "grace", "accounts.view accounts.edit users.view users.edit").await;
    let keeper = colleague(&service, &admin.api, "mary", "accounts.setup").await;
    let helper = colleague(&service, &admin.api, "mia", "users.security").await;
    let anne = registered(&service, "anne").await;
    let school = made(&admin.api, "Your first school?").await;
    verify(&admin.api, &anne).await;
    choose(&anne, &school, "Hogwarts").await.expect(200);
    let clear = format!("/v1/admin/users/{}/clear-security-question", anne.id);
    viewer.api.get(QUESTIONS).await.expect(200);
    let wording = json!({ "question": "Your last school?" });
    for answer in [
        viewer.api.post(QUESTIONS, &wording).await,
        viewer.api.patch(&path(&school), &wording).await,
        viewer.api.delete(&path(&school)).await,
    ] {
        assert_eq!(answer.problem(403, "permission_required")["permission"], "accounts.setup");
    }
    keeper.api.get(QUESTIONS).await.problem(403, "permission_required");
    keeper.api.patch(&path(&school), &wording).await.expect(200);
    for nosy in [&viewer, &keeper] {
        let refused = nosy.api.post(&clear, &json!({})).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "users.security");
    }
    // It wants the password again, as all by which somebody gets in.
    service.execute("UPDATE sessions SET confirmed_at = 0").await;
    helper.api.post(&clear, &json!({})).await.problem(403, "confirmation_required");
    choose(&anne, &school, "Beauxbatons").await.problem(403, "confirmation_required");
    anne.api.delete(OWN).await.problem(403, "confirmation_required");
    assert_eq!(events(&service, "user.security_question_set").await.len(), 1);
    assert_eq!(events(&service, "user.security_question_cleared").await, [Value::Null; 0]);
    for seen in [QUESTIONS, "/v1/client/security-questions"] {
        service.api().get(seen).await.problem(401, "login_required");
    }
}

async fn whoever_chooses_has_proved_their_address(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let school = made(&admin.api, "Your first school?").await;
    choose(&anne, &school, RIGHT).await.problem(409, "email_unverified");
    assert_eq!(anne.api.get("/v1/client/me").await.expect(200)["security_question_id"], Value::Null);
    assert_eq!(events(&service, "user.security_question_set").await, [Value::Null; 0]);
    verify(&admin.api, &anne).await;
    let me = choose(&anne, &school, RIGHT).await.expect(200);
    assert_eq!((&me["security_question_id"], &me["user"]["id"]), (&school["id"], &json!(anne.id)));
    assert_eq!(
        events(&service, "user.security_question_set").await,
        [json!({ "user_id": anne.id, "security_question_id": school["id"] })]
    );
    // They are told, once for each change, and the answer stands nowhere.
    choose(&anne, &school, "another answer altogether").await.expect(200);
    anne.api.delete(OWN).await.expect(204);
    let mails = mails_to(&service, &anne.email).await;
    let about = mails.iter().filter(|mail| *mail == "security_question_changed").count();
    assert_eq!(about, 3, "{mails:?}");
    assert_eq!(
        events(&service, "user.security_question_cleared").await,
        [json!({ "user_id": anne.id, "by": "self" })]
    );
    for answer in [RIGHT, "another answer altogether"] {
        service.secrets.keep(answer);
    }
    service.keeps_its_secrets().await;
}

async fn what_makes_no_answer_is_refused_by_field(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    verify(&admin.api, &anne).await;
    let school = made(&admin.api, "Your first school?").await;
    for wrong in ["", "   ", " a ", "李", &"x".repeat(257), &"x".repeat(5000)] {
        choose(&anne, &school, wrong).await.invalid("answer");
    }
    let put = async |body: Value| anne.api.json(Method::PUT, OWN, &body).await;
    put(json!({ "question_id": school["id"] })).await.invalid("answer");
    put(json!({ "question_id": school["id"], "answer": 1234 })).await.invalid("answer");
    put(json!({ "answer": RIGHT })).await.invalid("question_id");
    put(json!({ "question_id": "school", "answer": RIGHT })).await.invalid("question_id");
    put(json!({ "question_id": school["id"], "answer": RIGHT, "user_id": NOBODY })).await.invalid("user_id");
    put(json!({ "question_id": NOBODY, "answer": RIGHT })).await.problem(404, "not_found");
    assert_eq!(anne.api.get("/v1/client/me").await.expect(200)["security_question_id"], Value::Null);
    choose(&anne, &school, "李明").await.expect(200);
}

async fn a_question_somebody_chooses_while_it_is_deleted_stays_or_is_gone(database: Database) {
    let (service, admin) = with_clients(database).await;
    let mut users = Vec::new();
    for name in ["anne", "mary", "joan", "grace"] {
        let user = registered(&service, name).await;
        verify(&admin.api, &user).await;
        users.push(user);
    }
    for round in 0..2 {
        let question = made(&admin.api, &format!("Question {round}?")).await;
        let mut racers = JoinSet::new();
        for user in &users {
            let (user, question) = (user.clone(), question.clone());
            racers.spawn(async move { choose(&user, &question, RIGHT).await });
        }
        let deleted = admin.api.delete(&path(&question)).await;
        let chosen = racers.join_all().await.iter().filter(|answer| answer.status == 200).count();
        let left = service.column("SELECT id FROM users WHERE question_id IS NOT NULL").await.len();
        if deleted.status == 204 {
            assert_eq!((chosen, left), (0, 0));
        } else {
            deleted.problem(409, "question_in_use");
            assert_eq!((chosen, left), (4, 4));
            for user in &users {
                user.api.delete(OWN).await.expect(204);
            }
            admin.api.delete(&path(&question)).await.expect(204);
        }
    }
}

async fn a_new_password_wants_the_answer(database: Database) {
    let smtp = Smtp::start().await;
    let (service, admin, anne, _) = with_a_question(database, &smtp).await;
    let guest = service.api();
    let plain = registered(&service, "plain").await;
    let token = link(&smtp, &admin.api, &anne).await;
    let without = link(&smtp, &admin.api, &plain).await;
    let seen = look_up(&service, &token).await.expect(200);
    assert_eq!(
        seen,
        json!({
            "audience": "user", "needs": ["password", "answer"], "question": "Which was your first school?",
            "expires_at": seen["expires_at"],
        })
    );
    let seen = look_up(&service, &without).await.expect(200);
    assert_eq!((&seen["needs"], seen.get("question")), (&json!(["password"]), None));

    // What is no answer does not count as one, nor does a password that is none.
    guest.post(COMPLETE, &json!({ "token": token, "password": NEW })).await.invalid("answer");
    guest.post(COMPLETE, &json!({ "token": token, "password": NEW, "answer": null })).await.invalid("answer");
    complete(&guest, &token, " ").await.invalid("answer");
    let weak = json!({ "token": token, "password": "password", "answer": "wrong" });
    guest.post(COMPLETE, &weak).await.problem(422, "password_refused");
    assert_eq!(refusals(&service).await, 0);
    let wrong = complete(&guest, &token, "Eton College").await.problem(422, "answer_refused");
    assert!(wrong["detail"].as_str().is_some_and(|detail| detail.contains('4')), "{wrong}");
    is_unchanged(&service, &anne).await;
    assert_eq!(events(&service, "user.security_answer_refused").await, [json!({ "user_id": anne.id })]);
    look_up(&service, &token).await.expect(200);

    // In whatever case, with whatever spaces, however its letters are composed.
    complete(&guest, &token, " saint  MARY'S\tat A\u{308}RGERSHEIM ").await.expect(204);
    client_log_in(&guest, &anne.email, NEW).await.expect(200);
    anne.log_in(&service).await.problem(401, "login_refused");
    anne.api.get("/v1/client/me").await.problem(401, "login_required");
    complete(&guest, &token, RIGHT).await.problem(410, "reset_link_dead");
    // Whoever has no question is asked none, and what they answer does not matter.
    complete(&guest, &without, "whatever").await.expect(204);
    service.keeps_its_secrets().await;
}

async fn five_wrong_answers_kill_a_link(database: Database) {
    let smtp = Smtp::start().await;
    let (service, admin, anne, _) = with_a_question(database, &smtp).await;
    let guest = service.api();
    let token = link(&smtp, &admin.api, &anne).await;
    for (left, says) in [(4, "4 more"), (3, "3 more"), (2, "2 more"), (1, "one more"), (0, "no more")] {
        look_up(&service, &token).await.expect(200);
        let wrong = complete(&guest, &token, &format!("Eton {left}")).await.problem(422, "answer_refused");
        assert!(wrong["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{left}: {wrong}");
    }
    look_up(&service, &token).await.problem(410, "reset_link_dead");
    complete(&guest, &token, RIGHT).await.problem(410, "reset_link_dead");
    is_unchanged(&service, &anne).await;
    assert_eq!(refusals(&service).await, 5);

    // Nor does a new link take more, until the user, who is in, answers anew.
    let second = link(&smtp, &admin.api, &anne).await;
    let refused = complete(&guest, &second, RIGHT).await;
    refused.problem(429, "too_many_attempts");
    let wait: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=24 * 60 * 60).contains(&wait), "{wait}");
    is_unchanged(&service, &anne).await;
    let me = anne.api.get("/v1/client/me").await.expect(200);
    choose(&anne, &json!({ "id": me["security_question_id"] }), "Beauxbatons").await.expect(200);
    complete(&guest, &token, "Beauxbatons").await.problem(410, "reset_link_dead");
    complete(&guest, &second, RIGHT).await.problem(422, "answer_refused");
    complete(&guest, &second, "beauxbatons").await.expect(204);
    client_log_in(&guest, &anne.email, NEW).await.expect(200);
}

async fn of_eight_answers_at_once_five_count(database: Database) {
    let smtp = Smtp::start().await;
    let (service, admin, anne, _) = with_a_question(database, &smtp).await;
    let token = link(&smtp, &admin.api, &anne).await;
    let mut racers = JoinSet::new();
    for n in 0..8 {
        let (guest, token) = (service.api(), token.clone());
        racers.spawn(async move { complete(&guest, &token, &format!("Eton {n}")).await });
    }
    let mut judged = 0;
    for answer in racers.join_all().await {
        match answer.status.as_u16() {
            422 => {
                answer.problem(422, "answer_refused");
                judged += 1;
            }
            429 => drop(answer.problem(429, "too_many_attempts")),
            _ => drop(answer.problem(410, "reset_link_dead")),
        }
    }
    assert_eq!(judged, 5);
    assert_eq!(refusals(&service).await, 5);
    complete(&service.api(), &token, RIGHT).await.problem(410, "reset_link_dead");
    is_unchanged(&service, &anne).await;
}

async fn wrong_answers_count_over_all_links(database: Database) {
    let smtp = Smtp::start().await;
    let (service, admin, anne, question) = with_a_question(database, &smtp).await;
    let guest = service.api();
    let mary = registered(&service, "mary").await;
    verify(&admin.api, &mary).await;
    choose(&mary, &question, "Hogwarts").await.expect(200);
    let marys = link(&smtp, &admin.api, &mary).await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(link(&smtp, &admin.api, &anne).await);
    }
    // At once, over three links none of which has had its five.
    let mut racers = JoinSet::new();
    for n in 0..9 {
        let (guest, token) = (service.api(), tokens[n % 3].clone());
        racers.spawn(async move { complete(&guest, &token, &format!("Eton {n}")).await });
    }
    let mut judged = 0;
    for answer in racers.join_all().await {
        if answer.status == 422 {
            answer.problem(422, "answer_refused");
            judged += 1;
        } else {
            answer.problem(429, "too_many_attempts");
        }
    }
    assert_eq!(judged, 5);
    assert_eq!(refusals(&service).await, 5);
    for token in &tokens {
        look_up(&service, token).await.expect(200);
        complete(&guest, token, RIGHT).await.problem(429, "too_many_attempts");
    }
    is_unchanged(&service, &anne).await;
    // Nobody else is any worse off.
    complete(&guest, &marys, "hogwarts").await.expect(204);

    // After a day there are five again; of the links that live no more, none is good for them.
    service.execute("UPDATE rates SET since = since - 90000000 WHERE key LIKE 'security-answer %'").await;
    complete(&guest, &tokens[0], RIGHT).await.expect(204);
    // With the first one used, all are dead.
    for token in &tokens {
        look_up(&service, token).await.problem(410, "reset_link_dead");
    }
}

async fn an_admin_clears_a_question_and_the_user_is_told(database: Database) {
    let smtp = Smtp::start().await;
    let (service, admin, anne, question) = with_a_question(database, &smtp).await;
    let clear = format!("/v1/admin/users/{}/clear-security-question", anne.id);
    let told = async || {
        let mails = mails_to(&service, &anne.email).await;
        mails.into_iter().filter(|mail| mail == "security_question_changed").count()
    };
    assert_eq!(told().await, 1, "of her own choice");
    let token = link(&smtp, &admin.api, &anne).await;
    let guest = service.api();
    for _ in 0..4 {
        complete(&guest, &token, "Eton College").await.problem(422, "answer_refused");
    }
    admin.api.post(&clear, &json!({})).await.expect(204);
    assert_eq!(told().await, 2);
    assert_eq!(anne.api.get("/v1/client/me").await.expect(200)["security_question_id"], Value::Null);
    assert_eq!(
        events(&service, "user.security_question_cleared").await,
        [json!({ "user_id": anne.id, "by": "colleague" })]
    );
    let actor = "SELECT actor_id FROM events WHERE name = 'user.security_question_cleared'";
    assert_eq!(service.column(actor).await, [admin.id.as_str()]);
    assert_eq!(service.column("SELECT answer_hash FROM users WHERE answer_hash IS NOT NULL").await, [""; 0]);
    admin.api.post(&clear, &json!({})).await.problem(404, "not_found");
    admin
        .api
        .post(&format!("/v1/admin/users/{NOBODY}/clear-security-question"), &json!({}))
        .await
        .problem(404, "not_found");
    assert_eq!(told().await, 2);
    admin.api.delete(&path(&question)).await.expect(204);

    // The same link asks for nothing any more.
    let seen = look_up(&service, &token).await.expect(200);
    assert_eq!((&seen["needs"], seen.get("question")), (&json!(["password"]), None));
    guest.post(COMPLETE, &json!({ "token": token, "password": NEW })).await.expect(204);
    client_log_in(&guest, &anne.email, NEW).await.expect(200);
    // The mails that went out say so.
    let says = eventually("the mails about her question", || async {
        let mails = smtp.mails().into_iter().filter(|mail| mail.to == [anne.email.as_str()]);
        let about: Vec<_> =
            mails.filter(|mail| mail.text().to_lowercase().contains("security question")).collect();
        (about.len() >= 2).then_some(about)
    })
    .await;
    assert!(says.iter().all(|mail| !mail.text().contains(RIGHT) && !mail.text().contains("first school")));
}

async fn nobody_learns_by_asking_who_has_a_question(database: Database) {
    let smtp = Smtp::start().await;
    let (service, admin, anne, _) = with_a_question(database, &smtp).await;
    let plain = registered(&service, "plain").await;
    verify(&admin.api, &plain).await;
    let guest = service.api();
    let seen = |answer: &Answer| {
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        let mut body = if answer.text.is_empty() { Value::Null } else { answer.body() };
        if body.is_object() {
            body["request_id"] = Value::Null;
        }
        (answer.status.as_u16(), body, names)
    };
    let mut answers = Vec::new();
    for login in [anne.email.as_str(), plain.email.as_str(), "nobody@example.test"] {
        let answer = guest.post(ASK, &json!({ "audience": "user", "login": login })).await;
        assert_eq!(answer.status, 204);
        answers.push(seen(&answer));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    // Nor do the mails tell, for they may be read by others; the link's page does.
    let mut words = Vec::new();
    for user in [&anne, &plain] {
        let mail = eventually("a link", || async {
            let mails = smtp.mails().into_iter().filter(|mail| mail.to == [user.email.as_str()]);
            mails.into_iter().find(|mail| mail.text().contains("/reset-password#token="))
        })
        .await;
        let mut text = mail.text().replace(&mail.link(), "LINK").replace(&user.email, "EMAIL");
        text.retain(|c| !c.is_whitespace() && !c.is_ascii_digit());
        words.push(text);
    }
    assert_eq!(words[0], words[1]);
    // Nor does a link that is none, whatever is answered.
    let dead = "A".repeat(43);
    let bodies = [
        json!({ "token": dead, "password": NEW }),
        json!({ "token": dead, "password": NEW, "answer": RIGHT }),
        json!({ "token": dead, "password": "short", "answer": " " }),
    ];
    let mut answers = Vec::new();
    for body in &bodies {
        let answer = guest.post(COMPLETE, body).await;
        answer.problem(410, "reset_link_dead");
        answers.push(seen(&answer));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    // Nor logging in.
    for user in [&anne, &plain] {
        let answer = client_log_in(&guest, &user.email, &format!("{PASSWORD} wrong")).await;
        let refused = seen(&answer);
        assert_eq!((refused.0, &refused.1["code"]), (401, &json!("login_refused")));
        assert!(!answer.text.contains("question"), "{}", answer.text);
    }
}
