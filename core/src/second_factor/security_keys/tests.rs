use data_encoding::BASE64URL_NOPAD;
use serde_json::json;
use webauthn_authenticator_rs::{WebauthnAuthenticator, softtoken::SoftToken};

use super::*;
use crate::{ids::Chance, testing::SeededChance};

mod hostile;

const HOME: &str = "https://desk.example.com";
const ADA: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

fn site() -> RelyingParty {
    RelyingParty::new(&url(HOME), "Frontdesk").expect("a host name and https")
}

fn url(text: &str) -> Url {
    text.parse().expect("an address")
}

/// A key that counts its uses, in a browser.
struct Key(SoftToken);

impl Key {
    fn new() -> Self {
        Self(SoftToken::new(true).unwrap().0)
    }

    fn copied(&self) -> Self {
        Self(SoftToken::from_cbor(&self.0.to_cbor().unwrap()).unwrap())
    }

    fn register(&mut self, origin: &str, options: &Value) -> Value {
        let options = serde_json::from_value(options.clone()).unwrap();
        json(&self.0.do_registration(url(origin), options).unwrap())
    }

    fn answer(&mut self, origin: &str, options: &Value) -> Value {
        let options = serde_json::from_value(options.clone()).unwrap();
        json(&self.0.do_authentication(url(origin), options).unwrap())
    }
}

/// As it comes back from the database.
fn kept(ceremony: &Ceremony) -> Ceremony {
    Ceremony::from_text(&ceremony.to_text()).unwrap()
}

fn registered(login: Uuid, key: &mut Key) -> Credential {
    let (options, ceremony) = site().begin_registration(login, "ada", "Ada Lovelace", &[]);
    let response = key.register(HOME, &options);
    let credential = site().finish_registration(login, response, &kept(&ceremony)).unwrap();
    Credential::from_text(&credential.to_text()).unwrap()
}

fn begun(login: Uuid, keys: &[Credential]) -> (Value, Ceremony) {
    let (options, ceremony) = site().begin_login(login, keys).unwrap();
    (options, kept(&ceremony))
}

fn used(login: Uuid, key: &mut Key, credential: &Credential) -> Result<Credential, Refused> {
    let keys = std::slice::from_ref(credential);
    let (options, ceremony) = begun(login, keys);
    site().finish_login(login, key.answer(HOME, &options), &ceremony, keys)
}

/// Bytes in the response, changed.
fn changed(response: &Value, field: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Value {
    let mut response = response.clone();
    let text = response["response"][field].as_str().unwrap();
    let bytes = change(BASE64URL_NOPAD.decode(text.as_bytes()).unwrap());
    response["response"][field] = BASE64URL_NOPAD.encode(&bytes).into();
    response
}

#[test]
fn sites_that_browsers_let_use_keys() {
    for good in [
        HOME,
        "https://desk.example.com:8443/under/a/path",
        "https://localhost",
        "http://localhost:8080",
        "http://desk.localhost",
    ] {
        assert!(RelyingParty::new(&url(good), "").is_some(), "{good}");
    }
    for bad in [
        "http://desk.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1:8080",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
        "https://desk.example.com.",
        "ftp://desk.example.com",
        "chrome-extension://desk",
    ] {
        assert!(RelyingParty::new(&url(bad), "").is_none(), "{bad}");
    }
}

#[test]
fn a_key_is_registered_and_used() {
    let mut key = Key::new();
    let (options, ceremony) = site().begin_registration(ADA, "ada", "", &[]);
    let asked = &options["publicKey"];
    assert_eq!(asked["rp"], json!({ "id": "desk.example.com", "name": "Frontdesk" }));
    assert_eq!(
        asked["user"],
        json!({ "id": BASE64URL_NOPAD.encode(ADA.as_bytes()), "name": "ada", "displayName": "ada" })
    );
    assert_eq!(asked["attestation"], "none");
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["timeout"], 300_000);

    let response = key.register(HOME, &options);
    let credential = site().finish_registration(ADA, response, &kept(&ceremony)).unwrap();
    assert_eq!((credential.id().len(), credential.counter()), (32, 0));
    let text = credential.to_text();
    assert!(text.contains(r#""attestation":{"data":"None","metadata":"None"}"#), "the maker is kept: {text}");

    let keys = [credential];
    let (options, ceremony) = begun(ADA, &keys);
    let asked = &options["publicKey"];
    assert_eq!(asked["userVerification"], "required");
    assert_eq!(asked["rpId"], "desk.example.com");
    assert_eq!(asked["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(asked["allowCredentials"][0]["id"], BASE64URL_NOPAD.encode(keys[0].id()));
    let after = site().finish_login(ADA, key.answer(HOME, &options), &ceremony, &keys).unwrap();
    assert_eq!((after.id(), after.counter()), (keys[0].id(), 1));
    assert_eq!(used(ADA, &mut key, &after).unwrap().counter(), 2);
}

#[test]
fn one_of_several_keys_answers_and_somebody_without_keys_is_asked_for_none() {
    let (mut first, mut second) = (Key::new(), Key::new());
    let keys = [registered(ADA, &mut first), registered(ADA, &mut second)];
    for (key, expected) in [(&mut second, &keys[1]), (&mut first, &keys[0])] {
        let (mut options, ceremony) = begun(ADA, &keys);
        // The software key takes the first it knows; one that does not know the first is the same to it.
        options["publicKey"]["allowCredentials"].as_array_mut().unwrap().reverse();
        let after = site().finish_login(ADA, key.answer(HOME, &options), &ceremony, &keys).unwrap();
        assert_eq!(after.id(), expected.id());
    }
    assert!(site().begin_login(ADA, &[]).is_none());
}

#[test]
fn a_key_that_the_person_has_is_not_registered_again() {
    let mut key = Key::new();
    let (options, ceremony) = site().begin_registration(ADA, "ada", "Ada", &[]);
    let response = key.register(HOME, &options);
    let credential = site().finish_registration(ADA, response.clone(), &ceremony).unwrap();

    let (options, again) = site().begin_registration(ADA, "ada", "Ada", std::slice::from_ref(&credential));
    let excluded = &options["publicKey"]["excludeCredentials"];
    assert_eq!(excluded[0]["id"], BASE64URL_NOPAD.encode(credential.id()));
    // A browser that does not heed the list: the same key answers the second request.
    let mut text: Value = serde_json::from_str(&again.to_text()).unwrap();
    let first: Value = serde_json::from_str(&ceremony.to_text()).unwrap();
    text["purpose"]["registration"]["rs"]["challenge"] =
        first["purpose"]["registration"]["rs"]["challenge"].clone();
    let again = Ceremony::from_text(&text.to_string()).unwrap();
    assert_eq!(site().finish_registration(ADA, response, &again).unwrap_err(), Refused::Unfit);
}

#[test]
fn answers_to_other_requests_do_not_count() {
    let mut key = Key::new();
    let (options, registration) = site().begin_registration(ADA, "ada", "Ada", &[]);
    let response = key.register(HOME, &options);
    let (_, other) = site().begin_registration(ADA, "ada", "Ada", &[]);
    let finish = |login, ceremony| site().finish_registration(login, response.clone(), ceremony);
    assert_eq!(finish(ADA, &other).unwrap_err(), Refused::Stale);
    assert_eq!(finish(BOB, &registration).unwrap_err(), Refused::Stale);
    let keys = [finish(ADA, &registration).unwrap()];

    let (options, ceremony) = begun(ADA, &keys);
    let answer = key.answer(HOME, &options);
    let (_, other) = begun(ADA, &keys);
    let finish = |login, ceremony| site().finish_login(login, answer.clone(), ceremony, &keys);
    assert_eq!(finish(ADA, &other).unwrap_err(), Refused::Stale);
    assert_eq!(finish(BOB, &ceremony).unwrap_err(), Refused::Stale);
    assert_eq!(finish(ADA, &registration).unwrap_err(), Refused::Stale);
    assert_eq!(site().finish_registration(ADA, response, &ceremony).unwrap_err(), Refused::Stale);
    assert!(finish(ADA, &ceremony).is_ok());
}

#[test]
fn answers_given_to_other_sites_do_not_count() {
    let mut key = Key::new();
    for foreign in ["https://phish.desk.example.com", "https://desk.example.com:8443"] {
        let (options, ceremony) = site().begin_registration(ADA, "ada", "Ada", &[]);
        let response = key.register(foreign, &options);
        assert_eq!(site().finish_registration(ADA, response, &ceremony).unwrap_err(), Refused::Foreign);
    }
    let keys = [registered(ADA, &mut key)];
    for foreign in ["https://phish.desk.example.com", "https://desk.example.com:8443"] {
        let (options, ceremony) = begun(ADA, &keys);
        let answer = key.answer(foreign, &options);
        assert_eq!(site().finish_login(ADA, answer, &ceremony, &keys).unwrap_err(), Refused::Foreign);
    }
    // Asked in the name of the domain above.
    let (mut options, ceremony) = begun(ADA, &keys);
    options["publicKey"]["rpId"] = "example.com".into();
    let answer = key.answer(HOME, &options);
    assert_eq!(site().finish_login(ADA, answer, &ceremony, &keys).unwrap_err(), Refused::Foreign);
    // In a frame on another site's page.
    let (options, ceremony) = begun(ADA, &keys);
    let answer = changed(&key.answer(HOME, &options), "clientDataJSON", |bytes| {
        let mut data: Value = serde_json::from_slice(&bytes).unwrap();
        data["crossOrigin"] = true.into();
        data.to_string().into_bytes()
    });
    assert_eq!(site().finish_login(ADA, answer, &ceremony, &keys).unwrap_err(), Refused::Foreign);
}

#[test]
fn a_key_that_does_not_verify_its_holder_does_not_count() {
    let mut key = Key::new();
    let (mut options, ceremony) = site().begin_registration(ADA, "ada", "Ada", &[]);
    options["publicKey"]["authenticatorSelection"]["userVerification"] = "preferred".into();
    let response = key.register(HOME, &options);
    assert_eq!(site().finish_registration(ADA, response, &ceremony).unwrap_err(), Refused::Unverified);

    let keys = [registered(ADA, &mut key)];
    let (mut options, ceremony) = begun(ADA, &keys);
    options["publicKey"]["userVerification"] = "preferred".into();
    let answer = key.answer(HOME, &options);
    assert_eq!(site().finish_login(ADA, answer, &ceremony, &keys).unwrap_err(), Refused::Unverified);
}

#[test]
fn somebody_elses_key_does_not_count() {
    let (mut adas, mut bobs) = (Key::new(), Key::new());
    let (ada, bob) = ([registered(ADA, &mut adas)], registered(BOB, &mut bobs));
    let (mut options, ceremony) = begun(ADA, &ada);
    options["publicKey"]["allowCredentials"][0]["id"] = BASE64URL_NOPAD.encode(bob.id()).into();
    let mut answer = bobs.answer(HOME, &options);
    let both = [ada[0].clone(), bob.clone()];
    for keys in [&ada[..], &both[..]] {
        let refused = site().finish_login(ADA, answer.clone(), &ceremony, keys).unwrap_err();
        assert_eq!(refused, Refused::Unknown);
    }
    answer["rawId"] = BASE64URL_NOPAD.encode(ada[0].id()).into();
    assert_eq!(site().finish_login(ADA, answer, &ceremony, &ada).unwrap_err(), Refused::Forged);

    // A key that remembers being somebody else's.
    let (options, ceremony) = begun(ADA, &ada);
    let mut answer = adas.answer(HOME, &options);
    answer["response"]["userHandle"] = BASE64URL_NOPAD.encode(BOB.as_bytes()).into();
    assert_eq!(site().finish_login(ADA, answer.clone(), &ceremony, &ada).unwrap_err(), Refused::Unknown);
    // A key that was removed while it was asked.
    answer["response"]["userHandle"] = BASE64URL_NOPAD.encode(ADA.as_bytes()).into();
    assert_eq!(site().finish_login(ADA, answer.clone(), &ceremony, &[]).unwrap_err(), Refused::Unknown);
    assert!(site().finish_login(ADA, answer, &ceremony, &ada).is_ok());
}

#[test]
fn a_copied_key_gives_itself_away() {
    let mut key = Key::new();
    let credential = registered(ADA, &mut key);
    let mut copy = key.copied();
    let credential = used(ADA, &mut key, &credential).unwrap();
    assert_eq!(used(ADA, &mut copy, &credential).unwrap_err(), Refused::Cloned, "it stood still");
    let credential = used(ADA, &mut key, &credential).unwrap();
    let credential = used(ADA, &mut key, &credential).unwrap();
    assert_eq!(used(ADA, &mut copy, &credential).unwrap_err(), Refused::Cloned, "it went back");
    // The real one is still good.
    assert_eq!(used(ADA, &mut key, &credential).unwrap().counter(), 4);
}

#[test]
fn a_copied_key_gives_itself_away_in_a_ceremony_begun_before() {
    let mut key = Key::new();
    let before = [registered(ADA, &mut key)];
    let mut copy = key.copied();
    let (first, second) = (begun(ADA, &before), begun(ADA, &before));
    let now = [site().finish_login(ADA, key.answer(HOME, &first.0), &first.1, &before).unwrap()];
    let answer = copy.answer(HOME, &second.0);
    assert_eq!(site().finish_login(ADA, answer, &second.1, &now).unwrap_err(), Refused::Cloned);
}

#[test]
fn keys_that_do_not_count_are_told_from_keys_that_go_back() {
    for (before, now, good) in
        [(0, 0, true), (0, 1, true), (5, 6, true), (5, 5, false), (5, 4, false), (5, 0, false)]
    {
        assert_eq!(went_on(before, now), good, "from {before} to {now}");
    }
}
