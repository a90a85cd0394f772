//! Identifiers, and the chance they are drawn from.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::time::Timestamp;

/// Where randomness comes from: identifiers, tokens, salts, nonces.
pub trait Chance: fmt::Debug + Send + Sync {
    /// Fills `bytes` with bytes nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the operating system for randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no token is safe, so there is nothing to go on with.
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// N bytes of chance.
pub fn bytes<const N: usize>(chance: &dyn Chance) -> [u8; N] {
    let mut bytes = [0; N];
    chance.fill(&mut bytes);
    bytes
}

/// A UUID version 7 (RFC 9562): ordered by time, so that new rows lie together in an index.
pub fn uuid(at: Timestamp, chance: &dyn Chance) -> uuid::Uuid {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes(chance)).into_uuid()
}

/// The same for the `n`th of several of one instant, which then sort as they were made (RFC 9562, section 6.2, method 1).
pub fn nth_uuid(n: u16, at: Timestamp, chance: &dyn Chance) -> uuid::Uuid {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    let mut bytes: [u8; 10] = bytes(chance);
    // The version takes the upper four bits.
    [bytes[0], bytes[1]] = n.to_be_bytes();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

/// The smallest such id of that instant (RFC 9562, section 5.7), as stored: a range of ids is a range of time.
pub(crate) fn first_at(at: Timestamp) -> String {
    let millis = u128::try_from(at.as_millis()).unwrap_or(0).min((1 << 48) - 1);
    uuid::Uuid::from_u128(millis << 80).to_string()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            pub fn new(at: Timestamp, chance: &dyn Chance) -> Self {
                Self(uuid(at, chance))
            }

            pub const fn from_u128(id: u128) -> Self {
                Self(uuid::Uuid::from_u128(id))
            }
        }

        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(|_| serde::de::Error::custom("an id is a UUID"))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }

        // Stored as text, the same on both databases.
        impl<DB: sqlx::Database> sqlx::Type<DB> for $name where String: sqlx::Type<DB> {
            fn type_info() -> DB::TypeInfo {
                <String as sqlx::Type<DB>>::type_info()
            }

            fn compatible(ty: &DB::TypeInfo) -> bool {
                <String as sqlx::Type<DB>>::compatible(ty)
            }
        }

        impl<'q, DB: sqlx::Database> sqlx::Encode<'q, DB> for $name where String: sqlx::Encode<'q, DB> {
            fn encode_by_ref(
                &self,
                buffer: &mut DB::ArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                self.to_string().encode(buffer)
            }
        }

        impl<'r, DB: sqlx::Database> sqlx::Decode<'r, DB> for $name where &'r str: sqlx::Decode<'r, DB> {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&'r str as sqlx::Decode<'r, DB>>::decode(value)?.parse()?)
            }
        }
    )* };
}

ids! {
    /// Whoever logs in: a member of staff or a user.
    LoginId,
    /// A member of staff. The same id as their login's.
    StaffId,
    /// A user. The same id as their login's.
    UserId,
    /// A billable party, for which users act.
    AccountId,
    /// What accounts are sorted into.
    AccountGroupId,
    /// What admins want to know of accounts beyond the usual.
    CustomFieldId,
    /// Somebody of an account who does not log in.
    ContactId,
    /// What a user can be asked who forgot their password.
    SecurityQuestionId,
    /// A link by which a user proves whose an address is.
    EmailVerificationId,
    /// A link by which an admin comes in as a user.
    LoginAsLinkId,
    /// A role of staff.
    RoleId,
    /// A login of one member of staff or one user.
    SessionId,
    /// A security key of somebody's.
    SecurityKeyId,
    /// What somebody asked for who forgot their password.
    ResetRequestId,
    /// A link by which a password is set anew.
    PasswordResetId,
    /// A department.
    DepartmentId,
    /// A set of operations that programs may call.
    ApiRoleId,
    /// What a program authenticates with.
    ApiCredentialId,
    /// An invitation, of staff or to an account.
    InvitationId,
    /// A network that is kept out.
    BanId,
    /// A network that is never banned.
    TrustedAddressId,
    /// Something that happened.
    EventId,
    /// One message to one place. The plugin gets it as idempotency key.
    DeliveryId,
}

impl From<StaffId> for LoginId {
    fn from(id: StaffId) -> Self {
        Self(id.0)
    }
}

impl From<UserId> for LoginId {
    fn from(id: UserId) -> Self {
        Self(id.0)
    }
}

/// Gives events ids that sort as they were made, in this process, also those of one millisecond.
#[derive(Clone, Debug, Default)]
pub struct EventOrder(Arc<AtomicU64>);

/// How many bits say the how many-eth of its millisecond an event is.
const COUNTER: u32 = 12;

impl EventOrder {
    pub(crate) fn next(&self, at: Timestamp, chance: &dyn Chance) -> EventId {
        let first = u64::try_from(at.as_millis()).unwrap_or(0) << COUNTER;
        let next = |last: u64| if last >> COUNTER == first >> COUNTER { last + 1 } else { first };
        let mut last = self.0.load(Ordering::Relaxed);
        while let Err(found) =
            self.0.compare_exchange_weak(last, next(last), Ordering::Relaxed, Ordering::Relaxed)
        {
            last = found;
        }
        let counter = u16::try_from(next(last) & ((1 << COUNTER) - 1)).unwrap_or_default();
        EventId(nth_uuid(counter, at, chance))
    }
}

impl LoginId {
    /// The member of staff whose login this is; for a login of staff.
    pub fn of_staff(self) -> StaffId {
        StaffId(self.0)
    }

    /// The user whose login this is; for a login of a user.
    pub fn of_user(self) -> UserId {
        UserId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_text() {
        let early = StaffId::new(Timestamp::from_millis(1), &SystemChance);
        let late = StaffId::new(Timestamp::from_millis(2), &SystemChance);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<StaffId>().unwrap(), early);

        let at = Timestamp::from_millis(1_795_301_148_120);
        let order = EventOrder::default();
        let mut events: Vec<_> = (0..300).map(|_| order.next(at, &SystemChance)).collect();
        events.push(order.next(at.plus(std::time::Duration::from_millis(1)), &SystemChance));
        events.push(order.next(at.plus(std::time::Duration::from_millis(1)), &SystemChance));
        assert!(events.is_sorted_by(|a, b| a < b));
    }
}
