use super::*;
use crate::{cx::Caller, testing};

fn new(subject: &str) -> NewMailTemplate {
    let [mail, language, text, html] = ["welcome", "pt-BR", "Olá\r\n", "<p>Olá</p>"].map(str::to_owned);
    NewMailTemplate { mail, language, subject: subject.to_owned(), text, html }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_kept_changed_and_reset_and_the_mark_tells() {
    for test in testing::services().await {
        let mut cx = test.service.begin(Caller::system()).await.unwrap();
        let mut marks = vec![mark(&mut cx).await.unwrap()];
        let first = set(&mut cx, new("Olá").checked().unwrap()).await.unwrap();
        assert_eq!(first.text, "Olá\n");
        assert_eq!(list(&mut cx).await.unwrap(), std::slice::from_ref(&first));
        marks.push(mark(&mut cx).await.unwrap());

        // The same again is nothing new; another one is, although the clock stands still.
        assert_eq!(set(&mut cx, new("Olá").checked().unwrap()).await.unwrap(), first);
        assert_eq!(mark(&mut cx).await.unwrap(), marks[1]);
        let second = set(&mut cx, new("Oi").checked().unwrap()).await.unwrap();
        assert_eq!(list(&mut cx).await.unwrap(), [second]);
        marks.push(mark(&mut cx).await.unwrap());
        assert_eq!(marks.iter().filter(|mark| **mark == marks[2]).count(), 1);
        assert_ne!(marks[0], marks[1]);

        reset(&mut cx, "welcome", "pt-BR").await.unwrap();
        assert_eq!(mark(&mut cx).await.unwrap(), marks[0]);
        assert!(matches!(reset(&mut cx, "welcome", "pt-BR").await, Err(Error::NotFound)));
        cx.commit().await.unwrap();
        test.finish().await;
    }
}

#[test]
fn a_subject_is_one_line_and_texts_are_bounded() {
    for subject in ["", " ", "Hello\r\nBcc: eve@example.com", "Hello\n", "a\u{202e}b"] {
        let Err(invalid) = new(subject).checked() else { panic!("{subject:?}") };
        assert_eq!(invalid.0[0].field, "subject", "{subject:?}");
    }
    assert!(new(&"x".repeat(500)).checked().is_ok() && new(&"x".repeat(501)).checked().is_err());
    for text in ["\n".to_owned(), "x".repeat(LONGEST + 1), "a\u{0}b".to_owned()] {
        assert!(NewMailTemplate { text: text.clone(), ..new("Hi") }.checked().is_err());
        assert!(NewMailTemplate { html: text, ..new("Hi") }.checked().is_err());
    }
    assert!(NewMailTemplate { language: "EN".into(), ..new("Hi") }.checked().is_err());
}
