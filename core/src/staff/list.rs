//! The list of staff: active, disabled, and those who are invited and not there yet, in one order.

use super::{Row, Staff, store};
use crate::{
    cx::Reads,
    db,
    ids::{DepartmentId, RoleId},
    invalid::Invalid,
    invitations::{self, StaffInvitation},
    page::{Page, PageRequest},
    search,
    text_enum::text_enum,
    time::Timestamp,
};

text_enum! {
    /// Which members of staff a list shows.
    #[schemars(rename = "StaffState")]
    pub enum State {
        Active => "active",
        Disabled => "disabled",
        /// Invited, expired links included.
        Pending => "pending",
    }
}

/// Whom a list shows; everybody by default.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<State>,
    pub role: Option<RoleId>,
    pub department: Option<DepartmentId>,
    /// Words that must each occur in the username, the address or the names.
    pub search: Option<String>,
}

/// A row of the list.
#[derive(Clone, Debug)]
pub enum Entry {
    Member(Box<Staff>),
    Invited(Box<StaffInvitation>),
}

impl Filter {
    /// Whether there can be such a search.
    pub fn check(&self) -> Result<(), Invalid> {
        search::check("search", self.search.as_deref())
    }

    /// What each word is compared with by `LIKE … ESCAPE '!'`.
    pub(crate) fn patterns(&self) -> Vec<String> {
        search::patterns(self.search.as_deref())
    }

    fn members(&self) -> bool {
        self.state != Some(State::Pending)
    }

    fn invited(&self) -> bool {
        self.state.is_none_or(|state| state == State::Pending)
    }
}

impl Entry {
    fn key(&self) -> (Timestamp, uuid::Uuid) {
        match self {
            Self::Member(staff) => (staff.created_at, staff.id.into()),
            Self::Invited(invitation) => (invitation.dates.created_at, invitation.id.into()),
        }
    }
}

/// The newest first. Members and invitations are two tables, so two statements, each by its own index, are merged.
pub async fn list(
    reads: &mut impl Reads,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Page<Entry>, db::Error> {
    let (members, invited) = (filter.members(), filter.invited());
    let total = request.total(reads.db(), store::select_one(filter, members, invited)).await?;
    let mut rows = Vec::new();
    if members {
        let found: Vec<Row> = store::select_page(filter, request).fetch_all(reads.db()).await?;
        rows.extend(found.into_iter().map(|row| Entry::Member(Box::new(row.into()))));
    }
    if invited {
        let found = invitations::open(reads, filter, request).await?;
        rows.extend(found.into_iter().map(|invitation| Entry::Invited(Box::new(invitation))));
    }
    if members && invited {
        rows.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.key()));
    }
    Ok(request.page(rows, total, Entry::key))
}

/// How the database looks for a page's members, for benches.
#[cfg(any(test, feature = "testing"))]
pub async fn plan(
    reads: &mut impl Reads,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Vec<String>, db::Error> {
    store::select_page(filter, request).plan(reads.db()).await
}
