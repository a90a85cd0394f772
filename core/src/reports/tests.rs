use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    cx::{Actor, Caller},
    db::Sql,
    event::{
        AccountClosed, AccountCreated, AccountDeleted, AccountReopened, AccountUserAdded, AccountUserRemoved,
        Event, InvitationAccepted, InvitationCancelled, InvitationCreated, InvitationResent, RoleDeleted,
        SessionChallenged, SessionConfirmed, SessionRefused, SessionStarted, UserCreated, UserDeleted,
    },
    ids::{AccountId, ApiCredentialId, InvitationId, LoginId, RoleId, SessionId, UserId},
    testing::{self, TestService},
};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const PROGRAM: ApiCredentialId = ApiCredentialId::from_u128(9);
const ACCOUNT: AccountId = AccountId::from_u128(11);
const USER: UserId = UserId::from_u128(12);

/// Rows as the API shows them.
type Found = Vec<BTreeMap<&'static str, Value>>;

async fn report(test: &TestService, report: Report, period: Period) -> Found {
    let mut view = test.service.read().await.unwrap();
    let columns = about(report).unwrap().columns;
    let rows = run(&mut view, report, period).await.unwrap();
    let names = columns.iter().map(|column| column.name);
    rows.into_iter().map(|row| names.clone().zip(row).collect()).collect()
}

/// From the beginning of 2026 to the end of that day of January.
fn january(last: u32) -> Period {
    let now = Timestamp::from_millis(0);
    Period::parse(Some("2026-01-01"), Some(&format!("2026-01-{last:02}")), now).unwrap()
}

async fn happens(test: &TestService, actor: Actor, event: impl Into<Event>) {
    let mut cx = test.service.begin(Caller { actor, ..Caller::system() }).await.unwrap();
    cx.emit(event).await.unwrap();
    cx.commit().await.unwrap();
}

fn started(audience: Audience, login: impl Into<LoginId>, method: &'static str, new: bool) -> SessionStarted {
    let session_id = SessionId::from_u128(3);
    SessionStarted { session_id, audience, login_id: login.into(), method, new_address: new }
}

fn refused(audience: Audience, login: Option<LoginId>, step: &'static str) -> SessionRefused {
    SessionRefused { audience, login_id: login, step }
}

/// The columns of a row that count something.
fn counts(row: &BTreeMap<&'static str, Value>) -> BTreeMap<&'static str, i64> {
    let counted = row.iter().filter_map(|(name, value)| value.as_i64().map(|count| (*name, count)));
    counted.filter(|(_, count)| *count != 0).collect()
}

#[tokio::test]
async fn staff_activity_is_what_each_member_did() {
    for test in testing::services().await {
        let (ada, bob, cyd) = (test.member("ada").await, test.member("bob").await, test.member("cyd").await);
        test.clock.advance(HOUR);
        let staff = Audience::Staff;
        for who in [ada, cyd] {
            happens(&test, Actor::Guest, refused(staff, Some(who.into()), "password")).await;
            happens(&test, Actor::Guest, refused(staff, Some(who.into()), "code")).await;
            happens(&test, Actor::Staff(who), refused(staff, Some(who.into()), "confirmation")).await;
            happens(&test, Actor::Guest, started(staff, who, "password", false)).await;
            happens(&test, Actor::Guest, started(staff, who, "totp", false)).await;
            let deleted = || RoleDeleted { role_id: RoleId::from_u128(5), name: "Sales".into() };
            for actor in [
                Actor::Staff(who),
                Actor::Staff(who),
                Actor::Program(who, PROGRAM),
                Actor::StaffAsUser(who, USER),
                Actor::User(UserId::from_u128(13)),
            ] {
                happens(&test, actor, deleted()).await;
            }
            happens(&test, Actor::Program(who, PROGRAM), invitation(1, "staff")).await;
        }
        let at = test.service.clock.now();
        test.clock.advance(DAY);
        // Of another day.
        happens(&test, Actor::Guest, started(staff, ada, "password", false)).await;
        test.disable(cyd).await;

        let [of_ada, of_bob] = &report(&test, Report::StaffActivity, january(1)).await[..] else {
            panic!("who is disabled is left out")
        };
        assert_eq!(of_ada["name"], "Some Body");
        assert_eq!((&of_ada["username"], &of_ada["role"]), (&"ada".into(), &"Full Administrator".into()));
        assert_eq!(of_ada["staff_id"], ada.to_string());
        assert_eq!(
            counts(of_ada),
            [
                ("logins", 2),
                ("refused", 2),
                ("changes", 2),
                ("changes_by_programs", 2),
                ("changes_as_users", 1),
                ("invitations", 1)
            ]
            .into()
        );
        assert_eq!(
            (&of_ada["last_login_at"], &of_ada["last_entry_at"]),
            (&at.to_string().into(), &at.to_string().into())
        );
        assert_eq!(of_bob["staff_id"], bob.to_string());
        assert!(counts(of_bob).is_empty());
        assert_eq!((&of_bob["last_login_at"], &of_bob["last_entry_at"]), (&Value::Null, &Value::Null));
        let both_days = report(&test, Report::StaffActivity, january(2)).await;
        assert_eq!(both_days[0]["logins"], 3);
        assert_eq!(both_days[0]["last_entry_at"], test.service.clock.now().to_string());
        test.finish().await;
    }
}

#[tokio::test]
async fn logins_are_counted_by_day_and_audience() {
    for test in testing::services().await {
        let (ada, cyd, anne) = (test.member("ada").await, test.member("cyd").await, test.user("anne").await);
        let (staff, user) = (Audience::Staff, Audience::User);
        happens(&test, Actor::Guest, started(staff, ada, "password", false)).await;
        happens(&test, Actor::Guest, started(staff, ada, "password", true)).await;
        happens(&test, Actor::Guest, SessionChallenged { audience: staff, login_id: ada.into() }).await;
        happens(&test, Actor::Guest, refused(staff, Some(ada.into()), "code")).await;
        happens(&test, Actor::Guest, refused(staff, None, "password")).await;
        happens(&test, Actor::Guest, started(staff, cyd, "password", false)).await;
        happens(&test, Actor::Guest, refused(staff, Some(cyd.into()), "password")).await;
        test.clock.advance(DAY * 2);
        happens(&test, Actor::Guest, started(user, anne.id, "password", false)).await;
        happens(&test, Actor::Guest, started(user, UserId::from_u128(99), "totp", false)).await;
        happens(&test, Actor::StaffAsUser(ada, USER), started(user, USER, "login-as", false)).await;
        happens(&test, Actor::Guest, refused(user, Some(anne.id), "confirmation")).await;
        let confirmed =
            SessionConfirmed { session_id: SessionId::from_u128(3), audience: user, login_id: anne.id };
        happens(&test, Actor::Guest, confirmed).await;
        test.disable(cyd).await;

        let rows = report(&test, Report::Logins, january(3)).await;
        let keys: Vec<_> = rows.iter().map(|row| format!("{} {}", row["day"], row["audience"])).collect();
        let days = ["2026-01-01", "2026-01-02", "2026-01-03"];
        let expected = days.iter().flat_map(|day| ["staff", "user"].map(|of| format!("\"{day}\" \"{of}\"")));
        assert_eq!(keys, expected.collect::<Vec<_>>());
        assert_eq!(
            counts(&rows[0]),
            [
                ("logins", 2),
                ("refused_password", 1),
                ("refused_code", 1),
                ("challenges", 1),
                ("new_addresses", 1),
                ("people", 1)
            ]
            .into()
        );
        assert!(rows[1..5].iter().all(|row| counts(row).is_empty()), "{rows:?}");
        assert_eq!(
            counts(&rows[5]),
            [("logins", 2), ("logins_as", 1), ("refused_confirmation", 1), ("people", 2)].into()
        );
        test.finish().await;
    }
}

fn invitation(id: u128, kind: &'static str) -> InvitationCreated {
    InvitationCreated {
        invitation_id: InvitationId::from_u128(id),
        kind,
        email: None,
        // A name that looks like a field is none.
        role: Some(r#"","kind":"account"#.into()),
        account_id: None,
        permissions: Vec::new(),
    }
}

/// The row of an invitation that was made now.
async fn kept(
    test: &TestService,
    id: u128,
    kind: &str,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
) {
    let mut cx = test.service.begin(Caller::system()).await.unwrap();
    let now = cx.now();
    crate::on!(cx.db(), conn => {
        sqlx::query("INSERT INTO invitations (id, kind, token_hash, language, created_at, sent_at, expires_at, accepted_at)
             VALUES ($1, $2, $3, 'en', $4, $4, $5, $6)")
            .bind(InvitationId::from_u128(id)).bind(kind).bind(id.to_be_bytes().to_vec()).bind(now)
            .bind(expires_at).bind(accepted_at).execute(conn).await.map(|_| ())
    })
    .unwrap();
    cx.commit().await.unwrap();
}

#[tokio::test]
async fn invitations_are_counted_by_who_made_them() {
    for test in testing::services().await {
        let (ada, bob, cyd) = (test.member("ada").await, test.member("bob").await, test.member("cyd").await);
        let (now, soon) = (test.service.clock.now(), test.service.clock.now().plus(DAY));
        for (id, actor, kind, expires_at, accepted_at) in [
            (1, Actor::Staff(ada), "staff", now, None),
            (2, Actor::Program(ada, PROGRAM), "staff", soon, None),
            (3, Actor::Staff(ada), "account", soon, Some(now)),
            (4, Actor::User(USER), "account", soon, None),
            (5, Actor::User(UserId::from_u128(13)), "account", soon, None),
            (6, Actor::CommandLine, "staff", soon, None),
            (7, Actor::Staff(cyd), "staff", soon, None),
            // Somebody who was deleted.
            (8, Actor::Staff(StaffId::from_u128(77)), "staff", soon, None),
        ] {
            happens(&test, actor, invitation(id, kind)).await;
            kept(&test, id, kind, expires_at, accepted_at).await;
        }
        test.clock.advance(HOUR);
        let of = |id: u128| (InvitationId::from_u128(id), None::<String>, None::<AccountId>);
        let (invitation_id, email, account_id) = of(2);
        // A colleague's hand, and still hers.
        happens(
            &test,
            Actor::Staff(bob),
            InvitationResent { invitation_id, kind: "staff", email, account_id },
        )
        .await;
        let (invitation_id, email, account_id) = of(4);
        happens(
            &test,
            Actor::Staff(bob),
            InvitationCancelled { invitation_id, kind: "account", email, account_id },
        )
        .await;
        let accepted = InvitationAccepted {
            invitation_id: InvitationId::from_u128(3),
            kind: "account",
            email: "x@example.com".into(),
            staff_id: None,
            username: None,
            account_id: None,
            user_id: None,
        };
        happens(&test, Actor::Guest, accepted).await;
        test.disable(cyd).await;

        let rows = report(&test, Report::Invitations, january(1)).await;
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                let text = |name| row[name].as_str().unwrap_or("-").to_owned();
                let id = text("inviter_id");
                let id = if id == ada.to_string() { "ada".into() } else { id };
                (text("kind"), text("inviter_kind"), id, text("inviter"), counts(row))
            })
            .collect();
        let row = |kind: &str, by: &str, id: &str, name: &str, counts: &[(&'static str, i64)]| {
            (kind.to_owned(), by.to_owned(), id.to_owned(), name.to_owned(), counts.iter().copied().collect())
        };
        assert_eq!(
            told,
            [
                row("account", "staff", "ada", "Some Body", &[("created", 1), ("accepted", 1)]),
                row("account", "owner", "-", "-", &[("created", 2), ("cancelled", 1), ("pending", 2)]),
                row(
                    "staff",
                    "staff",
                    "ada",
                    "Some Body",
                    &[("created", 2), ("resent", 1), ("pending", 1), ("expired", 1)]
                ),
                row("staff", "system", "-", "-", &[("created", 1), ("pending", 1)]),
            ]
        );
        // What was made before is not among those that are pending; who made it is known all the same.
        let later = Period::parse(Some("2026-01-01T00:30:00Z"), Some("2026-01-01"), now).unwrap();
        let rows = report(&test, Report::Invitations, later).await;
        let staff = rows.iter().find(|row| row["kind"] == "staff").unwrap();
        assert_eq!((counts(staff), &staff["inviter_id"]), ([("resent", 1)].into(), &ada.to_string().into()));
        test.finish().await;
    }
}

#[tokio::test]
async fn accounts_and_users_are_counted_by_day() {
    for test in testing::services().await {
        let (account_id, owner_id, name) = (ACCOUNT, USER, || "Engines".to_owned());
        let added =
            |how| AccountUserAdded { account_id, user_id: USER, permissions: vec!["all".into()], how };
        let created = |how| UserCreated { user_id: USER, email: "ada@example.com".into(), how };
        let events: [Event; 13] = [
            AccountCreated { account_id, name: name(), owner_id }.into(),
            AccountCreated { account_id, name: name(), owner_id }.into(),
            AccountClosed { account_id, name: name() }.into(),
            AccountReopened { account_id, name: name() }.into(),
            AccountDeleted { account_id, name: name(), users: vec![USER] }.into(),
            created("registration").into(),
            created("invitation").into(),
            created("staff").into(),
            UserDeleted { user_id: USER, email: "ada@example.com".into() }.into(),
            added("created").into(),
            added("invitation").into(),
            added("staff").into(),
            AccountUserRemoved { account_id, user_id: USER }.into(),
        ];
        for event in events {
            happens(&test, Actor::Guest, event).await;
        }
        test.clock.advance(DAY * 2);
        happens(&test, Actor::Guest, created("registration")).await;

        let rows = report(&test, Report::Accounts, january(3)).await;
        let days: Vec<_> = rows.iter().map(|row| row["day"].as_str().unwrap()).collect();
        assert_eq!(days, ["2026-01-01", "2026-01-02", "2026-01-03"]);
        assert_eq!(
            counts(&rows[0]),
            [
                ("accounts_created", 2),
                ("accounts_closed", 1),
                ("accounts_reopened", 1),
                ("accounts_deleted", 1),
                ("users_registered", 1),
                ("users_invited", 1),
                ("users_created", 1),
                ("users_deleted", 1),
                ("members_added", 2),
                ("members_removed", 1)
            ]
            .into()
        );
        assert!(counts(&rows[1]).is_empty());
        assert_eq!(counts(&rows[2]), [("users_registered", 1)].into());
        test.finish().await;
    }
}

/// Mails of a kind, one for each time that one took until it was delivered.
async fn mails(test: &TestService, mail: &str, state: &str, took: impl IntoIterator<Item = i64>) {
    let mut cx = test.service.begin(Caller::system()).await.unwrap();
    let event = cx.emit(started(Audience::User, USER, "password", false)).await.unwrap();
    let now = cx.now();
    for took in took {
        let id = crate::ids::DeliveryId::new(now, cx.chance());
        let finished = (state != "waiting").then(|| now.plus(Duration::from_millis(took.unsigned_abs())));
        crate::on!(cx.db(), conn => {
            sqlx::query("INSERT INTO deliveries (id, event_id, mail, data, useful_until, state, attempts, next_attempt_at, fence,
                    created_at, finished_at) VALUES ($1, $2, $3, '{}', 0, $4, 2, 0, 0, $5, $6)")
                .bind(id).bind(event).bind(mail).bind(state).bind(now).bind(finished).execute(conn).await.map(|_| ())
        })
        .unwrap();
    }
    cx.commit().await.unwrap();
}

#[tokio::test]
async fn deliveries_are_counted_by_mail_with_how_long_they_took() {
    for test in testing::services().await {
        mails(&test, "welcome", "delivered", (1..=20).rev().map(|n| n * 100)).await;
        mails(&test, "welcome", "dead", [999_000]).await;
        mails(&test, "welcome", "obsolete", [0, 0]).await;
        mails(&test, "notice", "waiting", [0]).await;
        mails(&test, "password_reset", "delivered", [1, 2, 4]).await;
        test.clock.advance(DAY);
        mails(&test, "welcome", "delivered", [1]).await;

        let rows = report(&test, Report::Deliveries, january(1)).await;
        let kinds: Vec<_> = rows.iter().map(|row| row["mail"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["notice", "password_reset", "welcome"]);
        assert_eq!(counts(&rows[0]), [("made", 1), ("waiting", 1), ("attempts", 2)].into());
        assert_eq!((&rows[0]["median_seconds"], &rows[0]["p95_seconds"]), (&Value::Null, &Value::Null));
        assert_eq!((&rows[1]["median_seconds"], &rows[1]["p95_seconds"]), (&0.002.into(), &0.004.into()));
        assert_eq!(
            counts(&rows[2]),
            [("made", 23), ("delivered", 20), ("dead", 1), ("obsolete", 2), ("attempts", 46)].into()
        );
        assert_eq!((&rows[2]["median_seconds"], &rows[2]["p95_seconds"]), (&1.0.into(), &1.9.into()));
        test.finish().await;
    }
}

/// However many entries there are, SQLite goes by an index, and by the one that leads to the fewest.
#[tokio::test]
async fn every_statement_goes_by_an_index() {
    let test = TestService::sqlite().await;
    let period = january(31);
    let now = test.service.clock.now();
    let statements: [(Sql, &[&str]); 6] = [
        (
            store::came_in(period),
            &["SEARCH e USING INDEX events_by_subject (subject_id=? AND id>? AND id<?)"],
        ),
        (store::did(period), &["SEARCH e USING INDEX events_by_actor (actor_id=? AND id>? AND id<?)"]),
        (store::logins(period), &["SEARCH events USING INDEX events_by_name (name=? AND id>? AND id<?)"]),
        (
            store::invitations(period, now),
            &[
                "SEARCH e USING INDEX events_by_name (name=? AND id>? AND id<?)",
                "SEARCH c USING INDEX events_by_subject (subject_id=?)",
            ],
        ),
        (store::accounts(period), &["SEARCH events USING INDEX events_by_name (name=? AND id>? AND id<?)"]),
        (store::deliveries(period), &["SEARCH deliveries USING INDEX"]),
    ];
    for (sql, expected) in statements {
        let plan = sql.plan(test.service.read().await.unwrap().db()).await.unwrap();
        for step in expected {
            assert!(plan.iter().any(|one| one.starts_with(step)), "{step}: {plan:#?}");
        }
    }
    test.finish().await;
}

#[test]
fn every_report_but_tickets_is_told_of() {
    for report in Report::ALL {
        let about = about(*report);
        assert_eq!(about.is_none(), *report == Report::Tickets);
        if let Some(about) = about {
            let mut names: Vec<_> = about.columns.iter().map(|column| column.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), about.columns.len(), "{report}");
            assert!(about.description.ends_with('.') && !about.title.ends_with('.'));
        }
    }
}
