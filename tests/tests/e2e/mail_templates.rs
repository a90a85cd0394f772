//! What mails say: in whose language, with whose letterhead, and in whose words.

use frontdesk_tests::{Api, Database, Frontdesk, Smtp, both, colleague, first_administrator, invite, within};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

both! {
    words_set_by_the_api_go_out_until_they_are_taken_back,
    somebody_who_reads_german_gets_german,
    the_letterhead_is_the_companys,
    templates_are_previewed_and_a_sample_goes_to_oneself,
    hostile_templates_are_refused,
    templates_want_their_permissions_and_a_fresh_password,
}

const TEMPLATES: &str = "/v1/admin/mail-templates";

fn at(mail: &str, language: &str) -> String {
    format!("{TEMPLATES}/{mail}/{language}")
}

fn texts(subject: &str, text: &str, html: &str) -> Value {
    json!({ "subject": subject, "text": text, "html": html })
}

async fn put(api: &Api, path: &str, body: &Value) -> Value {
    api.json(Method::PUT, path, body).await.expect(200)
}

async fn words_set_by_the_api_go_out_until_they_are_taken_back(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let path = at("staff_invitation", "en");
    let ours = ada.api.get(&path).await.expect(200);
    assert_eq!(ours["source"], "builtin");
    assert_eq!(ours["text"], ours["built_in"]["text"]);

    let mine = texts(
        "Come to {{ company }}",
        "Be our {{ role }}:\r\n{{ link }}\r\n",
        "{% extends \"en/staff_invitation.html\" %}{% block button %}Come in{% endblock %}",
    );
    let set = put(&ada.api, &path, &mine).await;
    assert_eq!(
        (&set["source"], &set["text"], &set["built_in"]),
        (&json!("api"), &json!("Be our {{ role }}:\n{{ link }}\n"), &ours["built_in"])
    );
    assert_eq!(put(&ada.api, &path, &mine).await, set, "the same again");
    assert_eq!(ada.api.get(&path).await.expect(200), set);
    let listed = ada.api.get(TEMPLATES).await.expect(200);
    let items = listed["items"].as_array().expect("a list");
    let invitation = items.iter().find(|item| item["mail"] == "staff_invitation").expect("it is listed");
    assert_eq!(
        invitation["languages"],
        json!([{ "language": "de", "source": "builtin" }, { "language": "en", "source": "api" }])
    );
    let variables = invitation["variables"].as_array().expect("variables");
    assert!(variables.iter().any(|variable| variable["name"] == "link"), "{variables:?}");

    let invitation = invite(&ada.api, "grace@example.test", json!({})).await;
    let mail = smtp.takes_for("grace@example.test").await;
    assert_eq!(mail.parsed().subject(), Some("Come to Frontdesk"));
    assert!(mail.text().starts_with("Be our ") && mail.text().contains(&invitation.link), "{}", mail.text());
    assert!(mail.html().contains(">Come in</a>") && mail.html().contains(&invitation.link));

    ada.api.delete(&path).await.expect(204);
    ada.api.delete(&path).await.problem(404, "not_found");
    assert_eq!(ada.api.get(&path).await.expect(200), ours);
    invite(&ada.api, "joan@example.test", json!({})).await;
    let mail = smtp.takes_for("joan@example.test").await;
    assert!(mail.text().contains("invites you to join the staff"), "{}", mail.text());
    let told = "SELECT name FROM events WHERE name LIKE 'system.mail_template%' ORDER BY at, id";
    assert_eq!(
        service.column(told).await,
        ["system.mail_template_changed", "system.mail_template_reset"],
        "what changes nothing is told nobody"
    );
}

async fn somebody_who_reads_german_gets_german(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    ada.api.patch("/v1/admin/me", &json!({ "language": "de-AT" })).await.expect(200);
    let change = json!({ "email": "ada@neu.example.test" });
    ada.api.patch("/v1/admin/me", &change).await.expect(200);
    let mail = smtp.takes_for("ada@example.test").await;
    assert_eq!(mail.parsed().subject(), Some("Ihre Mailadresse bei Frontdesk wurde geändert"));
    assert!(mail.text().starts_with("Guten Tag Ada Lovelace,"), "{}", mail.text());
    assert!(mail.html().contains("lang=\"de\""), "{}", mail.html());

    // A language that we do not have is what people have who chose none.
    ada.api.patch("/v1/admin/settings", &json!({ "languages": ["de", "en"] })).await.expect(200);
    ada.api.patch("/v1/admin/me", &json!({ "language": "fi" })).await.expect(200);
    ada.api.patch("/v1/admin/me", &json!({ "email": "ada@example.test" })).await.expect(200);
    let mail = smtp.takes_for("ada@neu.example.test").await;
    assert!(mail.text().starts_with("Guten Tag Ada Lovelace,"), "{}", mail.text());
}

async fn the_letterhead_is_the_companys(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let settings = json!({
        "company_name": "Acme <Hosting>",
        "company_logo": "https://acme.example.test/logo.png",
        "mail_footer": "Acme Ltd\n1 Main Street",
    });
    ada.api.patch("/v1/admin/settings", &settings).await.expect(200);
    invite(&ada.api, "grace@example.test", json!({})).await;
    let mail = smtp.takes_for("grace@example.test").await;
    assert_eq!(mail.parsed().subject(), Some("Ada Lovelace invites you to join Acme <Hosting>"));
    let parsed = mail.parsed();
    let from = parsed.from().and_then(|from| from.first()).and_then(|from| from.name());
    assert_eq!(from, Some("Acme <Hosting>"), "the sender is the company, where nobody has set another");
    let text = mail.text().replace("\r\n", "\n");
    assert!(text.contains("\nAcme <Hosting>\nAcme Ltd\n1 Main Street"), "{text:?}");
    let html = mail.html();
    let logo = "src=\"https://acme.example.test/logo.png\" alt=\"Acme &lt;Hosting&gt;\"";
    assert!(html.contains(logo) && html.contains("1 Main Street"), "{html}");
}

async fn templates_are_previewed_and_a_sample_goes_to_oneself(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    let preview = |language: &str| format!("{}/preview", at("password_reset", language));
    let german = ada.api.post(&preview("de"), &json!({})).await.expect(200);
    assert_eq!(german["subject"], "Neues Passwort für Frontdesk wählen");
    let link = format!("{}/accept#token=only-a-sample", service.base());
    for part in ["text", "html"] {
        let text = german[part].as_str().expect("text");
        assert!(text.contains(&link) && text.contains("Ada Lovelace"), "{text}");
    }
    let draft =
        json!({ "subject": "Salut {{ recipient_name }}", "text": "{{ expires_at|in_words }} {{ link }}" });
    let french = ada.api.post(&preview("fr"), &draft).await.expect(200);
    assert_eq!(french["subject"], "Salut Ada Lovelace");
    assert_eq!(french["text"], format!("2026-11-28 23:40 UTC {link}"));
    ada.api.post(&preview("fr"), &json!({ "text": "no link" })).await.invalid("text");
    ada.api.get(&at("password_reset", "fr")).await.problem(404, "not_found");
    ada.api.get(&at("greeting", "en")).await.problem(404, "not_found");
    assert!(smtp.mails().is_empty(), "a preview is sent to nobody");

    ada.api.post(&format!("{}/test", at("password_reset", "fr")), &json!({})).await.problem(404, "not_found");
    ada.api.post(&format!("{}/test", at("password_reset", "de")), &json!({})).await.expect(204);
    let mail = smtp.takes_for("ada@example.test").await;
    assert_eq!(mail.parsed().subject(), Some("[Test] Neues Passwort für Frontdesk wählen"));
    assert!(mail.text().contains(&link), "{}", mail.text());
    assert_eq!(service.column("SELECT id FROM password_resets").await, [""; 0]);
    let lookup = json!({ "token": "only-a-sample" });
    let looked = service.api().post("/v1/public/invitations/lookup", &lookup).await;
    assert!((400..500).contains(&looked.status.as_u16()), "it works for nothing: {}", looked.text);
}

async fn hostile_templates_are_refused(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let path = at("staff_invitation", "en");
    let refused = async |field: &str, template: &str| {
        let mut body = texts("Hello", "{{ link }}", "{{ link }}");
        body[field] = json!(template);
        ada.api.json(Method::PUT, &path, &body).await.invalid(field)
    };
    for text in [
        "{{ link }}{% for i in range(1000000000) %}x{% endfor %}",
        "{{ link }}{% block a %}{{ self.a() }}{% endblock %}",
        "{{ link }}{{ \"x\" * 1000000000 }}",
        "{{ link }}{% include \"/etc/passwd\" %}",
        "{{ link }}{{ password }}",
        "{{ link }}{{ inviter.__class__ }}",
        "{{ link",
        "follow nothing",
        "{% if inviter %}{{ link }}{% endif %}",
        "",
        &"{{ link }} ".repeat(4000),
    ] {
        refused("text", text).await;
        refused("html", text).await;
    }
    let grown = format!(
        "{{{{ link }}}}{{% set a %}}{}{{% endset %}}{}{{{{ a }}}}",
        "x".repeat(100),
        "{% set a %}{{ a }}{{ a }}{% endset %}".repeat(60)
    );
    refused("text", &grown).await;
    refused("html", "{% autoescape false %}{{ inviter }}{% endautoescape %}{{ link }}").await;
    for subject in ["Hello\r\nBcc: eve@example.test", "Hello\nX: y", "\n", "{{ link }}{{ gone }}"] {
        refused("subject", subject).await;
    }
    let told = refused("text", "{{ link }}\n\n{{ invitor }}").await;
    let message = told["errors"][0]["message"].as_str().expect("a message");
    assert!(message.starts_with("Line 3: invitor is no variable of this mail; it has "), "{message}");
    ada.api.json(Method::PUT, &at("welcome", "English"), &texts("a", "b", "c")).await.invalid("language");
    assert_eq!(ada.api.get(&path).await.expect(200)["source"], "builtin", "nothing was kept");
    assert_eq!(service.column("SELECT mail FROM mail_templates").await, [""; 0]);
}

async fn templates_want_their_permissions_and_a_fresh_password(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "settings.view").await;
    let path = at("welcome", "en");
    grace.api.get(TEMPLATES).await.expect(200);
    grace.api.post(&format!("{path}/preview"), &json!({})).await.expect(200);
    let body = texts("Hi", "Hi", "Hi");
    let refusal = grace.api.json(Method::PUT, &path, &body).await.problem(403, "permission_required");
    assert_eq!(refusal["permission"], "settings.edit");
    grace.api.delete(&path).await.problem(403, "permission_required");
    grace.api.post(&format!("{path}/test"), &json!({})).await.problem(403, "permission_required");
    service.execute("UPDATE sessions SET confirmed_at = confirmed_at - 601000").await;
    ada.api.json(Method::PUT, &path, &body).await.problem(403, "confirmation_required");
    ada.api.delete(&path).await.problem(403, "confirmation_required");
}

/// By file, where the API has said nothing; and a broken file is a start that fails and says where.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_stand_before_ours_and_after_the_api() {
    let smtp = Smtp::start().await;
    let place = tempfile::tempdir().expect("a temporary directory");
    let folder = place.path().join("en");
    std::fs::create_dir(&folder).expect("a directory");
    let subject = folder.join("staff_invitation.subject");
    std::fs::write(&subject, "From a file\n").expect("a file");
    let mut service = Frontdesk::on(Database::sqlite())
        .with_config(&format!("mail_templates = '{}'", place.path().display()))
        .with_mail(&smtp);
    service.start().await;
    let ada = first_administrator(&service).await;
    let path = at("staff_invitation", "en");
    assert_eq!(ada.api.get(&path).await.expect(200)["source"], "file");
    let sent = async |address: &str| {
        invite(&ada.api, address, json!({})).await;
        smtp.takes_for(address).await.parsed().subject().map(str::to_owned)
    };
    assert_eq!(sent("grace@example.test").await.as_deref(), Some("From a file"));
    put(&ada.api, &path, &texts("By the API", "{{ link }}", "{{ link }}")).await;
    assert_eq!(sent("joan@example.test").await.as_deref(), Some("By the API"));
    ada.api.delete(&path).await.expect(204);
    assert_eq!(sent("mary@example.test").await.as_deref(), Some("From a file"));

    service.stop().await;
    std::fs::write(&subject, "{{ nothing }}\n").expect("a file");
    let place = format!("{}:1: nothing is no variable of this mail", subject.display());
    let outcome = service.try_start().await.expect_err("a broken template stops the start");
    assert!(outcome.stderr.contains(&place), "{outcome:?}");
    let outcome = service.run(&["config", "check"]).await;
    assert!(!outcome.status.success() && outcome.stderr.contains(&place), "{outcome:?}");
}

/// What is set at one node goes out from the others a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_hold_at_every_node() {
    let Some(database) = Database::postgres().await else { return };
    let mut one = Frontdesk::on(database);
    one.start().await;
    let mut two = one.node();
    two.start().await;
    let ada = first_administrator(&two).await;
    let (path, at_one) = (at("welcome", "en"), ada.api.at(one.base()));
    let noticed = async |source: &str| {
        within(Duration::from_secs(10), "the other node to notice", async || {
            let seen = ada.api.get(&path).await.expect(200);
            (seen["source"] == source).then_some(())
        })
        .await;
    };
    put(&at_one, &path, &texts("Hi", "Hi", "Hi")).await;
    noticed("api").await;
    at_one.delete(&path).await.expect(204);
    noticed("builtin").await;
}
