use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::*;
use crate::{
    cx::{Caller, Service},
    ids::UserId,
    page::Total,
    testing::{self, TestService},
};

const ENGINES: AccountId = AccountId::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0011);
const LOOMS: AccountId = AccountId::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0012);
const NOWHERE: AccountId = AccountId::from_u128(0xdead);

async fn begin(service: &Service) -> Cx {
    service.begin(Caller::system()).await.unwrap()
}

async fn accounts(test: &TestService) {
    let owner: UserId = test.user("owner").await.id.of_user();
    let mut cx = begin(&test.service).await;
    crate::on!(cx.db(), conn => {
        sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(owner).execute(conn).await.map(|_| ())
    })
    .unwrap();
    for account in [ENGINES, LOOMS] {
        crate::on!(cx.db(), conn => {
            sqlx::query(
                "INSERT INTO accounts (id, owner_id, kind, name, first_name, last_name, email, phone, line1, line2, city,
                    region, postcode, country, tax_id, currency, notes, status, search, created_at)
                 VALUES ($2, $1, 'person', 'A', '', '', '', '', '', '', '', '', '', '', '', 'EUR', '', 'active', '', 0)",
            )
            .bind(owner).bind(account).execute(conn).await.map(|_| ())
        })
        .unwrap();
    }
    cx.commit().await.unwrap();
}

fn books() -> NewContact {
    NewContact {
        company_name: " The  Bookkeepers ".into(),
        email: "Books@example.com".into(),
        emails: vec![EmailPreference::Domain, EmailPreference::Invoice, EmailPreference::Domain],
        ..NewContact::default()
    }
}

async fn try_create(service: &Service, account: AccountId, new: NewContact) -> Result<Contact, Error> {
    let mut cx = begin(service).await;
    let made = create(&mut cx, account, new.checked()?).await?;
    cx.commit().await?;
    Ok(made)
}

async fn try_change(
    service: &Service,
    account: AccountId,
    id: ContactId,
    to: ContactChange,
) -> Result<Contact, Error> {
    let mut cx = begin(service).await;
    let changed = change(&mut cx, account, id, to.checked()?).await?;
    cx.commit().await?;
    Ok(changed)
}

async fn try_delete(service: &Service, account: AccountId, id: ContactId) -> Result<(), Error> {
    let mut cx = begin(service).await;
    delete(&mut cx, account, id).await?;
    Ok(cx.commit().await?)
}

async fn told(test: &TestService) -> Vec<(String, Option<String>, Value)> {
    let entries = test.told(None).await.into_iter().filter_map(|entry| {
        let account = entry.account?.id.to_string();
        Some((entry.event, Some(account), entry.data))
    });
    entries.collect()
}

fn fields(outcome: Result<Contact, Error>) -> Vec<(String, &'static str)> {
    match outcome {
        Err(Error::Invalid(invalid)) => {
            invalid.0.into_iter().map(|error| (error.field, error.code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_added_changed_and_deleted_and_each_is_told() {
    for test in testing::services().await {
        let service = &test.service;
        accounts(&test).await;
        let made = try_create(service, ENGINES, books()).await.unwrap();
        assert_eq!(
            (made.company_name.as_str(), made.email.as_str()),
            ("The Bookkeepers", "Books@example.com")
        );
        assert_eq!(made.emails, [EmailPreference::Invoice, EmailPreference::Domain]);
        test.clock.advance(Duration::from_millis(1));
        let joan = NewContact {
            first_name: "Joan".into(),
            email: "joan@example.com".into(),
            ..NewContact::default()
        };
        let joan = try_create(service, ENGINES, joan).await.unwrap();
        test.clock.advance(Duration::from_millis(1));
        let to = ContactChange {
            last_name: Some("Clarke".into()),
            phone: Some("+44 20 7946 0000".into()),
            emails: Some(vec![EmailPreference::Support]),
            ..ContactChange::default()
        };
        let changed = try_change(service, ENGINES, joan.id, to.clone()).await.unwrap();
        assert_eq!(
            try_change(service, ENGINES, joan.id, to).await.unwrap(),
            changed,
            "what changes nothing is no event"
        );
        let mut view = service.read().await.unwrap();
        assert_eq!(find(&mut view, ENGINES, joan.id).await.unwrap(), changed);
        let page = list(&mut view, ENGINES, &PageRequest::new(10, None, true).unwrap()).await.unwrap();
        assert_eq!((page.items, page.total), (vec![changed, made.clone()], Some(Total::Exactly(2))));
        drop(view);
        test.clock.advance(Duration::from_millis(1));
        try_delete(service, ENGINES, made.id).await.unwrap();
        assert!(matches!(try_delete(service, ENGINES, made.id).await, Err(Error::NotFound)));
        let expected = [
            ("account.contact_created", json!({ "contact_id": made.id, "email": "Books@example.com" })),
            ("account.contact_created", json!({ "contact_id": joan.id, "email": "joan@example.com" })),
            (
                "account.contact_edited",
                json!({ "contact_id": joan.id, "changed": [
                    { "field": "last_name", "before": "", "after": "Clarke", "personal": true },
                    { "field": "phone", "before": "", "after": "+44 20 7946 0000", "personal": true },
                    { "field": "emails", "before": [], "after": ["support"] },
                ] }),
            ),
            ("account.contact_deleted", json!({ "contact_id": made.id, "email": "Books@example.com" })),
        ]
        .map(|(name, mut data)| {
            data["account_id"] = json!(ENGINES);
            (name.to_owned(), Some(ENGINES.to_string()), data)
        });
        assert_eq!(told(&test).await, expected);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_one_accounts_and_have_a_name() {
    for test in testing::services().await {
        let service = &test.service;
        accounts(&test).await;
        let made = try_create(service, ENGINES, books()).await.unwrap();
        let mut view = service.read().await.unwrap();
        assert!(matches!(find(&mut view, LOOMS, made.id).await, Err(Error::NotFound)));
        let all = PageRequest::new(10, None, false).unwrap();
        assert_eq!(list(&mut view, LOOMS, &all).await.unwrap().items, []);
        assert!(matches!(list(&mut view, NOWHERE, &all).await, Err(Error::NoSuchAccount)));
        drop(view);
        let change = ContactChange { phone: Some("1".into()), ..ContactChange::default() };
        assert!(matches!(try_change(service, LOOMS, made.id, change.clone()).await, Err(Error::NotFound)));
        assert!(matches!(try_change(service, NOWHERE, made.id, change).await, Err(Error::NoSuchAccount)));
        assert!(matches!(try_delete(service, LOOMS, made.id).await, Err(Error::NotFound)));
        assert!(matches!(try_create(service, NOWHERE, books()).await, Err(Error::NoSuchAccount)));

        let nameless = ContactChange { company_name: Some(" ".into()), ..ContactChange::default() };
        let outcome = fields(try_change(service, ENGINES, made.id, nameless).await);
        assert_eq!(outcome, [("first_name".to_owned(), "required")]);
        let nobody =
            NewContact { company_name: String::new(), email: "x".into(), phone: "\n1\n2".into(), ..books() };
        let outcome = fields(try_create(service, ENGINES, nobody).await);
        let expected = [("email", "malformed"), ("phone", "malformed"), ("first_name", "required")];
        assert_eq!(outcome, expected.map(|(field, code)| (field.to_owned(), code)));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_no_more_are_added_than_an_account_can_have() {
    for test in testing::services().await {
        let service = &test.service;
        accounts(&test).await;
        let mut cx = begin(service).await;
        for _ in 0..MOST - 3 {
            create(&mut cx, ENGINES, books().checked().unwrap()).await.unwrap();
        }
        cx.commit().await.unwrap();
        let barrier = Arc::new(Barrier::new(8));
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (service, barrier) = (service.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    try_create(&service, ENGINES, books()).await
                })
            })
            .collect();
        let mut added = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(_) => added += 1,
                Err(Error::TooMany) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(added, 3);
        try_create(service, LOOMS, books()).await.unwrap();
        test.finish().await;
    }
}
