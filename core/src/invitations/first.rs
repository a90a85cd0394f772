//! The first administrator comes in by an invitation like everybody else: one row, so that nodes agree.

use super::{Error, FIRST_LIFETIME, store};
use crate::{
    cx::{Cx, Reads},
    event::{InvitationCreated, InvitationResent},
    ids::InvitationId,
    roles::FULL_ADMINISTRATOR,
    secret::Token,
};

const FIRST: InvitationId = InvitationId::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);

/// A fresh link for the first administrator while there is none: 24 hours, and the one before dies.
pub async fn first_administrator(cx: &mut Cx) -> Result<Option<Token>, Error> {
    if store::staff_exists(cx.db()).await? {
        return Ok(None);
    }
    let token = Token::new(cx.chance());
    let expires_at = cx.now().plus(FIRST_LIFETIME);
    if store::insert_first(cx, FIRST, &token.hash(), expires_at).await? {
        store::insert_staff_part(cx, FIRST, FULL_ADMINISTRATOR, None, [None, None, None]).await?;
        let role = "Full Administrator".to_owned();
        cx.emit(InvitationCreated {
            invitation_id: FIRST,
            kind: "staff",
            email: None,
            role: Some(role),
            account_id: None,
            permissions: Vec::new(),
        })
        .await?;
        return Ok(Some(token));
    }
    // Accepted in this very moment: the lock finds it spent.
    if !store::replace_token(cx, FIRST, &token.hash(), expires_at).await? {
        return Ok(None);
    }
    cx.emit(InvitationResent { invitation_id: FIRST, kind: "staff", email: None, account_id: None }).await?;
    Ok(Some(token))
}
