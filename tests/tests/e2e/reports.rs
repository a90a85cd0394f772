//! Reports: the numbers are what happened, and each goes to whom it may.

use crate::accounts::{ACCOUNTS, made, path};
use frontdesk_tests::{
    Api, Database, Frontdesk, PASSWORD, Person, Smtp, accept_as_new, both, client_log_in, colleague,
    first_administrator, guess, invite, joined, open_registration, registered, role, token_of, within,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

both! {
    staff_activity_is_what_everybody_did,
    logins_are_those_of_staff_and_users,
    invitations_are_counted_by_inviter,
    accounts_and_users_come_and_go,
    deliveries_arrive,
    a_role_opens_its_reports_and_no_others,
    a_program_opens_what_its_owner_may,
    a_file_holds_what_the_answer_holds,
    a_period_is_one_or_is_refused,
}

const REPORTS: &str = "/v1/admin/reports";

fn at(slug: &str) -> String {
    format!("{REPORTS}/{slug}")
}

async fn report(api: &Api, slug: &str) -> Value {
    api.get(&at(slug)).await.expect(200)
}

async fn rows(api: &Api, slug: &str) -> Vec<Value> {
    report(api, slug).await["rows"].as_array().expect("rows").clone()
}

/// What a report counts, over all its rows that `of` takes; zeros left out. A test may run past midnight.
async fn sums(api: &Api, slug: &str, of: impl Fn(&Value) -> bool) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for row in rows(api, slug).await.iter().filter(|row| of(row)) {
        for (name, value) in row.as_object().expect("a row") {
            *sums.entry(name.clone()).or_default() += value.as_i64().unwrap_or(0);
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

fn counts<const N: usize>(counts: [(&str, i64); N]) -> BTreeMap<String, i64> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

/// The row of one member of staff.
async fn activity(api: &Api, username: &str) -> Option<Value> {
    rows(api, "staff-activity").await.into_iter().find(|row| row["username"] == username)
}

/// A program of that person's that may call these.
async fn program(service: &Frontdesk, admin: &Api, owner: &Person, operations: &[&str]) -> Api {
    let listed = json!({ "name": format!("Of {}", owner.username), "operations": operations });
    let role = admin.post("/v1/admin/api-roles", &listed).await.expect(201);
    let body = json!({ "staff_id": owner.id, "api_role_ids": [role["id"]] });
    let made = admin.post("/v1/admin/api-credentials", &body).await.expect(201);
    service.api().with_token(made["token"].as_str().expect("a token"))
}

async fn disable(admin: &Api, person: &Person) {
    admin.post(&format!("/v1/admin/staff/{}/disable", person.id), &json!({})).await.expect(204);
}

async fn staff_activity_is_what_everybody_did(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let joan = joined(&ada, &service, "joan", json!({})).await;
    open_registration(&ada.api).await;
    let owner = registered(&service, "owner").await;

    let untouched = activity(&ada.api, "grace").await.expect("a row");
    assert_eq!(
        (&untouched["name"], &untouched["role"]),
        (&json!("Grace Hopper"), &json!("Full Administrator"))
    );
    assert_eq!(untouched["staff_id"], grace.id);
    assert_eq!((&untouched["logins"], &untouched["changes"]), (&json!(1), &json!(1)), "she accepted");

    guess(&service.api(), "grace").await.problem(401, "login_refused");
    grace.log_in(&service).await.expect(200);
    grace
        .api
        .post("/v1/admin/session/confirm", &json!({ "password": PASSWORD }))
        .await
        .problem(403, "confirmation_refused");
    for name in ["One", "Two"] {
        role(&grace.api, name, &[]).await;
    }
    invite(&grace.api, "mary@example.test", json!({})).await;
    let automatic = program(&service, &ada.api, &grace, &["createRole"]).await;
    role(&automatic, "Three", &[]).await;
    let login_as = format!("{ACCOUNTS}/{}/login-as", owner.account());
    let link = grace.api.post(&login_as, &json!({})).await.expect(200);
    let token = token_of(link["link"].as_str().expect("a link"));
    let came = service.api().post("/v1/public/login-as", &json!({ "token": token })).await.expect(200);
    let as_owner = service.api().with_token(came["token"].as_str().expect("a session"));
    as_owner.patch("/v1/client/account", &json!({ "phone": "1" })).await.expect(200);

    let row = activity(&ada.api, "grace").await.expect("a row");
    let shown = ["logins", "refused", "changes", "changes_by_programs", "changes_as_users", "invitations"];
    // Her coming, two roles, an invitation, and the link; what she did by the program and as the owner, apart.
    assert_eq!(shown.map(|name| row[name].as_i64().expect("a count")), [2, 1, 5, 1, 1, 1], "{row}");
    for name in ["last_login_at", "last_entry_at"] {
        assert!(
            row[name].as_str().expect("an instant")
                > untouched["last_login_at"].as_str().expect("an instant")
        );
    }
    assert!(row["last_entry_at"].as_str() > row["last_login_at"].as_str(), "{row}");

    assert!(activity(&ada.api, "joan").await.is_some());
    disable(&ada.api, &joan).await;
    assert!(activity(&ada.api, "joan").await.is_none(), "who is disabled is gone");
    ada.api.post(&format!("/v1/admin/staff/{}/enable", joan.id), &json!({})).await.expect(204);
    assert!(activity(&ada.api, "joan").await.is_some(), "and back with what they did");
    ada.api.delete(&format!("/v1/admin/staff/{}", joan.id)).await.expect(204);
    assert!(activity(&ada.api, "joan").await.is_none(), "who is deleted is gone");
    service.keeps_its_secrets().await;
}

async fn logins_are_those_of_staff_and_users(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let mut grace = joined(&ada, &service, "grace", json!({})).await;
    let dan = joined(&ada, &service, "dan", json!({})).await;
    open_registration(&ada.api).await;
    let owner = registered(&service, "owner").await;
    let guest = service.api();
    guess(&guest, "grace").await.problem(401, "login_refused");
    // Nobody's.
    guess(&guest, "nobody").await.problem(401, "login_refused");
    grace.log_in(&service).await.expect(200);
    dan.log_in(&service).await.expect(200);
    guess(&guest, "dan").await.problem(401, "login_refused");
    dan.log_in(&service).await.expect(200);
    let (app, _) = grace.enrol_app().await;
    let challenge = grace.challenged(&service).await;
    challenge.answer(&guest, "totp", &app.wrong_code()).await.problem(401, "code_refused");
    client_log_in(&guest, &owner.email, &owner.password).await.expect(200);
    client_log_in(&guest, &owner.email, PASSWORD).await.problem(401, "login_refused");
    let wrong = json!({ "password": PASSWORD });
    owner.api.post("/v1/client/session/confirm", &wrong).await.problem(403, "confirmation_refused");
    let link =
        ada.api.post(&format!("{ACCOUNTS}/{}/login-as", owner.account()), &json!({})).await.expect(200);
    let token = token_of(link["link"].as_str().expect("a link"));
    guest.post("/v1/public/login-as", &json!({ "token": token })).await.expect(200);

    let staff = |row: &Value| row["audience"] == "staff";
    // The invitations that three accepted, and three logins.
    let all = [("logins", 6), ("refused_password", 3), ("refused_code", 1), ("challenges", 1), ("people", 3)];
    assert_eq!(sums(&ada.api, "logins", staff).await, counts(all));
    disable(&ada.api, &dan).await;
    let others =
        [("logins", 3), ("refused_password", 2), ("refused_code", 1), ("challenges", 1), ("people", 2)];
    assert_eq!(sums(&ada.api, "logins", staff).await, counts(others));
    let users = [
        ("logins", 2),
        ("logins_as", 1),
        ("refused_password", 1),
        ("refused_confirmation", 1),
        ("people", 1),
    ];
    assert_eq!(sums(&ada.api, "logins", |row| !staff(row)).await, counts(users));
    // Thirty days touch thirty-one, each for both audiences.
    assert_eq!(rows(&ada.api, "logins").await.len(), 62);
}

async fn invitations_are_counted_by_inviter(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let dan = joined(&ada, &service, "dan", json!({})).await;
    open_registration(&ada.api).await;
    let owner = registered(&service, "owner").await;
    let _pending = invite(&ada.api, "a@example.test", json!({})).await;
    let expired = invite(&ada.api, "b@example.test", json!({})).await;
    service
        .execute(&format!("UPDATE invitations SET expires_at = 1, sent_at = 0 WHERE id = '{}'", expired.id))
        .await;
    let cancelled = invite(&ada.api, "c@example.test", json!({})).await;
    ada.api.delete(&cancelled.path()).await.expect(204);
    let of_dan = invite(&dan.api, "d@example.test", json!({})).await;
    service.execute("UPDATE invitations SET sent_at = 0").await;
    dan.api.post(&format!("{}/resend", of_dan.path()), &json!({})).await.expect(200);
    let (_, token) = owner.invites("mary@example.test", &json!([])).await;
    accept_as_new(&service.api(), &token, "mary").await;
    owner.invites("paul@example.test", &json!([])).await;

    let told = || async {
        let row = |row: &Value| {
            let by = row["inviter"].as_str().or(row["inviter_kind"].as_str()).expect("text").to_owned();
            let counts = ["created", "resent", "accepted", "cancelled", "pending", "expired"];
            (
                format!("{} {by}", row["kind"].as_str().expect("text")),
                counts.map(|name| row[name].as_i64().unwrap()),
            )
        };
        rows(&ada.api, "invitations").await.iter().map(row).collect::<Vec<_>>()
    };
    let expected = |of_dan: Option<(&str, [i64; 6])>| {
        let rows = [
            Some(("account owner", [2, 0, 1, 0, 1, 0])),
            Some(("staff Ada Lovelace", [4, 0, 1, 1, 1, 1])),
            of_dan,
            // The first administrator's.
            Some(("staff system", [1, 0, 1, 0, 0, 0])),
        ];
        rows.into_iter().flatten().map(|(by, counts)| (by.to_owned(), counts)).collect::<Vec<_>>()
    };
    assert_eq!(told().await, expected(Some(("staff Grace Hopper", [1, 1, 0, 0, 1, 0]))));
    disable(&ada.api, &dan).await;
    assert_eq!(told().await, expected(None), "who is disabled is left out");
}

async fn accounts_and_users_come_and_go(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    open_registration(&ada.api).await;
    let owner = registered(&service, "owner").await;
    let (_, token) = owner.invites("mary@example.test", &json!([])).await;
    let mary = accept_as_new(&service.api(), &token, "mary").await;
    let account = made(&ada.api, "byron").await;
    let here = path(&account);
    let body = json!({ "user_id": mary.id, "permissions": [], "send_invite": false });
    ada.api.post(&format!("{here}/users"), &body).await.expect(201);
    ada.api.delete(&format!("{here}/users/{}", mary.id)).await.expect(204);
    for action in ["close", "reopen"] {
        ada.api.post(&format!("{here}/{action}"), &json!({})).await.expect(204);
    }
    let seen = ada.api.get(&format!("{here}/deletion")).await.expect(200);
    let preview = seen["preview"].as_str().expect("a preview");
    ada.api.delete(&format!("{here}?preview={preview}")).await.expect(204);
    let gone = account["owner_id"].as_str().expect("an id");
    ada.api.delete(&format!("/v1/admin/users/{gone}")).await.expect(204);

    let expected = [
        ("accounts_created", 2),
        ("accounts_closed", 1),
        ("accounts_reopened", 1),
        ("accounts_deleted", 1),
        ("users_registered", 1),
        ("users_invited", 1),
        ("users_created", 1),
        ("users_deleted", 1),
        ("members_added", 2),
        ("members_removed", 1),
    ];
    assert_eq!(sums(&ada.api, "accounts", |_| true).await, counts(expected));
    assert_eq!(rows(&ada.api, "accounts").await.len(), 31);
}

async fn deliveries_arrive(database: Database) {
    let smtp = Smtp::start().await;
    let service = Frontdesk::start_with_mail(database, &smtp).await;
    let ada = first_administrator(&service).await;
    for n in 0..3 {
        invite(&ada.api, &format!("x{n}@example.test"), json!({})).await;
    }
    let of_invitations = |row: &Value| row["mail"] == "staff_invitation";
    let row = within(Duration::from_secs(60), "three mails", || async {
        let row = rows(&ada.api, "deliveries").await.into_iter().find(of_invitations)?;
        (row["delivered"] == 3).then_some(row)
    })
    .await;
    assert_eq!((&row["made"], &row["waiting"], &row["dead"]), (&json!(3), &json!(0), &json!(0)));
    assert!(row["attempts"].as_i64().expect("a count") >= 3, "{row}");
    let [median, most] = ["median_seconds", "p95_seconds"].map(|name| row[name].as_f64().expect("seconds"));
    assert!(0.0 < median && median <= most && most < 60.0, "{row}");
}

/// A role that opens these reports and permits nothing.
async fn opening(admin: &Api, name: &str, reports: &Value) -> String {
    let body = json!({ "name": name, "reports": reports });
    let made = admin.post("/v1/admin/roles", &body).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn open(api: &Api) -> Vec<String> {
    let listed = api.get(REPORTS).await.expect(200);
    let items = listed["items"].as_array().expect("a list").iter();
    items.map(|one| one["slug"].as_str().expect("a slug").to_owned()).collect()
}

async fn a_role_opens_its_reports_and_no_others(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let all = ["staff-activity", "logins", "invitations", "accounts", "deliveries"];
    assert_eq!(open(&ada.api).await, all);
    for slug in all {
        let found = report(&ada.api, slug).await;
        assert_eq!(found["slug"], slug);
        let listed = ada.api.get(REPORTS).await.expect(200);
        let listed = listed["items"].as_array().expect("a list").iter().find(|one| one["slug"] == slug);
        let listed = listed.expect("it is listed");
        assert_eq!((&listed["title"], &listed["columns"]), (&found["title"], &found["columns"]));
        assert!(listed["description"].as_str().is_some_and(|text| text.ends_with('.')), "{listed}");
        let mut names: Vec<_> = found["columns"]
            .as_array()
            .expect("columns")
            .iter()
            .map(|one| one["name"].as_str().expect("a name"))
            .collect();
        names.sort_unstable();
        for row in found["rows"].as_array().expect("rows") {
            let mut keys: Vec<_> = row.as_object().expect("a row").keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, names);
        }
    }

    let mut role = opening(&ada.api, "Some", &json!(["accounts", "logins", "tickets"])).await;
    let grace = joined(&ada, &service, "grace", json!({ "role_id": role })).await;
    assert_eq!(open(&grace.api).await, ["logins", "accounts"], "tickets are none yet");
    report(&grace.api, "logins").await;
    let refused = grace.api.get(&at("deliveries")).await.problem(403, "report_not_allowed");
    let detail = refused["detail"].as_str().expect("a detail");
    assert!(detail.contains("the report deliveries; it opens logins, accounts"), "{detail}");
    // What nobody can open is not there, for anybody.
    for unknown in ["tickets", "Logins", "no-such", "018f0000-0000-7000-8000-000000000000"] {
        ada.api.get(&at(unknown)).await.problem(404, "not_found");
        grace.api.get(&at(unknown)).await.problem(404, "not_found");
    }
    // A change holds on the next request.
    role.insert_str(0, "/v1/admin/roles/");
    ada.api.patch(&role, &json!({ "all_reports": true })).await.expect(200);
    assert_eq!(open(&grace.api).await, all);
    report(&grace.api, "deliveries").await;
    ada.api.patch(&role, &json!({ "all_reports": false, "reports": [] })).await.expect(200);
    assert_eq!(open(&grace.api).await, [""; 0]);
    let refused = grace.api.get(&at("logins")).await.problem(403, "report_not_allowed");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("it opens none")), "{refused}");
    // Before what is wrong with the rest.
    grace.api.get(&format!("{}?from=never&x=1", at("logins"))).await.any_problem();
    service.api().get(&at("logins")).await.problem(401, "login_required");
}

async fn a_program_opens_what_its_owner_may(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = colleague(&service, &ada.api, "grace", "api.access report:logins").await;
    let reads = program(&service, &ada.api, &grace, &["listReports", "getReport"]).await;
    assert_eq!(open(&reads).await, ["logins"]);
    assert_eq!(report(&reads, "logins").await["slug"], "logins");
    reads.get(&at("accounts")).await.problem(403, "report_not_allowed");
    let lists = joined(&ada, &service, "joan", json!({})).await;
    let lists = program(&service, &ada.api, &lists, &["listReports"]).await;
    assert_eq!(open(&lists).await.len(), 5);
    lists.get(&at("logins")).await.problem(403, "operation_not_allowed");
    let groups = ada.api.get("/v1/admin/api-operations").await.expect(200);
    let groups = groups["items"].as_array().expect("groups");
    let reports = groups.iter().find(|group| group["group"] == "Reports").expect("an area");
    assert!(
        reports["operations"].as_array().expect("operations").iter().all(|one| one["permission"].is_null())
    );
    // Without the API, no program.
    service.execute("UPDATE roles SET permissions = 'report:logins' WHERE name = 'Role of grace'").await;
    let refused = reads.get(&at("logins")).await.problem(403, "permission_required");
    assert_eq!(refused["permission"], "api.access");
}

async fn a_file_holds_what_the_answer_holds(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    joined(&ada, &service, "grace", json!({})).await;
    for slug in open(&ada.api).await {
        let period = "from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z";
        // Nothing happens in between, but that mails may be delivered.
        let made = within(Duration::from_secs(60), "a file that is the answer", || async {
            let file = ada.api.get(&format!("{}?format=csv&{period}", at(&slug))).await;
            assert_eq!(file.status, 200, "{}", file.text);
            assert_eq!(file.content_type(), "text/csv; charset=utf-8; header=present");
            let named = format!("attachment; filename=\"{slug}.csv\"");
            assert_eq!(file.header("content-disposition"), Some(named.as_str()));
            let made = ada.api.get(&format!("{}?format=json&{period}", at(&slug))).await.expect(200);
            (parsed(&file.text) == cells(&made)).then_some(made)
        })
        .await;
        assert_eq!(made["from"], "2026-01-01T00:00:00.000Z");
        assert_eq!(made["to"], "2026-12-31T00:00:00.000Z");
    }
    ada.api.get(&format!("{}?format=xml", at("logins"))).await.invalid("format");
}

/// The lines of a file, its heading first.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|line| line.expect("a line").iter().map(str::to_owned).collect()).collect()
}

/// The same of an answer.
fn cells(made: &Value) -> Vec<Vec<String>> {
    let columns = made["columns"].as_array().expect("columns").iter();
    let columns: Vec<_> = columns.map(|one| one["name"].as_str().expect("a name").to_owned()).collect();
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let rows = made["rows"].as_array().expect("rows").iter();
    let rows: Vec<_> = rows.map(|row| columns.iter().map(|name| text(&row[name])).collect()).collect();
    [vec![columns], rows].concat()
}

async fn a_period_is_one_or_is_refused(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let here = at("logins");
    let usual = report(&ada.api, "logins").await;
    let begins = usual["from"].as_str().expect("an instant");
    assert!(usual["to"].as_str().expect("an instant") > begins);
    // Of a time before there was anything, and of the time since.
    let old = ada.api.get(&format!("{here}?from=2020-02-28&to=2020-03-01")).await.expect(200);
    assert_eq!(
        (&old["from"], &old["to"]),
        (&json!("2020-02-28T00:00:00.000Z"), &json!("2020-03-02T00:00:00.000Z"))
    );
    let days = old["rows"].as_array().expect("rows").iter();
    let days: Vec<_> =
        days.map(|row| (row["day"].as_str().expect("a day"), row["logins"].as_i64())).collect();
    let expected = ["2020-02-28", "2020-02-28", "2020-02-29", "2020-02-29", "2020-03-01", "2020-03-01"];
    assert_eq!(days, expected.map(|day| (day, Some(0))));
    // Exactly as long as it may be.
    ada.api.get(&format!("{here}?from=2024-01-01&to=2024-12-31")).await.expect(200);
    for (query, field) in [
        ("from=2024-01-01&to=2025-01-01", "from"),
        ("from=2026-02-01&to=2026-01-01", "from"),
        ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("from=9000-01-01", "from"),
        ("from=2026-02-30", "from"),
        ("to=yesterday", "to"),
        ("to=2026-01-01T00:00:00", "to"),
        ("to=9999-12-31", "to"),
        ("from=", "from"),
        ("from=2026-01-01&from=2026-01-02", "from"),
        ("since=2026-01-01", "since"),
        ("format=", "format"),
    ] {
        let refused = ada.api.get(&format!("{here}?{query}")).await;
        assert_eq!(refused.status, 422, "{query}: {}", refused.text);
        refused.invalid(field);
    }
    ada.api.get(&format!("{REPORTS}/?x")).await.problem(404, "not_found");
}
