use std::{collections::HashMap, time::Duration};

use super::{membership::*, *};
use crate::{
    cx::{Caller, Service},
    ids::{InvitationId, RoleId, StaffId},
    invitations::{self, NewStaffInvitation},
    logins::{self, Audience},
    page::Total,
    roles::FULL_ADMINISTRATOR,
    sessions::{self, Client, Method},
    settings::Settings,
    testing::{self, TestService},
};

const MILLI: Duration = Duration::from_millis(1);
const NOBODY: StaffId = StaffId::from_u128(0xdead);
const NOWHERE: DepartmentId = DepartmentId::from_u128(0xdead);

async fn begin(service: &Service) -> Cx {
    service.begin(Caller::system()).await.unwrap()
}

fn named(name: &str) -> NewDepartment {
    NewDepartment { name: name.into(), ..NewDepartment::default() }
}

async fn try_create(service: &Service, new: NewDepartment) -> Result<Department, Error> {
    let mut cx = begin(service).await;
    let made = create(&mut cx, new.checked()?).await?;
    cx.commit().await?;
    Ok(made)
}

async fn made<const N: usize>(service: &Service, names: [&str; N]) -> [DepartmentId; N] {
    let mut ids = [NOWHERE; N];
    for (id, name) in ids.iter_mut().zip(names) {
        *id = try_create(service, named(name)).await.unwrap().id;
    }
    ids
}

async fn try_change(service: &Service, id: DepartmentId, to: DepartmentChange) -> Result<Department, Error> {
    let mut cx = begin(service).await;
    let changed = change(&mut cx, id, to.checked()?).await?;
    cx.commit().await?;
    Ok(changed)
}

async fn try_reorder(service: &Service, ids: &[DepartmentId]) -> Result<(), Error> {
    let mut cx = begin(service).await;
    reorder(&mut cx, ids).await?;
    Ok(cx.commit().await?)
}

async fn try_delete(service: &Service, by: &Authority, id: DepartmentId) -> Result<(), Error> {
    let mut cx = begin(service).await;
    delete(&mut cx, by, id).await?;
    Ok(cx.commit().await?)
}

async fn put(
    service: &Service,
    by: &Authority,
    id: DepartmentId,
    to: &[(StaffId, bool)],
) -> Result<Department, Error> {
    let mut cx = begin(service).await;
    let to: Vec<_> = to.iter().map(|(id, notify)| MemberEntry { id: *id, notify: *notify }).collect();
    let department = set_members(&mut cx, by, id, &to).await?;
    cx.commit().await?;
    Ok(department)
}

/// The names in their order: the list, its total and its pages agree, and places have no gap.
async fn order(service: &Service) -> Vec<String> {
    let mut view = service.read().await.unwrap();
    let all = list(&mut view, &PageRequest::new(200, None, true).unwrap()).await.unwrap();
    assert_eq!(all.total, Some(Total::Exactly(all.items.len() as i64)));
    let places: Vec<_> = all.items.iter().map(|one| one.position).collect();
    assert_eq!(places, (0..all.items.len() as i64).collect::<Vec<_>>());
    let names: Vec<_> = all.items.into_iter().map(|one| one.name).collect();
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(&mut view, &PageRequest::new(2, cursor.as_deref(), false).unwrap()).await.unwrap();
        paged.extend(page.items.into_iter().map(|one| one.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, names);
    names
}

async fn members_of(service: &Service, id: DepartmentId) -> Vec<(String, bool)> {
    let mut view = service.read().await.unwrap();
    let page = members(&mut view, id, &PageRequest::new(200, None, true).unwrap()).await.unwrap();
    let count = page.items.len() as i64;
    assert_eq!(page.total, Some(Total::Exactly(count)));
    assert_eq!(find(&mut view, id).await.unwrap().unwrap().member_count, count);
    let mut names: Vec<_> = page.items.into_iter().map(|one| (one.username, one.notify)).collect();
    names.sort();
    names
}

/// What the events of that name say, the latest last; of the same instant in any order.
async fn told(service: &Service, name: &str) -> Vec<serde_json::Value> {
    let mut view = service.read().await.unwrap();
    let rows: Vec<(String,)> = crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT data FROM events WHERE name = $1 ORDER BY at, id").bind(name).fetch_all(conn).await
    })
    .unwrap();
    rows.iter().map(|(data,)| serde_json::from_str(data).unwrap()).collect()
}

fn fields(outcome: Result<impl std::fmt::Debug, Error>) -> Vec<(String, &'static str)> {
    match outcome {
        Err(Error::Invalid(invalid)) => {
            invalid.0.into_iter().map(|error| (error.field, error.code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn field(name: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(name.into(), code)]
}

async fn execute(service: &Service, sql: &'static str, staff: StaffId) {
    let mut cx = begin(service).await;
    crate::on!(cx.db(), conn => sqlx::query(sql).bind(staff).execute(conn).await.map(|_| ())).unwrap();
    cx.commit().await.unwrap();
}

/// A member of staff who may edit departments, view staff, and nothing else.
async fn manager(test: &TestService, name: &str) -> StaffId {
    let id = test.member(name).await;
    execute(
        &test.service,
        "INSERT INTO roles (id, name, name_folded, everything, permissions, created_at)
         SELECT '00000000-0000-0000-0000-0000000000a1', 'Manager', 'manager', FALSE, 'departments.edit staff.view', 0
         WHERE $1 <> '' ON CONFLICT DO NOTHING",
        id,
    )
    .await;
    execute(
        &test.service,
        "UPDATE staff SET role_id = '00000000-0000-0000-0000-0000000000a1' WHERE id = $1",
        id,
    )
    .await;
    id
}

/// With a session, as a request brings it.
async fn authority(service: &Service, id: StaffId) -> Authority {
    let mut cx = begin(service).await;
    let login = logins::find(&mut cx, id).await.unwrap().unwrap();
    let (client, settings) = (Client::default(), Settings::default());
    let started = sessions::start(&mut cx, &login, Method::Password, &client, &settings).await.unwrap();
    cx.commit().await.unwrap();
    let (mut view, token) = (service.read().await.unwrap(), started.token.hash());
    let session =
        sessions::authenticate(&mut view, Audience::Staff, &token, &settings, |_| None).await.unwrap();
    Authority::from(&session.unwrap())
}

async fn invited(service: &Service, email: &str, role_id: RoleId) -> InvitationId {
    let mut cx = begin(service).await;
    let new = NewStaffInvitation {
        email: email.into(),
        role_id,
        username: None,
        first_name: None,
        last_name: None,
        language: None,
        departments: Vec::new(),
    };
    let link =
        invitations::invite_staff(&mut cx, &Authority::command_line(), new.checked().unwrap()).await.unwrap();
    cx.commit().await.unwrap();
    link.invitation.id
}

fn of(id: DepartmentId, notify: bool) -> Membership {
    Membership { id, notify }
}

fn short(memberships: &[MemberOf]) -> Vec<(&str, bool)> {
    memberships.iter().map(|one| (one.name.as_str(), one.notify)).collect()
}

fn refused(outcome: Result<(), SetError>) -> Vec<(String, &'static str)> {
    match outcome {
        Err(SetError::Invalid(invalid)) => {
            invalid.0.into_iter().map(|error| (error.field, error.code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_leaves_the_flag_out_wants_notifications() {
    let read = |text: &str| serde_json::from_str::<Membership>(text);
    let id = NOWHERE;
    assert_eq!(read(&format!(r#"{{"id": "{id}"}}"#)).unwrap(), of(id, true));
    assert_eq!(read(&format!(r#"{{"id": "{id}", "notify": false}}"#)).unwrap(), of(id, false));
    assert!(read(&format!(r#"{{"id": "{id}", "name": "Billing"}}"#)).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_are_in_exactly_the_departments_they_are_put_into() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (test.member("ada").await, test.member("grace").await);
        let [billing, sales, abuse] = made(service, ["Billing", "Sales", "Abuse"]).await;
        let mut cx = begin(service).await;
        assert_eq!(of_staff(&mut cx, &[]).await.unwrap(), HashMap::new());
        set_of_staff(&mut cx, ada, &[of(abuse, true), of(billing, false)]).await.unwrap();
        set_of_staff(&mut cx, grace, &[of(sales, true)]).await.unwrap();
        cx.commit().await.unwrap();

        let mut cx = begin(service).await;
        let all = of_staff(&mut cx, &[ada, grace, NOBODY]).await.unwrap();
        assert_eq!(short(&all[&ada]), [("Billing", false), ("Abuse", true)], "in the departments' order");
        assert_eq!(short(&all[&grace]), [("Sales", true)]);
        assert_eq!(all.len(), 2);

        // Wrong lists change nothing, and everything that is wrong is said.
        let wrong = refused(
            set_of_staff(&mut cx, ada, &[of(NOWHERE, true), of(sales, true), of(NOWHERE, true)]).await,
        );
        assert_eq!(wrong, field("departments.2.id", "duplicate"));
        let wrong = refused(set_of_staff(&mut cx, ada, &[of(sales, true), of(NOWHERE, true)]).await);
        assert_eq!(wrong, field("departments.1.id", "unknown"));
        let many: Vec<_> = (0..101).map(|n| of(DepartmentId::from_u128(n), true)).collect();
        assert_eq!(refused(set_of_staff(&mut cx, ada, &many).await), field("departments", "too_long"));
        assert_eq!(refused(set_of_staff(&mut cx, ada, &many[..100]).await).len(), 100);

        // One's own flags, in one's own departments only.
        set_notify(&mut cx, ada, &[of(billing, true)]).await.unwrap();
        let wrong = refused(set_notify(&mut cx, ada, &[of(abuse, false), of(sales, true)]).await);
        assert_eq!(wrong, field("departments.1.id", "unknown"));
        set_notify(&mut cx, ada, &[]).await.unwrap();
        let all = of_staff(&mut cx, &[ada]).await.unwrap();
        assert_eq!(short(&all[&ada]), [("Billing", true), ("Abuse", true)]);

        set_of_staff(&mut cx, ada, &[of(sales, false), of(abuse, false)]).await.unwrap();
        let all = of_staff(&mut cx, &[ada]).await.unwrap();
        assert_eq!(short(&all[&ada]), [("Sales", false), ("Abuse", false)]);
        set_of_staff(&mut cx, ada, &[]).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(members_of(service, abuse).await, []);
        assert_eq!(members_of(service, sales).await, [("grace".into(), true)]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_accepts_is_in_the_departments_their_invitation_leads_to() {
    for test in testing::services().await {
        let service = &test.service;
        let [billing, sales, abuse] = made(service, ["Billing", "Sales", "Abuse"]).await;
        let graces = invited(service, "grace@example.com", FULL_ADMINISTRATOR).await;
        let others = invited(service, "joan@example.com", FULL_ADMINISTRATOR).await;
        let mut cx = begin(service).await;
        assert_eq!(of_invitations(&mut cx, &[]).await.unwrap(), HashMap::new());
        set_of_invitation(&mut cx, graces, &[of(sales, true)]).await.unwrap();
        set_of_invitation(&mut cx, graces, &[of(abuse, false), of(billing, true)]).await.unwrap();
        let wrong = refused(set_of_invitation(&mut cx, graces, &[of(NOWHERE, true)]).await);
        assert_eq!(wrong, field("departments.0.id", "unknown"));
        let wrong = refused(set_of_invitation(&mut cx, graces, &[of(sales, true), of(sales, false)]).await);
        assert_eq!(wrong, field("departments.1.id", "duplicate"));
        let all = of_invitations(&mut cx, &[graces, others]).await.unwrap();
        assert_eq!(short(&all[&graces]), [("Billing", true), ("Abuse", false)]);
        assert_eq!(all.len(), 1);
        cx.commit().await.unwrap();

        // A department that goes meanwhile is no hindrance.
        try_delete(service, &Authority::command_line(), billing).await.unwrap();
        let grace = test.member("grace").await;
        let mut cx = begin(service).await;
        from_invitation(&mut cx, graces, grace).await.unwrap();
        from_invitation(&mut cx, others, grace).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(members_of(service, abuse).await, [("grace".into(), false)]);
        assert_eq!(members_of(service, sales).await, []);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_is_made_changed_and_deleted() {
    for test in testing::services().await {
        let service = &test.service;
        let new = NewDepartment {
            name: " Billing ".into(),
            description: "Invoices.\r\n\r\nAnd what follows.\n".into(),
            email: Some(" Billing@example.com".into()),
            clients_only: true,
            hidden: false,
        };
        let billing = try_create(service, new).await.unwrap();
        assert_eq!(billing.name, "Billing");
        assert_eq!(billing.description, "Invoices.\n\nAnd what follows.");
        assert_eq!(billing.email.as_deref(), Some("Billing@example.com"));
        let seen = find(&mut service.read().await.unwrap(), billing.id).await.unwrap().unwrap();
        assert_eq!(format!("{seen:?}"), format!("{billing:?}"));

        // Names and addresses are one department's, without regard to case.
        assert!(matches!(try_create(service, named("BILLING")).await, Err(Error::NameTaken)));
        let double = NewDepartment { email: Some("billing@EXAMPLE.com".into()), ..named("Sales") };
        assert!(matches!(try_create(service, double.clone()).await, Err(Error::EmailTaken)));
        let sales = try_create(service, named("Sales")).await.unwrap();
        let rename = |name: &str| DepartmentChange { name: Some(name.into()), ..DepartmentChange::default() };
        assert!(matches!(try_change(service, sales.id, rename("billing")).await, Err(Error::NameTaken)));
        let taken = DepartmentChange { email: Some(double.email), ..DepartmentChange::default() };
        assert!(matches!(try_change(service, sales.id, taken).await, Err(Error::EmailTaken)));
        assert!(matches!(try_change(service, NOWHERE, rename("Abuse")).await, Err(Error::NotFound)));

        // Its own name in other letters is free; what is left out stays; what stays is no event.
        let changed = try_change(service, billing.id, rename("BILLING")).await.unwrap();
        assert_eq!(changed.description, billing.description);
        test.clock.advance(MILLI);
        let cleared = DepartmentChange { email: Some(None), hidden: Some(true), ..rename("BILLING") };
        let changed = try_change(service, billing.id, cleared).await.unwrap();
        assert_eq!((changed.email, changed.hidden, changed.clients_only), (None, true, true));
        try_change(service, billing.id, DepartmentChange::default()).await.unwrap();
        let told_of = told(service, "system.department_edited").await;
        assert_eq!(told_of.len(), 2);
        assert_eq!(
            told_of[1]["changed"],
            serde_json::json!([
                { "field": "email", "before": "Billing@example.com", "after": null },
                { "field": "hidden", "before": false, "after": true },
            ])
        );

        try_delete(service, &Authority::command_line(), billing.id).await.unwrap();
        let again = try_delete(service, &Authority::command_line(), billing.id).await;
        assert!(matches!(again, Err(Error::NotFound)));
        assert_eq!(told(service, "system.department_deleted").await[0]["name"], "BILLING");
        assert_eq!(order(service).await, ["Sales"]);
        test.finish().await;
    }
}

#[test]
fn what_makes_no_department_is_refused_by_field() {
    let wrong = NewDepartment {
        name: "a\nb".into(),
        description: "bell\u{7}".into(),
        email: Some("nobody".into()),
        ..NewDepartment::default()
    };
    let fields: Vec<_> = wrong.checked().unwrap_err().0.into_iter().map(|error| error.field).collect();
    assert_eq!(fields, ["name", "description", "email"]);
    let long =
        |count| DepartmentChange { description: Some("ü".repeat(count)), ..DepartmentChange::default() };
    assert!(long(2000).checked().is_ok());
    assert_eq!(long(2001).checked().unwrap_err().0[0].code, "too_long");
    for unseen in ["\0", "a\u{1b}b", "a\rb", "a\tb"] {
        let wrong = NewDepartment { description: unseen.into(), ..named("Billing") };
        assert_eq!(wrong.checked().unwrap_err().0[0].code, "malformed", "{unseen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_names_every_department_once() {
    for test in testing::services().await {
        let service = &test.service;
        let [a, b, c, d] = made(service, ["A", "B", "C", "D"]).await;
        assert_eq!(order(service).await, ["A", "B", "C", "D"], "new ones come last");
        try_reorder(service, &[d, b, a, c]).await.unwrap();
        assert_eq!(order(service).await, ["D", "B", "A", "C"]);
        let moved = told(service, "system.department_edited").await;
        assert_eq!(moved.len(), 3, "B stays where it is");
        let moved_a = moved.iter().find(|moved| moved["name"] == "A").unwrap();
        assert_eq!(moved_a["changed"], serde_json::json!([{ "field": "position", "before": 0, "after": 2 }]));
        try_reorder(service, &[d, b, a, c]).await.unwrap();
        assert_eq!(told(service, "system.department_edited").await.len(), 3);

        let wrong = fields(try_reorder(service, &[d, b, d, NOWHERE]).await);
        let expected =
            [("ids.2", "duplicate"), ("ids.3", "unknown"), ("ids", "required"), ("ids", "required")];
        assert_eq!(wrong, expected.map(|(field, code)| (field.to_owned(), code)));
        assert_eq!(fields(try_reorder(service, &[]).await).len(), 4);
        assert_eq!(fields(try_reorder(service, &[NOWHERE; 501]).await), field("ids", "too_long"));
        match try_reorder(service, &[d, b, a]).await {
            Err(Error::Invalid(invalid)) => assert_eq!(invalid.0[0].message, format!("C ({c}) is missing.")),
            other => panic!("{other:?}"),
        }

        try_delete(service, &Authority::command_line(), b).await.unwrap();
        assert_eq!(order(service).await, ["D", "A", "C"]);
        made(service, ["E"]).await;
        assert_eq!(order(service).await, ["D", "A", "C", "E"]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_at_most_so_many() {
    for test in testing::services().await {
        let service = &test.service;
        let mut cx = begin(service).await;
        for n in 0..MOST {
            create(&mut cx, named(&format!("Department {n}")).checked().unwrap()).await.unwrap();
        }
        let more = create(&mut cx, named("One more").checked().unwrap()).await;
        assert!(matches!(more, Err(Error::TooMany)));
        cx.give_up().await;
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_leave_a_proper_order() {
    for test in testing::services().await {
        let service = &test.service;
        let [a, b, c] = made(service, ["A", "B", "C"]).await;
        let mut racers = tokio::task::JoinSet::new();
        for n in 0..6 {
            let service = service.clone();
            racers.spawn(async move {
                match n {
                    // Either before or after a new one: then it names too few.
                    0 => _ = try_reorder(&service, &[c, b, a]).await,
                    1 => _ = try_reorder(&service, &[b, a, c]).await,
                    2 => try_delete(&service, &Authority::command_line(), b).await.unwrap(),
                    n => _ = try_create(&service, named(&format!("New {n}"))).await.unwrap(),
                }
            });
        }
        racers.join_all().await;
        let names = order(service).await;
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(!names.contains(&"B".into()));

        // Of the same name there is one.
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let service = service.clone();
            racers.spawn(async move { try_create(&service, named("Same")).await });
        }
        let outcomes = racers.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(Error::NameTaken))));
        assert_eq!(order(service).await.len(), 6);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_put_in_and_out_with_a_word_about_it() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace, joan) =
            (test.member("ada").await, test.member("grace").await, test.member("joan").await);
        let [billing] = made(service, ["Billing"]).await;
        let by = authority(service, ada).await;
        assert_eq!(
            put(service, &by, billing, &[(grace, true), (joan, false)]).await.unwrap().member_count,
            2
        );
        assert_eq!(members_of(service, billing).await, [("grace".into(), true), ("joan".into(), false)]);
        test.clock.advance(MILLI);
        put(service, &by, billing, &[(joan, true), (ada, true)]).await.unwrap();
        assert_eq!(members_of(service, billing).await, [("ada".into(), true), ("joan".into(), true)]);
        put(service, &by, billing, &[(ada, true), (joan, true)]).await.unwrap();

        let events = told(service, "system.department_edited").await;
        assert_eq!(events.len(), 2, "the same list again is no change");
        let one = |id: StaffId, username: &str, notify: bool| serde_json::json!({ "id": id, "username": username, "notify": notify });
        let mut list = [(ada, "ada"), (grace, "grace"), (joan, "joan")];
        list.sort();
        let expect = |wanted: &[(&str, bool)]| -> serde_json::Value {
            let of = |name: &str| wanted.iter().find(|(wanted, _)| *wanted == name);
            list.iter().filter_map(|(id, name)| of(name).map(|(_, notify)| one(*id, name, *notify))).collect()
        };
        let changed = serde_json::json!([{
            "field": "members",
            "before": expect(&[("grace", true), ("joan", false)]),
            "after": expect(&[("joan", true), ("ada", true)]),
        }]);
        assert_eq!(events[1]["changed"], changed);

        let wrong = fields(put(service, &by, billing, &[(NOBODY, true), (ada, true)]).await);
        assert_eq!(wrong, field("members.0.id", "unknown"));
        let wrong = fields(put(service, &by, billing, &[(ada, true), (ada, false)]).await);
        assert_eq!(wrong, field("members.1.id", "duplicate"));
        let many: Vec<_> = (0..501).map(|n| (StaffId::from_u128(n), true)).collect();
        assert_eq!(fields(put(service, &by, billing, &many).await), field("members", "too_long"));
        assert!(matches!(put(service, &by, NOWHERE, &[]).await, Err(Error::NotFound)));
        let mut view = service.read().await.unwrap();
        let request = PageRequest::new(1, None, false).unwrap();
        assert!(matches!(members(&mut view, NOWHERE, &request).await, Err(Error::NotFound)));
        drop(view);
        assert_eq!(members_of(service, billing).await.len(), 2);
        put(service, &by, billing, &[]).await.unwrap();
        assert_eq!(members_of(service, billing).await, []);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_about_those_who_may_more() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = test.member("ada").await;
        let (mary, mia) = (manager(&test, "mary").await, manager(&test, "mia").await);
        let [billing, sales] = made(service, ["Billing", "Sales"]).await;
        let (adas, marys) = (authority(service, ada).await, authority(service, mary).await);
        let beyond = |outcome: Result<Department, Error>| {
            assert!(matches!(outcome, Err(Error::Refused(authority::Refused::Beyond))), "{outcome:?}");
        };
        put(service, &marys, billing, &[(mia, true)]).await.unwrap();
        beyond(put(service, &marys, billing, &[(mia, true), (ada, true)]).await);
        // Nobody puts themselves in, except who may everything; and never in another's name.
        let own = put(service, &marys, billing, &[(mia, true), (mary, true)]).await;
        assert!(matches!(own, Err(Error::Refused(authority::Refused::OwnLogin))), "{own:?}");
        put(service, &adas, billing, &[(mia, true), (mary, true), (ada, true)]).await.unwrap();

        // Neither out nor more quiet.
        beyond(put(service, &marys, billing, &[(mia, true), (mary, true)]).await);
        beyond(put(service, &marys, billing, &[(mia, true), (mary, true), (ada, false)]).await);
        let deleted = try_delete(service, &marys, billing).await;
        assert!(matches!(deleted, Err(Error::Refused(authority::Refused::Beyond))), "{deleted:?}");
        // Whoever stays as they are is no matter; one's own flag and leaving are free.
        put(service, &marys, billing, &[(mary, false), (ada, true)]).await.unwrap();
        put(service, &marys, billing, &[(mia, false), (ada, true)]).await.unwrap();
        assert_eq!(members_of(service, billing).await, [("ada".into(), true), ("mia".into(), false)]);

        // Invitees are what they will be.
        let boss = invited(service, "boss@example.com", FULL_ADMINISTRATOR).await;
        let mut cx = begin(service).await;
        set_of_invitation(&mut cx, boss, &[of(sales, true)]).await.unwrap();
        set_of_staff(&mut cx, mia, &[of(sales, true), of(billing, false)]).await.unwrap();
        cx.commit().await.unwrap();
        assert!(try_delete(service, &marys, sales).await.is_err());
        let mut cx = begin(service).await;
        invitations::cancel(&mut cx, &Authority::command_line(), boss).await.unwrap();
        cx.commit().await.unwrap();
        try_delete(service, &marys, sales).await.unwrap();

        // As things stand, not as they stood when the request came in.
        execute(
            service,
            "UPDATE staff SET role_id = '00000000-0000-7000-8000-000000000003' WHERE id = $1",
            mary,
        )
        .await;
        beyond(put(service, &marys, billing, &[(ada, true)]).await);
        test.disable(mary).await;
        let gone = put(service, &marys, billing, &[(ada, true)]).await;
        assert!(matches!(gone, Err(Error::Refused(authority::Refused::Gone))), "{gone:?}");
        test.finish().await;
    }
}
