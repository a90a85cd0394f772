use crate::{
    cx::{Cx, Reads as _},
    db,
    ids::{RoleId, StaffId},
    on,
    roles::Rights,
};

/// None if they are gone or disabled.
pub(super) async fn rights(cx: &mut Cx, id: StaffId) -> Result<Option<(RoleId, Rights)>, db::Error> {
    let row: Option<(RoleId, bool, String)> = on!(cx.db(), conn => {
        sqlx::query_as(
            "SELECT s.role_id, r.everything, r.permissions
             FROM staff s JOIN logins l ON l.id = s.id JOIN roles r ON r.id = s.role_id WHERE s.id = $1 AND NOT l.disabled",
        )
        .bind(id).fetch_optional(conn).await
    })?;
    Ok(row.map(|(role, everything, permissions)| (role, Rights::from_columns(everything, &permissions))))
}
