use std::{future::Future, pin::pin, sync::Arc, task::Context};

use zeroize::Zeroizing;

use super::*;
use crate::{ids::SystemChance, secret::Password};

fn hasher() -> Hasher {
    Hasher::new(2, Arc::new(SystemChance))
}

const OWN: [&str; 4] = ["Ada", "Lovelace", "ada.lovelace@example.test", "Analytical Engines Ltd"];

fn judged(least: usize, password: &str) -> Result<(), Refused> {
    check(&Password::new(password), &Rules { least, own_words: &OWN })
}

#[test]
fn length_is_counted_in_characters() {
    let word = "Ä5ö-ßé ñ×q øœ đę ł";
    let cut = |n: usize| word.chars().take(n).collect::<String>();
    assert_eq!(judged(LEAST_STAFF, &cut(14)), Err(Refused::TooShort(15)));
    assert_eq!(judged(LEAST_STAFF, &cut(15)), Ok(()));
    assert_eq!(judged(LEAST_WITH_SECOND_FACTOR, &cut(7)), Err(Refused::TooShort(8)));
    assert_eq!(judged(LEAST_WITH_SECOND_FACTOR, &cut(8)), Ok(()));
    let long = format!("quartz lantern 47 orbit{}", " x".repeat(117));
    assert_eq!(judged(LEAST_STAFF, &long[..256]), Ok(()));
    assert_eq!(judged(LEAST_STAFF, &long), Err(Refused::TooLong(256)));
}

#[test]
fn what_is_tried_first_is_refused() {
    for (password, why) in [
        ("passwordpassword", Refused::Repeated),
        ("aaaaaaaaaaaaaaa", Refused::Repeated),
        ("hunter22hunter22", Refused::Repeated),
        ("ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ", Refused::Repeated),
        ("abcdefghijklmno", Refused::Row),
        ("1qaz2wsx3edc4rfv", Refused::Common),
        ("adalovelace2026!", Refused::OwnWords),
        ("4d4L0v3l4c3-ada", Refused::OwnWords),
        ("ecalevol.ada.123", Refused::OwnWords),
        ("AnalyticalEngines1", Refused::OwnWords),
        ("Fr0ntd3sk-Fr0ntd3sk", Refused::OwnWords),
    ] {
        assert_eq!(judged(LEAST_STAFF, password), Err(why), "{password}");
    }
    // Of what is put together, one piece may be a word and a row as well; which of them is named is not certain.
    for password in [
        "123456789012345",
        "qwertyuiopasdfgh",
        "!@#$%^&*()_+QWERTY",
        "iloveyou12345678",
        "Password123456!",
        "passwordiloveyou123456789",
    ] {
        assert!(judged(LEAST_STAFF, password).is_err(), "{password}");
    }
    assert!(judged(LEAST_WITH_SECOND_FACTOR, "Summer2024!").is_err());
    for (password, why) in [
        ("football", Refused::Common),
        ("trustno1", Refused::Common),
        ("P@$$w0rd", Refused::Common),
        ("19841231", Refused::Date),
        ("31.12.1984", Refused::Date),
    ] {
        assert_eq!(judged(LEAST_WITH_SECOND_FACTOR, password), Err(why), "{password}");
    }
    let endless = |piece: &str| piece.chars().cycle().take(256).collect::<String>();
    for piece in ["a", "password", "12345678901", "qwertyuiop"] {
        assert_eq!(judged(LEAST_STAFF, &endless(piece)), Err(Refused::Repeated), "{piece}");
    }
}

#[test]
fn what_nobody_would_guess_is_taken() {
    for password in [
        "correct horse battery staple",
        "a password of Ada's own",
        "Tr0ub4dor&3 goes sailing",
        "quartz lantern 47 orbit",
        "the cat is on the mat",
        "Grüße an alle Köche",
        "немного случайных слов",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa but then k7$Vq2xN-Tz8",
    ] {
        assert_eq!(judged(LEAST_STAFF, password), Ok(()), "{password}");
    }
    for password in ["k7$Vq2xN", "m4Xw-0hR", "ζ8Ωλ-þ2ŋ", "my cat is grey"] {
        assert_eq!(judged(LEAST_WITH_SECOND_FACTOR, password), Ok(()), "{password}");
    }
    assert_eq!(
        judged(LEAST_STAFF, "k7$Vq2xNk7$Vq2xN"),
        Err(Refused::Repeated),
        "eight characters are no fifteen"
    );
}

/// zxcvbn parses any digit as a year's, and panics over those that are not ASCII.
#[test]
fn no_text_is_too_strange_to_be_judged() {
    let strange = [
        "19\u{663}\u{664}",
        "İıǆßΣς",
        "\u{200d}\u{301}\u{fe0f}",
        "½⅔①२०१९",
        "\u{10ffff}\0\t\r\n",
        "(.+)\\1+$^",
    ];
    for a in strange {
        for b in strange {
            for c in ["", "password", "1/9/84", "<[{(@"] {
                let text = [a, c, b, c, a].concat();
                let _any = check(&Password::new(&text), &Rules { least: 1, own_words: &[a, b, ""] });
            }
        }
    }
}

#[tokio::test]
async fn a_password_is_recognised_in_any_unicode_form_and_no_other_is() {
    let hasher = hasher();
    let hash = hasher.hash(Password::new("Caf\u{e9} au lait, s'il vous pla\u{ee}t")).await.unwrap();
    let mut turn = hasher.turn().await.unwrap();
    let decomposed = Password::new("Cafe\u{301} au lait, s'il vous plai\u{302}t");
    assert!(matches!(turn.verify(decomposed, Some(hash.clone())).await, Verdict::Right));
    assert!(!turn.verify(Password::new("Cafe au lait"), Some(hash)).await.is_right());
    assert!(!turn.verify(Password::new("nobody's password"), None).await.is_right());
    let unknown = Some(PasswordHash::for_tests());
    assert!(!turn.verify(Password::new("nobody's password"), unknown).await.is_right());
}

const HORSE: &str = "correct horse battery staple";

/// Made by other programs: libargon2, OpenBSD's bcrypt as Python has it, and the vector of PHP's documentation.
#[tokio::test]
async fn hashes_from_elsewhere_are_verified_and_renewed() {
    let mut turn = hasher().turn().await.unwrap();
    for (password, stored) in [
        (HORSE, "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$GERAuy7e/5dmsKXmxufVDXkXQvoLPZcY"),
        (HORSE, "$argon2id$v=16$m=256,t=3,p=1$c2FsdHNhbHQ$f2BdMX/gvLfzHpKGM5BINnPWLdQlcZOQLIBYhoAtNC8"),
        (HORSE, "$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS"),
        (HORSE, "$2a$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS"),
        (HORSE, "$2y$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS"),
        ("rasmuslerdorf", "$2a$07$usesomesillystringfore2uDLvp1Ii2e./U9C8sBjqp8I90dH6hi"),
        ("Cafe\u{301} au lait", "$2b$04$SeqzdRMv6EnBdx.Fk7CIVu5MKBGU2XI4mNdxzcINYbqEU4.V0rNcC"),
    ] {
        let hash = PasswordHash::parse(stored);
        assert!(hash.is_some(), "{stored}");
        assert!(!turn.verify(Password::new("another"), hash.clone()).await.is_right(), "{stored}");
        let Verdict::Outdated(renewed) = turn.verify(Password::new(password), hash).await else {
            panic!("{password} is right, and to be renewed: {stored}");
        };
        let again = turn.verify(Password::new(password), Some(renewed.clone())).await;
        assert!(matches!(again, Verdict::Right), "{stored}");
        assert!(!turn.verify(Password::new("another"), Some(renewed)).await.is_right(), "{stored}");
    }
}

/// PHP hashed the first 72 bytes; the new hash is of all of it.
#[tokio::test]
async fn a_long_bcrypt_password_counts_whole_from_its_first_use() {
    let mut turn = hasher().turn().await.unwrap();
    let hash = PasswordHash::parse("$2y$04$fl4EPBfcJItNTtrF/60e9OBAJWacUaQAZAx912XKdr1R3t2MTRptK");
    let typed = "0123456789".repeat(8);
    assert!(!turn.verify(Password::new(&typed[..71]), hash.clone()).await.is_right());
    let Verdict::Outdated(renewed) = turn.verify(Password::new(&typed), hash).await else {
        panic!("it is right, and to be renewed");
    };
    assert!(!turn.verify(Password::new(&typed[..72]), Some(renewed.clone())).await.is_right());
    assert!(turn.verify(Password::new(&typed), Some(renewed)).await.is_right());
}

#[test]
fn hashes_that_could_never_be_verified_are_not_taken() {
    let argon2id =
        |params: &str| format!("$argon2id${params}$c29tZXNhbHRzb21lc2FsdA$GERAuy7e/5dmsKXmxufVDXkXQvoLPZcY");
    let bcrypt = |start: &str| format!("{start}abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS");
    for taken in [
        argon2id("v=19$m=65536,t=4,p=1"),
        argon2id("v=19$m=1048576,t=4,p=4"),
        bcrypt("$2y$04$"),
        bcrypt("$2y$14$"),
    ] {
        assert!(PasswordHash::parse(&taken).is_some(), "{taken}");
    }
    for refused in [
        argon2id("v=19$m=1048577,t=1,p=1"),
        argon2id("v=19$m=1048576,t=5,p=1"),
        argon2id("v=19$m=8,t=4294967295,p=1"),
        argon2id("v=19$m=65536,t=4,p=17"),
        argon2id("v=20$m=1024,t=2,p=2"),
        argon2id("m=1024,t=2,p=2"),
        argon2id("v=19$m=1024,t=2,p=2,keyid=AAAA"),
        argon2id("v=19$m=1024,t=2,p=2").replace("argon2id", "argon2i"),
        argon2id("v=19$m=1024,t=2,p=2") + "$",
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA".into(),
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$GERAuy7e/5c".into(),
        bcrypt("$2y$15$"),
        bcrypt("$2y$03$"),
        bcrypt("$2x$05$"),
        bcrypt("$2$05$"),
        bcrypt("$2y$05$") + " ",
        bcrypt("$2y$05$").replace('F', "é"),
        "5f4dcc3b5aa765d61d8327deb882cf99".into(),
        String::new(),
    ] {
        assert!(PasswordHash::parse(&refused).is_none(), "{refused}");
    }
}

#[tokio::test]
async fn recovery_codes_of_one_salt_are_found_by_equality() {
    let hasher = hasher();
    let codes = ["7K3M-Q9XD", "R2TW-5HBN"].map(|code| Zeroizing::new(code.to_owned()));
    let stored = hasher.recovery_all(codes.to_vec(), [7; 16]).await.unwrap();
    let mut turn = hasher.turn().await.unwrap();
    assert_eq!(turn.recovery("R2TW-5HBN", &[7; 16]).await, stored[1]);
    assert_ne!(stored[0], stored[1]);
    assert_ne!(turn.recovery("R2TW-5HBN", &[8; 16]).await, stored[1], "the salt counts");
    assert!(!stored.contains(&turn.recovery("R2TW-5HBM", &[7; 16]).await));
    assert_eq!(
        format!("{:?} {:?}", stored[0], PasswordHash::for_tests()),
        "RecoveryHash(..) PasswordHash(..)"
    );
}

#[tokio::test]
async fn a_turn_judges_passwords_with_the_words_it_is_given() {
    let mut turn = hasher().turn().await.unwrap();
    let password = || Password::new("grace hopper 1906");
    assert_eq!(turn.check(password(), 8, vec![]).await, Ok(()));
    let own = vec!["Grace".to_owned(), "Hopper".to_owned()];
    assert_eq!(turn.check(password(), 8, own).await, Err(Refused::OwnWords));
}

#[tokio::test]
async fn more_than_fit_are_turned_away_at_once() {
    let hasher = Hasher::new(1, Arc::new(SystemChance));
    let working = hasher.turn().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..32 {
        let hasher = hasher.clone();
        let mut turn = Box::pin(async move { hasher.turn().await });
        assert!(poll(turn.as_mut()).is_none(), "it waits");
        waiting.push(turn);
    }
    assert_eq!(poll(pin!(hasher.turn())).expect("it is answered at once").err(), Some(Overloaded));
    assert_eq!(poll(pin!(hasher.hash(Password::new("any")))).expect("as well").err(), Some(Overloaded));

    // Who goes away makes room in the queue, and whose turn is over for the next one in it.
    waiting.truncate(31);
    let mut last = pin!(hasher.turn());
    assert!(poll(last.as_mut()).is_none(), "it waits");
    drop(working);
    let next = poll(waiting[0].as_mut());
    assert!(matches!(next, Some(Ok(_))));
    assert!(poll(waiting[1].as_mut()).is_none(), "one core, one turn");
}

/// A caller who gives up leaves the work behind, and with it the core that it uses.
#[tokio::test]
async fn work_keeps_its_place_when_its_caller_goes_away() {
    let hasher = Hasher::new(1, Arc::new(SystemChance));
    let mut turn = hasher.turn().await.unwrap();
    {
        let mut hashing = pin!(turn.hash(Password::new("any")));
        assert!(poll(hashing.as_mut()).is_none(), "it has begun");
    }
    drop(turn);
    // Granted only when the work is done, without which this would hang or be answered at once.
    hasher.turn().await.unwrap();
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}
