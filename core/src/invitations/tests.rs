use std::time::Duration;

use super::*;
use crate::{
    authority,
    cx::{Actor, Caller, Cx, Service},
    logins::Audience,
    outbox,
    page::PageRequest,
    password::PasswordHash,
    roles::FULL_ADMINISTRATOR,
    secret::Token,
    sessions::{self, Authenticated, Client, Started},
    settings::Settings,
    testing::{self, TestService},
};

const MILLI: Duration = Duration::from_millis(1);
const NO_PERMISSIONS: RoleId = RoleId::from_u128(0xaa);

fn guest() -> Caller {
    Caller { actor: Actor::Guest, address: None, request_id: None }
}

async fn begin(service: &Service) -> Cx {
    service.begin(guest()).await.unwrap()
}

fn names(username: &str) -> StaffAcceptance {
    StaffAcceptance { username: Some(username.into()), email: None, first_name: None, last_name: None }
}

async fn try_accept(
    service: &Service,
    token: &Token,
    acceptance: StaffAcceptance,
) -> Result<Accepted, Error> {
    let mut cx = begin(service).await;
    let hash = PasswordHash::for_tests();
    let accepted =
        accept_staff(&mut cx, &token.hash(), acceptance, hash, &Client::default(), &Settings::default())
            .await?;
    cx.commit().await?;
    Ok(accepted)
}

async fn who(service: &Service, session: &Started) -> Authenticated {
    let mut view = service.read().await.unwrap();
    let settings = Settings::default();
    let token = session.token.hash();
    sessions::authenticate(&mut view, Audience::Staff, &token, &settings, |_| None).await.unwrap().unwrap()
}

/// The first administrator, logged in.
async fn administrator(service: &Service) -> Authenticated {
    let mut cx = begin(service).await;
    let token = first_administrator(&mut cx).await.unwrap().unwrap();
    cx.commit().await.unwrap();
    let ada = StaffAcceptance {
        username: Some("ada".into()),
        email: Some("ada@example.com".into()),
        first_name: Some("Ada".into()),
        last_name: Some("Lovelace".into()),
    };
    let accepted = try_accept(service, &token, ada).await.unwrap();
    who(service, &accepted.session).await
}

fn to(email: &str, role_id: RoleId) -> NewStaffInvitation {
    NewStaffInvitation {
        email: email.into(),
        role_id,
        username: None,
        first_name: Some("Grace".into()),
        last_name: Some("Hopper".into()),
        language: None,
        departments: Vec::new(),
    }
}

async fn invite(service: &Service, by: &Authenticated, new: NewStaffInvitation) -> Result<Link, Error> {
    let mut cx = begin(service).await;
    let link = invite_staff(&mut cx, &by.into(), new.checked()?).await?;
    cx.commit().await?;
    Ok(link)
}

async fn looked_up(service: &Service, token: &Token) -> Result<StaffInvitation, Error> {
    match lookup(&mut service.read().await?, &token.hash()).await? {
        Invitation::Staff(invitation) => Ok(*invitation),
        Invitation::Account(_) => panic!("an invitation of staff"),
    }
}

async fn waiting(service: &Service) -> bool {
    outbox::next_due(&mut service.read().await.unwrap()).await.unwrap().is_some()
}

/// How many events and deliveries there are.
async fn rows(service: &Service) -> (i64, i64) {
    let mut view = service.read().await.unwrap();
    crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT (SELECT COUNT(*) FROM events), (SELECT COUNT(*) FROM deliveries)").fetch_one(conn).await
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_for_seven_days_to_the_millisecond() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let link = invite(service, &by, to("grace@example.com", NO_PERMISSIONS)).await.unwrap();
        test.clock.advance(LIFETIME - MILLI);
        assert_eq!(
            looked_up(service, &link.token).await.unwrap().status(service.clock.now()),
            Status::Pending
        );
        test.clock.advance(MILLI);
        assert!(matches!(looked_up(service, &link.token).await, Err(Error::Expired)));
        assert!(matches!(try_accept(service, &link.token, names("grace")).await, Err(Error::Expired)));

        let mut cx = begin(service).await;
        let again = resend(&mut cx, &(&by).into(), link.invitation.id).await.unwrap();
        cx.commit().await.unwrap();
        test.clock.advance(LIFETIME - MILLI);
        assert!(matches!(try_accept(service, &link.token, names("grace")).await, Err(Error::Replaced)));
        try_accept(service, &again.token, names("grace")).await.unwrap();
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_accepts() {
    for TestServiceParts { test, by } in setup().await {
        let service = test.service.clone();
        let link = invite(&service, &by, to("grace@example.com", NO_PERMISSIONS)).await.unwrap();
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let (service, token) = (service.clone(), link.token.clone());
                tokio::spawn(async move { try_accept(&service, &token, names(&format!("grace{n}"))).await })
            })
            .collect();
        let (mut won, mut used) = (0, 0);
        for racer in racers {
            match racer.await.unwrap() {
                Ok(_) => won += 1,
                Err(Error::Used) => used += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((won, used), (1, 15));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_goes_to_one_and_the_other_keeps_the_invitation() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let one = invite(service, &by, to("one@example.com", NO_PERMISSIONS)).await.unwrap();
        let two = invite(service, &by, to("two@example.com", NO_PERMISSIONS)).await.unwrap();
        try_accept(service, &one.token, names("grace")).await.unwrap();
        assert!(matches!(try_accept(service, &two.token, names("GRACE")).await, Err(Error::UsernameTaken)));
        try_accept(service, &two.token, names("hopper")).await.unwrap();
        assert!(matches!(
            invite(service, &by, to("ONE@example.com", NO_PERMISSIONS)).await,
            Err(Error::EmailTaken)
        ));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_invitation_fixes_is_refused_and_what_it_leaves_open_is_required() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let new = NewStaffInvitation {
            username: Some("grace".into()),
            last_name: None,
            ..to("g@example.com", NO_PERMISSIONS)
        };
        let link = invite(service, &by, new).await.unwrap();
        assert_eq!(looked_up(service, &link.token).await.unwrap().needs(), [Need::LastName, Need::Password]);
        let wrong =
            StaffAcceptance { username: Some("root".into()), email: None, first_name: None, last_name: None };
        let Err(Error::Invalid(invalid)) = try_accept(service, &link.token, wrong).await else {
            panic!("accepted")
        };
        let found: Vec<_> = invalid.0.iter().map(|error| (error.field.as_str(), error.code)).collect();
        assert_eq!(found, [("last_name", "required"), ("username", "fixed")]);
        let right = StaffAcceptance {
            username: None,
            email: None,
            first_name: None,
            last_name: Some("Hopper".into()),
        };
        try_accept(service, &link.token, right).await.unwrap();
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_invites_into_a_role_beyond_their_own() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let link = invite(service, &by, to("grace@example.com", NO_PERMISSIONS)).await.unwrap();
        let boss = invite(service, &by, to("boss@example.com", FULL_ADMINISTRATOR)).await.unwrap();
        let accepted = try_accept(service, &link.token, names("grace")).await.unwrap();
        let grace = who(service, &accepted.session).await;
        let up = invite(service, &grace, to("x@example.com", FULL_ADMINISTRATOR)).await;
        assert!(matches!(up, Err(Error::Refused(authority::Refused::Beyond))));
        invite(service, &grace, to("y@example.com", NO_PERMISSIONS)).await.unwrap();
        let mut cx = begin(service).await;
        let id = boss.invitation.id;
        assert!(matches!(
            resend(&mut cx, &(&grace).into(), id).await,
            Err(Error::Refused(authority::Refused::Beyond))
        ));
        assert!(matches!(
            cancel(&mut cx, &(&grace).into(), id).await,
            Err(Error::Refused(authority::Refused::Beyond))
        ));
        let change = StaffInvitationChange { email: Some("mine@example.com".into()), ..Default::default() };
        assert!(matches!(
            change_staff(&mut cx, &(&grace).into(), id, change.checked().unwrap()).await,
            Err(Error::Refused(authority::Refused::Beyond))
        ));
        drop(cx);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_gets_a_new_link_and_the_old_one_dies() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let link = invite(service, &by, to("grcae@example.com", NO_PERMISSIONS)).await.unwrap();
        let mut cx = begin(service).await;
        let change = StaffInvitationChange { first_name: Some(None), ..Default::default() };
        let (changed, token) =
            change_staff(&mut cx, &(&by).into(), link.invitation.id, change.checked().unwrap())
                .await
                .unwrap();
        assert!(token.is_none() && changed.first_name.is_none());
        let change = StaffInvitationChange { email: Some("grace@example.com".into()), ..Default::default() };
        let (_, token) = change_staff(&mut cx, &(&by).into(), link.invitation.id, change.checked().unwrap())
            .await
            .unwrap();
        cx.commit().await.unwrap();
        assert!(matches!(looked_up(service, &link.token).await, Err(Error::Replaced)));
        assert_eq!(
            looked_up(service, &token.unwrap()).await.unwrap().email.as_deref(),
            Some("grace@example.com")
        );
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_link_is_dead_and_its_mail_stays_unsent() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let link = invite(service, &by, to("grace@example.com", NO_PERMISSIONS)).await.unwrap();
        assert!(waiting(service).await);
        let mut cx = begin(service).await;
        cancel(&mut cx, &(&by).into(), link.invitation.id).await.unwrap();
        cx.commit().await.unwrap();
        assert!(matches!(try_accept(service, &link.token, names("grace")).await, Err(Error::Cancelled)));
        assert!(!waiting(service).await);
        let mut cx = begin(service).await;
        assert!(matches!(resend(&mut cx, &(&by).into(), link.invitation.id).await, Err(Error::Cancelled)));
        drop(cx);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_sends_nothing() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        let before = rows(service).await;
        let mut cx = begin(service).await;
        let link =
            invite_staff(&mut cx, &(&by).into(), to("grace@example.com", NO_PERMISSIONS).checked().unwrap())
                .await;
        let token = link.unwrap().token;
        drop(cx);
        assert!(!waiting(service).await);
        assert_eq!(rows(service).await, before);
        assert!(matches!(looked_up(service, &token).await, Err(Error::Unknown)));
        invite(service, &by, to("grace@example.com", NO_PERMISSIONS)).await.unwrap();
        assert_eq!(rows(service).await, (before.0 + 1, before.1 + 1), "an event and its mail, together");
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrators_link_is_renewed_until_somebody_came_in() {
    for test in testing::services().await {
        let service = &test.service;
        let mut cx = begin(service).await;
        let old = first_administrator(&mut cx).await.unwrap().unwrap();
        let new = first_administrator(&mut cx).await.unwrap().unwrap();
        cx.commit().await.unwrap();
        assert!(matches!(looked_up(service, &old).await, Err(Error::Replaced)));
        test.clock.advance(FIRST_LIFETIME - MILLI);
        let needs = looked_up(service, &new).await.unwrap().needs();
        assert_eq!(needs, [Need::Email, Need::FirstName, Need::LastName, Need::Username, Need::Password]);
        administrator(service).await;
        assert!(first_administrator(&mut begin(service).await).await.unwrap().is_none());
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page_and_expired_ones_stay() {
    for TestServiceParts { test, by } in setup().await {
        let service = &test.service;
        for n in 0..5 {
            invite(service, &by, to(&format!("g{n}@example.com"), NO_PERMISSIONS)).await.unwrap();
            test.clock.advance(MILLI);
        }
        test.clock.advance(LIFETIME - MILLI * 3);
        let mut view = service.read().await.unwrap();
        let expired = list(&mut view, Some(Status::Expired), &PageRequest::new(10, None, false).unwrap())
            .await
            .unwrap();
        assert_eq!(expired.items.len(), 3);
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let request = PageRequest::new(2, cursor.as_deref(), true).unwrap();
            let page = list(&mut view, None, &request).await.unwrap();
            assert_eq!(page.total, Some(crate::page::Total::Exactly(5)));
            seen.extend(page.items.into_iter().filter_map(|row| row.email));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(
            seen,
            ["g4@example.com", "g3@example.com", "g2@example.com", "g1@example.com", "g0@example.com"]
        );
        drop(view);
        test.finish().await;
    }
}

struct TestServiceParts {
    test: TestService,
    by: Authenticated,
}

/// Every database, with an administrator.
async fn setup() -> Vec<TestServiceParts> {
    let mut parts = Vec::new();
    for test in testing::services().await {
        test.powerless_role(NO_PERMISSIONS).await;
        let by = administrator(&test.service).await;
        parts.push(TestServiceParts { by, test });
    }
    parts
}
