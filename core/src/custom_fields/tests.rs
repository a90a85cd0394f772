use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Barrier;

use super::*;
use crate::{
    cx::{Caller, Service},
    event::FieldChange,
    ids::AccountId,
    page::Total,
    testing::{self, TestService},
};

const NOWHERE: CustomFieldId = CustomFieldId::from_u128(0xdead);
const ACCOUNT: AccountId = AccountId::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0011);

async fn begin(service: &Service) -> Cx {
    service.begin(Caller::system()).await.unwrap()
}

fn new(slug: &str, kind: Kind) -> NewCustomField {
    let options = if kind == Kind::Select { vec!["Red".into(), "Blue".into()] } else { Vec::new() };
    NewCustomField {
        slug: slug.into(),
        name: slug.to_uppercase(),
        description: String::new(),
        kind,
        options,
        required: false,
        staff_only: false,
    }
}

async fn try_create(service: &Service, new: NewCustomField) -> Result<CustomField, Error> {
    let mut cx = begin(service).await;
    let made = create(&mut cx, new.checked()?).await?;
    cx.commit().await?;
    Ok(made)
}

async fn try_change(
    service: &Service,
    id: CustomFieldId,
    to: CustomFieldChange,
) -> Result<CustomField, Error> {
    let mut cx = begin(service).await;
    let changed = change(&mut cx, id, to.checked()?).await?;
    cx.commit().await?;
    Ok(changed)
}

async fn try_delete(service: &Service, id: CustomFieldId) -> Result<(), Error> {
    let mut cx = begin(service).await;
    delete(&mut cx, id).await?;
    Ok(cx.commit().await?)
}

async fn try_reorder(service: &Service, ids: &[CustomFieldId]) -> Result<(), Error> {
    let mut cx = begin(service).await;
    reorder(&mut cx, ids).await?;
    Ok(cx.commit().await?)
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn try_set(
    service: &Service,
    given: Value,
    by: Editor,
    is_new: bool,
) -> Result<Vec<FieldChange>, SetError> {
    let mut cx = begin(service).await;
    let changed = set(&mut cx, ACCOUNT, &map(given), by, is_new).await?;
    cx.commit().await?;
    Ok(changed)
}

async fn values(service: &Service, with_staff_only: bool) -> Value {
    let mut view = service.read().await.unwrap();
    let all = of_accounts(&mut view, &[ACCOUNT, AccountId::from_u128(1)], with_staff_only).await.unwrap();
    assert!(all.keys().all(|id| *id == ACCOUNT));
    Value::Object(all.get(&ACCOUNT).cloned().unwrap_or_default())
}

fn wrong(outcome: Result<Vec<FieldChange>, SetError>) -> Vec<(String, &'static str)> {
    match outcome {
        Err(SetError::Invalid(invalid)) => {
            invalid.0.into_iter().map(|error| (error.field, error.code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// The slugs in their order: the list, its total and its pages agree, and places have no gap.
async fn order(service: &Service) -> Vec<String> {
    let mut view = service.read().await.unwrap();
    let all = list(&mut view, &PageRequest::new(200, None, true).unwrap()).await.unwrap();
    assert_eq!(all.total, Some(Total::Exactly(all.items.len() as i64)));
    let places: Vec<_> = all.items.iter().map(|one| one.position).collect();
    assert_eq!(places, (0..all.items.len() as i64).collect::<Vec<_>>());
    all.items.into_iter().map(|one| one.slug).collect()
}

async fn an_account(test: &TestService) {
    let owner = test.user("owner").await.id.of_user();
    let mut cx = begin(&test.service).await;
    crate::on!(cx.db(), conn => {
        sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(owner).execute(conn).await.map(|_| ())
    })
    .unwrap();
    crate::on!(cx.db(), conn => {
        sqlx::query(
            "INSERT INTO accounts (id, owner_id, kind, name, first_name, last_name, email, phone, line1, line2, city, region,
                postcode, country, tax_id, currency, notes, status, search, created_at)
             VALUES ($2, $1, 'person', 'A', '', '', '', '', '', '', '', '', '', '', '', 'EUR', '', 'active', '', 0)",
        )
        .bind(owner).bind(ACCOUNT).execute(conn).await.map(|_| ())
    })
    .unwrap();
    cx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_made_changed_ordered_and_deleted() {
    for test in testing::services().await {
        let service = &test.service;
        let source = try_create(service, new("source", Kind::Select)).await.unwrap();
        let vip =
            try_create(service, NewCustomField { staff_only: true, ..new("vip", Kind::Tick) }).await.unwrap();
        let born = try_create(service, new("born", Kind::Date)).await.unwrap();
        assert!(matches!(try_create(service, new("vip", Kind::Text)).await, Err(Error::SlugTaken)));
        assert_eq!(order(service).await, ["source", "vip", "born"]);
        try_reorder(service, &[born.id, source.id, vip.id]).await.unwrap();
        assert_eq!(order(service).await, ["born", "source", "vip"]);
        for (ids, field, code) in [
            (vec![born.id, born.id, vip.id], "ids.1", "duplicate"),
            (vec![born.id, source.id, NOWHERE], "ids.2", "unknown"),
            (vec![born.id, source.id], "ids", "required"),
        ] {
            let Err(Error::Invalid(invalid)) = try_reorder(service, &ids).await else { panic!("{field}") };
            assert_eq!((invalid.0[0].field.as_str(), invalid.0[0].code), (field, code));
        }
        let of_users: Vec<_> = for_users(&mut service.read().await.unwrap())
            .await
            .unwrap()
            .into_iter()
            .map(|one| one.slug)
            .collect();
        assert_eq!(of_users, ["born", "source"]);

        let change = CustomFieldChange {
            options: Some(vec!["Blue".into(), " Green  one ".into()]),
            required: Some(true),
            ..CustomFieldChange::default()
        };
        let after = try_change(service, source.id, change).await.unwrap();
        assert_eq!(
            (after.options.as_slice(), after.required),
            (&["Blue".to_owned(), "Green one".into()][..], true)
        );
        let options = |options: Vec<String>| CustomFieldChange {
            options: Some(options),
            ..CustomFieldChange::default()
        };
        for (id, given, field, code) in [
            (source.id, vec![], "options", "required"),
            (source.id, vec!["a".into(), "A".into()], "options.1", "duplicate"),
            (source.id, vec!["a".into(), "\n".into()], "options.1", "malformed"),
            (source.id, vec!["a".into(); 101], "options", "too_long"),
            (born.id, vec!["a".into()], "options", "unknown"),
        ] {
            let Err(Error::Invalid(invalid)) = try_change(service, id, options(given)).await else {
                panic!("{field}")
            };
            assert_eq!((invalid.0[0].field.as_str(), invalid.0[0].code), (field, code));
        }
        try_delete(service, born.id).await.unwrap();
        assert!(matches!(try_delete(service, born.id).await, Err(Error::NotFound)));
        assert_eq!(order(service).await, ["source", "vip"]);
        for n in 2..MOST {
            try_create(service, new(&format!("f{n}"), Kind::Text)).await.unwrap();
        }
        assert!(matches!(try_create(service, new("more", Kind::Text)).await, Err(Error::TooMany)));
        test.finish().await;
    }
}

#[test]
fn slugs_are_words_for_programs() {
    for good in ["a", "referred_by", "a1_", &"x".repeat(40)] {
        assert!(new(good, Kind::Text).checked().is_ok(), "{good}");
    }
    for bad in ["", "1a", "_a", "A", "aB", "a-b", "a b", "ä", &"x".repeat(41)] {
        assert!(new(bad, Kind::Text).checked().is_err(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_of_their_kind() {
    for test in testing::services().await {
        let service = &test.service;
        an_account(&test).await;
        for (slug, kind) in [
            ("text", Kind::Text),
            ("number", Kind::Number),
            ("select", Kind::Select),
            ("tick", Kind::Tick),
            ("date", Kind::Date),
        ] {
            try_create(service, new(slug, kind)).await.unwrap();
        }
        let all =
            json!({ "text": " Word ", "number": -1.5, "select": "Red", "tick": true, "date": "2028-02-29" });
        let changed = try_set(service, all, Editor::User, false).await.unwrap();
        let kept =
            json!({ "text": "Word", "number": -1.5, "select": "Red", "tick": true, "date": "2028-02-29" });
        assert_eq!(values(service, false).await, kept);
        assert_eq!(changed.len(), 5);
        let text = FieldChange::personal("custom_fields.text", Value::Null, "Word");
        assert_eq!(changed[0], text);
        // The same again changes nothing.
        assert_eq!(try_set(service, kept.clone(), Editor::User, false).await.unwrap(), []);

        let long = "x".repeat(1001);
        for (slug, bad) in [
            ("text", json!("a\nb")),
            ("text", json!("a\u{0}")),
            ("text", json!(1)),
            ("text", json!(["a"])),
            ("number", json!("1")),
            ("number", json!(true)),
            ("select", json!("red")),
            ("select", json!("Green")),
            ("select", json!({ "a": 1 })),
            ("tick", json!("true")),
            ("tick", json!(1)),
            ("date", json!("2026-02-29")),
            ("date", json!("20260228")),
            ("date", json!("2026-2-28")),
            ("date", json!("2026-02-28T00:00:00Z")),
            ("date", json!("+02026-1-1")),
            ("date", json!("２０２６-0")),
            ("date", json!(20260228)),
        ] {
            let outcome = wrong(try_set(service, json!({ slug: bad }), Editor::Staff, false).await);
            assert_eq!(outcome, [(format!("custom_fields.{slug}"), "malformed")], "{bad}");
        }
        let outcome = wrong(try_set(service, json!({ "text": long, "none": 1 }), Editor::Staff, false).await);
        assert_eq!(
            outcome,
            [("custom_fields.none".into(), "unknown"), ("custom_fields.text".into(), "too_long")]
        );
        assert_eq!(values(service, false).await, kept, "nothing of a refusal is kept");

        // Emptied: by null, and by what says nothing.
        let empty = json!({ "text": " ", "number": null, "tick": false, "date": null });
        let changed = try_set(service, empty, Editor::User, false).await.unwrap();
        assert_eq!(changed.len(), 4);
        assert!(changed.iter().all(|change| change.after.is_null() && !change.before.is_null()));
        assert_eq!(values(service, false).await, json!({ "select": "Red" }));
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_fill_in_what_is_required_and_know_nothing_of_what_is_for_staff() {
    for test in testing::services().await {
        let service = &test.service;
        an_account(&test).await;
        let required = |slug: &str| NewCustomField { required: true, ..new(slug, Kind::Text) };
        try_create(service, required("vat")).await.unwrap();
        let secret = NewCustomField { staff_only: true, ..required("risk") };
        try_create(service, secret).await.unwrap();
        let missing = [("custom_fields.vat".to_owned(), "required")];
        for given in [json!({}), json!({ "vat": null }), json!({ "vat": "" })] {
            assert_eq!(wrong(try_set(service, given, Editor::User, true).await), missing);
        }
        // On accounts that are there what is not given stays, and null empties.
        assert_eq!(try_set(service, json!({}), Editor::User, false).await.unwrap(), []);
        assert_eq!(wrong(try_set(service, json!({ "vat": null }), Editor::User, false).await), missing);
        let unknown =
            wrong(try_set(service, json!({ "vat": "1", "risk": "high" }), Editor::User, true).await);
        assert_eq!(unknown, [("custom_fields.risk".to_owned(), "unknown")]);
        // Staff may leave it out, and not empty it.
        assert_eq!(try_set(service, json!({}), Editor::Staff, true).await.unwrap(), []);
        assert_eq!(try_set(service, json!({ "vat": null }), Editor::Staff, true).await.unwrap(), []);
        try_set(service, json!({ "vat": "1", "risk": "high" }), Editor::Staff, false).await.unwrap();
        assert_eq!(wrong(try_set(service, json!({ "vat": "" }), Editor::Staff, false).await), missing);
        assert_eq!(values(service, false).await, json!({ "vat": "1" }));
        assert_eq!(values(service, true).await, json!({ "vat": "1", "risk": "high" }));
        let many = Value::Object((0..101).map(|n| (format!("f{n}"), Value::Null)).collect());
        let outcome = wrong(try_set(service, many, Editor::User, false).await);
        assert_eq!(outcome, [("custom_fields".to_owned(), "too_long")]);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_longer_fits_stays_until_it_is_changed() {
    for test in testing::services().await {
        let service = &test.service;
        an_account(&test).await;
        let colour = try_create(service, new("colour", Kind::Select)).await.unwrap();
        try_set(service, json!({ "colour": "Red" }), Editor::User, false).await.unwrap();
        let blue = CustomFieldChange { options: Some(vec!["Blue".into()]), ..CustomFieldChange::default() };
        try_change(service, colour.id, blue).await.unwrap();
        assert_eq!(values(service, false).await, json!({ "colour": "Red" }));
        // Sent back as it was shown.
        assert_eq!(try_set(service, json!({ "colour": "Red" }), Editor::User, false).await.unwrap(), []);
        try_set(service, json!({ "colour": "Blue" }), Editor::User, false).await.unwrap();
        let outcome = wrong(try_set(service, json!({ "colour": "Red" }), Editor::User, false).await);
        assert_eq!(outcome, [("custom_fields.colour".to_owned(), "malformed")]);
        try_delete(service, colour.id).await.unwrap();
        assert_eq!(values(service, true).await, json!({}));
        test.finish().await;
    }
}

/// Whoever comes second finds it set, or finds no such field; no value is left behind and nothing fails otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_deleted_while_it_is_set() {
    for test in testing::services().await {
        let service = &test.service;
        an_account(&test).await;
        for _ in 0..8 {
            let field = try_create(service, new("colour", Kind::Select)).await.unwrap();
            let barrier = Arc::new(Barrier::new(2));
            let (other, wait) = (service.clone(), Arc::clone(&barrier));
            let setting = tokio::spawn(async move {
                wait.wait().await;
                try_set(&other, json!({ "colour": "Red" }), Editor::User, false).await
            });
            barrier.wait().await;
            try_delete(service, field.id).await.unwrap();
            match setting.await.unwrap() {
                Ok(changed) => assert_eq!(changed.len(), 1),
                unknown => assert_eq!(wrong(unknown), [("custom_fields.colour".to_owned(), "unknown")]),
            }
            assert_eq!(values(service, true).await, json!({}));
        }
        test.finish().await;
    }
}
