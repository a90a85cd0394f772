//! The activity log (FEATURES D1 to D4): found, taken away, checked, and people erased from it.

use frontdesk_tests::{
    Api, Database, Frontdesk, Person, associated, both, colleague, eventually, first_administrator, guess,
    joined, registered, role, with_clients,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

both! {
    every_change_and_every_login_is_an_entry,
    entries_are_found_by_time_actor_account_event_and_text,
    a_page_says_where_to_go_on,
    the_log_is_exported_as_csv_and_json_lines,
    the_chain_shows_whether_anybody_touched_it,
    a_copy_put_back_is_found_by_the_machine_and_by_kept_heads,
    a_person_is_exported_and_erased,
    the_log_wants_its_permissions,
    wrong_questions_are_answered_with_what_is_wrong,
}

const ACTIVITY: &str = "/v1/admin/activity";

async fn found(api: &Api, query: &str) -> Vec<Value> {
    let page = api.get(&format!("{ACTIVITY}?limit=200&{query}")).await.expect(200);
    page["items"].as_array().expect("a list").clone()
}

fn names(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["event"].as_str().expect("a name")).collect()
}

/// Everything that was written so far is in the chain.
async fn sealed(api: &Api) {
    eventually("the log is sealed", || async {
        found(api, "").await.iter().all(|entry| entry["number"].is_number()).then_some(())
    })
    .await;
}

async fn every_change_and_every_login_is_an_entry(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    guess(&service.api(), "ada").await.problem(401, "login_refused");
    let change = json!({ "ban_after": 7, "company_name": "Analytical Engines" });
    let answer = ada.api.patch("/v1/admin/settings", &change).await;
    answer.expect(200);
    let request = answer.header("x-request-id").expect("an id").to_owned();

    let entry = found(&ada.api, &format!("request_id={request}")).await.remove(0);
    assert_eq!(entry["event"], "system.settings_changed");
    let changed = json!([
        { "key": "ban_after", "before": 3, "after": 7 },
        { "key": "company_name", "before": "", "after": "Analytical Engines" },
    ]);
    let mut said = entry["data"]["changed"].as_array().expect("a list").clone();
    said.sort_by_key(|one| one["key"].to_string());
    assert_eq!(json!(said), changed);
    assert_eq!([&entry["actor"]["kind"], &entry["actor"]["id"]], [&json!("staff"), &json!(ada.id)]);
    assert_eq!(entry["actor"]["name"], "Ada Lovelace");
    assert_eq!(entry["address"], "127.0.0.1");
    assert_eq!(entry["request_id"], json!(request));
    let same = ada.api.get(&format!("{ACTIVITY}/{}", entry["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(same["data"], entry["data"]);

    let refused = found(&ada.api, "event=session.refused").await.remove(0);
    assert_eq!(refused["actor"]["kind"], "guest");
    assert_eq!(
        [&refused["subject"]["id"], &refused["subject"]["name"]],
        [&json!(ada.id), &json!("Ada Lovelace")]
    );
    let kinds: BTreeSet<_> =
        found(&ada.api, "").await.iter().map(|entry| entry["event"].to_string()).collect();
    for name in ["invitation.created", "invitation.accepted", "staff.created", "session.started"] {
        assert!(kinds.contains(&format!("\"{name}\"")), "{name} in {kinds:?}");
    }
    // In the order in which they happened, also those of one moment.
    let first = found(&ada.api, "category=invitation").await;
    assert_eq!(names(&first), ["invitation.accepted", "invitation.created"]);
    ada.api.get(&format!("{ACTIVITY}/018f0000-0000-7000-8000-000000000000")).await.problem(404, "not_found");
    service.keeps_its_secrets().await;
}

async fn entries_are_found_by_time_actor_account_event_and_text(database: Database) {
    let (service, ada) = with_clients(database).await;
    let grace = colleague(&service, &ada.api, "grace", "staff.view").await;
    let owner = registered(&service, "lovelace").await;
    let user = associated(&service, &owner, "byron", &json!(["invoices"])).await;
    let account = owner.account();
    let turn = found(&ada.api, "").await[0]["at"].as_str().expect("an instant").to_owned();
    let rename = json!({ "name": "Zürich Engines" });
    ada.api.patch(&format!("/v1/admin/accounts/{account}"), &rename).await.expect(200);
    grace.api.patch("/v1/admin/me", &json!({ "language": "de" })).await.expect(200);

    let of_account = found(&ada.api, &format!("account_id={account}")).await;
    assert_eq!(of_account[0]["event"], "account.edited");
    assert_eq!(of_account[0]["account"]["name"], "Zürich Engines");
    assert!(of_account.iter().all(|entry| entry["account"]["id"] == account));
    assert!(
        names(&of_account).contains(&"account.user_added")
            && names(&of_account).contains(&"invitation.created")
    );
    let by_grace = found(&ada.api, &format!("actor={}", grace.id)).await;
    assert!(by_grace.iter().all(|entry| entry["actor"]["id"] == grace.id), "{by_grace:?}");
    assert!(names(&by_grace).contains(&"staff.edited"));
    let about = found(&ada.api, &format!("subject={}", user.id)).await;
    assert!(names(&about).contains(&"user.created") && !names(&about).contains(&"staff.edited"), "{about:?}");
    let kinds = found(&ada.api, "actor_kind=user").await;
    assert!(!kinds.is_empty() && kinds.iter().all(|entry| entry["actor"]["kind"] == "user"));
    let both = found(&ada.api, "event=account.edited,staff.edited").await;
    assert_eq!(names(&both), ["staff.edited", "account.edited"]);
    let since = found(&ada.api, &format!("from={turn}&category=account")).await;
    assert!(names(&since).contains(&"account.edited"), "{since:?}");
    let before = found(&ada.api, &format!("to={turn}&event=account.edited")).await;
    assert_eq!(before, [json!(null); 0]);
    // What entries say, what people are called, whatever the case.
    for (search, name) in [
        ("ZÜRICH engines", "account.edited"),
        ("grace language", "staff.edited"),
        ("edited 127.0.0.1 zürich", "account.edited"),
    ] {
        let hits = found(&ada.api, &format!("search={search}")).await;
        assert!(names(&hits).contains(&name), "{search}: {:?}", names(&hits));
    }
    assert_eq!(found(&ada.api, "search=nothing%20like%20it").await, [json!(null); 0]);
    let counted =
        ada.api.get(&format!("{ACTIVITY}?total=true&limit=1&event=account.edited")).await.expect(200);
    assert_eq!(
        [&counted["total"], &counted["items"].as_array().map(Vec::len).into()],
        [&json!(1), &json!(1)]
    );

    // Staff who came in as a user stand there with both.
    let link = ada.api.post(&format!("/v1/admin/accounts/{account}/login-as"), &json!({})).await.expect(200);
    let link = link["link"].as_str().expect("a link");
    let token = link.rsplit_once("token=").expect("a token").1;
    let session = service.api().post("/v1/public/login-as", &json!({ "token": token })).await.expect(200);
    let there = service.api().with_token(session["token"].as_str().expect("a session"));
    let contact =
        json!({ "first_name": "Annabella", "last_name": "Byron", "email": "annabella@example.test" });
    there.post("/v1/client/account/contacts", &contact).await.expect(201);
    let entry = found(&ada.api, "event=account.contact_created").await.remove(0);
    assert_eq!(entry["actor"]["kind"], "staff_as_user");
    assert_eq!([&entry["actor"]["id"], &entry["actor"]["as_user"]["id"]], [&json!(ada.id), &json!(owner.id)]);
    for actor in [&ada.id, &owner.id] {
        let theirs = found(&ada.api, &format!("actor={actor}")).await;
        assert!(names(&theirs).contains(&"account.contact_created"));
    }
}

async fn a_page_says_where_to_go_on(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    for n in 0..12 {
        role(&ada.api, &format!("Role {n}"), &[]).await;
    }
    let all = found(&ada.api, "category=role").await;
    for query in
        ["category=role", "search=Role", "category=role&search=Role", "actor_kind=staff&category=role"]
    {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ada.api.get(&format!("{ACTIVITY}?limit=5&{query}{cursor}")).await.expect(200);
            seen.extend(page["items"].as_array().expect("a list").iter().map(|entry| entry["id"].clone()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let roles: Vec<_> = all.iter().map(|entry| entry["id"].clone()).collect();
        assert_eq!(seen[..12], roles[..12], "{query}");
    }
}

async fn the_log_is_exported_as_csv_and_json_lines(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    // A spreadsheet would run it.
    role(&ada.api, "=HYPERLINK(\"https://evil.example\")", &[]).await;
    ada.api.patch("/v1/admin/me", &json!({ "first_name": "=1+1", "last_name": "@x" })).await.expect(200);
    sealed(&ada.api).await;
    let listed = found(&ada.api, "").await;

    let answer = ada.api.get(&format!("{ACTIVITY}/export?format=jsonl")).await;
    assert_eq!(answer.content_type(), "application/x-ndjson");
    let disposition = answer.header("content-disposition").expect("a file name");
    assert_eq!(disposition, "attachment; filename=\"activity.jsonl\"");
    let text = answer.text.clone();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // Its own entry comes first.
    assert_eq!(lines[0]["event"], "system.activity_exported");
    assert_eq!(lines[1..], listed);

    let answer = ada.api.get(&format!("{ACTIVITY}/export?format=csv&category=staff")).await;
    assert_eq!(answer.content_type(), "text/csv; charset=utf-8; header=present");
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let header: Vec<_> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    assert_eq!(header[..4], ["id", "at", "event", "actor_kind"]);
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), found(&ada.api, "category=staff").await.len());
    assert_eq!(&rows[0][2], "staff.edited");
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
    }
    let told = service.events("system.activity_exported").await;
    assert_eq!(told[1]["filter"], json!({ "category": "staff" }));

    let out = service.run(&["activity", "export", "--format", "csv"]).await;
    assert!(out.status.success(), "{}", out.stderr);
    let count = csv::Reader::from_reader(out.stdout.as_bytes()).records().count();
    assert_eq!(count, listed.len() + 2);
    let out = service.run(&["activity", "export", "--from", "2100-01-01T00:00:00Z"]).await;
    assert_eq!(out.stdout, "");
}

async fn verify(service: &Frontdesk, arguments: &[&str]) -> (bool, String) {
    let out = service.run(&[&["activity", "verify"], arguments].concat()).await;
    assert_eq!(out.stderr, "");
    (out.status.success(), out.stdout)
}

async fn whole(service: &Frontdesk) -> String {
    let (whole, said) = verify(service, &[]).await;
    assert!(whole && said.ends_with("The log is whole.\n"), "{said}");
    said
}

/// The number of an entry of that name, once it is sealed.
async fn number_of(api: &Api, name: &str) -> i64 {
    sealed(api).await;
    found(api, &format!("event={name}")).await[0]["number"].as_i64().expect("sealed")
}

async fn the_chain_shows_whether_anybody_touched_it(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    for n in 0..6 {
        role(&ada.api, &format!("Role {n}"), &[]).await;
    }
    let last = number_of(&ada.api, "role.created").await;
    let said = whole(&service).await;
    assert!(said.contains(&format!("head: entry {last}, ")), "{said}");

    let one = last - 2;
    let two = last - 3;
    // Each is done, found, and undone.
    for (tampering, undoing, finding) in [
        (
            vec![format!("UPDATE events SET data = REPLACE(data, 'Role', 'Rule') WHERE number = {one}")],
            vec![format!("UPDATE events SET data = REPLACE(data, 'Rule', 'Role') WHERE number = {one}")],
            format!("WRONG  entry {one} is not what was sealed there"),
        ),
        (
            vec![
                format!("UPDATE events SET number = -1 WHERE number = {one}"),
                format!("UPDATE events SET number = {one} WHERE number = {two}"),
                format!("UPDATE events SET number = {two} WHERE number = -1"),
            ],
            vec![
                format!("UPDATE events SET number = -1 WHERE number = {one}"),
                format!("UPDATE events SET number = {one} WHERE number = {two}"),
                format!("UPDATE events SET number = {two} WHERE number = -1"),
            ],
            format!("WRONG  entry {two} is not what was sealed there"),
        ),
        (
            vec![format!(
                "INSERT INTO events (id, at, name, actor_kind, data) SELECT REPLACE(id, '-7', '-8'), at, name, actor_kind, data
                 FROM events WHERE number = {one}"
            )],
            vec!["DELETE FROM events WHERE mac IS NULL".to_owned()],
            "was not written by Frontdesk".to_owned(),
        ),
    ] {
        for sql in &tampering {
            service.execute(sql).await;
        }
        let (whole_now, said) = verify(&service, &[]).await;
        assert!(!whole_now && said.contains(&finding) && said.ends_with("The log is NOT whole.\n"), "{said}");
        for sql in &undoing {
            service.execute(sql).await;
        }
        whole(&service).await;
    }
    service
        .execute(&format!(
            "DELETE FROM deliveries WHERE event_id IN (SELECT id FROM events WHERE number = {one})"
        ))
        .await;
    service.execute(&format!("DELETE FROM events WHERE number = {one}")).await;
    let (whole_now, said) = verify(&service, &[]).await;
    assert!(!whole_now && said.contains(&format!("WRONG  entry {one} is missing")), "{said}");
    // The service goes on, and so does the chain.
    role(&ada.api, "Another", &[]).await;
    assert_eq!(number_of(&ada.api, "role.created").await, last + 1);
}

async fn a_copy_put_back_is_found_by_the_machine_and_by_kept_heads(database: Database) {
    let mut service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    sealed(&ada.api).await;
    let heads = service.run(&["activity", "heads"]).await;
    assert!(heads.status.success(), "{}", heads.stderr);
    let key = heads.stderr.trim().strip_prefix("public key: ").expect("the key").to_owned();
    let lines: Vec<Value> =
        heads.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let api = ada.api.get(&format!("{ACTIVITY}/heads")).await.expect(200);
    assert_eq!(api["public_key"], json!(key));
    let newest = lines.last().expect("a head");
    assert_eq!(&api["head"], newest);
    let file = service.directory().join("heads.jsonl");
    std::fs::write(&file, &heads.stdout).expect("a file");
    let file = file.to_str().expect("UTF-8").to_owned();
    let arguments = ["--heads", &file, "--public-key", &key];
    assert!(verify(&service, &arguments).await.0);
    let other = format!("00{}", &key[2..]);
    let (whole, said) = verify(&service, &["--public-key", &other]).await;
    assert!(!whole && said.contains("signed with another key"), "{said}");

    // Everything behind the first entries is cut off, heads and all, as if it had never been.
    service.stop().await;
    let number = newest["number"].as_i64().expect("a number");
    for sql in [
        "DELETE FROM deliveries",
        "DELETE FROM events WHERE number > 1 OR number IS NULL",
        "DELETE FROM activity_heads",
    ] {
        service.execute(sql).await;
    }
    let (_, said) = verify(&service, &[]).await;
    assert!(said.contains(&format!("WRONG  entries 2 to {number} are missing")), "{said}");
    let (_, said) = verify(&service, &arguments).await;
    assert!(said.contains("NOT whole"), "{said}");
}

async fn a_person_is_exported_and_erased(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let person = format!("{ACTIVITY}/people/{}", grace.id);
    grace.api.patch("/v1/admin/me", &json!({ "first_name": "Brewster" })).await.expect(200);

    let exported = ada.api.get(&person).await;
    assert_eq!(exported.content_type(), "application/x-ndjson");
    let text = exported.text.clone();
    let entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // Also the invitation that was sent to her address.
    let involved = |entry: &Value| {
        [&entry["actor"]["id"], &entry["subject"]["id"]].contains(&&json!(grace.id))
            || entry["data"]["email"] == "grace@example.test"
    };
    assert!(entries.iter().all(involved), "{entries:?}");
    assert!(names(&entries).contains(&"staff.edited") && names(&entries).contains(&"session.started"));
    assert!(text.contains("Brewster") && text.contains("grace@example.test"), "{text}");

    ada.api.delete(&person).await.problem(409, "person_present");
    ada.api.delete(&format!("/v1/admin/staff/{}", grace.id)).await.expect(204);
    let gone = found(&ada.api, "event=staff.deleted").await.remove(0);
    assert_eq!(gone["subject"]["name"], "Brewster Hopper", "who they were is still known");
    let erased = ada.api.delete(&person).await.expect(200);
    assert!(erased["parts"].as_i64().expect("a number") > 5, "{erased}");
    let entries = found(&ada.api, &format!("subject={}", grace.id)).await;
    let edited = entries.iter().find(|entry| entry["event"] == "staff.edited").expect("it stays");
    assert_eq!(edited["erased"], true);
    assert_eq!([&edited["data"]["username"], &edited["data"]["changed"][0]["before"]], [&json!(null); 2]);
    assert_eq!([&edited["subject"]["name"], &edited["actor"]["name"], &edited["address"]], [&json!(null); 3]);
    let all = ada.api.get(&format!("{ACTIVITY}/export?format=jsonl")).await;
    let all = all.text.clone();
    for word in ["Brewster", "Hopper", "grace@example.test"] {
        assert!(!all.contains(word), "{word} is left in {all}");
    }
    assert_eq!(ada.api.delete(&person).await.expect(200)["parts"], 0);
    let nobody = format!("{ACTIVITY}/people/018f0000-0000-7000-8000-000000000000");
    ada.api.delete(&nobody).await.problem(404, "not_found");
    sealed(&ada.api).await;
    let said = whole(&service).await;
    assert!(said.contains("something personal was erased"), "{said}");
    let told = service.events("system.person_erased").await;
    assert_eq!(told[0]["person_id"], json!(grace.id));
}

async fn the_log_wants_its_permissions(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let nothing = colleague(&service, &ada.api, "nobody", "staff.view").await;
    let reader = colleague(&service, &ada.api, "reader", "activity.view").await;
    let entry = found(&reader.api, "").await[0]["id"].as_str().expect("an id").to_owned();
    let person = format!("{ACTIVITY}/people/{}", nothing.id);
    for path in [ACTIVITY.to_owned(), format!("{ACTIVITY}/{entry}"), format!("{ACTIVITY}/heads")] {
        reader.api.get(&path).await.expect(200);
        nothing.api.get(&path).await.problem(403, "permission_required");
    }
    for path in [format!("{ACTIVITY}/export?format=csv"), person.clone()] {
        for one in [&reader, &nothing] {
            one.api.get(&path).await.problem(403, "permission_required");
        }
    }
    for one in [&reader, &nothing] {
        one.api.delete(&person).await.problem(403, "permission_required");
    }
    service.api().get(ACTIVITY).await.problem(401, "login_required");
}

async fn wrong_questions_are_answered_with_what_is_wrong(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada: Person = first_administrator(&service).await;
    for (query, field) in [
        ("event=session.refuse", "event"),
        ("category=nothing", "category"),
        ("category=staff&event=role.created", "event"),
        ("from=yesterday", "from"),
        ("from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("actor=ada", "actor"),
        ("actor_kind=robot", "actor_kind"),
        ("account_id=1", "account_id"),
        ("colour=red", "colour"),
        ("cursor=here", "cursor"),
        ("limit=0", "limit"),
    ] {
        let answer = ada.api.get(&format!("{ACTIVITY}?{query}")).await;
        answer.invalid(field);
    }
    let problem = ada.api.get(&format!("{ACTIVITY}?event=session.refuse")).await.invalid("event");
    assert!(problem.to_string().contains("session.refused"), "{problem}");
    ada.api.get(&format!("{ACTIVITY}?search={}", "x".repeat(201))).await.invalid("search");
    for (query, field) in [
        ("", "format"),
        ("format=xml", "format"),
        ("format=csv&colour=red", "colour"),
        ("format=csv&limit=5", "limit"),
    ] {
        ada.api.get(&format!("{ACTIVITY}/export?{query}")).await.invalid(field);
    }
    ada.api.get(&format!("{ACTIVITY}/heads?after=x")).await.invalid("after");
    assert_eq!(service.events("system.activity_exported").await, [json!(null); 0], "refused is not done");

    let types = ada.api.get("/v1/admin/event-types").await.expect(200);
    let types = types["items"].as_array().expect("a list");
    assert!(types.len() > 80);
    for kind in types {
        let (name, category) =
            (kind["name"].as_str().expect("a name"), kind["category"].as_str().expect("one"));
        assert!(name.starts_with(&format!("{category}.")), "{name}");
        assert!(kind["schema"]["properties"].is_object() && kind["description"] != "", "{name}");
    }
}
