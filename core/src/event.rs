//! Everything that can happen, in one catalogue: stable dotted names, typed fields, and a sample of each.
//!
//! What happens to logins of staff and of users alike is one variant with two names, `staff.…` and `user.…`.
//!
//! What concerns an account names it in the field `account_id`, by which the activity log finds it.
//!
//! Secrets have no place here: a payload holds ids, names and addresses, never a token or a password. What somebody wrote
//! freely (notes, signatures, descriptions) has none either: of it a change says that it changed, not how.
//!
//! What is `(personal)` stands beside the chain of the activity log, and goes when its person is erased.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    ids::{
        AccountGroupId, AccountId, ApiCredentialId, ApiRoleId, BanId, ContactId, CustomFieldId, DepartmentId,
        InvitationId, LoginId, RoleId, SecurityKeyId, SecurityQuestionId, SessionId, StaffId,
        TrustedAddressId, UserId,
    },
    logins::Audience,
    network::Network,
    time::Timestamp,
};

macro_rules! events {
    ($(
        $(#[doc = $doc:literal])*
        $variant:ident $name:literal $(or $user_name:literal)? $(of $subject:ident)? {
            $($(#[doc = $field_doc:literal])* $field:ident $(($personal:ident))?: $type:ty = $sample:expr),* $(,)?
        }
    )*) => {
        /// Something that happened.
        #[derive(Clone, Debug, Serialize)]
        #[serde(untagged)]
        pub enum Event { $($(#[doc = $doc])* $variant($variant)),* }

        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, Serialize, JsonSchema)]
            pub struct $variant { $($(#[doc = $field_doc])* pub $field: $type),* }

            impl $variant {
                const DESCRIPTION: &str = concat!($($doc),*);

                fn sample() -> Self {
                    Self { $($field: $sample),* }
                }
            }

            impl From<$variant> for Event {
                fn from(event: $variant) -> Self {
                    Self::$variant(event)
                }
            }
        )*

        impl Event {
            /// The stable name, `category.what_happened`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(event) => {
                    _ = event;
                    $(if event.audience == Audience::User { return $user_name })?
                    $name
                }),* }
            }

            /// Whom or what it is about.
            pub(crate) fn subject(&self) -> Option<Uuid> {
                match self { $(Self::$variant(event) => {
                    _ = event;
                    $(if let Some(id) = Subject::id(&event.$subject) { return Some(id) })?
                    None
                }),* }
            }

            /// The names of the fields that are about a person.
            pub(crate) fn personal(&self) -> &'static [&'static str] {
                match self { $(Self::$variant(_) => &[$($(personal!($personal $field),)?)*]),* }
            }
        }

        /// Every kind of event there is.
        pub const CATALOGUE: &[EventType] = &[$(
            EventType {
                name: $name,
                description: $variant::DESCRIPTION,
                schema: || schemars::schema_for!($variant),
                sample: || $variant::sample().into(),
            },
            $(EventType {
                name: $user_name,
                description: $variant::DESCRIPTION,
                schema: || schemars::schema_for!($variant),
                sample: || $variant { audience: Audience::User, ..$variant::sample() }.into(),
            },)?
        )*];
    };
}

macro_rules! personal {
    (personal $field:ident) => {
        stringify!($field)
    };
}

/// What an event can be about.
trait Subject {
    fn id(&self) -> Option<Uuid>;
}

macro_rules! subjects {
    ($($id:ident),* $(,)?) => { $(
        impl Subject for $id {
            fn id(&self) -> Option<Uuid> {
                Some((*self).into())
            }
        }
    )* };
}

subjects! {
    AccountGroupId, AccountId, ApiCredentialId, ApiRoleId, BanId, ContactId, CustomFieldId, DepartmentId, InvitationId,
    LoginId, RoleId, SecurityQuestionId, StaffId, TrustedAddressId, UserId,
}

impl<T: Subject> Subject for Option<T> {
    fn id(&self) -> Option<Uuid> {
        self.as_ref().and_then(Subject::id)
    }
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
    InvitationCreated "invitation.created" of invitation_id {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        /// `staff` or `account`.
        kind: &'static str = "staff",
        email (personal): Option<String> = Some("grace@example.com".into()),
        /// Of staff.
        role: Option<String> = Some("Sales".into()),
        account_id: Option<AccountId> = None,
        /// What they may do on the account: slugs, or `all`.
        permissions: Vec<String> = Vec::new(),
    }
    /// An invitation got a new link; the old one is dead.
    InvitationResent "invitation.resent" of invitation_id {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email (personal): Option<String> = Some("grace@example.com".into()),
        account_id: Option<AccountId> = None,
    }
    /// An invitation was changed before it was accepted.
    InvitationEdited "invitation.edited" of invitation_id {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email (personal): Option<String> = Some("grace@example.com".into()),
        account_id: Option<AccountId> = None,
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::personal("first_name", "Grace", "Joan")],
    }
    /// An invitation was withdrawn.
    InvitationCancelled "invitation.cancelled" of invitation_id {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        email (personal): Option<String> = Some("grace@example.com".into()),
        account_id: Option<AccountId> = None,
    }
    /// An invitation was accepted.
    InvitationAccepted "invitation.accepted" of invitation_id {
        invitation_id: InvitationId = InvitationId::from_u128(1),
        kind: &'static str = "staff",
        /// Who came in by it: an invitation is not bound to an address.
        email (personal): String = "grace@example.com".into(),
        staff_id: Option<StaffId> = Some(StaffId::from_u128(2)),
        username (personal): Option<String> = Some("grace".into()),
        account_id: Option<AccountId> = None,
        user_id: Option<UserId> = None,
    }
    /// A member of staff came in.
    StaffCreated "staff.created" of staff_id {
        staff_id: StaffId = StaffId::from_u128(2),
        username (personal): String = "grace".into(),
        email (personal): String = "grace@example.com".into(),
        role: String = "Sales".into(),
    }
    /// Details of a member of staff were changed, by themselves or by a colleague.
    StaffEdited "staff.edited" of staff_id {
        staff_id: StaffId = StaffId::from_u128(2),
        username (personal): String = "grace".into(),
        /// Each field that changed, before and after. Of private notes only that they changed.
        changed: Vec<FieldChange> = vec![FieldChange::plain("language", "en", "de")],
    }
    /// A member of staff was deleted, with their sessions and API credentials.
    StaffDeleted "staff.deleted" of staff_id {
        staff_id: StaffId = StaffId::from_u128(2),
        username (personal): String = "grace".into(),
        email (personal): String = "grace@example.com".into(),
        role: String = "Sales".into(),
    }
    /// A member of staff was let in again.
    StaffEnabled "staff.enabled" of staff_id {
        staff_id: StaffId = StaffId::from_u128(2),
        username (personal): String = "grace".into(),
    }
    /// A member of staff was shut out; their sessions ended.
    StaffDisabled "staff.disabled" of staff_id {
        staff_id: StaffId = StaffId::from_u128(2),
        username (personal): String = "grace".into(),
    }
    /// A password was set; the other sessions of its owner ended.
    PasswordChanged "staff.password_changed" or "user.password_changed" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
        /// `self`, `reset` (by link), `colleague` or `command_line`.
        how: &'static str = "self",
    }
    /// A link was made by which a password is set anew.
    PasswordResetRequested "staff.password_reset_requested" or "user.password_reset_requested" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
    }
    /// A second factor was enrolled.
    SecondFactorAdded "staff.second_factor_added" or "user.second_factor_added" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
        /// `totp` or `security-key`.
        factor: &'static str = "totp",
        /// What its owner calls it; security keys only.
        name (personal): Option<String> = None,
    }
    /// A second factor was removed; the other sessions of its owner ended.
    SecondFactorRemoved "staff.second_factor_removed" or "user.second_factor_removed" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
        /// `totp`, `security-key` or `all`.
        factor: &'static str = "totp",
        name (personal): Option<String> = None,
        /// `self`, `colleague` or `command_line`.
        by: &'static str = "self",
    }
    /// A security key got another name.
    SecurityKeyRenamed "staff.security_key_renamed" or "user.security_key_renamed" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
        key_id: SecurityKeyId = SecurityKeyId::from_u128(4),
        name (personal): String = "blue one".into(),
    }
    /// A recovery code let somebody in, and is spent.
    RecoveryCodeUsed "staff.recovery_code_used" or "user.recovery_code_used" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
        /// How many codes are left.
        left: u32 = 9,
    }
    /// Ten new recovery codes took the place of the old ones.
    RecoveryCodesRenewed "staff.recovery_codes_renewed" or "user.recovery_codes_renewed" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
    }
    /// Somebody logged in.
    SessionStarted "session.started" of login_id {
        session_id: SessionId = SessionId::from_u128(3),
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
        /// `password`, `totp`, `recovery`, `security-key` or `invitation`.
        method: &'static str = "password",
        /// From a network that this login had never come from, though it had come from others.
        new_address: bool = false,
    }
    /// A password was right, and a second factor is awaited.
    SessionChallenged "session.challenged" of login_id {
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
    }
    /// A login, or a password that was to confirm one, was refused.
    SessionRefused "session.refused" of login_id {
        audience: Audience = Audience::Staff,
        /// Whose login it was, if anybody's. What was typed is not kept: people type passwords into the wrong field.
        login_id: Option<LoginId> = Some(LoginId::from_u128(2)),
        /// What was wrong: `password`, `code` or `confirmation`.
        step: &'static str = "password",
    }
    /// A session's owner gave the password again, to do something sensitive.
    SessionConfirmed "session.confirmed" of login_id {
        session_id: SessionId = SessionId::from_u128(3),
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
    }
    /// Somebody logged out, or ended another session of theirs.
    SessionEnded "session.ended" of login_id {
        session_id: SessionId = SessionId::from_u128(3),
        audience: Audience = Audience::Staff,
        login_id: LoginId = LoginId::from_u128(2),
    }
    /// A user came to be.
    UserCreated "user.created" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
        /// `registration`, `invitation` (they accepted one) or `staff`.
        how: &'static str = "registration",
    }
    /// Somebody tried to register with the address of a user.
    UserRegisteredAgain "user.registered_again" of user_id {
        user_id: UserId = UserId::from_u128(12),
    }
    /// Details of a user were changed, by themselves or by staff.
    UserEdited "user.edited" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::plain("language", "en", "de")],
    }
    /// A link was sent by which a user proves whose their address is.
    EmailVerificationSent "user.email_verification_sent" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
    }
    /// A user has proved whose their address is.
    EmailVerified "user.email_verified" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
        /// `link` (of the mail that asks), `password_reset` or `set_password` (another link that was mailed there) or `staff`.
        how: &'static str = "link",
    }
    /// A user was shut out; their sessions ended.
    UserDisabled "user.disabled" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
    }
    /// A user was let in again.
    UserEnabled "user.enabled" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
    }
    /// A user was deleted, who was on no account.
    UserDeleted "user.deleted" of user_id {
        user_id: UserId = UserId::from_u128(12),
        email (personal): String = "ada@example.com".into(),
    }
    /// A user chose a security question and its answer.
    SecurityQuestionSet "user.security_question_set" of user_id {
        user_id: UserId = UserId::from_u128(12),
        security_question_id: SecurityQuestionId = SecurityQuestionId::from_u128(15),
    }
    /// A user's security question was taken away.
    SecurityQuestionCleared "user.security_question_cleared" of user_id {
        user_id: UserId = UserId::from_u128(12),
        /// `self` or `colleague`.
        by: &'static str = "colleague",
    }
    /// The answer to a user's security question was wrong.
    SecurityAnswerRefused "user.security_answer_refused" of user_id {
        user_id: UserId = UserId::from_u128(12),
    }
    /// An account was made, with the user who owns it.
    AccountCreated "account.created" of account_id {
        account_id: AccountId = AccountId::from_u128(11),
        name (personal): String = "Analytical Engines".into(),
        owner_id: UserId = UserId::from_u128(12),
    }
    /// Details of an account were changed.
    AccountEdited "account.edited" of account_id {
        account_id: AccountId = AccountId::from_u128(11),
        name (personal): String = "Analytical Engines".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::personal("city", "Turin", "London")],
    }
    /// An account was closed: nobody acts for it any more.
    AccountClosed "account.closed" of account_id {
        account_id: AccountId = AccountId::from_u128(11),
        name (personal): String = "Analytical Engines".into(),
    }
    /// A closed account was opened again.
    AccountReopened "account.reopened" of account_id {
        account_id: AccountId = AccountId::from_u128(11),
        name (personal): String = "Analytical Engines".into(),
    }
    /// An account was deleted, with everything that was only its own.
    AccountDeleted "account.deleted" of account_id {
        account_id: AccountId = AccountId::from_u128(11),
        name (personal): String = "Analytical Engines".into(),
        /// Who was on it.
        users: Vec<UserId> = vec![UserId::from_u128(12)],
    }
    /// A user may act for an account from now on.
    AccountUserAdded "account.user_added" of user_id {
        account_id: AccountId = AccountId::from_u128(11),
        user_id: UserId = UserId::from_u128(13),
        /// Slugs, or `all`.
        permissions: Vec<String> = vec!["invoices".into(), "tickets".into()],
        /// `created` (with the account), `invitation` or `staff` (at once).
        how: &'static str = "invitation",
    }
    /// A user may do other things on an account from now on.
    AccountUserChanged "account.user_changed" of user_id {
        account_id: AccountId = AccountId::from_u128(11),
        user_id: UserId = UserId::from_u128(13),
        /// Slugs, or `all`.
        before: Vec<String> = vec!["invoices".into(), "tickets".into()],
        after: Vec<String> = vec!["all".into()],
    }
    /// A user no longer acts for an account.
    AccountUserRemoved "account.user_removed" of user_id {
        account_id: AccountId = AccountId::from_u128(11),
        user_id: UserId = UserId::from_u128(13),
    }
    /// Another user owns an account; the one before stays on it, with every permission.
    AccountOwnerChanged "account.owner_changed" of account_id {
        account_id: AccountId = AccountId::from_u128(11),
        before: UserId = UserId::from_u128(12),
        after: UserId = UserId::from_u128(13),
    }
    /// An admin made a link to come in as a user of an account.
    AccountLoginAsOpened "account.login_as_opened" of user_id {
        account_id: AccountId = AccountId::from_u128(11),
        user_id: UserId = UserId::from_u128(12),
    }
    /// A session acts for an account from now on.
    AccountChosen "account.chosen" of user_id {
        account_id: AccountId = AccountId::from_u128(11),
        user_id: UserId = UserId::from_u128(12),
        session_id: SessionId = SessionId::from_u128(3),
    }
    /// Somebody who does not log in was added to an account.
    ContactCreated "account.contact_created" of contact_id {
        account_id: AccountId = AccountId::from_u128(11),
        contact_id: ContactId = ContactId::from_u128(14),
        email (personal): String = "books@example.com".into(),
    }
    /// A contact was changed.
    ContactEdited "account.contact_edited" of contact_id {
        account_id: AccountId = AccountId::from_u128(11),
        contact_id: ContactId = ContactId::from_u128(14),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::personal("phone", "", "+44 20 7946 0000")],
    }
    /// A contact was deleted.
    ContactDeleted "account.contact_deleted" of contact_id {
        account_id: AccountId = AccountId::from_u128(11),
        contact_id: ContactId = ContactId::from_u128(14),
        email (personal): String = "books@example.com".into(),
    }
    /// A group of accounts was made.
    AccountGroupCreated "system.account_group_created" of account_group_id {
        account_group_id: AccountGroupId = AccountGroupId::from_u128(16),
        name: String = "Resellers".into(),
    }
    /// A group of accounts was changed.
    AccountGroupEdited "system.account_group_edited" of account_group_id {
        account_group_id: AccountGroupId = AccountGroupId::from_u128(16),
        name: String = "Resellers".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::plain("colour", "#2457d6", "#1c7c54")],
    }
    /// A group of accounts was deleted; its accounts are in none.
    AccountGroupDeleted "system.account_group_deleted" of account_group_id {
        account_group_id: AccountGroupId = AccountGroupId::from_u128(16),
        name: String = "Resellers".into(),
    }
    /// A custom field of accounts was made.
    CustomFieldCreated "system.custom_field_created" of custom_field_id {
        custom_field_id: CustomFieldId = CustomFieldId::from_u128(17),
        slug: String = "referred_by".into(),
    }
    /// A custom field, or its place in the order, was changed.
    CustomFieldEdited "system.custom_field_edited" of custom_field_id {
        custom_field_id: CustomFieldId = CustomFieldId::from_u128(17),
        slug: String = "referred_by".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::plain("required", false, true)],
    }
    /// A custom field was deleted, with what accounts had in it.
    CustomFieldDeleted "system.custom_field_deleted" of custom_field_id {
        custom_field_id: CustomFieldId = CustomFieldId::from_u128(17),
        slug: String = "referred_by".into(),
    }
    /// A security question was added to those that users can choose.
    SecurityQuestionCreated "system.security_question_created" of security_question_id {
        security_question_id: SecurityQuestionId = SecurityQuestionId::from_u128(15),
        question: String = "What was the name of your first school?".into(),
    }
    /// A security question was worded anew.
    SecurityQuestionEdited "system.security_question_edited" of security_question_id {
        security_question_id: SecurityQuestionId = SecurityQuestionId::from_u128(15),
        before: String = "Your first school?".into(),
        after: String = "What was the name of your first school?".into(),
    }
    /// A security question that nobody had chosen was deleted.
    SecurityQuestionDeleted "system.security_question_deleted" of security_question_id {
        security_question_id: SecurityQuestionId = SecurityQuestionId::from_u128(15),
        question: String = "What was the name of your first school?".into(),
    }
    /// A text of ours for a mail was put aside for another one.
    MailTemplateChanged "system.mail_template_changed" {
        mail: String = "welcome".into(),
        language: String = "en".into(),
    }
    /// Our own text for a mail is in force again.
    MailTemplateReset "system.mail_template_reset" {
        mail: String = "welcome".into(),
        language: String = "en".into(),
    }
    /// An admin had a sample of a mail sent to themselves.
    MailTemplateTested "system.mail_template_tested" {
        mail: String = "welcome".into(),
        language: String = "en".into(),
    }
    /// A role was made, empty or as a duplicate.
    RoleCreated "role.created" of role_id {
        role_id: RoleId = RoleId::from_u128(5),
        name: String = "Sales".into(),
        /// Slugs.
        permissions: Vec<String> = vec!["staff.view".into()],
        /// The name of the role it was made after.
        duplicate_of: Option<String> = None,
    }
    /// A role was changed.
    RoleEdited "role.edited" of role_id {
        role_id: RoleId = RoleId::from_u128(5),
        name: String = "Sales".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> =
            vec![FieldChange::plain("second_factor_required", false, true)],
    }
    /// A role was deleted; nobody had it.
    RoleDeleted "role.deleted" of role_id {
        role_id: RoleId = RoleId::from_u128(5),
        name: String = "Sales".into(),
    }
    /// A department was made.
    DepartmentCreated "system.department_created" of department_id {
        department_id: DepartmentId = DepartmentId::from_u128(7),
        name: String = "Billing".into(),
    }
    /// A department, its place in the order, or who is in it was changed.
    DepartmentEdited "system.department_edited" of department_id {
        department_id: DepartmentId = DepartmentId::from_u128(7),
        name: String = "Billing".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> = vec![FieldChange::plain("hidden", false, true)],
    }
    /// A department was deleted.
    DepartmentDeleted "system.department_deleted" of department_id {
        department_id: DepartmentId = DepartmentId::from_u128(7),
        name: String = "Billing".into(),
    }
    /// An API role was made.
    ApiRoleCreated "api.role_created" of api_role_id {
        api_role_id: ApiRoleId = ApiRoleId::from_u128(8),
        name: String = "Provisioning".into(),
        /// Ids of operations, as in the API's description.
        operations: Vec<String> = vec!["listStaff".into()],
    }
    /// An API role was changed.
    ApiRoleEdited "api.role_edited" of api_role_id {
        api_role_id: ApiRoleId = ApiRoleId::from_u128(8),
        name: String = "Provisioning".into(),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> =
            vec![FieldChange::plain("name", "Billing", "Provisioning")],
    }
    /// An API role was deleted, and so taken from its credentials.
    ApiRoleDeleted "api.role_deleted" of api_role_id {
        api_role_id: ApiRoleId = ApiRoleId::from_u128(8),
        name: String = "Provisioning".into(),
    }
    /// An API credential was made.
    ApiCredentialCreated "api.credential_created" of api_credential_id {
        api_credential_id: ApiCredentialId = ApiCredentialId::from_u128(9),
        /// Public, like a username.
        identifier: String = "fdk_9d4kq2mx7c1n5bv8".into(),
        /// Who it acts for.
        staff_id: StaffId = StaffId::from_u128(2),
        /// The names of its API roles.
        api_roles: Vec<String> = vec!["Provisioning".into()],
    }
    /// An API credential was changed.
    ApiCredentialEdited "api.credential_edited" of api_credential_id {
        api_credential_id: ApiCredentialId = ApiCredentialId::from_u128(9),
        identifier: String = "fdk_9d4kq2mx7c1n5bv8".into(),
        staff_id: StaffId = StaffId::from_u128(2),
        /// Each field that changed, before and after.
        changed: Vec<FieldChange> =
            vec![FieldChange::plain("description", "", "The billing system")],
    }
    /// An API credential got a new secret.
    ApiCredentialRotated "api.credential_rotated" of api_credential_id {
        api_credential_id: ApiCredentialId = ApiCredentialId::from_u128(9),
        identifier: String = "fdk_9d4kq2mx7c1n5bv8".into(),
        staff_id: StaffId = StaffId::from_u128(2),
        /// Until when the old secret works, too; null: it is dead.
        previous_until: Option<Timestamp> = Some(Timestamp::from_millis(1_795_301_148_120)),
    }
    /// An API credential ended: it was deleted, or its owner was disabled or deleted.
    ApiCredentialDeleted "api.credential_deleted" of api_credential_id {
        api_credential_id: ApiCredentialId = ApiCredentialId::from_u128(9),
        identifier: String = "fdk_9d4kq2mx7c1n5bv8".into(),
        staff_id: StaffId = StaffId::from_u128(2),
    }
    /// Settings were changed.
    SettingsChanged "system.settings_changed" {
        /// Each with its value before and after.
        changed: Vec<SettingChange> = vec![SettingChange { key: "ban_after".into(), before: 3.into(), after: 5.into() }],
    }
    /// A network was banned, by hand or after failed logins of staff.
    AddressBanned "system.address_banned" of ban_id {
        ban_id: BanId = BanId::from_u128(5),
        network: Network = Network::of([192, 0, 2, 7].into()),
        /// `automatic` (refuses logins) or `manual` (refuses everything).
        kind: &'static str = "automatic",
        reason: String = "3 failed logins of staff in a row".into(),
        /// Null: until it is lifted.
        expires_at: Option<Timestamp> = Some(Timestamp::from_millis(1_795_301_148_120)),
    }
    /// A ban was lifted before its end.
    BanLifted "system.ban_lifted" of ban_id {
        ban_id: BanId = BanId::from_u128(5),
        network: Network = Network::of([192, 0, 2, 7].into()),
        kind: &'static str = "automatic",
    }
    /// A network is trusted never to be banned.
    AddressTrusted "system.address_trusted" of trusted_address_id {
        trusted_address_id: TrustedAddressId = TrustedAddressId::from_u128(6),
        network: Network = Network::of([198, 51, 100, 7].into()),
        note: Option<String> = Some("The office".into()),
    }
    /// A network is no longer trusted.
    AddressUntrusted "system.address_untrusted" of trusted_address_id {
        trusted_address_id: TrustedAddressId = TrustedAddressId::from_u128(6),
        network: Network = Network::of([198, 51, 100, 7].into()),
    }
    /// A login of staff failed from a trusted address, which is not banned for it.
    TrustedAddressFailed "system.trusted_address_failed" of login_id {
        address (personal): String = "198.51.100.7".into(),
        /// Whose login it was, if anybody's.
        login_id: Option<LoginId> = Some(LoginId::from_u128(2)),
        /// `password`, `code` or `confirmation`.
        step: &'static str = "password",
    }
    /// Entries of the activity log were exported.
    ActivityExported "system.activity_exported" {
        /// `csv`, `jsonl`, or `person`: what it holds of one person.
        format: &'static str = "csv",
        /// Whose entries, of an export of one person.
        person_id: Option<LoginId> = None,
        /// What was asked for, by parameter.
        filter: serde_json::Value = serde_json::json!({ "event": "session.refused" }),
    }
    /// Retention took the oldest entries away; a signed checkpoint stands for them.
    ActivityTrimmed "system.activity_trimmed" {
        /// The number of the last entry that went.
        through: i64 = 5000,
        /// How many went.
        entries: i64 = 5000,
        /// They were sealed before this instant.
        before: Timestamp = Timestamp::from_millis(1_795_301_148_120),
    }
    /// What entries held of a person who is gone was erased; their hashes stay.
    PersonErased "system.person_erased" of person_id {
        person_id: LoginId = LoginId::from_u128(2),
        /// How many parts of entries were erased: addresses, and what was personal of an entry.
        parts: i64 = 12,
    }
    /// Everything that is sealed was sealed again under a new master key. The fields are the keys' ids.
    MasterKeyRotated "system.master_key_rotated" {
        from: String = "0f1e2d3c4b5a6978".into(),
        to: String = "8796a5b4c3d2e1f0".into(),
    }
}

/// A field, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FieldChange {
    pub field: String,
    pub before: serde_json::Value,
    pub after: serde_json::Value,
    /// Whether it is about a person: then both go, when that person is erased from the log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
}

impl FieldChange {
    pub(crate) fn plain(field: &str, before: impl Serialize, after: impl Serialize) -> Self {
        let [before, after] = [serde_json::to_value(before), serde_json::to_value(after)];
        Self {
            field: field.into(),
            before: before.unwrap_or_default(),
            after: after.unwrap_or_default(),
            personal: false,
        }
    }

    pub(crate) fn personal(field: &str, before: impl Serialize, after: impl Serialize) -> Self {
        Self { personal: true, ..Self::plain(field, before, after) }
    }
}

/// What stands in the log of what is not for the log.
const WITHHELD: &str = "[private]";

/// What the log may keep as it is: numbers, choices, instants and ids. Text is not among it: whoever writes a change down
/// says what kind of text it is, by the function they call.
pub(crate) trait Plain: Serialize + PartialEq {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => { $(impl Plain for $type {})* };
}

plain! { bool, i64, u32, AccountGroupId, Timestamp, Network, crate::departments::MemberOf }

impl<T: Plain> Plain for Option<T> {}
impl<T: Plain> Plain for Vec<T> {}

/// The fields that a change changed, collected one by one.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<FieldChange>);

impl Changes {
    /// Takes note of a field if it is another one now.
    pub(crate) fn note<T: Plain>(&mut self, field: &str, before: &T, after: &T) {
        self.note_words(field, before, after);
    }

    /// The same for what things are called: names of roles and groups, slugs, languages, codes.
    pub(crate) fn note_words<T: Serialize + PartialEq>(&mut self, field: &str, before: &T, after: &T) {
        if before != after {
            self.0.push(FieldChange::plain(field, before, after));
        }
    }

    /// The same for what is about a person: names, addresses, numbers.
    pub(crate) fn note_personal<T: Serialize + PartialEq>(&mut self, field: &str, before: &T, after: &T) {
        if before != after {
            self.0.push(FieldChange::personal(field, before, after));
        }
    }

    /// The same for what people write freely, and for secrets: that it changed, not how.
    pub(crate) fn note_free_text<T: PartialEq>(&mut self, field: &str, before: &T, after: &T) {
        if before != after {
            self.0.push(FieldChange::plain(field, WITHHELD, WITHHELD));
        }
    }

    /// Takes note of what was looked at elsewhere.
    pub(crate) fn add(&mut self, changed: Vec<FieldChange>) {
        self.0.extend(changed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_list(self) -> Vec<FieldChange> {
        self.0
    }
}

/// A setting, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SettingChange {
    pub key: String,
    pub before: serde_json::Value,
    pub after: serde_json::Value,
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
