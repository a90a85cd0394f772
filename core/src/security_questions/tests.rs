use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::*;
use crate::{
    cx::{Caller, Service},
    page::Total,
    testing::{self, TestService},
};

const NOWHERE: SecurityQuestionId = SecurityQuestionId::from_u128(0xdead);

async fn begin(service: &Service) -> Cx {
    service.begin(Caller::system()).await.unwrap()
}

async fn try_create(service: &Service, question: &str) -> Result<SecurityQuestion, Error> {
    let mut cx = begin(service).await;
    let made = create(&mut cx, Wording::checked(question).unwrap()).await?;
    cx.commit().await?;
    Ok(made)
}

async fn try_reword(service: &Service, id: SecurityQuestionId, to: &str) -> Result<SecurityQuestion, Error> {
    let mut cx = begin(service).await;
    let after = reword(&mut cx, id, Wording::checked(to).unwrap()).await?;
    cx.commit().await?;
    Ok(after)
}

async fn try_delete(service: &Service, id: SecurityQuestionId) -> Result<(), Error> {
    let mut cx = begin(service).await;
    delete(&mut cx, id).await?;
    Ok(cx.commit().await?)
}

async fn try_choose(service: &Service, user: UserId, id: SecurityQuestionId) -> Result<(), Error> {
    let mut cx = begin(service).await;
    choose(&mut cx, user, id, AnswerHash::for_tests()).await?;
    Ok(cx.commit().await?)
}

async fn try_clear(service: &Service, user: UserId) -> Result<bool, Error> {
    let mut cx = begin(service).await;
    let cleared = clear(&mut cx, user, ChangedBy::Colleague).await?;
    cx.commit().await?;
    Ok(cleared)
}

async fn a_user(test: &TestService, name: &str) -> UserId {
    let user = test.user(name).await.id.of_user();
    let mut cx = begin(&test.service).await;
    crate::on!(cx.db(), conn => {
        sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING").bind(user).execute(conn).await.map(|_| ())
    })
    .unwrap();
    logins::set_email_verified(&mut cx, user.into(), true).await.unwrap();
    cx.commit().await.unwrap();
    user
}

async fn told(service: &Service, name: &str) -> Vec<Value> {
    let mut view = service.read().await.unwrap();
    let rows: Vec<(String,)> = crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT data FROM events WHERE name = $1 ORDER BY at, id").bind(name).fetch_all(conn).await
    })
    .unwrap();
    rows.iter().map(|(data,)| serde_json::from_str(data).unwrap()).collect()
}

async fn mails(service: &Service) -> Vec<(String, String)> {
    let mut view = service.read().await.unwrap();
    crate::on!(view.db(), conn => {
        sqlx::query_as("SELECT mail, recipient_address FROM deliveries ORDER BY id").fetch_all(conn).await
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_somebody_has_chosen_stays() {
    for test in testing::services().await {
        let service = &test.service;
        let (ada, grace) = (a_user(&test, "ada").await, a_user(&test, "grace").await);
        let school = try_create(service, " Your first school? ").await.unwrap();
        assert_eq!(school.question, "Your first school?");
        assert!(matches!(try_create(service, "your FIRST school?").await, Err(Error::Taken)));
        test.clock.advance(Duration::from_millis(1));
        let street = try_create(service, "Your first street?").await.unwrap();
        assert!(matches!(try_reword(service, street.id, "Your first School?").await, Err(Error::Taken)));
        let reworded = try_reword(service, school.id, "The name of your first school?").await.unwrap();
        try_reword(service, school.id, "The name of your first school?").await.unwrap();
        assert_eq!(
            told(service, "system.security_question_edited").await,
            [json!({
                "security_question_id": school.id, "before": "Your first school?",
                "after": "The name of your first school?",
            })]
        );

        try_choose(service, ada, school.id).await.unwrap();
        try_choose(service, grace, school.id).await.unwrap();
        let mut view = service.read().await.unwrap();
        let page = list(&mut view, &PageRequest::new(10, None, true).unwrap()).await.unwrap();
        assert_eq!(page.total, Some(Total::Exactly(2)));
        assert_eq!(page.items, [street.clone(), SecurityQuestion { user_count: 2, ..reworded }]);
        drop(view);
        assert!(matches!(try_delete(service, school.id).await, Err(Error::InUse { users: 2 })));
        // Worded anew it is asked like that.
        try_reword(service, school.id, "Which school?").await.unwrap();
        let asked = chosen(&mut service.read().await.unwrap(), ada.into()).await.unwrap().unwrap();
        assert_eq!((asked.question_id, asked.question.as_str()), (school.id, "Which school?"));

        try_choose(service, ada, street.id).await.unwrap();
        assert!(try_clear(service, grace).await.unwrap());
        assert!(!try_clear(service, grace).await.unwrap(), "there is none any more");
        assert!(chosen(&mut service.read().await.unwrap(), grace.into()).await.unwrap().is_none());
        try_delete(service, school.id).await.unwrap();
        assert!(matches!(try_delete(service, school.id).await, Err(Error::NotFound)));
        assert!(matches!(try_choose(service, ada, NOWHERE).await, Err(Error::NotFound)));
        let cleared = json!({ "user_id": grace, "by": "colleague" });
        assert_eq!(told(service, "user.security_question_cleared").await, [cleared]);
        assert_eq!(told(service, "user.security_question_set").await.len(), 3);
        let told_to = |name: &str| ("security_question_changed".to_owned(), format!("{name}@example.com"));
        assert_eq!(
            mails(service).await,
            [told_to("ada"), told_to("grace"), told_to("ada"), told_to("grace")]
        );
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_have_security_questions() {
    for test in testing::services().await {
        let service = &test.service;
        let question = try_create(service, "Your first school?").await.unwrap();
        let staff = LoginId::from(test.member("ada").await).of_user();
        for nobody in [staff, UserId::from_u128(0xdead)] {
            assert!(matches!(try_choose(service, nobody, question.id).await, Err(Error::NoSuchUser)));
            assert!(matches!(try_clear(service, nobody).await, Err(Error::NoSuchUser)));
        }
        let squatter = test.user("squatter").await.id.of_user();
        assert!(matches!(try_choose(service, squatter, question.id).await, Err(Error::EmailUnverified)));
        assert_eq!(mails(service).await, []);
        test.finish().await;
    }
}

/// Whoever comes second finds it chosen, or finds no such question.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_chosen_while_it_is_deleted() {
    for test in testing::services().await {
        let service = &test.service;
        let ada = a_user(&test, "ada").await;
        for n in 0..8 {
            let question = try_create(service, &format!("Question {n}?")).await.unwrap();
            let barrier = Arc::new(Barrier::new(2));
            let (other, wait) = (service.clone(), Arc::clone(&barrier));
            let choosing = tokio::spawn(async move {
                wait.wait().await;
                try_choose(&other, ada, question.id).await
            });
            barrier.wait().await;
            let deleted = try_delete(service, question.id).await;
            match (choosing.await.unwrap(), deleted) {
                (Ok(()), Err(Error::InUse { users: 1 })) => assert!(try_clear(service, ada).await.unwrap()),
                (Err(Error::NotFound), Ok(())) => {}
                other => panic!("{other:?}"),
            }
        }
        test.finish().await;
    }
}

#[test]
fn a_question_is_one_line() {
    for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
        let wrong = Wording::checked(bad).unwrap_err();
        assert_eq!(wrong.0.len(), 1);
        assert_eq!(wrong.0[0].field, "question");
    }
}
