//! Answers that no key gave. Nothing here may panic, overflow the stack or take all memory.

use super::*;

/// What a browser would not send, wherever it stands.
fn strange() -> Vec<Value> {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!("no base64!"),
        json!("QQ=="),
        json!("A".repeat(10_000)),
        json!([]),
        json!([1, 2, 3]),
        json!({}),
        json!({ "publicKey": {} }),
        deep,
    ]
}

/// The value with each of its parts replaced in turn by each of [`strange`], and taken away.
fn twisted(value: &Value) -> Vec<Value> {
    let mut all = strange();
    if let Value::Object(parts) = value {
        for (name, part) in parts {
            for other in twisted(part) {
                let mut whole = value.clone();
                whole[name] = other;
                all.push(whole);
            }
            let mut whole = value.clone();
            whole.as_object_mut().unwrap().remove(name);
            all.push(whole);
        }
    }
    all
}

struct Scene {
    keys: [Credential; 1],
    registration: (Value, Ceremony),
    login: (Value, Ceremony),
}

fn scene() -> Scene {
    let mut key = Key::new();
    let keys = [registered(ADA, &mut key)];
    let (options, ceremony) = site().begin_registration(ADA, "ada", "Ada", &[]);
    let registration = (key.register(HOME, &options), ceremony);
    let (options, ceremony) = begun(ADA, &keys);
    let login = (key.answer(HOME, &options), ceremony);
    Scene { keys, registration, login }
}

impl Scene {
    fn register(&self, response: Value) -> Result<Credential, Refused> {
        let done = site().finish_registration(ADA, response, &self.registration.1);
        // What is accepted must also survive being kept.
        done.inspect(|key| assert_eq!(Credential::from_text(&key.to_text()).unwrap().id(), key.id()))
    }

    fn log_in(&self, response: Value) -> Result<Credential, Refused> {
        site().finish_login(ADA, response, &self.login.1, &self.keys)
    }
}

#[test]
fn strange_json_is_refused() {
    let scene = scene();
    for response in strange() {
        assert_eq!(scene.register(response.clone()).unwrap_err(), Refused::Malformed, "{response}");
        assert_eq!(scene.log_in(response.clone()).unwrap_err(), Refused::Malformed, "{response}");
    }
    // Some parts may be missing and some are not looked at; those that are signed must be right.
    let same = |one: &Value, other: &Value, fields: &[&str]| {
        fields.iter().all(|field| one["response"][field] == other["response"][field])
    };
    let good = &scene.registration.0;
    for response in twisted(good) {
        let signed = same(&response, good, &["attestationObject", "clientDataJSON"]);
        assert!(scene.register(response.clone()).is_err() || signed, "{response}");
    }
    let good = &scene.login.0;
    for response in twisted(good) {
        let signed = same(&response, good, &["authenticatorData", "clientDataJSON", "signature"]);
        assert!(scene.log_in(response.clone()).is_err() || signed, "{response}");
    }
    assert!(scene.register(scene.registration.0.clone()).is_ok() && scene.log_in(good.clone()).is_ok());
}

#[test]
fn no_changed_byte_passes_a_login() {
    let scene = scene();
    let chance = SeededChance::new(7);
    for field in ["authenticatorData", "clientDataJSON", "signature"] {
        for _ in 0..40 {
            let response = changed(&scene.login.0, field, |bytes| flipped(&*chance, bytes));
            assert!(scene.log_in(response.clone()).is_err(), "{response}");
        }
        for cut in 0..4 {
            let response = changed(&scene.login.0, field, |bytes| bytes[..bytes.len() * cut / 4].to_vec());
            assert!(scene.log_in(response).is_err(), "{field} cut to {cut}/4");
        }
    }
}

#[test]
fn changed_attestations_do_no_harm() {
    let scene = scene();
    let chance = SeededChance::new(8);
    for format in ["none", "tpm", "apple", "fido-u2f", "android-key", "android-safetynet", "packed"] {
        let named = |bytes: Vec<u8>| replaced(&bytes, b"\x66packed", &cbor_text(format));
        let response = changed(&scene.registration.0, "attestationObject", named);
        // Attestation is not asked for: "none" is as good as one that is right.
        let accepted = scene.register(response.clone()).is_ok();
        assert_eq!(accepted, matches!(format, "none" | "packed"), "{format}");
        for _ in 0..60 {
            let response = changed(&response, "attestationObject", |bytes| flipped(&*chance, bytes));
            drop(scene.register(response));
        }
    }
    for field in ["attestationObject", "clientDataJSON"] {
        for cut in 0..16 {
            let response =
                changed(&scene.registration.0, field, |bytes| bytes[..bytes.len() * cut / 16].to_vec());
            assert!(scene.register(response).is_err(), "{field} cut to {cut}/16");
        }
    }
}

#[test]
fn bottomless_and_boundless_data_is_refused() {
    let scene = scene();
    let bombs: [Vec<u8>; 6] = [
        vec![0x81; 200_000],                                        // CBOR: lists within lists
        [0xa1, 0x61, 0x61].repeat(60_000),                          // maps within maps
        vec![0xc1; 200_000],                                        // tags of tags
        vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // a list of 2^64 - 1 things
        vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // 2^63 - 1 bytes
        b"[".repeat(200_000),                                       // JSON
    ];
    for bomb in bombs {
        for field in ["attestationObject", "clientDataJSON"] {
            let response = changed(&scene.registration.0, field, |_| bomb.clone());
            assert_eq!(scene.register(response).unwrap_err(), Refused::Malformed);
        }
        // In the place of the public key.
        let response = changed(&scene.registration.0, "attestationObject", |mut bytes| {
            let start = find(&bytes, b"\xa5\x01\x02\x03\x26").expect("a P-256 key in CBOR");
            let fits = bomb.len().min(77);
            bytes[start..start + fits].copy_from_slice(&bomb[..fits]);
            bytes
        });
        assert!(scene.register(response).is_err());
        for field in ["authenticatorData", "clientDataJSON", "signature"] {
            let response = changed(&scene.login.0, field, |bytes| match field {
                // The flags say that extensions follow.
                "authenticatorData" => [&bytes[..32], &[0x85], &bytes[33..37], &bomb[..]].concat(),
                _ => bomb.clone(),
            });
            assert!(scene.log_in(response).is_err());
        }
    }
}

#[test]
fn texts_that_were_never_kept_are_refused() {
    for text in ["", "{}", "null", "[1]", &"[".repeat(200_000)] {
        assert!(Credential::from_text(text).is_err() && Ceremony::from_text(text).is_err());
    }
}

/// With one to three bits changed.
fn flipped(chance: &dyn Chance, mut bytes: Vec<u8>) -> Vec<u8> {
    let before = bytes.clone();
    while bytes == before {
        let [times, rest @ ..] = crate::ids::bytes::<13>(chance);
        for draw in rest.chunks(4).take(1 + usize::from(times) % 3) {
            let draw = draw.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
            let at = (draw >> 3) % bytes.len();
            bytes[at] ^= 1 << (draw & 7);
        }
    }
    bytes
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn replaced(bytes: &[u8], part: &[u8], by: &[u8]) -> Vec<u8> {
    let at = find(bytes, part).expect("it is there");
    [&bytes[..at], by, &bytes[at + part.len()..]].concat()
}

/// Of up to 23 bytes.
fn cbor_text(text: &str) -> Vec<u8> {
    let header = 0x60 + u8::try_from(text.len()).expect("it is short");
    [&[header], text.as_bytes()].concat()
}
