//! Nobody gives or takes what they do not have (FEATURES A13): the one place that decides it, for staff, roles,
//! invitations, API roles and API credentials alike.
//!
//! A request brings an [`Authority`] as things stood when it came in. A unit of work asks [`Authority::again`] inside
//! its transaction, after the rows it judges are locked, so that whoever lost a permission meanwhile has lost it here.

mod store;

use std::sync::Arc;

use crate::{
    api_access::{self, Limits, Operations, Program},
    cx::Cx,
    db,
    ids::{RoleId, StaffId},
    roles::{Permission, PermissionSet, Rights},
    sessions::Authenticated,
};

/// Who decides, and what they could give.
#[derive(Clone, Debug)]
pub struct Authority {
    /// None: the command line, which may everything.
    staff: Option<Holder>,
    rights: Rights,
}

#[derive(Clone, Debug)]
struct Holder {
    id: StaffId,
    role: Option<RoleId>,
    /// The program that acts for them.
    program: Option<Arc<Program>>,
}

/// Why somebody may not do that to others.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("it goes beyond the caller's own permissions")]
    Beyond,
    /// A program hands on no more than it has itself, not even of what its owner may.
    #[error("it goes beyond what the calling program may")]
    BeyondProgram,
    /// What is done to colleagues is not done to oneself.
    #[error("it is the caller's own login")]
    OwnLogin,
    /// Nobody changes the role they have themselves.
    #[error("it is the caller's own role")]
    OwnRole,
    /// The caller was disabled or deleted meanwhile.
    #[error("the caller is no longer there")]
    Gone,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Authority {
    pub fn command_line() -> Self {
        Self { staff: None, rights: Rights { everything: true, permissions: PermissionSet::all() } }
    }

    /// A program's: its owner's permissions, as far as its operations need them.
    pub fn of_program(program: Arc<Program>) -> Self {
        let rights = program.rights();
        let holder = Holder { id: program.owner, role: Some(program.owner_role), program: Some(program) };
        Self { staff: Some(holder), rights }
    }

    /// Who decides; none for the command line.
    pub fn staff(&self) -> Option<StaffId> {
        self.staff.as_ref().map(|holder| holder.id)
    }

    /// The program that acts, if one does.
    pub fn program(&self) -> Option<&Arc<Program>> {
        self.staff.as_ref()?.program.as_ref()
    }

    pub fn is_program(&self) -> bool {
        self.program().is_some()
    }

    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The same as things stand in this transaction.
    pub async fn again(&self, cx: &mut Cx) -> Result<Self, Refused> {
        let Some(holder) = &self.staff else { return Ok(self.clone()) };
        if let Some(program) = &holder.program {
            let program = api_access::again(cx, program).await?.ok_or(Refused::Gone)?;
            if !program.owner_rights.has(Permission::ApiAccess) {
                return Err(Refused::Gone);
            }
            return Ok(Self::of_program(Arc::new(program)));
        }
        let (role, rights) = store::rights(cx, holder.id).await?.ok_or(Refused::Gone)?;
        Ok(Self { staff: Some(Holder { id: holder.id, role: Some(role), program: None }), rights })
    }

    /// Whether these rights may be given to somebody, or taken from them.
    pub fn covers(&self, rights: &Rights) -> Result<(), Refused> {
        if self.rights.covers(rights) { Ok(()) } else { Err(Refused::Beyond) }
    }

    /// Whether programs may be let call these operations, or kept from it.
    pub fn covers_operations(&self, operations: &Operations) -> Result<(), Refused> {
        self.covers(&operations.rights())?;
        match self.program() {
            Some(program) if !operations.is_within(&program.operations) => Err(Refused::BeyondProgram),
            _ => Ok(()),
        }
    }

    /// Whether a credential may be given these limits, and its secret be seen.
    pub fn covers_limits(&self, limits: &Limits) -> Result<(), Refused> {
        match self.program() {
            Some(program) if !limits.are_within(&program.limits) => Err(Refused::BeyondProgram),
            _ => Ok(()),
        }
    }

    /// Whether something may be done to a colleague: somebody else, who may nothing that the caller may not.
    pub fn over_colleague(&self, id: StaffId, rights: &Rights) -> Result<(), Refused> {
        if self.staff() == Some(id) {
            return Err(Refused::OwnLogin);
        }
        self.covers(rights)
    }

    /// Whether a role may be changed. Nobody's own, except the full one's: what it permits is fixed anyway.
    pub fn over_role(&self, id: RoleId, rights: &Rights) -> Result<(), Refused> {
        if !self.rights.everything && self.staff.as_ref().is_some_and(|holder| holder.role == Some(id)) {
            return Err(Refused::OwnRole);
        }
        self.covers(rights)
    }
}

impl From<&Authenticated> for Authority {
    fn from(session: &Authenticated) -> Self {
        let holder = Holder { id: session.staff(), role: session.role, program: None };
        Self { staff: Some(holder), rights: session.rights }
    }
}
