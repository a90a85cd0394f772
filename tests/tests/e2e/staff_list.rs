//! Lists: of staff in its three states, what they are searched by, and how every list there is comes in pages.

use crate::expiry::Inside;
use crate::openapi::{Operation, document};
use crate::staff::{STAFF, departments, new_member, path};
use frontdesk_tests::{
    Api, Database, FULL_ADMINISTRATOR, Frontdesk, both, first_administrator, invite, joined, role, roles,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

both! {
    three_states_stand_in_one_list_in_one_order,
    expired_invitations_are_pending_and_say_when_they_ended,
    the_list_is_filtered,
    every_word_of_a_search_must_occur,
    signs_that_mean_something_to_databases_are_plain,
    pages_lose_and_repeat_nobody,
    a_page_has_as_many_records_as_its_reader_chose,
    every_list_comes_in_pages,
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap_or_else(|| panic!("no list: {page}"))
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

/// Who is there, by what tells them apart: members by their username, invited people by their address.
async fn names(api: &Api, query: &str) -> Vec<String> {
    let page = api.get(&format!("{STAFF}?limit=200&total=true&{query}")).await.expect(200);
    assert_eq!(page["next_cursor"], Value::Null);
    assert_eq!(page["total"], items(&page).len(), "{query}");
    let name = |item: &Value| match item["state"].as_str() {
        Some("pending") => item["email"].as_str().expect("an address").to_owned(),
        _ => item["username"].as_str().expect("a username").to_owned(),
    };
    items(&page).iter().map(name).collect()
}

/// Every row of a list, page by page.
async fn walked(api: &Api, list: &str, limit: usize) -> Vec<Value> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    let between = if list.contains('?') { '&' } else { '?' };
    loop {
        let page = api.get(&format!("{list}{between}limit={limit}{cursor}")).await.expect(200);
        let rows = items(&page);
        let last = page["next_cursor"].is_null();
        assert!(rows.len() == limit || (last && rows.len() < limit), "{list} limit={limit}: {page}");
        assert!(!rows.is_empty() || seen.is_empty(), "no empty page at the end: {list} limit={limit}");
        seen.extend(rows.iter().cloned());
        assert!(seen.len() < 1000, "{list} has no end");
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

/// Members of every kind and invitations, made in turn: from ada to the newest.
async fn crowd(service: &Frontdesk, admin: &Api, powerless: &str) -> Vec<String> {
    let mut made = vec!["ada".to_owned()];
    for n in 0..4 {
        let member =
            admin.post(STAFF, &new_member(&format!("member{n}"), powerless, json!({}))).await.expect(201);
        made.push(format!("member{n}"));
        if n % 2 == 1 {
            let id = member["id"].as_str().expect("an id");
            admin.post(&format!("{}/disable", path(id)), &json!({})).await.expect(204);
        }
        let email = format!("invited{n}@example.test");
        invite(admin, &email, json!({ "role_id": powerless })).await;
        made.push(email);
    }
    // Two of the same millisecond are told apart as well: by their ids.
    service.execute("UPDATE logins SET created_at = 5 WHERE username IN ('member0', 'member1')").await;
    service.execute("UPDATE invitations SET created_at = 5 WHERE email = 'invited1@example.test'").await;
    made
}

async fn three_states_stand_in_one_list_in_one_order(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let [billing, ..] = departments(&ada.api).await;
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let preset = json!({
        "role_id": powerless, "username": "joan", "first_name": "Joan", "language": "de",
        "departments": [{ "id": billing, "notify": false }],
    });
    let invitation = invite(&ada.api, "Joan@Example.Test", preset).await;
    let cancelled = invite(&ada.api, "gone@example.test", json!({})).await;
    ada.api.delete(&cancelled.path()).await.expect(204);
    let made = ada.api.post(STAFF, &new_member("rita", &powerless, json!({}))).await.expect(201);
    ada.api.post(&format!("{}/disable", path(&grace.id)), &json!({})).await.expect(204);

    let page = ada.api.get(STAFF).await.expect(200);
    let rows = items(&page);
    let states: Vec<_> = rows.iter().map(|row| row["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["active", "pending", "disabled", "active"]);
    assert_eq!(ids(rows), [made["id"].as_str().expect("an id"), &invitation.id, &grace.id, &ada.id]);
    assert_eq!(page.get("total"), None, "nobody asked for it");
    let times: Vec<_> = rows.iter().map(|row| row["created_at"].as_str().expect("an instant")).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");

    let pending = &rows[1];
    let expected = json!({
        "state": "pending", "id": invitation.id, "username": "joan", "email": "Joan@Example.Test",
        "first_name": "Joan", "last_name": null, "role": { "id": powerless, "name": "No Permissions" },
        "departments": [{ "id": billing, "name": "Billing", "notify": false }], "language": "de",
        "avatar_url": pending["avatar_url"], "last_login_at": null,
        "created_at": invitation.body["created_at"], "expires_at": invitation.body["expires_at"],
    });
    assert_eq!(pending, &expected);
    for member in [&rows[0], &rows[2], &rows[3]] {
        assert_eq!(member["expires_at"], Value::Null);
        assert!(member.get("notes").is_none() && member.get("signature").is_none(), "{member}");
    }
    assert!(rows[3]["last_login_at"].is_string() && rows[0]["last_login_at"].is_null());
    for (state, expected) in
        [("active", vec!["rita", "ada"]), ("disabled", vec!["grace"]), ("pending", vec!["Joan@Example.Test"])]
    {
        assert_eq!(names(&ada.api, &format!("state={state}")).await, expected);
    }
    // Accepted, they are the same people in another state.
    ada.api.post(&format!("{}/enable", path(&grace.id)), &json!({})).await.expect(204);
    let accept =
        json!({ "token": invitation.token(), "password": frontdesk_tests::PASSWORD, "last_name": "Clarke" });
    service.api().post("/v1/public/invitations/accept", &accept).await.expect(200);
    assert_eq!(names(&ada.api, "state=pending").await, [""; 0]);
    assert_eq!(names(&ada.api, "").await, ["joan", "rita", "grace", "ada"]);
}

async fn expired_invitations_are_pending_and_say_when_they_ended(database: Database) {
    let service = Inside::on(database).await;
    let ada = service.first_administrator().await;
    service.clock.advance(Duration::from_millis(1));
    let old = invite(&ada.api, "grace@example.test", json!({})).await;
    service.clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
    let login = json!({ "login": "ada", "password": ada.password });
    let session = service.guest.post("/v1/admin/session", &login).await.expect(200);
    let api = service.guest.with_token(session["token"].as_str().expect("a session"));
    let new = invite(&api, "joan@example.test", json!({})).await;
    let page = api.get(&format!("{STAFF}?state=pending&total=true")).await.expect(200);
    assert_eq!((&page["total"], ids(items(&page))), (&json!(2), vec![new.id.clone(), old.id.clone()]));
    let expires: Vec<_> = items(&page).iter().map(|row| row["expires_at"].clone()).collect();
    assert_eq!(expires, [json!("2026-01-16T00:00:00.001Z"), json!("2026-01-08T00:00:00.001Z")]);
    assert_eq!(names(&api, "").await, ["joan@example.test", "grace@example.test", "ada"]);
    let states = async |state: &str| {
        let listed = api.get(&format!("/v1/admin/staff-invitations?state={state}")).await.expect(200);
        ids(items(&listed))
    };
    assert_eq!((states("expired").await, states("pending").await), (vec![old.id.clone()], vec![new.id]));
    // Sent again it lives anew, in its place.
    api.post(&format!("{}/resend", old.path()), &json!({})).await.expect(200);
    let page = api.get(&format!("{STAFF}?state=pending")).await.expect(200);
    assert_eq!(items(&page)[1]["expires_at"], "2026-01-16T00:00:00.001Z");
}

async fn the_list_is_filtered(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let [billing, hosting, domains] = departments(&ada.api).await;
    let (full, powerless) = roles(&ada.api).await;
    let both = json!([{ "id": billing }, { "id": hosting }]);
    let member = new_member("grace", &powerless, json!({ "departments": both }));
    ada.api.post(STAFF, &member).await.expect(201);
    let shut = new_member("joan", &powerless, json!({ "departments": [{ "id": hosting }] }));
    let shut = ada.api.post(STAFF, &shut).await.expect(201);
    let shut = path(shut["id"].as_str().expect("an id"));
    ada.api.post(&format!("{shut}/disable"), &json!({})).await.expect(204);
    invite(
        &ada.api,
        "rita@example.test",
        json!({ "role_id": powerless, "departments": [{ "id": hosting }] }),
    )
    .await;
    invite(&ada.api, "boss@example.test", json!({})).await;
    let unused = role(&ada.api, "Unused", &[]).await;
    for (query, expected) in [
        (format!("role_id={powerless}"), vec!["rita@example.test", "joan", "grace"]),
        (format!("role_id={full}"), vec!["boss@example.test", "ada"]),
        (format!("role_id={full}&state=pending"), vec!["boss@example.test"]),
        (format!("role_id={full}&state=active"), vec!["ada"]),
        (format!("role_id={full}&state=disabled"), vec![]),
        (format!("role_id={unused}"), vec![]),
        ("role_id=018f0000-0000-7000-8000-000000000000".to_owned(), vec![]),
        (format!("department_id={hosting}"), vec!["rita@example.test", "joan", "grace"]),
        (format!("department_id={hosting}&state=active"), vec!["grace"]),
        (format!("department_id={hosting}&state=pending&role_id={powerless}"), vec!["rita@example.test"]),
        (format!("department_id={billing}"), vec!["grace"]),
        (format!("department_id={billing}&role_id={full}"), vec![]),
        (format!("department_id={domains}"), vec![]),
        (format!("department_id={hosting}&search=J+hopper"), vec!["joan"]),
        (format!("department_id={hosting}&search=joan&state=active"), vec![]),
    ] {
        assert_eq!(names(&ada.api, &query).await, expected, "{query}");
    }
    for wrong in [
        "state=gone",
        "state=",
        "role_id=x",
        "department_id=1",
        "surprise=1",
        "state=active&state=active",
        "search=a&search=b",
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=1.5",
        "limit=",
        "limit=99999999999999999999",
        "cursor=x",
        "cursor=",
        "total=1",
        "total=",
        "limit=5&limit=5",
    ] {
        let field = wrong.split('=').next().expect("a name");
        ada.api.get(&format!("{STAFF}?{wrong}")).await.invalid(field);
    }
}

async fn every_word_of_a_search_must_occur(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let member =
        json!({ "first_name": "Zoë Çelik", "last_name": "O'Hara-Łuczak", "email": "z.oe+desk@example.org" });
    ada.api.post(STAFF, &new_member("Zoelle", &powerless, member)).await.expect(201);
    let invited = json!({ "first_name": "Šárka", "last_name": "李", "username": "Sarka9" });
    invite(&ada.api, "Sarka@Example.org", invited).await;
    let (zoe, sarka) = ("Zoelle", "Sarka@Example.org");
    for (search, expected) in [
        ("", vec![sarka, zoe, "ada"]),
        ("+++%09", vec![sarka, zoe, "ada"]),
        ("zoelle", vec![zoe]),
        ("OELL", vec![zoe]),
        ("EXAMPLE.ORG", vec![sarka, zoe]),
        ("example.org+zo", vec![zoe]),
        ("hara+zoelle", vec![zoe]),
        ("zoelle+ada", vec![]),
        ("zo%C3%AB", vec![zoe]),
        ("ZO%C3%8B", vec![zoe]),
        ("%C3%A7ELIK", vec![zoe]),
        ("%C5%81UCZAK", vec![zoe]),
        ("%C5%A0%C3%81RKA", vec![sarka]),
        ("%E6%9D%8E", vec![sarka]),
        ("sarka9", vec![sarka]),
        ("o%27hara", vec![zoe]),
        ("z.oe%2Bdesk", vec![zoe]),
        // One word does not reach from one field into another.
        ("zoellez.oe", vec![]),
        ("lovelace", vec!["ada"]),
        // As many words as count; what follows is not looked for.
        ("a+d+a+l+o+v+e+lace+nobody", vec!["ada"]),
    ] {
        assert_eq!(names(&ada.api, &format!("search={search}")).await, expected, "{search}");
    }
    assert_eq!(names(&ada.api, "search=example.org&state=pending").await, [sarka]);
    assert_eq!(names(&ada.api, "search=example.org&state=active").await, [zoe]);
}

async fn signs_that_mean_something_to_databases_are_plain(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    for (n, sign) in ["%", "_", "!", "'", "\"", "\\", "*", "[", ";--"].into_iter().enumerate() {
        let member = json!({ "first_name": format!("x{sign}y"), "last_name": "Plain" });
        ada.api.post(STAFF, &new_member(&format!("sign{n}"), &powerless, member)).await.expect(201);
        invite(&ada.api, &format!("sign{n}@example.org"), json!({ "first_name": format!("x{sign}y") })).await;
    }
    for (n, sign) in ["%25", "_", "!", "%27", "%22", "%5C", "*", "%5B", "%3B--"].into_iter().enumerate() {
        let expected = [format!("sign{n}@example.org"), format!("sign{n}")];
        assert_eq!(names(&ada.api, &format!("search=x{sign}y")).await, expected, "{sign}");
        assert_eq!(names(&ada.api, &format!("search={sign}{sign}y")).await, [""; 0], "{sign}");
    }
    for nothing in ["!%25", "!_", "!!", "%25%25", "__", "%25%27+OR+1=1--", "%5C%25"] {
        assert_eq!(names(&ada.api, &format!("search={nothing}")).await, [""; 0], "{nothing}");
    }
    // Whatever is sent is an answer, and none of ours breaks on it.
    let long = ["x", "_", "%25", "!", "%C3%BC"].map(|sign| sign.repeat(60_000 / sign.len()));
    let odd = ["%00", "a%00da", "%FF%FE", "%F0%9F%94%91", "%E2%80%AE", "%", "%zz", "&", "+%00+"];
    for search in odd.into_iter().chain(long.iter().map(String::as_str)) {
        let answer = ada.api.get(&format!("{STAFF}?search={search}&total=true")).await;
        let start: String = search.chars().take(20).collect();
        assert!(answer.status == 200 || answer.status.is_client_error(), "{start}: {}", answer.text);
    }
    let longest = "%C3%BC".repeat(200);
    assert_eq!(names(&ada.api, &format!("search={longest}")).await, [""; 0]);
    ada.api.get(&format!("{STAFF}?search={longest}x")).await.invalid("search");
    assert_eq!(names(&ada.api, "search=lovelac%00e").await, ["ada"]);
}

async fn pages_lose_and_repeat_nobody(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    let made = crowd(&service, &ada.api, &powerless).await;
    let whole = ada.api.get(&format!("{STAFF}?limit=200&total=true")).await.expect(200);
    let all = ids(items(&whole));
    assert_eq!((all.len(), &whole["total"]), (made.len(), &json!(made.len())));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    for limit in 1..=made.len() + 1 {
        assert_eq!(ids(&walked(&ada.api, STAFF, limit).await), all, "limit={limit}");
    }
    for state in ["active", "disabled", "pending"] {
        let list = format!("{STAFF}?state={state}");
        let whole = ids(&walked(&ada.api, &list, 200).await);
        assert!(whole.len() >= 2, "{state}");
        for limit in 1..=whole.len() {
            assert_eq!(ids(&walked(&ada.api, &list, limit).await), whole, "{state} limit={limit}");
        }
    }
    let list = format!("{STAFF}?search=example.test&role_id={powerless}");
    assert_eq!(walked(&ada.api, &list, 3).await.len(), made.len() - 1);

    // Whoever comes and goes between two pages takes nobody else along.
    let first = ada.api.get(&format!("{STAFF}?limit=4")).await.expect(200);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    invite(&ada.api, "late@example.test", json!({ "role_id": powerless })).await;
    let last = items(&first).last().expect("a row").clone();
    let gone = match last["state"].as_str() {
        Some("pending") => format!("/v1/admin/staff-invitations/{}", ids(std::slice::from_ref(&last))[0]),
        _ => path(&ids(std::slice::from_ref(&last))[0]),
    };
    ada.api.delete(&gone).await.expect(204);
    let rest = ada.api.get(&format!("{STAFF}?limit=200&cursor={cursor}")).await.expect(200);
    assert_eq!(ids(items(&rest)), all[4..]);
}

async fn a_page_has_as_many_records_as_its_reader_chose(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let (_, powerless) = roles(&ada.api).await;
    for n in 0..30 {
        invite(&ada.api, &format!("invited{n}@example.test"), json!({ "role_id": powerless })).await;
    }
    let grace = joined(&ada, &service, "grace", json!({})).await;
    let shown =
        async |api: &Api, query: &str| items(&api.get(&format!("{STAFF}{query}")).await.expect(200)).len();
    assert_eq!(shown(&ada.api, "").await, 25, "the setting's default");
    ada.api.patch("/v1/admin/settings", &json!({ "records_per_page": 12 })).await.expect(200);
    assert_eq!((shown(&ada.api, "").await, shown(&grace.api, "").await), (12, 12));
    ada.api.patch("/v1/admin/me", &json!({ "records_per_page": 10 })).await.expect(200);
    ada.api.patch(&path(&grace.id), &json!({ "records_per_page": 28 })).await.expect(200);
    assert_eq!((shown(&ada.api, "").await, shown(&grace.api, "").await), (10, 28));
    assert_eq!((shown(&ada.api, "?limit=3").await, shown(&ada.api, "?limit=31").await), (3, 31));
    ada.api.patch("/v1/admin/me", &json!({ "records_per_page": null })).await.expect(200);
    assert_eq!(shown(&ada.api, "").await, 12);
    for wrong in [9, 201, 0] {
        let change = json!({ "records_per_page": wrong });
        ada.api.patch("/v1/admin/settings", &change).await.invalid("records_per_page");
    }
    // A program has none of its own; what its owner likes to see is nothing to it.
    ada.api.patch("/v1/admin/me", &json!({ "records_per_page": 10 })).await.expect(200);
    let reader = json!({ "name": "Reader", "operations": ["listStaff"] });
    let reader = ada.api.post("/v1/admin/api-roles", &reader).await.expect(201);
    let wanted = json!({ "api_role_ids": [reader["id"]] });
    let made = ada.api.post("/v1/admin/api-credentials", &wanted).await.expect(201);
    let program = service.api().with_token(made["token"].as_str().expect("shown once"));
    assert_eq!(shown(&program, "").await, 12);
}

/// Lists that hold what this test does not make: one row each, or none.
const ENOUGH: usize = 12;

/// Whatever the document calls a list, with enough rows in it: its own limit, the reader's, the setting's; a total; and
/// page by page the same as whole.
async fn every_list_comes_in_pages(database: Database) {
    let service = Frontdesk::running(database).await;
    let ada = first_administrator(&service).await;
    let api = &ada.api;
    let [department, ..] = departments(api).await;
    let busy = role(api, "Busy", &["staff.view"]).await;
    let mut account = String::new();
    for n in 0..ENOUGH {
        role(api, &format!("Role {n}"), &["staff.view"]).await;
        invite(api, &format!("invited{n}@example.test"), json!({ "role_id": busy })).await;
        let api_role = json!({ "name": format!("Api {n}"), "operations": ["listStaff"] });
        let api_role = api.post("/v1/admin/api-roles", &api_role).await.expect(201);
        let credential = json!({ "api_role_ids": [api_role["id"]] });
        api.post("/v1/admin/api-credentials", &credential).await.expect(201);
        let ban = json!({ "network": format!("203.0.113.{n}"), "reason": "" });
        let banned = api.post("/v1/admin/bans", &ban).await;
        assert!(banned.status == 201, "{}", banned.text);
        let trusted = json!({ "network": format!("198.51.100.{n}") });
        api.post("/v1/admin/trusted-addresses", &trusted).await.expect(201);
        frontdesk_tests::log_in(&service.api(), "ada", &ada.password).await.expect(200);
        let department = json!({ "name": format!("Department {n}") });
        api.post("/v1/admin/departments", &department).await.expect(201);
        let owner =
            json!({ "first_name": "Anne", "last_name": "Byron", "email": format!("owner{n}@example.test") });
        let opened = api.post("/v1/admin/accounts", &owner).await.expect(201);
        account = opened["id"].as_str().expect("an id").to_owned();
    }
    for n in 0..ENOUGH {
        let of = format!("/v1/admin/accounts/{account}");
        let contact = json!({ "first_name": "Joan", "email": format!("contact{n}@example.test") });
        api.post(&format!("{of}/contacts"), &contact).await.expect(201);
        let guest = json!({ "email": format!("guest{n}@example.test"), "permissions": [] });
        api.post(&format!("{of}/invitations"), &guest).await.expect(201);
    }
    let document = document(api).await;
    let mut rows = BTreeMap::new();
    for operation in Operation::all(&document) {
        if !operation.is_paged(&document) || operation.audience() != "staff" {
            continue;
        }
        let id = match operation.path() {
            accounts if accounts.contains("/accounts/") => &account,
            roles if roles.contains("/roles/") => &busy,
            departments if departments.contains("/departments/") => &department,
            _ => &ada.id,
        };
        let list = operation.path().replace("{id}", id);
        api.patch("/v1/admin/me", &json!({ "records_per_page": null })).await.expect(200);
        let whole = api.get(&format!("{list}?limit=200&total=true")).await.expect(200);
        let all = items(&whole).clone();
        assert_eq!(whole["total"], all.len(), "{list}");
        assert_eq!(whole["next_cursor"], Value::Null, "{list}");
        let mut fields: Vec<_> = whole.as_object().expect("a page").keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["items", "next_cursor", "total"], "{list}");
        for limit in [1, 2, 5, ENOUGH - 1, all.len().clamp(1, 200)] {
            // What was read last is seen last, so that lists of what is going on change under the reader.
            assert_eq!(still(&walked(api, &list, limit).await), still(&all), "{list} limit={limit}");
        }
        for wrong in ["limit=0", "limit=201", "limit=x", "cursor=x", "total=maybe", "surprise=1"] {
            api.get(&format!("{list}?{wrong}")).await.invalid(wrong.split('=').next().expect("a name"));
        }
        api.patch("/v1/admin/me", &json!({ "records_per_page": 10 })).await.expect(200);
        let own = api.get(&list).await.expect(200);
        assert_eq!(items(&own).len(), all.len().min(10), "{list}: the reader's own number");
        assert_eq!(own.get("total"), None, "{list}");
        rows.insert(operation.id().to_owned(), all.len());
    }
    for list in [
        "listStaff",
        "listStaffInvitations",
        "listRoles",
        "listRoleMembers",
        "listApiRoles",
        "listApiCredentials",
        "listBans",
        "listDepartments",
        "listTrustedAddresses",
        "listSessions",
        "listUsers",
        "listAccounts",
        "listContacts",
        "listAccountInvitations",
    ] {
        assert!(rows.get(list).is_some_and(|count| *count >= ENOUGH), "{list}: {rows:?}");
    }
    let full = format!("{STAFF}?role_id={FULL_ADMINISTRATOR}");
    assert_eq!(walked(api, &full, 1).await.len(), 1);
}

/// Rows by what stays the same of them while they are looked at.
fn still(rows: &[Value]) -> Vec<Value> {
    let of = |row: &Value| row.get("id").or_else(|| row.get("slug")).unwrap_or(row).clone();
    rows.iter().map(of).collect()
}
