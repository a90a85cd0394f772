//! Security keys (WebAuthn Level 3) as a second factor after a password: the rules, without storage.
//!
//! A ceremony begins with options, which the browser hands to the key, and finishes with the key's answer. In between the
//! caller keeps the [`Ceremony`] and spends it: whoever finishes one must have taken it away first, so that no answer
//! counts twice. Any authenticator will do that verifies its holder (PIN, fingerprint), at registration and at every
//! use; who made it is not asked (attestation "none").

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AttestationFormat, ParsedAttestation, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, Webauthn, WebauthnBuilder, WebauthnError,
};

#[cfg(test)]
mod tests;

/// How long a person has for one ceremony, as the browser is told: five minutes (WebAuthn Level 3, §15.1).
pub const TIMEOUT: Duration = Duration::from_secs(300);

/// Why an answer does not count. None of them says anything the person in front of the key may not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("not the answer of a security key")]
    Malformed,
    #[error("the answer to another request")]
    Stale,
    #[error("an answer given to another site")]
    Foreign,
    #[error("the key did not verify who holds it")]
    Unverified,
    #[error("not one of the keys that were asked for")]
    Unknown,
    #[error("the signature is wrong")]
    Forged,
    /// The signature counter went back or stood still (WebAuthn Level 3, §6.1.1): somebody else uses the same key.
    #[error("there is a copy of this key")]
    Cloned,
    /// At registration: the person has this key already, or it speaks no algorithm that was offered. At use: it is not
    /// what it was when it was registered.
    #[error("a key that cannot be accepted")]
    Unfit,
}

/// This service as keys know it: they answer to its host name and its origin alone.
#[derive(Clone, Debug)]
pub struct RelyingParty(Webauthn);

/// A registered key: its public half and how often it was used. Kept as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(Passkey);

/// What was asked of whom, until the answer comes. Kept as text, out of the client's reach.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceremony {
    login: Uuid,
    purpose: Purpose,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    Registration(PasskeyRegistration),
    Login(PasskeyAuthentication),
}

impl RelyingParty {
    /// `None` where browsers refuse WebAuthn: on an IP address, and on plain `http` except for `localhost`. `name` is
    /// what some browsers show.
    pub fn new(public_url: &Url, name: &str) -> Option<Self> {
        let host = public_url.domain().filter(|host| !host.ends_with('.'))?;
        let local = host == "localhost" || host.ends_with(".localhost");
        if public_url.scheme() != "https" && !(public_url.scheme() == "http" && local) {
            return None;
        }
        let origin = Url::parse(&public_url.origin().ascii_serialization()).ok()?;
        let builder = WebauthnBuilder::new(host, &origin).ok()?;
        builder.rp_name(name).timeout(TIMEOUT).build().ok().map(Self)
    }

    /// For `navigator.credentials.create()`. Keys among `existing` will not register again; `login` is what the key
    /// remembers its holder by, the names are what it may show.
    pub fn begin_registration(
        &self,
        login: Uuid,
        login_name: &str,
        display_name: &str,
        existing: &[Credential],
    ) -> (Value, Ceremony) {
        let login_name = if login_name.is_empty() { "-" } else { login_name };
        let display_name = if display_name.is_empty() { login_name } else { display_name };
        let exclude = existing.iter().map(|key| key.id().to_vec()).collect();
        let (options, state) = self
            .0
            .start_passkey_registration(login, login_name, display_name, Some(exclude))
            .expect("names that are not empty are all it asks for");
        (json(&options), Ceremony { login, purpose: Purpose::Registration(state) })
    }

    /// `login` is who answers. What comes back belongs to them unless somebody else has a key of the same
    /// [id](Credential::id): that is for the caller to refuse (WebAuthn Level 3, §7.1, step 26).
    pub fn finish_registration(
        &self,
        login: Uuid,
        response: Value,
        ceremony: &Ceremony,
    ) -> Result<Credential, Refused> {
        let Purpose::Registration(state) = ceremony.purpose_for(login)? else { return Err(Refused::Stale) };
        let response: RegisterPublicKeyCredential =
            serde_json::from_value(response).map_err(|_| Refused::Malformed)?;
        let key = self.0.finish_passkey_registration(&response, state).map_err(refused)?;
        Ok(Credential::without_maker(key))
    }

    /// For `navigator.credentials.get()`. `None` for somebody without keys.
    pub fn begin_login(&self, login: Uuid, keys: &[Credential]) -> Option<(Value, Ceremony)> {
        if keys.is_empty() {
            return None; // no list of keys would mean "any key", to a browser
        }
        let keys: Vec<Passkey> = keys.iter().map(|key| key.0.clone()).collect();
        let (options, state) =
            self.0.start_passkey_authentication(&keys).expect("keys and a policy are all it asks for");
        Some((json(&options), Ceremony { login, purpose: Purpose::Login(state) }))
    }

    /// The key that answered, as it is to be kept from now on. `keys` are the person's keys as they are now: one that was
    /// removed since the ceremony began does not count, nor one that was used since with the same counter.
    ///
    /// Two answers may be finished at the same time, so the key is to be written on condition that its stored counter is
    /// still lower than [`Credential::counter`], or that both are 0.
    pub fn finish_login(
        &self,
        login: Uuid,
        response: Value,
        ceremony: &Ceremony,
        keys: &[Credential],
    ) -> Result<Credential, Refused> {
        let Purpose::Login(state) = ceremony.purpose_for(login)? else { return Err(Refused::Stale) };
        let response: PublicKeyCredential =
            serde_json::from_value(response).map_err(|_| Refused::Malformed)?;
        // WebAuthn Level 3, §7.2, steps 6 and 14, which the library leaves out.
        if response.get_user_unique_id().is_some_and(|id| id != login.as_bytes()) {
            return Err(Refused::Unknown);
        }
        if is_cross_origin(&response.response.client_data_json) {
            return Err(Refused::Foreign);
        }
        let used = self.0.finish_passkey_authentication(&response, state).map_err(refused)?;
        let mut key = keys.iter().find(|key| key.id() == used.cred_id()).cloned().ok_or(Refused::Unknown)?;
        // The library has compared it with the counter at the ceremony's beginning.
        if !went_on(key.counter(), used.counter()) {
            return Err(Refused::Cloned);
        }
        key.0.update_credential(&used);
        Ok(key)
    }
}

impl Credential {
    /// Up to 1023 bytes that no other key has.
    pub fn id(&self) -> &[u8] {
        self.0.cred_id()
    }

    /// How often the key says it was used; 0 for ever with keys that do not count.
    pub fn counter(&self) -> u32 {
        webauthn_rs::prelude::Credential::from(self.0.clone()).counter
    }

    pub fn to_text(&self) -> String {
        json(self).to_string()
    }

    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Some browsers send an attestation although none was asked for. It tells which model somebody owns, is as long as
    /// its maker likes, and is good for nothing here.
    fn without_maker(key: Passkey) -> Self {
        let mut key = webauthn_rs::prelude::Credential::from(key);
        key.attestation = ParsedAttestation::default();
        key.attestation_format = AttestationFormat::None;
        Self(key.into())
    }
}

impl Ceremony {
    pub fn to_text(&self) -> String {
        json(self).to_string()
    }

    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn purpose_for(&self, login: Uuid) -> Result<&Purpose, Refused> {
        if self.login == login { Ok(&self.purpose) } else { Err(Refused::Stale) }
    }
}

/// Whether a signature counter shows no copy: it rises with every use, or is 0 for ever.
fn went_on(before: u32, now: u32) -> bool {
    now > before || (before == 0 && now == 0)
}

/// Asked for by a frame of this service in somebody else's page.
fn is_cross_origin(client_data: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClientData {
        #[serde(default)]
        cross_origin: bool,
    }
    serde_json::from_slice(client_data).is_ok_and(|data: ClientData| data.cross_origin)
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("its keys are strings and its numbers finite")
}

fn refused(error: WebauthnError) -> Refused {
    use WebauthnError as E;
    match error {
        E::MismatchedChallenge => Refused::Stale,
        E::InvalidRPOrigin | E::InvalidRPIDHash | E::CredentialCrossOrigin => Refused::Foreign,
        E::UserNotPresent | E::UserNotVerified => Refused::Unverified,
        E::CredentialNotFound => Refused::Unknown,
        E::AuthenticationFailure | E::SignatureInvalid | E::AttestationStatementSigInvalid => Refused::Forged,
        E::CredentialPossibleCompromise => Refused::Cloned,
        // The first also stands for a key on the list of excluded ones.
        E::CredentialAlteredAlgFromRequest
        | E::CredentialExcludedFromRequest
        | E::CredentialMayNotBeHardwareBound
        | E::CredentialBackupEligibilityInconsistent => Refused::Unfit,
        _ => Refused::Malformed,
    }
}
