use super::*;
use crate::{cx::Caller, testing};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_set_has_its_default_and_a_change_is_all_or_nothing() {
    for test in testing::services().await {
        let service = &test.service;
        let mut cx = service.begin(Caller::system()).await.unwrap();
        assert_eq!(load(&mut cx).await.unwrap(), Settings::default());
        let wrong = Change { ban_after: Some(5), ban_minutes: Some(0), ..Change::default() };
        let Err(Error::Invalid(invalid)) = change(&mut cx, wrong, false).await else {
            panic!("no ban of no minutes")
        };
        assert_eq!(invalid.0[0].field, "ban_minutes");
        assert_eq!(load(&mut cx).await.unwrap(), Settings::default());

        let right = Change { ban_after: Some(5), ..Change::default() };
        let changed = change(&mut cx, right, false).await.unwrap();
        assert_eq!(changed, Settings { ban_after: 5, ..Settings::default() });
        cx.commit().await.unwrap();
        assert_eq!(load(&mut service.read().await.unwrap()).await.unwrap(), changed);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_networks_that_shuts_out_the_caller_is_refused() {
    for test in testing::services().await {
        let from = |address: &str| Caller { address: Some(address.parse().unwrap()), ..Caller::system() };
        let networks =
            || Change { staff_networks: Some(vec!["192.0.2.0/24".parse().unwrap()]), ..Change::default() };
        let mut cx = test.service.begin(from("198.51.100.7")).await.unwrap();
        assert!(matches!(change(&mut cx, networks(), false).await, Err(Error::Invalid(_))));
        drop(cx);
        let mut cx = test.service.begin(from("192.0.2.7")).await.unwrap();
        change(&mut cx, networks(), false).await.unwrap();
        cx.commit().await.unwrap();
        // Somebody else, somewhere else, changes something else.
        let mut cx = test.service.begin(from("198.51.100.7")).await.unwrap();
        change(&mut cx, Change { ban_after: Some(9), ..Change::default() }, false).await.unwrap();
        clear_staff_networks(&mut cx).await.unwrap();
        assert_eq!(load(&mut cx).await.unwrap(), Settings { ban_after: 9, ..Settings::default() });
        drop(cx);
        test.finish().await;
    }
}
