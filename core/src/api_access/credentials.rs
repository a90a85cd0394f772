//! API credentials: what a program authenticates with, and for whom it acts.
//!
//! Whatever changes a member's credentials holds their login's row, so it happens one at a time, and never beside their
//! being disabled or deleted.

use std::{collections::HashSet, time::Duration};

use data_encoding::BASE32_NOPAD;

use super::{Catalogue, Error, Limits, Operations, Owner, description, roles::ApiRole, store};
use crate::{
    authority::Authority,
    cx::{Cx, Reads},
    db,
    event::{ApiCredentialCreated, ApiCredentialDeleted, ApiCredentialEdited, ApiCredentialRotated, Changes},
    ids::{self, ApiCredentialId, ApiRoleId, StaffId},
    invalid::{Checked, Invalid},
    logins,
    network::Network,
    outbox::{ChangedBy, Mail, Notice},
    page::{Page, PageRequest},
    roles::Permission,
    secret::Token,
    staff::{self, Staff},
    time::Timestamp,
};

/// API credentials of one member of staff.
pub const MOST_OF_ONE: usize = 50;

const MOST_NETWORKS: usize = 50;
const MOST_API_ROLES: usize = 50;

/// The longest time for which two secrets work.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(10_080 * 60);

/// What a program authenticates with; its secret is kept as a hash only.
#[derive(Clone, Debug)]
pub struct Credential {
    pub id: ApiCredentialId,
    pub owner: Owner,
    pub description: String,
    /// Public, like a username.
    pub identifier: String,
    /// Sorted by name.
    pub api_roles: Vec<ApiRoleName>,
    pub limits: Limits,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    pub last_used_from: Option<String>,
    /// Until when the secret before works, too.
    pub previous_until: Option<Timestamp>,
    /// How often it was rotated.
    pub rotations: i64,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRoleName {
    pub id: ApiRoleId,
    pub name: String,
}

/// A credential together with its secret, for the one answer that may carry it.
#[derive(Clone, Debug)]
pub struct WithSecret {
    pub credential: Credential,
    pub secret: Token,
}

#[derive(Clone, Debug)]
pub struct NewCredential {
    /// None: whoever makes it.
    pub staff_id: Option<StaffId>,
    pub description: String,
    pub api_role_ids: Vec<ApiRoleId>,
    pub limits: Limits,
}

/// What to change: the outer `None` leaves a field alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub struct CredentialChange {
    pub description: Option<String>,
    pub api_role_ids: Option<Vec<ApiRoleId>>,
    pub networks: Option<Vec<Network>>,
    pub expires_at: Option<Option<Timestamp>>,
    pub rate_per_minute: Option<Option<u32>>,
}

impl NewCredential {
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let Limits { networks, expires_at, rate_per_minute } = self.limits;
        let checked = Self {
            staff_id: self.staff_id,
            description: invalid.take("description", description(&self.description)),
            api_role_ids: api_role_ids(&mut invalid, self.api_role_ids),
            limits: Limits {
                networks: check_networks(&mut invalid, networks),
                expires_at,
                rate_per_minute: check_rate(&mut invalid, rate_per_minute),
            },
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl CredentialChange {
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            description: self.description.map(|text| invalid.take("description", description(&text))),
            api_role_ids: self.api_role_ids.map(|ids| api_role_ids(&mut invalid, ids)),
            networks: self.networks.map(|networks| check_networks(&mut invalid, networks)),
            expires_at: self.expires_at,
            rate_per_minute: self.rate_per_minute.map(|rate| check_rate(&mut invalid, rate)),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

fn api_role_ids(invalid: &mut Invalid, mut ids: Vec<ApiRoleId>) -> Vec<ApiRoleId> {
    if ids.len() > MOST_API_ROLES {
        invalid.add("api_role_ids", "too_many", format!("These are at most {MOST_API_ROLES}."));
    }
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

fn check_networks(invalid: &mut Invalid, mut networks: Vec<Network>) -> Vec<Network> {
    if networks.len() > MOST_NETWORKS {
        invalid.add("networks", "too_many", format!("These are at most {MOST_NETWORKS}."));
    }
    let mut seen = HashSet::new();
    networks.retain(|network| seen.insert(*network));
    networks
}

fn check_rate(invalid: &mut Invalid, rate: Option<u32>) -> Option<u32> {
    if rate.is_some_and(|rate| !(1..=100_000).contains(&rate)) {
        invalid.add("rate_per_minute", "malformed", "This is a number from 1 to 100000.");
    }
    rate
}

fn refuse_past(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Invalid> {
    match expires_at {
        Some(at) if at <= now => {
            Err(Invalid::one("expires_at", "malformed", "A credential expires in the future."))
        }
        _ => Ok(()),
    }
}

pub async fn find(reads: &mut impl Reads, id: ApiCredentialId) -> Result<Option<Credential>, db::Error> {
    let now = reads.now();
    store::find_credential(reads.db(), id, now).await
}

/// Everybody's or one member's, the newest first.
pub async fn list(
    reads: &mut impl Reads,
    owner: Option<StaffId>,
    request: &PageRequest,
) -> Result<Page<Credential>, db::Error> {
    let now = reads.now();
    let total = request.total(reads.db(), store::select_one_credential(owner)).await?;
    let mut rows = store::list_credentials(reads.db(), owner, request, now).await?;
    store::add_api_roles(reads.db(), &mut rows).await?;
    Ok(request.page(rows, total, |credential| (credential.created_at, credential.id.into())))
}

/// Makes a credential for somebody whom the caller covers, with no operation that the caller may not call. The owner is
/// told by mail.
pub async fn create(
    cx: &mut Cx,
    by: &Authority,
    catalogue: &Catalogue,
    Checked(new): Checked<NewCredential>,
) -> Result<WithSecret, Error> {
    refuse_past(new.limits.expires_at, cx.now())?;
    let owner = new
        .staff_id
        .or(by.staff())
        .ok_or_else(|| Invalid::one("staff_id", "required", "Say for whom it acts."))?;
    logins::lock(cx, owner.into()).await?;
    let by = by.again(cx).await?;
    let owner = staff::find(cx, owner).await?.ok_or_else(|| {
        Invalid::one(
            "staff_id",
            "unknown",
            "There is no member of staff with this id; GET /v1/admin/staff lists them.",
        )
    })?;
    refuse_beyond(&by, &owner)?;
    if owner.disabled {
        return Err(Error::OwnerDisabled);
    }
    if !owner.rights.has(Permission::ApiAccess) {
        return Err(Error::OwnerLacksAccess);
    }
    let api_roles = lock_given(cx, &new.api_role_ids).await?;
    by.covers_operations(&all_operations(catalogue, &api_roles))?;
    by.covers_limits(&new.limits)?;
    if store::count_of(cx, owner.id).await? >= MOST_OF_ONE {
        return Err(Error::TooMany);
    }

    let (id, secret) = (ApiCredentialId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let identifier =
        format!("fdk_{}", BASE32_NOPAD.encode(&ids::bytes::<10>(cx.chance())).to_ascii_lowercase());
    store::insert_credential(cx, id, owner.id, &identifier, &secret.hash(), &new).await?;
    store::set_api_roles(cx, id, &api_roles).await?;
    let event = ApiCredentialCreated {
        api_credential_id: id,
        identifier,
        staff_id: owner.id,
        api_roles: api_roles.into_iter().map(|role| role.name).collect(),
    };
    let mail = notice(cx, &by, &owner).await?;
    cx.emit_and_mail(event, mail).await?;
    let credential = find(cx, id).await?.ok_or(Error::Unknown)?;
    Ok(WithSecret { credential, secret })
}

/// Changes what is given. Holds from the credential's next request on.
pub async fn change(
    cx: &mut Cx,
    by: &Authority,
    catalogue: &Catalogue,
    id: ApiCredentialId,
    Checked(change): Checked<CredentialChange>,
) -> Result<Credential, Error> {
    let (before, owner) = open(cx, id).await?;
    let by = by.again(cx).await?;
    refuse_beyond(&by, &owner)?;
    if let Some(expires_at) = change.expires_at {
        refuse_past(expires_at, cx.now())?;
    }
    let limits = Limits {
        networks: change.networks.unwrap_or_else(|| before.limits.networks.clone()),
        expires_at: change.expires_at.unwrap_or(before.limits.expires_at),
        rate_per_minute: change.rate_per_minute.unwrap_or(before.limits.rate_per_minute),
    };
    let description = change.description.unwrap_or_else(|| before.description.clone());

    let had = before.api_role_ids();
    let wanted = change.api_role_ids.unwrap_or_else(|| had.clone());
    let same = HashSet::<_>::from_iter(&had) == HashSet::from_iter(&wanted);
    if !same {
        // Those it has and those it gets, in the one order, so that no two changes wait for each other.
        let both: Vec<_> = had.iter().chain(&wanted).copied().collect();
        hold(cx, &both).await?;
    }
    let given = if same { None } else { Some(lock_given(cx, &wanted).await?) };
    if given.is_some() || by.is_program() {
        by.covers_operations(&operations_of(cx, catalogue, &had).await?)?;
    }
    if let Some(given) = &given {
        by.covers_operations(&all_operations(catalogue, given))?;
    }
    by.covers_limits(&before.limits)?;
    by.covers_limits(&limits)?;

    let mut changed = Changes::default();
    changed.note_free_text("description", &before.description, &description);
    if let Some(given) = &given {
        let names = |roles: Vec<&String>| roles.into_iter().cloned().collect::<Vec<_>>();
        let had = names(before.api_roles.iter().map(|role| &role.name).collect());
        let mut has = names(given.iter().map(|role| &role.name).collect());
        has.sort_unstable();
        changed.note_words("api_roles", &had, &has);
    }
    changed.note("networks", &before.limits.networks, &limits.networks);
    changed.note("expires_at", &before.limits.expires_at, &limits.expires_at);
    changed.note("rate_per_minute", &before.limits.rate_per_minute, &limits.rate_per_minute);
    if changed.is_empty() {
        return Ok(before);
    }
    store::update_credential(cx, id, &description, &limits).await?;
    if let Some(given) = &given {
        store::set_api_roles(cx, id, given).await?;
    }
    let (identifier, changed) = (before.identifier, changed.into_list());
    cx.emit(ApiCredentialEdited { api_credential_id: id, identifier, staff_id: owner.id, changed }).await?;
    find(cx, id).await?.ok_or(Error::Unknown)
}

/// Gives a credential a new secret. The one before works for `overlap` longer; without one, none of those before does.
/// `rotations` is how often it was rotated when the caller looked: of any number who looked at once, one rotates.
pub async fn rotate(
    cx: &mut Cx,
    by: &Authority,
    catalogue: &Catalogue,
    id: ApiCredentialId,
    rotations: i64,
    overlap: Duration,
) -> Result<WithSecret, Error> {
    let (before, owner) = open(cx, id).await?;
    let by = by.again(cx).await?;
    refuse_beyond(&by, &owner)?;
    // Whoever rotates sees the secret.
    by.covers_operations(&operations_of(cx, catalogue, &before.api_role_ids()).await?)?;
    by.covers_limits(&before.limits)?;
    if owner.disabled {
        return Err(Error::OwnerDisabled);
    }
    let refused = Error::RotatedMeanwhile { until: before.previous_until };
    if before.previous_until.is_some() && !overlap.is_zero() {
        return Err(refused);
    }
    let secret = Token::new(cx.chance());
    let previous_until = (!overlap.is_zero()).then(|| cx.now().plus(overlap.min(LONGEST_OVERLAP)));
    if !store::rotate(cx, id, rotations, &secret.hash(), previous_until).await? {
        return Err(refused);
    }
    let event = ApiCredentialRotated {
        api_credential_id: id,
        identifier: before.identifier,
        staff_id: owner.id,
        previous_until,
    };
    if by.staff() == Some(owner.id) {
        cx.emit(event).await?;
    } else {
        let mail = notice(cx, &by, &owner).await?;
        cx.emit_and_mail(event, mail).await?;
    }
    let credential = find(cx, id).await?.ok_or(Error::Unknown)?;
    Ok(WithSecret { credential, secret })
}

/// Ends a credential for good.
pub async fn delete(cx: &mut Cx, by: &Authority, id: ApiCredentialId) -> Result<(), Error> {
    let (credential, owner) = open(cx, id).await?;
    refuse_beyond(&by.again(cx).await?, &owner)?;
    store::delete_credential(cx, id).await?;
    ended(cx, id, credential.identifier, owner.id).await?;
    Ok(())
}

/// Ends every credential of somebody who is disabled or deleted in this unit of work, which holds their login's row.
pub(crate) async fn end_all_of(cx: &mut Cx, staff: StaffId) -> Result<(), db::Error> {
    for (id, identifier) in store::delete_all_of(cx, staff).await? {
        ended(cx, id, identifier, staff).await?;
    }
    Ok(())
}

async fn ended(
    cx: &mut Cx,
    id: ApiCredentialId,
    identifier: String,
    staff_id: StaffId,
) -> Result<(), db::Error> {
    cx.emit(ApiCredentialDeleted { api_credential_id: id, identifier, staff_id }).await?;
    Ok(())
}

impl Credential {
    fn api_role_ids(&self) -> Vec<ApiRoleId> {
        self.api_roles.iter().map(|role| role.id).collect()
    }
}

/// A credential and its owner, held until the transaction ends.
async fn open(cx: &mut Cx, id: ApiCredentialId) -> Result<(Credential, Staff), Error> {
    let owner = find(cx, id).await?.ok_or(Error::Unknown)?.owner;
    logins::lock(cx, owner.id.into()).await?;
    let credential = find(cx, id).await?.ok_or(Error::Unknown)?;
    let owner = staff::find(cx, owner.id).await?.ok_or(Error::Unknown)?;
    Ok((credential, owner))
}

/// Everybody looks after their own, and after those who may nothing that they may not.
fn refuse_beyond(by: &Authority, owner: &Staff) -> Result<(), Error> {
    if by.staff() != Some(owner.id) {
        by.covers(&owner.rights)?;
    }
    Ok(())
}

/// Those of these API roles that there are, held so that they neither go nor come to permit more meanwhile; in the order of
/// their ids, as everybody holds them.
async fn hold(cx: &mut Cx, ids: &[ApiRoleId]) -> Result<Vec<ApiRole>, db::Error> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let mut roles = Vec::new();
    for id in sorted {
        roles.extend(store::lock_role(cx, id).await?);
    }
    Ok(roles)
}

/// The API roles to give.
async fn lock_given(cx: &mut Cx, ids: &[ApiRoleId]) -> Result<Vec<ApiRole>, Error> {
    if ids.is_empty() || !store::any_role(cx).await? {
        return Err(Error::RoleRequired);
    }
    let roles = hold(cx, ids).await?;
    let known: HashSet<_> = roles.iter().map(|role| role.id).collect();
    let mut invalid = Invalid::default();
    for (index, _) in ids.iter().enumerate().filter(|(_, id)| !known.contains(id)) {
        let message = "There is no API role with this id; GET /v1/admin/api-roles lists them.";
        invalid.add(&format!("api_role_ids.{index}"), "unknown", message);
    }
    invalid.ok()?;
    Ok(roles)
}

fn all_operations(catalogue: &Catalogue, roles: &[ApiRole]) -> Operations {
    catalogue.known(roles.iter().flat_map(|role| role.operations.iter().map(String::as_str)))
}

/// What the API roles list that a credential has. One that was deleted meanwhile is the credential's no more.
async fn operations_of(
    cx: &mut Cx,
    catalogue: &Catalogue,
    ids: &[ApiRoleId],
) -> Result<Operations, db::Error> {
    Ok(all_operations(catalogue, &hold(cx, ids).await?))
}

/// Tells the owner: whoever has the secret acts in their name.
async fn notice(cx: &mut Cx, by: &Authority, owner: &Staff) -> Result<Mail, Error> {
    let login = logins::find(cx, owner.id).await?.ok_or(Error::Unknown)?;
    let by = if by.staff() == Some(owner.id) { ChangedBy::Owner } else { ChangedBy::Colleague };
    Ok(Mail::notice(cx, login.recipient(), Notice::ApiCredentialCreated { by }))
}
