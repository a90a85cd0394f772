use super::*;
use crate::{
    cx::{Caller, Service},
    event::{InvitationResent, SessionConfirmed},
    ids::{InvitationId, LoginId, PasswordResetId, SessionId},
    logins::Audience,
    testing::{self, TestService},
};

const MILLI: Duration = Duration::from_millis(1);

fn recipient() -> Recipient {
    Recipient { name: String::new(), address: "g@example.com".into(), language: "en".into() }
}

fn mail(test: &TestService, subject: u128) -> Mail {
    let expires_at = test.service.clock.now().plus(Duration::from_secs(3600));
    Mail {
        content: MailContent::StaffInvitation {
            invitation_id: InvitationId::from_u128(subject),
            inviter: None,
            role: "Sales".into(),
            expires_at,
        },
        recipient: recipient(),
        token: Some(Token::new(&*test.service.chance)),
        useful_until: expires_at,
    }
}

async fn enqueue(test: &TestService, subject: u128) -> Token {
    let mut cx = test.service.begin(Caller::system()).await.unwrap();
    let mail = mail(test, subject);
    let token = mail.token.clone().unwrap();
    let event = InvitationResent {
        invitation_id: InvitationId::from_u128(subject),
        kind: "staff",
        email: None,
        account_id: None,
    };
    cx.emit_and_mail(event, mail).await.unwrap();
    cx.commit().await.unwrap();
    token
}

/// Somebody's own change, from an address.
async fn enqueue_notice(test: &TestService, notice: Notice) {
    let address = Some("::ffff:203.0.113.9".parse().unwrap());
    let caller = Caller { address, ..Caller::system() };
    let mut cx = test.service.begin(caller).await.unwrap();
    let mail = Mail::notice(&cx, recipient(), notice);
    // Any event: which one is not the outbox's business.
    let event = SessionConfirmed {
        session_id: SessionId::from_u128(3),
        audience: Audience::Staff,
        login_id: LoginId::from_u128(2),
    };
    cx.emit_and_mail(event, mail).await.unwrap();
    cx.commit().await.unwrap();
}

async fn enqueue_reset(test: &TestService, reset_id: PasswordResetId) -> Token {
    let mut cx = test.service.begin(Caller::system()).await.unwrap();
    let token = Token::new(&*test.service.chance);
    let expires_at = cx.now().plus(Duration::from_secs(3600));
    let mail = Mail::password_reset(recipient(), reset_id, token.clone(), None, expires_at);
    let event = SessionConfirmed {
        session_id: SessionId::from_u128(3),
        audience: Audience::Staff,
        login_id: LoginId::from_u128(2),
    };
    cx.emit_and_mail(event, mail).await.unwrap();
    cx.commit().await.unwrap();
    token
}

async fn claimed(service: &Service, worker: &str) -> Vec<Claim> {
    claimed_up_to(service, worker, 256).await
}

async fn claimed_up_to(service: &Service, worker: &str, most: usize) -> Vec<Claim> {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let claims = claim(&mut cx, worker, most).await.unwrap();
    cx.commit().await.unwrap();
    claims
}

async fn recorded(service: &Service, claim: &Claim, result: Result<Delivered, Failed>) -> bool {
    let outcome = Outcome {
        id: claim.id,
        fence: claim.fence,
        attempt: claim.attempt,
        began_at: service.clock.now(),
        took: MILLI,
        result,
    };
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let kept = record(&mut cx, &[outcome]).await.unwrap();
    cx.commit().await.unwrap();
    kept[0]
}

async fn due(service: &Service) -> Option<Timestamp> {
    next_due(&mut service.read().await.unwrap()).await.unwrap()
}

fn delivered() -> Result<Delivered, Failed> {
    Ok(Delivered { provider_id: Some("queued as 1".into()) })
}

fn failed(again: Again) -> Result<Delivered, Failed> {
    Err(Failed { message: "no answer".into(), again })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_holds_for_its_lease_and_its_outcome_counts_only_while_it_does() {
    for test in testing::services().await {
        let service = &test.service;
        let token = enqueue(&test, 1).await;
        let first = claimed(service, "one").await;
        assert_eq!((first.len(), first[0].attempt), (1, 1));
        assert_eq!(first[0].token.as_ref(), Some(&token));
        assert!(claimed(service, "two").await.is_empty());
        test.clock.advance(LEASE);
        let second = claimed(service, "two").await;
        assert_eq!((second.len(), second[0].attempt, second[0].id), (1, 2, first[0].id));
        assert!(!recorded(service, &first[0], delivered()).await, "the lease was lost");
        assert!(recorded(service, &second[0], delivered()).await);
        assert_eq!(due(service).await, None);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_lease_holds_on_and_a_released_one_is_free_at_once() {
    for test in testing::services().await {
        let service = &test.service;
        enqueue(&test, 1).await;
        let held = claimed(service, "one").await;
        test.clock.advance(LEASE - MILLI);
        let mut cx = service.begin(Caller::system()).await.unwrap();
        renew(&mut cx, "one").await.unwrap();
        cx.commit().await.unwrap();
        test.clock.advance(LEASE - MILLI);
        assert!(claimed(service, "two").await.is_empty());
        let mut cx = service.begin(Caller::system()).await.unwrap();
        release_all(&mut cx).await.unwrap();
        cx.commit().await.unwrap();
        assert_eq!(claimed(service, "two").await.len(), 1);
        assert!(!recorded(service, &held[0], delivered()).await);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_wait_on_the_schedule_or_as_long_as_they_were_told() {
    for test in testing::services().await {
        let service = &test.service;
        enqueue(&test, 1).await;
        let claim = claimed(service, "one").await.remove(0);
        assert!(recorded(service, &claim, failed(Again::Scheduled)).await);
        let wait = due(service).await.unwrap().since(service.clock.now());
        assert!(wait >= SCHEDULE[0] && wait <= SCHEDULE[0] + SCHEDULE[0] / 10, "{wait:?}");
        test.clock.advance(wait);
        let claim = claimed(service, "one").await.remove(0);
        assert!(recorded(service, &claim, failed(Again::After(Duration::from_secs(90)))).await);
        assert_eq!(due(service).await.unwrap().since(service.clock.now()), Duration::from_secs(90));
        test.clock.advance(Duration::from_secs(90));
        let claim = claimed(service, "one").await.remove(0);
        let link_dies =
            service.clock.now().plus(Duration::from_secs(3600)).minus(wait + Duration::from_secs(90));
        assert!(recorded(service, &claim, failed(Again::After(Duration::from_secs(u32::MAX.into())))).await);
        assert_eq!(due(service).await, Some(link_dies));
        enqueue(&test, 2).await;
        let claim = claimed(service, "one").await.remove(0);
        assert!(recorded(service, &claim, failed(Again::Never)).await);
        test.clock.advance(Duration::from_secs(3600));
        assert!(claimed(service, "one").await.is_empty());
        assert_eq!(due(service).await, None);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_obsolete_or_too_late_is_never_claimed() {
    for test in testing::services().await {
        let service = &test.service;
        enqueue(&test, 1).await;
        let held = claimed(service, "one").await;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        assert!(stands(&mut cx, held[0].id, held[0].fence).await.unwrap());
        make_obsolete(&mut cx, &InvitationId::from_u128(1).to_string(), "the link was used").await.unwrap();
        assert!(!stands(&mut cx, held[0].id, held[0].fence).await.unwrap());
        cx.commit().await.unwrap();
        assert!(!recorded(service, &held[0], failed(Again::Scheduled)).await);
        enqueue(&test, 2).await;
        test.clock.advance(Duration::from_secs(3600));
        assert!(claimed(service, "one").await.is_empty());
        assert_eq!(due(service).await, None);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_delivered_without_a_token_and_says_when_and_from_where() {
    for test in testing::services().await {
        let service = &test.service;
        let notice = Notice::SecondFactorRemoved {
            factor: Factor::SecurityKey { name: "Blue".into() },
            by: RemovedBy::Owner,
        };
        enqueue_notice(&test, notice.clone()).await;
        let claim = claimed(service, "one").await.remove(0);
        assert_eq!(claim.token, None);
        assert_eq!(
            claim.content,
            MailContent::Notice { notice, at: service.clock.now(), address: Some("203.0.113.9".into()) }
        );
        assert!(recorded(service, &claim, delivered()).await);
        assert_eq!(due(service).await, None);
        // What a colleague did does not say from where.
        enqueue_notice(&test, Notice::PasswordChanged { how: PasswordChange::Colleague }).await;
        let claim = claimed(service, "one").await.remove(0);
        assert!(matches!(claim.content, MailContent::Notice { address: None, .. }), "{:?}", claim.content);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_news_for_seven_days() {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    for test in testing::services().await {
        let service = &test.service;
        enqueue_notice(&test, Notice::RecoveryCodesRenewed).await;
        test.clock.advance(WEEK - MILLI);
        assert_eq!(claimed(service, "one").await.len(), 1);
        test.clock.advance(LEASE);
        assert!(claimed(service, "one").await.is_empty());
        assert_eq!(due(service).await, None);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_was_used_or_replaced_ends_its_own_mail_and_no_other() {
    for test in testing::services().await {
        let service = &test.service;
        let (old, new) = (PasswordResetId::from_u128(1), PasswordResetId::from_u128(2));
        enqueue_reset(&test, old).await;
        let token = enqueue_reset(&test, new).await;
        enqueue_notice(&test, Notice::RecoveryCodeUsed { left: 3 }).await;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        make_obsolete(&mut cx, &old.to_string(), "a newer link took its place").await.unwrap();
        // No subject, and nothing that could be taken for the lack of one, stands for a notice.
        make_obsolete(&mut cx, "", "the link was used").await.unwrap();
        cx.commit().await.unwrap();
        let mut claims = claimed(service, "one").await;
        claims.sort_by_key(|claim| claim.content.name());
        let names: Vec<_> = claims.iter().map(|claim| claim.content.name()).collect();
        assert_eq!(names, ["password_reset", "recovery_code_used"]);
        assert_eq!((&claims[0].token, &claims[1].token), (&Some(token), &None));
        test.finish().await;
    }
}

#[test]
fn a_mail_is_kept_under_its_stable_name() {
    let factor = || Factor::SecurityKey { name: "Blue".into() };
    let notices = [
        Notice::PasswordChanged { how: PasswordChange::Owner },
        Notice::SecondFactorAdded { factor: Factor::Totp },
        Notice::SecondFactorRemoved { factor: factor(), by: RemovedBy::CommandLine },
        Notice::RecoveryCodeUsed { left: 9 },
        Notice::RecoveryCodesRenewed,
        Notice::LoginFromNewAddress { client: None },
    ];
    for notice in notices {
        let content = MailContent::Notice { notice, at: Timestamp::from_millis(1), address: None };
        let kept = serde_json::to_value(&content).unwrap();
        assert_eq!((&kept["mail"], &kept["notice"]), (&"notice".into(), &content.name().into()));
        assert_eq!(serde_json::from_value::<MailContent>(kept).unwrap(), content);
    }
    let reset = MailContent::PasswordReset {
        reset_id: PasswordResetId::from_u128(1),
        address: Some("203.0.113.9".into()),
        expires_at: Timestamp::from_millis(1),
    };
    let kept = serde_json::to_value(&reset).unwrap();
    assert_eq!(kept["mail"], reset.name());
    assert_eq!(serde_json::from_value::<MailContent>(kept).unwrap(), reset);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_what_is_due() {
    for test in testing::services().await {
        for subject in 0..20 {
            enqueue(&test, subject).await;
        }
        let workers: Vec<_> = (0..4)
            .map(|n| {
                let service = test.service.clone();
                tokio::spawn(async move { claimed_up_to(&service, &n.to_string(), 5).await })
            })
            .collect();
        let mut ids = Vec::new();
        for worker in workers {
            ids.extend(worker.await.unwrap().into_iter().map(|claim| claim.id));
        }
        assert_eq!(ids.len(), 20);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 20, "none twice");
        test.finish().await;
    }
}

#[test]
fn the_schedule_ends_at_a_day_and_jitter_adds_a_tenth_at_most() {
    assert_eq!(backoff(1, 0), Duration::from_secs(5));
    assert_eq!(backoff(8, 0), backoff(80, 0));
    assert_eq!(backoff(2, 255), Duration::from_secs(33));
}
