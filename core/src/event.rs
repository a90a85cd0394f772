//! Everything that can happen, in one catalogue: stable dotted names, typed fields, and a sample of each.
//!
//! Secrets have no place here: a payload holds ids, names and addresses, never a token or a password.

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::{InvitationId, SessionId, StaffId};

macro_rules! events {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty = $sample:expr),* $(,)? })*) => {
        /// Something that happened.
        #[derive(Clone, Debug, Serialize)]
        #[serde(untagged)]
        pub enum Event { $($(#[doc = $doc])* $variant($variant)),* }

        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, Serialize, JsonSchema)]
            pub struct $variant { $($(#[doc = $field_doc])* pub $field: $type),* }

            impl From<$variant> for Event {
                fn from(event: $variant) -> Self {
                    Self::$variant(event)
                }
            }
        )*

        impl Event {
            /// The stable name, `category.what_happened`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),* }
            }
        }

        /// Every kind of event there is.
        pub const CATALOGUE: &[EventType] = &[$(EventType {
            name: $name,
            description: concat!($($doc),*),
            schema: || schemars::schema_for!($variant),
            sample: || $variant { $($field: $sample),* }.into(),
        }),*];
    };
}

/// One kind of event, described.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    pub name: &'static str,
    pub description: &'static str,
    /// The JSON schema of its fields.
    pub schema: fn() -> schemars::Schema,
    pub sample: fn() -> Event,
}

impl EventType {
    pub fn category(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(category, _)| category)
    }
}

events! {
    /// Somebody was invited.
    InvitationCreated "invitation.created" {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        /// `staff`, later also `account`.
        kind: &'static str = "staff",
        email: Option<String> = Some("grace@example.com".into()),
        role: String = "Sales".into(),
    }
    /// An invitation got a new link; the old one is dead.
    InvitationResent "invitation.resent" {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email: Option<String> = Some("grace@example.com".into()),
    }
    /// An invitation was changed before it was accepted.
    InvitationEdited "invitation.edited" {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email: Option<String> = Some("grace@example.com".into()),
        /// The names of the fields that changed.
        changed: Vec<&'static str> = vec!["role_id"],
    }
    /// An invitation was withdrawn.
    InvitationCancelled "invitation.cancelled" {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email: Option<String> = Some("grace@example.com".into()),
    }
    /// An invitation was accepted.
    InvitationAccepted "invitation.accepted" {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email: String = "grace@example.com".into(),
        staff_id: StaffId = StaffId::from_u128(2),
        username: String = "grace".into(),
    }
    /// A member of staff came in.
    StaffCreated "staff.created" {
        staff_id: StaffId = StaffId::from_u128(2),
        username: String = "grace".into(),
        email: String = "grace@example.com".into(),
        role: String = "Sales".into(),
    }
    /// Somebody logged in.
    SessionStarted "session.started" {
        session_id: SessionId = SessionId::from_u128(3),
        staff_id: StaffId = StaffId::from_u128(2),
        /// `password` or `invitation`.
        method: &'static str = "password",
    }
    /// A login was refused.
    SessionRefused "session.refused" {
        /// Whose login it was, if anybody's. What was typed is not kept: people type passwords into the wrong field.
        staff_id: Option<StaffId> = Some(StaffId::from_u128(2)),
    }
    /// A session's owner gave the password again, to do something sensitive.
    SessionConfirmed "session.confirmed" {
        session_id: SessionId = SessionId::from_u128(3),
        staff_id: StaffId = StaffId::from_u128(2),
    }
    /// Somebody logged out.
    SessionEnded "session.ended" {
        session_id: SessionId = SessionId::from_u128(3),
        staff_id: StaffId = StaffId::from_u128(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_category_a_description_and_a_sample_that_fits_its_schema() {
        for kind in CATALOGUE {
            assert!(!kind.description.trim().is_empty() && kind.name.contains('.'), "{}", kind.name);
            let sample = (kind.sample)();
            assert_eq!(sample.name(), kind.name);
            let fields = serde_json::to_value(&sample).unwrap();
            let schema = (kind.schema)();
            let properties = schema.get("properties").and_then(|p| p.as_object()).unwrap();
            let names: Vec<_> = fields.as_object().unwrap().keys().collect();
            assert_eq!(names, properties.keys().collect::<Vec<_>>(), "{}", kind.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
    }
}
