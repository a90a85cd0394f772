//! Changing members of staff: a colleague, or oneself.

use super::{Details, Error, Staff, colleague, find, keep_an_administrator, role_to_give, store};
use crate::{
    authority::Authority,
    cx::Cx,
    departments::{self, MemberOf, Membership},
    event::{Changes, StaffEdited},
    ids::{RoleId, StaffId},
    invalid::{self, Checked, Invalid},
    logins::{self, NewPassword},
    outbox::{ChangedBy, Mail, Notice, PasswordChange},
    recovery,
};

/// What to change of a colleague: the outer `None` leaves a field alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub struct StaffChange {
    pub own: OwnChange,
    pub role_id: Option<RoleId>,
    pub departments: Option<Vec<Membership>>,
    /// They must choose another one at the next login.
    pub password: Option<NewPassword>,
}

/// What to change of oneself.
#[derive(Clone, Debug, Default)]
pub struct OwnChange {
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub language: Option<String>,
    pub signature: Option<String>,
    pub notes: Option<String>,
    pub template: Option<Option<String>>,
    pub records_per_page: Option<Option<i64>>,
    /// Only whether the notifications of departments one is in are wanted.
    pub notify: Option<Vec<Membership>>,
}

/// What of staff has rules of its own.
pub(super) trait Checks {
    fn signature(&mut self, text: &str) -> String;
    fn notes(&mut self, text: &str) -> String;
    fn template(&mut self, name: &str) -> String;
    fn records_per_page(&mut self, count: i64) -> i64;
}

impl Checks for Invalid {
    fn signature(&mut self, text: &str) -> String {
        self.take("signature", invalid::plain_text(text, 5_000))
    }

    fn notes(&mut self, text: &str) -> String {
        self.take("notes", invalid::plain_text(text, 20_000))
    }

    fn template(&mut self, name: &str) -> String {
        self.take("template", invalid::template_name(name))
    }

    fn records_per_page(&mut self, count: i64) -> i64 {
        if !(10..=200).contains(&count) {
            self.add(
                "records_per_page",
                "malformed",
                "This is a number from 10 to 200, or null for the setting's.",
            );
        }
        count
    }
}

impl OwnChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let name = invalid::person_name;
        let checked = Self {
            username: self.username.map(|name| invalid.take("username", invalid::username(&name))),
            email: self.email.map(|email| invalid.take("email", invalid::email(&email))),
            first_name: self.first_name.map(|to| invalid.take("first_name", name(&to))),
            last_name: self.last_name.map(|to| invalid.take("last_name", name(&to))),
            language: self.language.map(|tag| invalid.take("language", invalid::language(&tag))),
            signature: self.signature.map(|text| invalid.signature(&text)),
            notes: self.notes.map(|text| invalid.notes(&text)),
            template: self.template.map(|to| to.map(|name| invalid.template(&name))),
            records_per_page: self.records_per_page.map(|to| to.map(|count| invalid.records_per_page(count))),
            notify: self.notify,
        };
        invalid.ok().map(|()| Checked(checked))
    }

    fn apply(self, staff: &mut Staff) {
        fn set<T>(field: &mut T, to: Option<T>) {
            if let Some(to) = to {
                *field = to;
            }
        }
        set(&mut staff.username, self.username);
        set(&mut staff.email, self.email);
        set(&mut staff.first_name, self.first_name);
        set(&mut staff.last_name, self.last_name);
        set(&mut staff.language, self.language);
        set(&mut staff.details.signature, self.signature);
        set(&mut staff.details.notes, self.notes);
        set(&mut staff.details.template, self.template);
        set(&mut staff.details.records_per_page, self.records_per_page);
    }
}

impl StaffChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let Checked(own) = self.own.checked()?;
        Ok(Checked(Self { own, ..self }))
    }
}

impl Checked<StaffChange> {
    /// The same with a password that was judged and hashed, which is slow: after the fields.
    pub fn with_password(mut self, password: NewPassword) -> Self {
        self.0.password = Some(password);
        self
    }
}

/// Changes a colleague. Another role holds on their next request.
pub async fn change(
    cx: &mut Cx,
    by: &Authority,
    id: StaffId,
    Checked(change): Checked<StaffChange>,
) -> Result<Staff, Error> {
    let before = colleague(cx, by, id).await?;
    let mut after = before.clone();
    change.own.apply(&mut after);
    if let Some(role) = change.role_id.filter(|role| *role != before.role_id) {
        let by = by.again(cx).await?;
        let role = role_to_give(cx, &by, role).await?;
        (after.role_id, after.role_name, after.rights) = (role.id, role.name, role.rights);
        if !after.rights.everything {
            keep_an_administrator(cx, &before).await?;
        }
    }
    let mut changes = keep(cx, &before, &after).await?;
    // Names first, then departments, as everybody holds them.
    if let Some(to) = change.departments {
        let before = memberships(cx, id).await?;
        departments::set_of_staff(cx, id, &to).await?;
        changes.note("departments", &before, &memberships(cx, id).await?);
    }
    tell(cx, &before, &after, changes, ChangedBy::Colleague).await?;
    if let Some(password) = change.password {
        let login = logins::find(cx, id).await?.ok_or(Error::Unknown)?;
        logins::set_password(cx, &login, password, PasswordChange::Colleague, None).await?;
        // Somebody else knows it.
        logins::require_new_password(cx, id.into()).await?;
    }
    find(cx, id).await?.ok_or(Error::Unknown)
}

/// Changes what everybody may change of themselves.
pub async fn change_own(
    cx: &mut Cx,
    id: StaffId,
    Checked(change): Checked<OwnChange>,
) -> Result<Staff, Error> {
    logins::lock(cx, id.into()).await?;
    let before = find(cx, id).await?.ok_or(Error::Unknown)?;
    let (mut after, notify) = (before.clone(), change.notify.clone());
    change.apply(&mut after);
    let mut changes = keep(cx, &before, &after).await?;
    if let Some(notify) = &notify {
        let before = memberships(cx, id).await?;
        departments::set_notify(cx, id, notify).await?;
        changes.note("departments", &before, &memberships(cx, id).await?);
    }
    tell(cx, &before, &after, changes, ChangedBy::Owner).await?;
    find(cx, id).await?.ok_or(Error::Unknown)
}

async fn memberships(cx: &mut Cx, id: StaffId) -> Result<Vec<MemberOf>, Error> {
    Ok(departments::of_staff(cx, &[id]).await?.remove(&id).unwrap_or_default())
}

/// Writes what changed, and answers what that was.
async fn keep(cx: &mut Cx, before: &Staff, after: &Staff) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    let Details { signature, notes, template, records_per_page } = &after.details;
    changes.note_personal("username", &before.username, &after.username);
    changes.note_personal("email", &before.email, &after.email);
    changes.note_personal("first_name", &before.first_name, &after.first_name);
    changes.note_personal("last_name", &before.last_name, &after.last_name);
    changes.note_words("role", &before.role_name, &after.role_name);
    changes.note_words("language", &before.language, &after.language);
    changes.note_free_text("signature", &before.details.signature, signature);
    changes.note_free_text("notes", &before.details.notes, notes);
    changes.note_words("template", &before.details.template, template);
    changes.note("records_per_page", &before.details.records_per_page, records_per_page);
    if changes.is_empty() {
        return Ok(changes);
    }
    let names = logins::Names {
        username: Some(after.username.clone()),
        email: after.email.clone(),
        first_name: after.first_name.clone(),
        last_name: after.last_name.clone(),
        language: after.language.clone(),
    };
    logins::rename(cx, before.id.into(), &names).await?;
    store::update(cx, after).await?;
    Ok(changes)
}

/// Says what changed, if anything did. The address before is told that it is none any more.
async fn tell(
    cx: &mut Cx,
    before: &Staff,
    after: &Staff,
    changes: Changes,
    by: ChangedBy,
) -> Result<(), Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let edited =
        StaffEdited { staff_id: after.id, username: after.username.clone(), changed: changes.into_list() };
    if before.email == after.email {
        cx.emit(edited).await?;
        return Ok(());
    }
    // A link in the old mailbox must not open the login any more.
    recovery::forget(cx, before.id.into()).await?;
    let recipient = crate::outbox::Recipient {
        name: format!("{} {}", before.first_name, before.last_name),
        address: before.email.clone(),
        language: before.language.clone(),
    };
    let mail = Mail::notice(cx, recipient, Notice::EmailChanged { by });
    cx.emit_and_mail(edited, mail).await?;
    Ok(())
}
