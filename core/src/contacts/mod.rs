//! Contacts: people of an account who do not log in, and which of its mails they get.

mod store;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{Changes, ContactCreated, ContactDeleted, ContactEdited},
    ids::{AccountId, ContactId},
    invalid::{self, Checked, Invalid},
    page::{Page, PageRequest},
    text_enum::text_enum,
    time::Timestamp,
};

/// How many contacts an account can have.
pub const MOST: usize = 200;
/// Longest phone number, in characters.
const LONGEST_PHONE: usize = 200;

text_enum! {
    /// A kind of mails that a contact gets.
    pub enum EmailPreference {
        General => "general",
        Invoice => "invoice",
        Support => "support",
        Product => "product",
        Domain => "domain",
        Affiliate => "affiliate",
    }
}

/// Somebody of an account who does not log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    pub account_id: AccountId,
    /// Names are empty if unknown, not all of them.
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
    pub email: String,
    pub phone: String,
    /// Which mails they get, each once.
    pub emails: Vec<EmailPreference>,
    pub created_at: Timestamp,
}

/// A contact about to be added.
#[derive(Clone, Debug, Default)]
pub struct NewContact {
    pub first_name: String,
    pub last_name: String,
    pub company_name: String,
    pub email: String,
    pub phone: String,
    pub emails: Vec<EmailPreference>,
}

/// What to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ContactChange {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub company_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub emails: Option<Vec<EmailPreference>>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such account")]
    NoSuchAccount,
    #[error("the account has no such contact")]
    NotFound,
    #[error("the account has as many contacts as it can have")]
    TooMany,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

type Verdict = Result<String, (&'static str, String)>;

/// A name, or nothing.
fn name(text: &str, check: fn(&str) -> Verdict) -> Verdict {
    if text.trim().is_empty() { Ok(String::new()) } else { check(text) }
}

/// Each once, in the order of the catalogue.
fn tidy(mut emails: Vec<EmailPreference>) -> Vec<EmailPreference> {
    emails.sort_unstable();
    emails.dedup();
    emails
}

/// Somebody without any name could not be told from others.
fn refuse_nameless(first_name: &str, last_name: &str, company_name: &str) -> Result<(), Invalid> {
    if [first_name, last_name, company_name].iter().all(|name| name.trim().is_empty()) {
        let message = "Give a first name, a last name or the name of a company.";
        return Err(Invalid::one("first_name", "required", message));
    }
    Ok(())
}

impl NewContact {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            first_name: invalid.take("first_name", name(&self.first_name, invalid::person_name)),
            last_name: invalid.take("last_name", name(&self.last_name, invalid::person_name)),
            company_name: invalid.take("company_name", name(&self.company_name, invalid::title)),
            email: invalid.take("email", invalid::email(&self.email)),
            phone: invalid.take("phone", invalid::line(&self.phone, LONGEST_PHONE)),
            emails: tidy(self.emails),
        };
        if let Err(nameless) = refuse_nameless(&self.first_name, &self.last_name, &self.company_name) {
            invalid.0.extend(nameless.0);
        }
        invalid.ok().map(|()| Checked(checked))
    }
}

impl ContactChange {
    /// The same with every field in its kept form; whether a name is left is judged once the others are known.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let mut take = |field: &str, to: Option<String>, check: &dyn Fn(&str) -> Verdict| {
            to.map(|to| invalid.take(field, check(&to)))
        };
        let checked = Self {
            first_name: take("first_name", self.first_name, &|text| name(text, invalid::person_name)),
            last_name: take("last_name", self.last_name, &|text| name(text, invalid::person_name)),
            company_name: take("company_name", self.company_name, &|text| name(text, invalid::title)),
            email: take("email", self.email, &invalid::email),
            phone: take("phone", self.phone, &|text| invalid::line(text, LONGEST_PHONE)),
            emails: self.emails.map(tidy),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// One of the account's contacts.
pub async fn find(reads: &mut impl Reads, account: AccountId, id: ContactId) -> Result<Contact, Error> {
    store::find(reads.db(), account, id).await?.ok_or(Error::NotFound)
}

/// The account's contacts, the newest first.
pub async fn list(
    reads: &mut impl Reads,
    account: AccountId,
    request: &PageRequest,
) -> Result<Page<Contact>, Error> {
    if !store::account_exists(reads.db(), account).await? {
        return Err(Error::NoSuchAccount);
    }
    let total = request.total(reads.db(), store::select_one(account)).await?;
    let rows = store::list(reads.db(), account, request).await?;
    Ok(request.page(rows, total, |contact| (contact.created_at, contact.id.into())))
}

pub async fn create(
    cx: &mut Cx,
    account: AccountId,
    Checked(new): Checked<NewContact>,
) -> Result<Contact, Error> {
    lock(cx, account).await?;
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    if store::count(cx, account).await? >= most {
        return Err(Error::TooMany);
    }
    let NewContact { first_name, last_name, company_name, email, phone, emails } = new;
    let (id, created_at) = (ContactId::new(cx.now(), cx.chance()), cx.now());
    let contact = Contact {
        id,
        account_id: account,
        first_name,
        last_name,
        company_name,
        email,
        phone,
        emails,
        created_at,
    };
    store::insert(cx, &contact).await?;
    let email = contact.email.clone();
    cx.emit(ContactCreated { account_id: account, contact_id: id, email }).await?;
    Ok(contact)
}

pub async fn change(
    cx: &mut Cx,
    account: AccountId,
    id: ContactId,
    Checked(change): Checked<ContactChange>,
) -> Result<Contact, Error> {
    lock(cx, account).await?;
    let before = find(cx, account, id).await?;
    let mut after = before.clone();
    after.first_name = change.first_name.unwrap_or(after.first_name);
    after.last_name = change.last_name.unwrap_or(after.last_name);
    after.company_name = change.company_name.unwrap_or(after.company_name);
    after.email = change.email.unwrap_or(after.email);
    after.phone = change.phone.unwrap_or(after.phone);
    after.emails = change.emails.unwrap_or(after.emails);
    refuse_nameless(&after.first_name, &after.last_name, &after.company_name)?;

    let mut changed = Changes::default();
    changed.note_personal("first_name", &before.first_name, &after.first_name);
    changed.note_personal("last_name", &before.last_name, &after.last_name);
    changed.note_personal("company_name", &before.company_name, &after.company_name);
    changed.note_personal("email", &before.email, &after.email);
    changed.note_personal("phone", &before.phone, &after.phone);
    changed.note("emails", &before.emails, &after.emails);
    if !changed.is_empty() {
        store::update(cx, &after).await?;
        let changed = changed.into_list();
        cx.emit(ContactEdited { account_id: account, contact_id: id, changed }).await?;
    }
    Ok(after)
}

pub async fn delete(cx: &mut Cx, account: AccountId, id: ContactId) -> Result<(), Error> {
    lock(cx, account).await?;
    let email = store::delete(cx, account, id).await?.ok_or(Error::NotFound)?;
    cx.emit(ContactDeleted { account_id: account, contact_id: id, email }).await?;
    Ok(())
}

/// An account's contacts change one at a time, and none comes to one that is being deleted.
async fn lock(cx: &mut Cx, account: AccountId) -> Result<(), Error> {
    if store::lock_account(cx, account).await? { Ok(()) } else { Err(Error::NoSuchAccount) }
}

#[cfg(test)]
mod tests;
