//! Registering: anybody makes a user and the account they own, where the setting allows it.
//!
//! The answer is alike whether or not the address is known, so that nobody learns who is registered; whoever is gets a
//! mail (OWASP Authentication Cheat Sheet, Authentication and Error Messages).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{CreatedBy, Error, NewUser, create, edit::refuse_blocked, locked, verification};
use crate::{
    accounts::{self, Account, ProfileChange},
    custom_fields::{self, Editor, SetError},
    cx::{Caller, Cx, Reads},
    db,
    event::UserRegisteredAgain,
    ids::UserId,
    invalid::Invalid,
    logins::{self, Audience, Login},
    network::Network,
    outbox::{Mail, MailContent, Recipient},
    password::PasswordHash,
    rates,
    settings::Settings,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How many times more those may register together whose addresses are not known to be theirs.
const UNCOUNTED: i64 = 20;

/// Who wants to be a user, and of what account.
#[derive(Clone, Debug)]
pub struct Registration {
    pub user: NewUser,
    pub account: ProfileChange,
    /// The account's, by slug.
    pub custom_fields: Map<String, Value>,
}

/// What became of it. Outside, both look alike.
#[derive(Debug)]
pub enum Registered {
    New(Box<Login>, Box<Account>),
    Known,
}

impl Registration {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let user = self.user.checked("", &mut invalid);
        let account = self.account.checked("account.", &mut invalid);
        invalid.ok().map(|()| Self { user, account, custom_fields: self.custom_fields })
    }
}

/// Whether somebody may register at all, with that address. Cheap, before anything is hashed.
pub fn admit(new: &NewUser, settings: &Settings) -> Result<(), Error> {
    if !settings.registration {
        return Err(Error::TurnedOff);
    }
    refuse_blocked("email", &new.email, settings)?;
    Ok(())
}

/// Counts a registration, or what tells as much as one does: see [`Settings::registrations_per_hour`].
async fn count(cx: &mut Cx, countable: bool, settings: &Settings) -> Result<(), Error> {
    let network = cx.caller().address.filter(|_| countable).map(Network::of);
    let most = i64::from(settings.registrations_per_hour);
    let counted = match network {
        Some(network) => rates::count(cx, &format!("register {network}"), most, HOUR).await?,
        None => rates::count(cx, "register", most * UNCOUNTED, HOUR).await?,
    };
    counted.map_err(|retry_after| Error::TooMany { retry_after })
}

/// How often in an hour one network is told, elsewhere than at registration, that an address is a user's.
const PROBES: i64 = 20;

fn probes(caller: &Caller, countable: bool) -> String {
    match caller.address.filter(|_| countable).map(Network::of) {
        Some(network) => format!("probe {network}"),
        None => "probe".into(),
    }
}

/// Refuses whoever was told too often that an address is a user's: see [`note_probe`].
pub async fn refuse_prober(reads: &mut impl Reads, caller: &Caller, countable: bool) -> Result<(), Error> {
    match rates::wait(reads, &probes(caller, countable), PROBES, HOUR).await? {
        Some(retry_after) => Err(Error::TooMany { retry_after }),
        None => Ok(()),
    }
}

/// Counts that somebody was told that an address is a user's. In a unit of work of its own: what led to it is not kept.
pub async fn note_probe(cx: &mut Cx, countable: bool) -> Result<(), Error> {
    let key = probes(cx.caller(), countable);
    let counted = rates::count(cx, &key, PROBES, HOUR).await?;
    counted.map_err(|retry_after| Error::TooMany { retry_after })
}

/// Makes a user and the account they own, and asks them to prove their address; or tells the user whose address it is.
/// Not `countable`: see [`crate::recovery::ask`].
pub async fn register(
    cx: &mut Cx,
    Registration { user, account, custom_fields }: Registration,
    password: PasswordHash,
    countable: bool,
    settings: &Settings,
) -> Result<Registered, accounts::Error> {
    admit(&user, settings)?;
    count(cx, countable, settings).await?;
    // Before it matters whether the address is known.
    custom_fields::check_registration(cx, &custom_fields)
        .await
        .map_err(|error| of_account(error, "account."))?;
    if let Some(known) = logins::find_by_name(cx, Audience::User, &user.email).await? {
        tell(cx, &known).await?;
        return Ok(Registered::Known);
    }
    let (how, address) = (CreatedBy::Registration, user.email.clone());
    let login = match create(cx, user, Some(password), how, settings.default_language()).await {
        Ok(login) => login,
        // Somebody registered with it between the two statements.
        Err(Error::EmailTaken) => {
            if let Some(known) = logins::find_by_name(cx, Audience::User, &address).await? {
                tell(cx, &known).await?;
            }
            return Ok(Registered::Known);
        }
        Err(error) => return Err(error.into()),
    };
    let account =
        own_account(cx, &login, account, &custom_fields, Some(login.recipient()), "account.").await?;
    verification::send(cx, &login).await?;
    Ok(Registered::New(Box::new(login), Box::new(account)))
}

/// Makes a further account, which this user owns. Counts like a registration.
pub async fn further_account(
    cx: &mut Cx,
    id: UserId,
    profile: ProfileChange,
    custom_fields: &Map<String, Value>,
    countable: bool,
    settings: &Settings,
) -> Result<Account, accounts::Error> {
    if !settings.registration {
        return Err(Error::TurnedOff.into());
    }
    count(cx, countable, settings).await?;
    let login = locked(cx, id).await?;
    // Nothing goes to an address that may be somebody else's, however many accounts are made.
    let welcome = Some(login.recipient()).filter(|_| login.email_verified);
    own_account(cx, &login, profile, custom_fields, welcome, "").await
}

/// What is wrong with the custom fields is called `prefix` and their name.
async fn own_account(
    cx: &mut Cx,
    login: &Login,
    profile: ProfileChange,
    custom_fields: &Map<String, Value>,
    welcome: Option<Recipient>,
    prefix: &str,
) -> Result<Account, accounts::Error> {
    let profile = profile.into_profile(&login.first_name, &login.last_name, &login.email);
    let account = accounts::insert(cx, login.id.of_user(), profile, None, String::new(), welcome).await?;
    let set = custom_fields::set(cx, account.id, custom_fields, Editor::User, true).await;
    set.map_err(|error| of_account(error, prefix))?;
    Ok(account)
}

fn of_account(error: SetError, prefix: &str) -> accounts::Error {
    match error {
        SetError::Db(error) => error.into(),
        SetError::Invalid(mut invalid) => {
            for error in &mut invalid.0 {
                error.field.insert_str(0, prefix);
            }
            invalid.into()
        }
    }
}

/// Once an hour at the most: anybody can try.
async fn tell(cx: &mut Cx, known: &Login) -> Result<(), db::Error> {
    let event = UserRegisteredAgain { user_id: known.id.of_user() };
    if known.disabled || rates::count(cx, &format!("registered {}", known.id), 1, HOUR).await?.is_err() {
        cx.emit(event).await?;
        return Ok(());
    }
    let address = cx.caller().address.map(|address| address.to_canonical().to_string());
    let mail = Mail::news(cx, known.recipient(), MailContent::AlreadyRegistered { address });
    cx.emit_and_mail(event, mail).await?;
    Ok(())
}
