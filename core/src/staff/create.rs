//! Somebody comes in: by an invitation, or with a username and a password that an administrator chose.

use super::{Details, Error, Staff, edit::Checks, find, role_to_give, store, unknown_role};
use crate::{
    authority::Authority,
    cx::{Cx, Reads},
    departments::{self, Membership},
    event::StaffCreated,
    ids::{RoleId, StaffId},
    invalid::{self, Checked, Invalid},
    logins::{self, Audience, NewLogin},
    password::PasswordHash,
    roles::{self, Role},
};

/// Somebody about to become staff; every field is checked.
#[derive(Clone, Debug)]
pub(crate) struct NewStaff {
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
    pub details: Details,
    /// Somebody else knows it.
    pub must_change_password: bool,
}

/// A member of staff to create, whom an administrator gives a password.
#[derive(Clone, Debug)]
pub struct NewMember {
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub role_id: RoleId,
    pub language: Option<String>,
    pub departments: Vec<Membership>,
    pub details: Details,
}

impl NewMember {
    /// The same with every field in its kept form. Before a password is hashed.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            username: invalid.take("username", invalid::username(&self.username)),
            email: invalid.take("email", invalid::email(&self.email)),
            first_name: invalid.take("first_name", invalid::person_name(&self.first_name)),
            last_name: invalid.take("last_name", invalid::person_name(&self.last_name)),
            language: self.language.map(|tag| invalid.take("language", invalid::language(&tag))),
            details: Details {
                signature: invalid.signature(&self.details.signature),
                notes: invalid.notes(&self.details.notes),
                template: self.details.template.map(|name| invalid.template(&name)),
                records_per_page: self.details.records_per_page.map(|count| invalid.records_per_page(count)),
            },
            ..self
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl Checked<NewMember> {
    /// Words that the password must not be made of.
    pub fn own_words(&self) -> Vec<String> {
        let NewMember { username, email, first_name, last_name, .. } = &self.0;
        [username, email, first_name, last_name].map(Clone::clone).into()
    }
}

/// Refuses what cannot be created, before a password is judged and hashed. [`create`] checks again.
pub async fn look(
    reads: &mut impl Reads,
    by: &Authority,
    Checked(new): &Checked<NewMember>,
) -> Result<(), Error> {
    let role = roles::find(reads, new.role_id).await?.ok_or_else(unknown_role)?;
    by.covers(&role.rights)?;
    if logins::email_exists(reads, Audience::Staff, &new.email).await? {
        return Err(Error::EmailTaken);
    }
    if logins::find_by_name(reads, Audience::Staff, &new.username).await?.is_some() {
        return Err(Error::UsernameTaken);
    }
    Ok(())
}

/// Creates a member of staff, who must change the password at the first login.
pub async fn create(
    cx: &mut Cx,
    by: &Authority,
    Checked(new): Checked<NewMember>,
    password: PasswordHash,
) -> Result<Staff, Error> {
    let by = by.again(cx).await?;
    let role = role_to_give(cx, &by, new.role_id).await?;
    let staff = NewStaff {
        username: new.username,
        email: new.email,
        first_name: new.first_name,
        last_name: new.last_name,
        language: new.language.unwrap_or_else(|| logins::DEFAULT_LANGUAGE.into()),
        details: new.details,
        must_change_password: true,
    };
    let id = bring_in(cx, staff, &role, password).await?;
    if !new.departments.is_empty() {
        departments::set_of_staff(cx, id, &new.departments).await?;
    }
    find(cx, id).await?.ok_or(Error::Unknown)
}

/// Brings somebody in. The role was judged by whoever invited or created them.
pub(crate) async fn bring_in(
    cx: &mut Cx,
    new: NewStaff,
    role: &Role,
    password: PasswordHash,
) -> Result<StaffId, logins::Error> {
    let login = NewLogin {
        audience: Audience::Staff,
        username: Some(new.username),
        email: new.email,
        // Whoever invited or created them gave it.
        email_verified: true,
        first_name: new.first_name,
        last_name: new.last_name,
        language: new.language,
        password_hash: Some(password),
        must_change_password: new.must_change_password,
    };
    let id = logins::create(cx, &login).await?.of_staff();
    store::insert(cx, id, role.id, &new.details).await?;
    let username = login.username.unwrap_or_default();
    cx.emit(StaffCreated { staff_id: id, username, email: login.email, role: role.name.clone() }).await?;
    Ok(id)
}
