use std::{sync::Arc, time::Duration};

use super::{
    credentials::{CredentialChange, NewCredential, WithSecret},
    roles::{ApiRole, ApiRoleChange, NewApiRole},
    *,
};
use crate::{
    authority::{Authority, Refused},
    cx::{Actor, Caller, Cx, Service},
    ids::{ApiCredentialId, RoleId},
    invalid::Checked,
    page::PageRequest,
    roles::FULL_ADMINISTRATOR,
    secret::Token,
    testing::{self, TestService},
};

const HOUR: Duration = Duration::from_secs(60 * 60);
const MILLI: Duration = Duration::from_millis(1);

fn catalogue() -> Catalogue {
    [
        ("listStaff", Permission::StaffView),
        ("getStaff", Permission::StaffView),
        ("listBans", Permission::BansView),
        ("addBan", Permission::BansManage),
        ("createApiRole", Permission::ApiEdit),
    ]
    .into_iter()
    .map(|(id, permission)| Operation { id, group: "Some", summary: "Does it", permission: Some(permission) })
    .collect()
}

/// A member of staff whose role permits these.
async fn limited(test: &TestService, username: &str, permissions: &str) -> StaffId {
    let id = test.member(username).await;
    let role = RoleId::new(test.service.clock.now(), &*test.service.chance);
    let mut cx = system(&test.service).await;
    crate::on!(crate::cx::Reads::db(&mut cx), conn => {
        sqlx::query("INSERT INTO roles (id, name, name_folded, everything, permissions, created_at) VALUES ($1, $1, $1, FALSE, $2, 0)")
            .bind(role).bind(permissions).execute(conn).await.map(|_| ())
    })
    .unwrap();
    crate::on!(crate::cx::Reads::db(&mut cx), conn => {
        sqlx::query("UPDATE staff SET role_id = $2 WHERE id = $1").bind(id).bind(role).execute(conn).await.map(|_| ())
    })
    .unwrap();
    cx.commit().await.unwrap();
    id
}

/// As it is when a request of theirs comes in.
async fn authority(service: &Service, id: StaffId) -> Authority {
    let mut view = service.read().await.unwrap();
    let login = crate::logins::find(&mut view, id).await.unwrap().unwrap();
    drop(view);
    let mut cx = system(service).await;
    let settings = crate::settings::Settings::default();
    let (method, client) = (crate::sessions::Method::Password, crate::sessions::Client::default());
    let started = crate::sessions::start(&mut cx, &login, method, &client, &settings).await.unwrap();
    let audience = crate::logins::Audience::Staff;
    let hash = started.token.hash();
    let session = crate::sessions::authenticate(&mut cx, audience, &hash, &settings, |_| None).await.unwrap();
    cx.commit().await.unwrap();
    Authority::from(&session.unwrap())
}

async fn system(service: &Service) -> Cx {
    service.begin(Caller::system()).await.unwrap()
}

fn operations(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn new_role(name: &str, ids: &[&str]) -> Result<Checked<NewApiRole>, Invalid> {
    let new = NewApiRole { name: name.into(), description: String::new(), operations: operations(ids) };
    new.checked(&catalogue())
}

async fn role(service: &Service, by: &Authority, name: &str, ids: &[&str]) -> Result<ApiRole, Error> {
    let mut cx = system(service).await;
    let role = roles::create(&mut cx, by, &catalogue(), new_role(name, ids)?).await?;
    cx.commit().await?;
    Ok(role)
}

async fn change_role(
    service: &Service,
    by: &Authority,
    id: &ApiRole,
    change: ApiRoleChange,
) -> Result<ApiRole, Error> {
    let mut cx = system(service).await;
    let role = roles::change(&mut cx, by, &catalogue(), id.id, change.checked(&catalogue())?).await?;
    cx.commit().await?;
    Ok(role)
}

fn new(roles: &[&ApiRole]) -> NewCredential {
    NewCredential {
        staff_id: None,
        description: String::new(),
        api_role_ids: roles.iter().map(|role| role.id).collect(),
        limits: Limits::default(),
    }
}

async fn create(service: &Service, by: &Authority, new: NewCredential) -> Result<WithSecret, Error> {
    let new = new.checked()?;
    let mut cx = system(service).await;
    let made = credentials::create(&mut cx, by, &catalogue(), new).await?;
    cx.commit().await?;
    Ok(made)
}

async fn change(
    service: &Service,
    by: &Authority,
    id: ApiCredentialId,
    change: CredentialChange,
) -> Result<credentials::Credential, Error> {
    let change = change.checked()?;
    let mut cx = system(service).await;
    let changed = credentials::change(&mut cx, by, &catalogue(), id, change).await?;
    cx.commit().await?;
    Ok(changed)
}

async fn rotate(
    service: &Service,
    by: &Authority,
    id: ApiCredentialId,
    rotations: i64,
    overlap: Duration,
) -> Result<WithSecret, Error> {
    let mut cx = system(service).await;
    let rotated = credentials::rotate(&mut cx, by, &catalogue(), id, rotations, overlap).await?;
    cx.commit().await?;
    Ok(rotated)
}

async fn find(service: &Service, identifier: &str, secret: &Token) -> Option<Program> {
    let mut view = service.read().await.unwrap();
    authenticate(&mut view, &catalogue(), identifier, secret).await.unwrap()
}

async fn program(service: &Service, made: &WithSecret) -> Option<Program> {
    find(service, &made.credential.identifier, &made.secret).await
}

async fn events(service: &Service) -> Vec<String> {
    let mut reader = service.db.read().await.unwrap();
    let rows: Vec<(String,)> = crate::on!(reader.conn(), conn => {
        sqlx::query_as("SELECT name FROM events WHERE name LIKE 'api.%' ORDER BY at, id").fetch_all(conn).await
    })
    .unwrap();
    let mut names: Vec<_> = rows.into_iter().map(|(name,)| name).collect();
    names.sort_unstable();
    names
}

fn fields(refused: Result<Checked<NewApiRole>, Invalid>) -> Vec<String> {
    refused
        .unwrap_err()
        .0
        .into_iter()
        .map(|one| format!("{} {} {}", one.field, one.code, one.message))
        .collect()
}

#[test]
fn operations_are_known_or_the_nearest_is_named() {
    let wrong = fields(new_role("A", &["listStaff", "listStaf", "LISTBANS", "no such thing"]));
    assert!(
        wrong[0].starts_with("operations.1 unknown") && wrong[0].contains("mean listStaff?"),
        "{wrong:?}"
    );
    assert!(wrong[1].contains("mean listBans?"), "{wrong:?}");
    assert!(!wrong[2].contains("mean") && !wrong[2].contains("no such thing"), "{wrong:?}");
    let Checked(good) = new_role(" A ", &["listStaff", "addBan", "listStaff"]).unwrap();
    assert_eq!((good.name.as_str(), good.operations), ("A", operations(&["addBan", "listStaff"])));
    assert!(fields(new_role("", &["listStaff"; 501]))[1].starts_with("operations too_many"));
    // Nobody makes the service compare for long.
    assert_eq!(fields(new_role("A", &["x".repeat(100_000).as_str(); 500])).len(), 500);
}

#[test]
fn limits_are_within_others_that_let_more_through() {
    let limits = |networks: &[&str], expires_at: Option<i64>, rate_per_minute| Limits {
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        expires_at: expires_at.map(Timestamp::from_millis),
        rate_per_minute,
    };
    let all = limits(&["10.0.0.0/8", "192.0.2.1"], Some(10), Some(5));
    for within in [
        all.clone(),
        limits(&["10.1.0.0/16"], Some(9), Some(1)),
        limits(&["192.0.2.1", "10.0.0.1"], Some(10), Some(5)),
    ] {
        assert!(within.are_within(&all) && within.are_within(&Limits::default()), "{within:?}");
    }
    for wider in [
        Limits::default(),
        limits(&[], Some(10), Some(5)),
        limits(&["10.0.0.0/7"], Some(10), Some(5)),
        limits(&["10.0.0.1", "192.0.2.2"], Some(10), Some(5)),
        limits(&["10.0.0.1"], None, Some(5)),
        limits(&["10.0.0.1"], Some(11), Some(5)),
        limits(&["10.0.0.1"], Some(10), None),
        limits(&["10.0.0.1"], Some(10), Some(6)),
    ] {
        assert!(!wider.are_within(&all), "{wider:?}");
    }
    let address = |text: &str| Some(text.parse().unwrap());
    assert!(all.admits(address("10.9.9.9")) && all.admits(address("::ffff:192.0.2.1")));
    assert!(!all.admits(address("192.0.2.2")) && !all.admits(None));
    assert!(Limits::default().admits(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_does_what_its_roles_list_and_its_owner_may() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = test.member("ada").await;
        let by = authority(service, ada).await;
        assert!(matches!(create(service, &by, new(&[])).await, Err(Error::RoleRequired)));
        let reads = role(service, &by, "Reads", &["listStaff", "listBans"]).await.unwrap();
        let bans = role(service, &by, "Bans", &["addBan", "listBans"]).await.unwrap();
        let made = create(service, &by, new(&[&reads, &bans, &reads])).await.unwrap();
        let identifier = made.credential.identifier.clone();
        assert!(identifier.len() == 20 && identifier.starts_with("fdk_"), "{identifier}");
        assert!(identifier[4..].bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')));
        let names: Vec<_> = made.credential.api_roles.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["Bans", "Reads"]);

        let found = program(service, &made).await.unwrap();
        assert_eq!(
            (found.owner, found.owner_role, found.credential),
            (ada, FULL_ADMINISTRATOR, made.credential.id)
        );
        assert!(["listStaff", "listBans", "addBan"].into_iter().all(|id| found.operations.has(id)));
        assert!(!found.operations.has("createApiRole"));
        assert!(!found.rights().everything && found.rights().has(Permission::BansManage));
        assert!(!found.rights().has(Permission::ApiEdit));
        assert!(find(service, &identifier, &Token::new(&*service.chance)).await.is_none());
        assert!(find(service, "fdk_aaaaaaaaaaaaaaaa", &made.secret).await.is_none());

        // Each at its next request: an API role with less, one that is gone, an owner who is disabled.
        let less = ApiRoleChange { operations: Some(operations(&["addBan"])), ..ApiRoleChange::default() };
        change_role(service, &by, &bans, less).await.unwrap();
        let mut cx = system(service).await;
        roles::delete(&mut cx, &by, &catalogue(), reads.id).await.unwrap();
        cx.commit().await.unwrap();
        let found = program(service, &made).await.unwrap();
        assert!(found.operations.has("addBan") && !found.operations.has("listStaff"));
        assert!(!found.operations.has("listBans"));
        test.disable(ada).await;
        assert!(program(service, &made).await.is_none());
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_api_roles_are_unique_and_changes_are_told_before_and_after() {
    for test in testing::services().await {
        let service = &test.service;
        let by = authority(service, test.member("ada").await).await;
        let one = role(service, &by, "Billing", &["listStaff"]).await.unwrap();
        assert!(matches!(role(service, &by, "BILLING", &[]).await, Err(Error::NameTaken)));
        let two = role(service, &by, "Other", &[]).await.unwrap();
        let named = |name: &str| ApiRoleChange { name: Some(name.into()), ..ApiRoleChange::default() };
        assert!(matches!(change_role(service, &by, &two, named("billing")).await, Err(Error::NameTaken)));
        assert_eq!(change_role(service, &by, &one, named("Billing")).await.unwrap(), one);
        assert_eq!(change_role(service, &by, &one, named("billing")).await.unwrap().name, "billing");
        assert_eq!(events(service).await, ["api.role_created", "api.role_created", "api.role_edited"]);
        let request = PageRequest::new(1, None, true).unwrap();
        let page = roles::list(&mut service.read().await.unwrap(), &request).await.unwrap();
        assert_eq!((page.items.len(), page.total), (1, Some(crate::page::Total::Exactly(2))));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_programs_what_they_do_not_have() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = test.member("ada").await;
        let boss = authority(service, ada).await;
        let grace = limited(&test, "grace", "api.access api.edit staff.view").await;
        let by = authority(service, grace).await;
        let beyond = |error: Error| matches!(error, Error::Refused(Refused::Beyond));

        let own = role(service, &by, "Own", &["listStaff"]).await.unwrap();
        let bans = role(service, &boss, "Bans", &["addBan"]).await.unwrap();
        assert!(beyond(role(service, &by, "More", &["listStaff", "addBan"]).await.unwrap_err()));
        let more = |ids: &[&str]| ApiRoleChange { operations: Some(operations(ids)), ..Default::default() };
        assert!(beyond(change_role(service, &by, &own, more(&["addBan"])).await.unwrap_err()));
        assert!(beyond(change_role(service, &by, &bans, more(&[])).await.unwrap_err()));
        let mut cx = system(service).await;
        assert!(beyond(roles::delete(&mut cx, &by, &catalogue(), bans.id).await.unwrap_err()));
        cx.give_up().await;

        // Not for somebody who may more, nor with operations one may not call oneself.
        let for_ada = NewCredential { staff_id: Some(ada), ..new(&[&own]) };
        assert!(beyond(create(service, &by, for_ada.clone()).await.unwrap_err()));
        assert!(beyond(create(service, &by, new(&[&own, &bans])).await.unwrap_err()));
        let adas = create(service, &boss, for_ada).await.unwrap().credential.id;
        assert!(beyond(change(service, &by, adas, CredentialChange::default()).await.unwrap_err()));
        assert!(beyond(rotate(service, &by, adas, 0, Duration::ZERO).await.unwrap_err()));
        let mut cx = system(service).await;
        assert!(beyond(credentials::delete(&mut cx, &by, adas).await.unwrap_err()));
        cx.give_up().await;

        // What the boss gave her program she neither takes on nor hands on.
        let given = NewCredential { staff_id: Some(grace), ..new(&[&bans]) };
        let given = create(service, &boss, given).await.unwrap().credential.id;
        assert!(beyond(rotate(service, &by, given, 0, Duration::ZERO).await.unwrap_err()));
        let roles = |ids: &[&ApiRole]| CredentialChange {
            api_role_ids: Some(ids.iter().map(|role| role.id).collect()),
            ..CredentialChange::default()
        };
        assert!(beyond(change(service, &by, given, roles(&[&own])).await.unwrap_err()));
        let described = CredentialChange { description: Some("mine".into()), ..CredentialChange::default() };
        assert_eq!(change(service, &by, given, described).await.unwrap().description, "mine");

        // Her own, as far as her permissions go.
        let made = create(service, &by, new(&[&own])).await.unwrap();
        rotate(service, &by, made.credential.id, 0, Duration::ZERO).await.unwrap();
        assert!(beyond(change(service, &by, made.credential.id, roles(&[&own, &bans])).await.unwrap_err()));
        assert!(matches!(
            change(service, &by, made.credential.id, roles(&[])).await,
            Err(Error::RoleRequired)
        ));

        // Judged by what is so when it is done.
        test.disable(grace).await;
        let late = role(service, &by, "Late", &[]).await.unwrap_err();
        assert!(matches!(late, Error::Refused(Refused::Gone)));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_hands_on_no_more_than_it_has() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = test.member("ada").await;
        let boss = authority(service, ada).await;
        let own = role(service, &boss, "Own", &["createApiRole", "listStaff"]).await.unwrap();
        // The same permissions, and operations that the program was not given.
        let sister = role(service, &boss, "Sister", &["getStaff"]).await.unwrap();
        let limits = Limits {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            expires_at: Some(service.clock.now().plus(HOUR)),
            rate_per_minute: Some(10),
        };
        let made =
            create(service, &boss, NewCredential { limits: limits.clone(), ..new(&[&own]) }).await.unwrap();
        let by = Authority::of_program(Arc::new(program(service, &made).await.unwrap()));
        let beyond = |error: Error| matches!(error, Error::Refused(Refused::BeyondProgram));

        assert!(beyond(role(service, &by, "More", &["getStaff"]).await.unwrap_err()));
        let list = |ids: &[&str]| ApiRoleChange { operations: Some(operations(ids)), ..Default::default() };
        assert!(beyond(change_role(service, &by, &own, list(&["getStaff"])).await.unwrap_err()));
        assert!(beyond(change_role(service, &by, &sister, list(&[])).await.unwrap_err()));
        let mut cx = system(service).await;
        assert!(beyond(roles::delete(&mut cx, &by, &catalogue(), sister.id).await.unwrap_err()));
        cx.give_up().await;

        assert!(beyond(create(service, &by, new(&[&own])).await.unwrap_err()), "without limits");
        let limited = |roles: &[&ApiRole]| NewCredential { limits: limits.clone(), ..new(roles) };
        assert!(beyond(create(service, &by, limited(&[&sister])).await.unwrap_err()));
        create(service, &by, limited(&[&own])).await.unwrap();
        let other = create(service, &boss, new(&[&own])).await.unwrap().credential.id;
        assert!(beyond(rotate(service, &by, other, 0, Duration::ZERO).await.unwrap_err()), "a wider one");
        let id = made.credential.id;
        for wider in [
            CredentialChange { networks: Some(Vec::new()), ..CredentialChange::default() },
            CredentialChange { expires_at: Some(None), ..CredentialChange::default() },
            CredentialChange { rate_per_minute: Some(None), ..CredentialChange::default() },
            CredentialChange { rate_per_minute: Some(Some(11)), ..CredentialChange::default() },
            CredentialChange { api_role_ids: Some(vec![own.id, sister.id]), ..CredentialChange::default() },
        ] {
            assert!(beyond(change(service, &by, id, wider).await.unwrap_err()));
        }
        let less = CredentialChange { rate_per_minute: Some(Some(9)), ..CredentialChange::default() };
        assert_eq!(change(service, &by, id, less).await.unwrap().limits.rate_per_minute, Some(9));
        rotate(service, &by, id, 0, HOUR).await.unwrap();

        // Judged by what it may when it is done.
        change_role(service, &boss, &own, list(&["listStaff"])).await.unwrap();
        let late = role(service, &by, "Late", &["createApiRole"]).await.unwrap_err();
        assert!(matches!(late, Error::Refused(Refused::Beyond)), "{late}");
        let mut cx = system(service).await;
        credentials::delete(&mut cx, &boss, id).await.unwrap();
        cx.commit().await.unwrap();
        let gone = role(service, &by, "Late", &["listStaff"]).await.unwrap_err();
        assert!(matches!(gone, Error::Refused(Refused::Gone)), "{gone}");
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_need_access_and_have_fifty_at_most() {
    for test in testing::services().await {
        let service = &test.service;
        let by = authority(service, test.member("ada").await).await;
        let own = role(service, &by, "Own", &["listStaff"]).await.unwrap();
        let grace = limited(&test, "grace", "staff.view").await;
        let for_her = |id| NewCredential { staff_id: Some(id), ..new(&[&own]) };
        assert!(matches!(create(service, &by, for_her(grace)).await, Err(Error::OwnerLacksAccess)));
        let joan = test.member("joan").await;
        test.disable(joan).await;
        assert!(matches!(create(service, &by, for_her(joan)).await, Err(Error::OwnerDisabled)));
        let nobody = create(service, &by, for_her(StaffId::from_u128(9))).await;
        assert!(matches!(nobody, Err(Error::Invalid(invalid)) if invalid.0[0].field == "staff_id"));
        let mut unknown = new(&[&own]);
        unknown.api_role_ids.push(crate::ids::ApiRoleId::from_u128(9));
        let unknown = create(service, &by, unknown).await;
        assert!(matches!(unknown, Err(Error::Invalid(invalid)) if invalid.0[0].field == "api_role_ids.1"));
        let mut past = new(&[&own]);
        past.limits.expires_at = Some(service.clock.now());
        assert!(matches!(create(service, &by, past).await, Err(Error::Invalid(_))));

        for _ in 0..credentials::MOST_OF_ONE {
            create(service, &by, new(&[&own])).await.unwrap();
        }
        assert!(matches!(create(service, &by, new(&[&own])).await, Err(Error::TooMany)));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_may_overlap_and_of_several_one_wins() {
    for test in testing::services().await {
        let service = &test.service;
        let by = authority(service, test.member("ada").await).await;
        let own = role(service, &by, "Own", &["listStaff"]).await.unwrap();
        let first = create(service, &by, new(&[&own])).await.unwrap();
        let id = first.credential.id;
        let works = async |secret: &WithSecret| program(service, secret).await.is_some();

        let second = rotate(service, &by, id, 0, HOUR).await.unwrap();
        let until = service.clock.now().plus(HOUR);
        assert_eq!(second.credential.previous_until, Some(until));
        let again = rotate(service, &by, id, 1, HOUR).await;
        assert!(matches!(again, Err(Error::RotatedMeanwhile { until: Some(at) }) if at == until));
        let stale = rotate(service, &by, id, 0, Duration::ZERO).await;
        assert!(matches!(stale, Err(Error::RotatedMeanwhile { .. })));
        test.clock.advance(HOUR - MILLI);
        assert!(works(&first).await && works(&second).await);
        test.clock.advance(MILLI);
        assert!(!works(&first).await && works(&second).await);

        // In an emergency both go, whatever still overlaps.
        let third = rotate(service, &by, id, 1, HOUR).await.unwrap();
        assert!(works(&second).await && works(&third).await);
        let fourth = rotate(service, &by, id, 2, Duration::ZERO).await.unwrap();
        assert!(!works(&second).await && !works(&third).await && works(&fourth).await);
        assert_eq!(fourth.credential.previous_until, None);

        let at_once = (0..8).map(|_| {
            let (service, by) = (service.clone(), by.clone());
            tokio::spawn(async move { rotate(&service, &by, id, 3, Duration::ZERO).await })
        });
        let (mut won, mut lost) = (0, 0);
        for done in at_once.collect::<Vec<_>>() {
            match done.await.unwrap() {
                Ok(_) => won += 1,
                Err(Error::RotatedMeanwhile { .. }) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((won, lost), (1, 7));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_die_with_their_owner_and_at_their_end() {
    for test in testing::services().await {
        let service = &test.service;
        let by = authority(service, test.member("ada").await).await;
        let own = role(service, &by, "Own", &["listStaff"]).await.unwrap();
        let grace = test.member("grace").await;
        let mut hers = new(&[&own]);
        hers.staff_id = Some(grace);
        hers.limits.expires_at = Some(service.clock.now().plus(HOUR));
        let expiring = create(service, &by, hers.clone()).await.unwrap();
        hers.limits.expires_at = None;
        let lasting = create(service, &by, hers).await.unwrap();
        test.clock.advance(HOUR - MILLI);
        assert!(program(service, &expiring).await.is_some());
        test.clock.advance(MILLI);
        assert!(program(service, &expiring).await.is_none() && program(service, &lasting).await.is_some());

        let mut cx = system(service).await;
        let staff = crate::staff::find(&mut cx, grace).await.unwrap().unwrap();
        crate::staff::disable(&mut cx, &Authority::command_line(), staff.id).await.unwrap();
        cx.commit().await.unwrap();
        let all = PageRequest::new(10, None, true).unwrap();
        let left = credentials::list(&mut service.read().await.unwrap(), Some(grace), &all).await.unwrap();
        assert_eq!(left.items.len(), 0);
        let ended = events(service).await.into_iter().filter(|name| name == "api.credential_deleted").count();
        assert_eq!(ended, 2);
        // Let in again, she has none.
        let mut cx = system(service).await;
        crate::staff::enable(&mut cx, &Authority::command_line(), staff.id).await.unwrap();
        cx.commit().await.unwrap();
        assert!(program(service, &lasting).await.is_none());
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_kept_and_never_an_earlier_one() {
    for test in testing::services().await {
        let service = &test.service;
        let by = authority(service, test.member("ada").await).await;
        let own = role(service, &by, "Own", &["listStaff"]).await.unwrap();
        let made = [(); 2].map(|()| new(&[&own]));
        let mut ids = Vec::new();
        for new in made {
            ids.push(create(service, &by, new).await.unwrap().credential.id);
        }
        let write = async |used: &[Used]| {
            let mut cx = system(service).await;
            write_used(&mut cx, used).await.unwrap();
            cx.commit().await.unwrap();
        };
        let used = |index: usize, at: i64, address: Option<&str>| Used {
            credential: ids[index],
            at: Timestamp::from_millis(at),
            address: address.map(|text| text.parse().unwrap()),
        };
        write(&[]).await;
        write(&[used(0, 5, Some("::ffff:10.0.0.1")), used(1, 7, None)]).await;
        write(&[used(0, 4, Some("10.0.0.2"))]).await;
        let read = async |index: usize| {
            let found =
                credentials::find(&mut service.read().await.unwrap(), ids[index]).await.unwrap().unwrap();
            (found.last_used_at.map(Timestamp::as_millis), found.last_used_from)
        };
        assert_eq!(read(0).await, (Some(5), Some("10.0.0.1".to_owned())));
        assert_eq!(read(1).await, (Some(7), None));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_does_is_kept_under_its_owner_and_its_credential() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = test.member("ada").await;
        let by = authority(service, ada).await;
        let own = role(service, &by, "Own", &["createApiRole"]).await.unwrap();
        let made = create(service, &by, new(&[&own])).await.unwrap();
        let caller = Caller { actor: Actor::Program(ada, made.credential.id), ..Caller::system() };
        let by = Authority::of_program(Arc::new(program(service, &made).await.unwrap()));
        let mut cx = service.begin(caller).await.unwrap();
        roles::create(&mut cx, &by, &catalogue(), new_role("Mine", &["createApiRole"]).unwrap())
            .await
            .unwrap();
        cx.commit().await.unwrap();
        let mut reader = service.db.read().await.unwrap();
        let rows: Vec<(StaffId, ApiCredentialId)> = crate::on!(reader.conn(), conn => {
            sqlx::query_as("SELECT actor_id, actor_credential_id FROM events WHERE actor_kind = 'program'").fetch_all(conn).await
        })
        .unwrap();
        assert_eq!(rows, [(ada, made.credential.id)]);
        drop(reader);
        test.finish().await;
    }
}
