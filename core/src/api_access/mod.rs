//! What programs may do: API roles, which are sets of operations, and API credentials, by which a program acts for a
//! member of staff.
//!
//! A program does what its API roles list and its owner may at this moment; it hands on no more than it has itself.

pub mod credentials;
mod programs;
pub mod roles;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use crate::{
    authority, db,
    ids::StaffId,
    invalid::Invalid,
    network::Network,
    roles::{Permission, PermissionSet, Rights},
    time::Timestamp,
};

pub(crate) use credentials::end_all_of;
pub use programs::{Program, Used, again, authenticate, write_used};

/// An operation that programs can call. Most need a permission: what needs none is one's own, but for a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// As in the API's description.
    pub id: &'static str,
    pub group: &'static str,
    pub summary: &'static str,
    /// None: it lets its owner's programs do what it lets the owner, like opening reports.
    pub permission: Option<Permission>,
}

/// Every operation that programs can call. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Arc<BTreeMap<&'static str, Operation>>);

impl FromIterator<Operation> for Catalogue {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self(Arc::new(operations.into_iter().map(|operation| (operation.id, operation)).collect()))
    }
}

impl Catalogue {
    pub fn get(&self, id: &str) -> Option<&Operation> {
        self.0.get(id)
    }

    /// Every permission that some operation needs.
    pub(crate) fn needed(&self) -> PermissionSet {
        self.iter().filter_map(|operation| operation.permission).collect()
    }

    /// Sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.0.values()
    }

    /// Those of these that this version has. What it does not have cannot be called, and permits nothing.
    pub fn known<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> Operations {
        let known: Vec<_> = ids.into_iter().filter_map(|id| self.get(id)).collect();
        Operations {
            ids: known.iter().map(|operation| operation.id).collect(),
            needed: known.iter().filter_map(|operation| operation.permission).collect(),
        }
    }

    /// The id that somebody probably meant.
    fn nearest(&self, id: &str) -> Option<&'static str> {
        // Comparing takes time with length; no operation has a longer name.
        if id.len() > 64 {
            return None;
        }
        let distance = |known: &str| strsim::damerau_levenshtein(&id.to_lowercase(), &known.to_lowercase());
        let best = self.0.keys().copied().min_by_key(|known| distance(known))?;
        (distance(best) <= 1 + id.chars().count() / 4).then_some(best)
    }
}

/// A set of operations, and the permissions that they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    ids: BTreeSet<&'static str>,
    needed: PermissionSet,
}

impl Operations {
    pub fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub fn needed(&self) -> PermissionSet {
        self.needed
    }

    /// What somebody must have to let a program call them.
    pub(crate) fn rights(&self) -> Rights {
        Rights { everything: false, permissions: self.needed }
    }

    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.ids.is_subset(&other.ids)
    }
}

/// How a credential is limited, whatever it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// From where it works; everywhere if there are none.
    pub networks: Vec<Network>,
    /// None: until it is deleted.
    pub expires_at: Option<Timestamp>,
    /// Requests a minute; none: as many as it likes.
    pub rate_per_minute: Option<u32>,
}

impl Limits {
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }

    /// Whether these let nothing through that the others do not.
    pub(crate) fn are_within(&self, other: &Self) -> bool {
        let held = |network: &Network| other.networks.iter().any(|wider| wider.covers(network));
        let networks =
            other.networks.is_empty() || (!self.networks.is_empty() && self.networks.iter().all(held));
        let ends = other.expires_at.is_none_or(|end| self.expires_at.is_some_and(|own| own <= end));
        let slow =
            other.rate_per_minute.is_none_or(|rate| self.rate_per_minute.is_some_and(|own| own <= rate));
        networks && ends && slow
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such API role or API credential")]
    Unknown,
    #[error("another API role has that name")]
    NameTaken,
    /// A credential without an API role could do nothing.
    #[error("a credential needs an API role")]
    RoleRequired,
    #[error("the owner is disabled")]
    OwnerDisabled,
    #[error("the owner's role does not permit to use the API")]
    OwnerLacksAccess,
    #[error("one member of staff has at most {} API credentials", credentials::MOST_OF_ONE)]
    TooMany,
    /// Of several at once one does; and while two secrets work, there is no third.
    #[error("the credential was rotated meanwhile")]
    RotatedMeanwhile {
        /// Until when the secret before works, too.
        until: Option<Timestamp>,
    },
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// The member of staff a credential acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: StaffId,
    pub username: String,
}

/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 200;

fn description(text: &str) -> Result<String, (&'static str, String)> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        Err(("malformed", "A description is one line of text.".into()))
    } else if text.chars().count() > LONGEST_DESCRIPTION {
        Err(("too_long", format!("A description has at most {LONGEST_DESCRIPTION} characters.")))
    } else {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests;
