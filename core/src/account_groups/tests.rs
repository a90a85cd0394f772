use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    cx::{Caller, Service},
    page::Total,
    testing::{self, TestService},
};

const NOWHERE: AccountGroupId = AccountGroupId::from_u128(0xdead);

async fn begin(service: &Service) -> Cx {
    service.begin(Caller::system()).await.unwrap()
}

async fn try_create(service: &Service, name: &str, colour: Option<&str>) -> Result<AccountGroup, Error> {
    let mut cx = begin(service).await;
    let new = NewAccountGroup { name: name.into(), colour: colour.map(str::to_owned) };
    let made = create(&mut cx, new.checked()?).await?;
    cx.commit().await?;
    Ok(made)
}

async fn try_change(
    service: &Service,
    id: AccountGroupId,
    to: AccountGroupChange,
) -> Result<AccountGroup, Error> {
    let mut cx = begin(service).await;
    let changed = change(&mut cx, id, to.checked()?).await?;
    cx.commit().await?;
    Ok(changed)
}

async fn try_delete(service: &Service, id: AccountGroupId) -> Result<(), Error> {
    let mut cx = begin(service).await;
    delete(&mut cx, id).await?;
    Ok(cx.commit().await?)
}

fn renamed(name: &str) -> AccountGroupChange {
    AccountGroupChange { name: Some(name.into()), ..AccountGroupChange::default() }
}

async fn told(service: &Service, name: &str) -> Vec<Value> {
    let mut view = service.read().await.unwrap();
    let rows: Vec<(String,)> = crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT data FROM events WHERE name = $1 ORDER BY at, id").bind(name).fetch_all(conn).await
    })
    .unwrap();
    rows.iter().map(|(data,)| serde_json::from_str(data).unwrap()).collect()
}

/// Puts an account into that group.
async fn account_in(test: &TestService, group: AccountGroupId) {
    let owner = test.user("owner").await.id.of_user();
    let mut cx = begin(&test.service).await;
    crate::on!(cx.db(), conn => {
        sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(owner).execute(conn).await.map(|_| ())
    })
    .unwrap();
    crate::on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO accounts (id, owner_id, kind, name, first_name, last_name, email, phone, line1, line2, city, region,
                postcode, country, tax_id, currency, group_id, notes, status, search, created_at)
             VALUES ('018f0000-0000-7000-8000-000000000011', $1, 'person', 'A', '', '', '', '', '', '', '', '', '', '', '', 'EUR',
                $2, '', 'active', '', 0)",
        )
        .bind(owner).bind(group).execute(conn).await.map(|_| ())
    })
    .unwrap();
    cx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_made_changed_and_deleted_and_each_is_told() {
    for test in testing::services().await {
        let service = &test.service;
        let resellers = try_create(service, " Resellers ", Some("#2457D6")).await.unwrap();
        assert_eq!((resellers.name.as_str(), resellers.colour.as_deref()), ("Resellers", Some("#2457d6")));
        for taken in ["resellers", "RESELLERS"] {
            assert!(matches!(try_create(service, taken, None).await, Err(Error::NameTaken)));
        }
        test.clock.advance(Duration::from_millis(1));
        let friends = try_create(service, "Friends", None).await.unwrap();
        let taken = try_change(service, friends.id, renamed("reSellers")).await;
        assert!(matches!(taken, Err(Error::NameTaken)), "{taken:?}");

        // One's own name in other letters is nobody else's.
        let change = AccountGroupChange { name: Some("RESELLERS".into()), colour: Some(None) };
        let after = try_change(service, resellers.id, change.clone()).await.unwrap();
        assert_eq!(after, AccountGroup { name: "RESELLERS".into(), colour: None, ..resellers.clone() });
        try_change(service, resellers.id, change).await.unwrap();
        assert_eq!(
            told(service, "system.account_group_edited").await,
            [json!({
                "account_group_id": resellers.id, "name": "RESELLERS", "changed": [
                    { "field": "name", "before": "Resellers", "after": "RESELLERS" },
                    { "field": "colour", "before": "#2457d6", "after": null },
                ],
            })]
        );
        account_in(&test, resellers.id).await;
        let mut view = service.read().await.unwrap();
        let page = list(&mut view, &PageRequest::new(1, None, true).unwrap()).await.unwrap();
        assert_eq!((&page.items[..], page.total), (&[friends.clone()][..], Some(Total::Exactly(2))));
        let next = PageRequest::new(1, page.next_cursor.as_deref(), false).unwrap();
        assert_eq!(list(&mut view, &next).await.unwrap().items, [AccountGroup { account_count: 1, ..after }]);
        drop(view);

        try_delete(service, resellers.id).await.unwrap();
        assert!(matches!(try_delete(service, resellers.id).await, Err(Error::NotFound)));
        assert!(matches!(try_change(service, NOWHERE, renamed("x")).await, Err(Error::NotFound)));
        let mut view = service.read().await.unwrap();
        let left: Vec<(Option<AccountGroupId>,)> = crate::on!(view.db(), conn => {
            sqlx::query_as("SELECT group_id FROM accounts").fetch_all(conn).await
        })
        .unwrap();
        assert_eq!(left, [(None,)], "the account stays, in no group");
        drop(view);
        let deleted = json!({ "account_group_id": resellers.id, "name": "RESELLERS" });
        assert_eq!(told(service, "system.account_group_deleted").await, [deleted]);
        // The name is free again.
        try_create(service, "Resellers", None).await.unwrap();
        test.finish().await;
    }
}

#[test]
fn a_group_has_a_name_and_a_colour_of_six_digits() {
    for bad in ["", "#", "2457d6", "#2457d", "#2457d60", "#2457dg", "#äää", "red"] {
        let new = NewAccountGroup { name: "\n".into(), colour: Some(bad.into()) };
        let fields: Vec<_> = new.checked().unwrap_err().0.into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "colour"], "{bad}");
    }
}
