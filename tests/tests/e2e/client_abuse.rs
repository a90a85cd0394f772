//! What strangers, users and staff with little could do to others, and cannot: each of it could once be done here.

use crate::registration::mails_to;
use frontdesk_tests::{
    Database, Frontdesk, PASSWORD, Smtp, both, first_administrator, joined, new_user, open_registration,
    registered, registration, role, with_clients,
};
use reqwest::Method;
use serde_json::{Value, json};

both! {
    editing_users_does_not_take_them_over,
    an_address_is_flooded_by_no_route,
    whoever_had_an_address_leaves_no_question_behind,
    who_is_registered_is_asked_so_often_and_no_more,
    an_office_accepts_together,
    a_reset_link_tries_no_passwords_past_the_question,
    a_domain_is_one_however_it_is_written,
}

async fn editing_users_does_not_take_them_over(database: Database) {
    let (service, admin) = with_clients(database).await;
    let anne = registered(&service, "anne").await;
    let path = format!("/v1/admin/users/{}", anne.id);
    let editor = role(&admin.api, "Editors", &["users.view", "users.edit"]).await;
    let grace = joined(&admin, &service, "grace", json!({ "role_id": editor })).await;
    grace.api.patch(&path, &json!({ "first_name": "Annabella" })).await.expect(200);
    for change in [json!({ "email": "evil@example.test" }), json!({ "email_verified": true })] {
        let refused = grace.api.patch(&path, &change).await.problem(403, "permission_required");
        assert_eq!(refused["permission"], "users.security");
    }
    let helper = role(&admin.api, "Helpers", &["users.view", "users.edit", "users.security"]).await;
    let joan = joined(&admin, &service, "joan", json!({ "role_id": helper })).await;
    service
        .execute("UPDATE sessions SET confirmed_at = confirmed_at - 600000 WHERE audience = 'staff'")
        .await;
    let change = json!({ "email": "anne.byron@example.test" });
    joan.api.patch(&path, &change).await.problem(403, "confirmation_required");
    joan.api.patch(&path, &json!({ "first_name": "Anne" })).await.expect(200);
    assert_eq!(
        service.column("SELECT email FROM logins WHERE audience = 'user'").await,
        ["anne@example.test"]
    );
}

async fn an_address_is_flooded_by_no_route(database: Database) {
    let (service, admin) = with_clients(database).await;
    admin.api.patch("/v1/admin/settings", &json!({ "invitation_resend_seconds": 0 })).await.expect(200);
    let mut anne = registered(&service, "anne").await;
    // One invitation waits for an address, and so many go there in a day, from however many accounts.
    let invite = json!({ "email": "victim@example.test", "permissions": [] });
    let invitations = "/v1/client/account/invitations";
    let mut accepted = 0;
    for n in 0..4 {
        let made = anne.api.post(invitations, &invite).await.expect(201);
        anne.api.post(invitations, &invite).await.problem(409, "already_invited");
        accepted += 1;
        let resend = format!("{invitations}/{}/resend", made["id"].as_str().expect("an id"));
        for _ in 0..2 {
            let again = anne.api.post(&resend, &json!({})).await;
            if again.status == 200 {
                accepted += 1;
            } else {
                again.problem(429, "too_many_attempts");
            }
        }
        let further = anne.api.post("/v1/client/accounts", &json!({ "name": format!("Account {n}") })).await;
        anne.choose(further.expect(201)["id"].as_str().expect("an id")).await;
        if accepted >= 10 {
            break;
        }
    }
    assert_eq!(accepted, 10);
    anne.api.post(invitations, &invite).await.problem(429, "too_many_attempts");
    assert_eq!(mails_to(&service, "victim@example.test").await.len(), 10);
    // Nor by giving oneself that address and another one in turns.
    for n in 0..8 {
        let to = if n % 2 == 0 { "victim@example.test" } else { "anne@example.test" };
        let answer = anne.api.patch("/v1/client/me", &json!({ "email": to })).await;
        assert!(answer.status == 200 || answer.status == 429, "{answer:?}");
    }
    assert_eq!(service.column("SELECT id FROM events WHERE name = 'user.edited'").await.len(), 5);
    // And nobody is welcomed again and again at an address that is not verified.
    let welcomes = mails_to(&service, "anne@example.test").await;
    assert_eq!(welcomes.iter().filter(|mail| *mail == "welcome").count(), 1);
}

async fn whoever_had_an_address_leaves_no_question_behind(database: Database) {
    let (service, admin) = with_clients(database).await;
    let squatter = registered(&service, "squatter").await;
    let path = format!("/v1/admin/users/{}", squatter.id);
    admin.api.patch(&path, &json!({ "email_verified": true })).await.expect(200);
    let question = json!({ "question": "What was the name of your first school?" });
    let question = admin.api.post("/v1/admin/security-questions", &question).await.expect(201);
    let choice = json!({ "question_id": question["id"], "answer": "hard knocks" });
    let chosen = squatter.api.json(Method::PUT, "/v1/client/me/security-question", &choice).await.expect(200);
    assert_eq!(chosen["security_question_id"], question["id"]);
    let me =
        squatter.api.patch("/v1/client/me", &json!({ "email": "victim@example.test" })).await.expect(200);
    assert_eq!(me["security_question_id"], Value::Null);
    // Whose address it was before is told of both.
    let told = mails_to(&service, "squatter@example.test").await;
    assert!(told.contains(&"security_question_changed".to_owned()), "{told:?}");
    assert!(
        !mails_to(&service, "victim@example.test").await.contains(&"security_question_changed".to_owned())
    );
}

async fn who_is_registered_is_asked_so_often_and_no_more(database: Database) {
    let (service, _) = with_clients(database).await;
    let (anne, owner) = (registered(&service, "anne").await, registered(&service, "owner").await);
    let (_, token) = owner.invites("somebody@example.test", &json!([])).await;
    let accept = |name: &str| {
        let body = json!({ "token": token, "user": new_user(name, PASSWORD) });
        let guest = service.api();
        async move { guest.post("/v1/public/invitations/accept", &body).await }
    };
    for _ in 0..10 {
        accept("anne").await.problem(409, "email_taken");
        let change = json!({ "email": "owner@example.test" });
        let asked = anne.api.patch("/v1/client/me", &change).await;
        // Changes of one's own are fewer still.
        assert!(asked.status == 409 || asked.status == 429, "{asked:?}");
    }
    for _ in 0..20 {
        if accept("anne").await.status == 429 {
            break;
        }
    }
    // From then on nobody learns anything from there, neither about those who are nor about those who are not.
    accept("anne").await.problem(429, "too_many_attempts");
    accept("nobody").await.problem(429, "too_many_attempts");
    // What an invitation shows is the same for both as well.
    anne.api.patch("/v1/client/me", &json!({ "language": "de" })).await.expect(200);
    for name in ["anne", "stranger"] {
        let body = json!({ "email": format!("{name}@example.test"), "permissions": [] });
        let made = owner.api.post("/v1/client/account/invitations", &body).await.expect(201);
        assert_eq!(made["language"], "en", "{name}");
    }
}

async fn an_office_accepts_together(database: Database) {
    let service = Frontdesk::running(database).await;
    let admin = first_administrator(&service).await;
    admin.api.patch("/v1/admin/settings", &json!({ "registrations_per_hour": 1 })).await.expect(200);
    let owner = registered(&service, "owner").await;
    service
        .api()
        .post("/v1/client/register", &registration("late", PASSWORD))
        .await
        .problem(429, "too_many_attempts");
    for n in 0..4 {
        let (_, token) = owner.invites(&format!("c{n}@example.test"), &json!([])).await;
        frontdesk_tests::accept_as_new(&service.api(), &token, &format!("c{n}")).await;
    }
}

async fn a_reset_link_tries_no_passwords_past_the_question(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let admin = first_administrator(&service).await;
    open_registration(&admin.api).await;
    let anne = registered(&service, "anne").await;
    let path = format!("/v1/admin/users/{}", anne.id);
    admin.api.patch(&path, &json!({ "email_verified": true })).await.expect(200);
    let question =
        admin.api.post("/v1/admin/security-questions", &json!({ "question": "Your first school?" })).await;
    let choice = json!({ "question_id": question.expect(201)["id"], "answer": "hard knocks" });
    anne.api.json(Method::PUT, "/v1/client/me/security-question", &choice).await.expect(200);
    let ask = json!({ "audience": "user", "login": "anne@example.test" });
    service.api().post("/v1/public/password-reset", &ask).await.expect(204);
    let token = frontdesk_tests::eventually("the link", || async {
        let mails = smtp.mails();
        mails
            .iter()
            .find(|mail| mail.text().contains("/reset-password#token="))
            .map(frontdesk_tests::Mail::token)
    })
    .await;
    // The right password and a wrong one are answered alike, and both cost an answer.
    for (left, password) in [(4, anne.password.as_str()), (3, "some other long words 7")] {
        let body = json!({ "token": token, "password": password, "answer": "wrong" });
        let refused = service.api().post("/v1/public/password-reset/complete", &body).await;
        let problem = refused.problem(422, "answer_refused");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(&left.to_string())), "{problem}");
    }
}

async fn a_domain_is_one_however_it_is_written(database: Database) {
    let (service, admin) = with_clients(database).await;
    let blocked = json!({ "blocked_email_domains": ["throwaway.test", "müll.test"] });
    let settings = admin.api.patch("/v1/admin/settings", &blocked).await.expect(200);
    assert_eq!(settings["blocked_email_domains"], json!(["throwaway.test", "xn--mll-hoa.test"]));
    let mut body = registration("anne", PASSWORD);
    for email in ["a@ｔhrowaway.test", "a@müll.test", "a@xn--mll-hoa.test", "a@MÜLL.test"] {
        body["email"] = email.into();
        service.api().post("/v1/client/register", &body).await.invalid("email");
    }
    for email in ["uni@exämple.test", "uni@xn--exmple-cua.test", "UNI@EXÄMPLE.test"] {
        body["email"] = email.into();
        service.api().post("/v1/client/register", &body).await.expect(202);
    }
    assert_eq!(service.column("SELECT id FROM users").await.len(), 1);
    // And whoever has it logs in by either.
    for email in ["uni@exämple.test", "uni@xn--exmple-cua.test"] {
        frontdesk_tests::client_log_in(&service.api(), email, PASSWORD).await.expect(200);
    }
}
