//! The list of users.

use super::{User, store};
use crate::{
    cx::Reads,
    db,
    ids::AccountId,
    invalid::Invalid,
    page::{Page, PageRequest},
    search,
    text_enum::text_enum,
};

text_enum! {
    /// Which users a list shows.
    #[schemars(rename = "UserState")]
    pub enum State {
        Active => "active",
        Disabled => "disabled",
    }
}

/// Whom a list shows; everybody by default.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<State>,
    /// On which they are.
    pub account: Option<AccountId>,
    /// Words that must each occur in the address or the names.
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
) -> Result<Page<User>, db::Error> {
    let total = request.total(reads.db(), store::select_one(filter)).await?;
    let rows = store::list(reads.db(), filter, request).await?;
    Ok(request.page(rows, total, |user| (user.created_at, user.id.into())))
}
