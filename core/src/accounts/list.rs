//! The list of accounts.

use super::{Account, Status, store};
use crate::{
    cx::Reads,
    db,
    ids::{AccountGroupId, UserId},
    invalid::Invalid,
    page::{Page, PageRequest},
    search,
};

/// Which accounts a list shows; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<Status>,
    pub group: Option<AccountGroupId>,
    /// Who is on them.
    pub user: Option<UserId>,
    /// Words that must each occur in the names, the address of mail, the tax id or the phone number.
    pub search: Option<String>,
}

impl Filter {
    /// Whether there can be such a search.
    pub fn check(&self) -> Result<(), Invalid> {
        search::check("search", self.search.as_deref())
    }

    pub(super) fn patterns(&self) -> Vec<String> {
        search::patterns(self.search.as_deref())
    }
}

/// The newest first.
pub async fn list(
    reads: &mut impl Reads,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Page<Account>, db::Error> {
    let total = request.total(reads.db(), store::select_one(filter)).await?;
    let rows = store::list(reads.db(), filter, request).await?;
    Ok(request.page(rows, total, |account| (account.created_at, account.id.into())))
}
