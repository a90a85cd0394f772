//! Programs that call: who they act for, and what they may at this moment.

use std::net::IpAddr;

use super::{Catalogue, Limits, Operations, store};
use crate::{
    cx::{Cx, Reads},
    db,
    ids::{ApiCredentialId, RoleId, StaffId},
    roles::{PermissionSet, Rights},
    secret::{Token, TokenHash},
    time::Timestamp,
};

/// A program that proved to have a credential's secret, as things stand.
#[derive(Clone, Debug)]
pub struct Program {
    pub credential: ApiCredentialId,
    pub owner: StaffId,
    pub owner_role: RoleId,
    pub owner_rights: Rights,
    pub operations: Operations,
    pub limits: Limits,
    pub(super) catalogue: Catalogue,
}

impl Program {
    /// What it may give and take: its owner's permissions, as far as its operations need them; and those that no
    /// operation needs, like reports, because else it could look after nobody who has one.
    pub fn rights(&self) -> Rights {
        let unlisted = PermissionSet::all().without(self.catalogue.needed());
        self.owner_rights.limited_to(self.operations.needed().and(unlisted))
    }
}

/// A credential's secrets, as they are kept.
#[derive(Debug)]
pub(super) struct Secrets {
    pub hash: TokenHash,
    pub previous: Option<(TokenHash, Timestamp)>,
}

impl Secrets {
    fn take(&self, given: &TokenHash, now: Timestamp) -> bool {
        let before = |(hash, until): &(TokenHash, Timestamp)| hash == given && now < *until;
        self.hash == *given || self.previous.as_ref().is_some_and(before)
    }
}

fn is_over(limits: &Limits, now: Timestamp) -> bool {
    limits.expires_at.is_some_and(|end| end <= now)
}

/// Whose credential it is, if it is good: not expired, and its owner not disabled. Which of these it was, nobody learns.
pub async fn authenticate(
    reads: &mut impl Reads,
    catalogue: &Catalogue,
    identifier: &str,
    secret: &Token,
) -> Result<Option<Program>, db::Error> {
    let now = reads.now();
    let found = store::find_program(reads.db(), store::By::Identifier(identifier), catalogue).await?;
    Ok(found
        .filter(|(program, secrets)| secrets.take(&secret.hash(), now) && !is_over(&program.limits, now))
        .map(|(program, _)| program))
}

/// The same program as things stand in this transaction. None if it may nothing any more.
pub async fn again(cx: &mut Cx, program: &Program) -> Result<Option<Program>, db::Error> {
    let now = cx.now();
    let found = store::find_program(cx.db(), store::By::Id(program.credential), &program.catalogue).await?;
    Ok(found.map(|(program, _)| program).filter(|program| !is_over(&program.limits, now)))
}

/// When a credential was last used, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub credential: ApiCredentialId,
    pub at: Timestamp,
    pub address: Option<IpAddr>,
}

/// Writes down when credentials were last used. What was written later stays.
pub async fn write_used(cx: &mut Cx, used: &[Used]) -> Result<(), db::Error> {
    store::write_used(cx, used).await
}
