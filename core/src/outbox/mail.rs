//! The mails that Frontdesk itself sends, and what their templates are filled with.
//!
//! A content is kept as JSON until it is delivered, so its names are stable; a template knows its fields by the same
//! names. No content holds a secret: the token of a link travels beside it, sealed.

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    cx::{Cx, Reads as _},
    ids::{EmailVerificationId, InvitationId, PasswordResetId},
    secret::Token,
    text_enum::text_enum,
    time::Timestamp,
};

/// How long it makes sense to tell somebody what happened to their login.
const NOTICE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A mail that Frontdesk itself sends.
#[derive(Clone, Debug)]
pub struct Mail {
    pub content: MailContent,
    pub recipient: Recipient,
    /// The one-time token its link carries, if it has one. Sealed while it waits, wiped at hand-over.
    pub token: Option<Token>,
    /// When the link dies, or the news are old, and the mail with it.
    pub useful_until: Timestamp,
}

/// Whom a mail goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Empty if unknown.
    pub name: String,
    pub address: String,
    pub language: String,
}

/// What a mail is about: what its template is filled with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub enum MailContent {
    /// Carries a token.
    StaffInvitation {
        invitation_id: InvitationId,
        /// Who invites, if that is known and a person.
        inviter: Option<String>,
        role: String,
        expires_at: Timestamp,
    },
    /// Carries a token.
    PasswordReset {
        reset_id: PasswordResetId,
        /// Where the reset was asked for, if it is to be told.
        address: Option<String>,
        expires_at: Timestamp,
    },
    /// An invitation to an account. Carries a token.
    AccountInvitation {
        invitation_id: InvitationId,
        /// Who invites, if that is known and a person.
        inviter: Option<String>,
        account: String,
        expires_at: Timestamp,
    },
    /// For a user who has no password yet. Carries a token.
    SetPassword {
        reset_id: PasswordResetId,
        /// The account that was made with it, or that they are on from now on.
        account: Option<String>,
        expires_at: Timestamp,
    },
    /// Asks whether the address is the user's. Carries a token, which works for whoever has logged in as them.
    EmailVerification { verification_id: EmailVerificationId, expires_at: Timestamp },
    /// To whoever registered.
    Welcome { account: String },
    /// To whose address somebody tried to register who is registered.
    AlreadyRegistered {
        /// Where that was done from, if it is known.
        address: Option<String>,
    },
    /// To a user who is no longer on an account.
    AccessRemoved { account: String },
    /// To a user who has become the owner of an account.
    NowOwner {
        account: String,
        /// Who was it before.
        former: String,
    },
    /// What one of the others looks like, for an admin who writes texts.
    Sample {
        /// The name of the other one.
        sample: String,
        language: String,
    },
    /// Tells the owner of a login what happened to it. Carries neither token nor link, so that people learn not to
    /// follow any.
    Notice {
        #[serde(flatten)]
        notice: Notice,
        at: Timestamp,
        /// Where it was done from, if it is known and the owner's own doing.
        address: Option<String>,
    },
}

/// What happened to a login, as its owner is told wherever they are (NIST SP 800-63B-4, 4.6). Another one takes a
/// variant here and its templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    PasswordChanged {
        how: PasswordChange,
    },
    SecondFactorAdded {
        factor: Factor,
    },
    SecondFactorRemoved {
        factor: Factor,
        by: RemovedBy,
    },
    RecoveryCodeUsed {
        /// How many remain.
        left: u32,
    },
    /// The codes before are dead.
    RecoveryCodesRenewed,
    /// Goes to the address before.
    EmailChanged {
        by: ChangedBy,
    },
    ApiCredentialCreated {
        by: ChangedBy,
    },
    SecurityQuestionChanged {
        by: ChangedBy,
    },
    /// An admin came in as the user.
    LoggedInAs {
        account: String,
    },
    LoginFromNewAddress {
        /// The `User-Agent` as it came. Whoever logged in chose it, so it is never shown word for word.
        client: Option<String>,
    },
}

text_enum! {
    /// How a password came to be another one.
    pub enum PasswordChange {
        Owner => "self",
        /// With a reset link.
        Reset => "reset",
        CommandLine => "command_line",
        Colleague => "colleague",
    }
}

/// A second factor, as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Factor {
    /// An app that shows time-based codes (RFC 6238).
    Totp,
    SecurityKey {
        /// What its owner calls it.
        name: String,
    },
    /// Whatever there was.
    All,
}

text_enum! {
    /// Who changed something of somebody's login.
    pub enum ChangedBy {
        Owner => "self",
        Colleague => "colleague",
    }
}

text_enum! {
    /// Who removed a second factor.
    pub enum RemovedBy {
        Owner => "self",
        Colleague => "colleague",
        CommandLine => "command_line",
    }
}

impl Mail {
    /// A link with which the recipient chooses a new password. `address` is where that was asked for: not that of a
    /// colleague, who is not to be found out by it.
    pub fn password_reset(
        recipient: Recipient,
        reset_id: PasswordResetId,
        token: Token,
        address: Option<IpAddr>,
        expires_at: Timestamp,
    ) -> Self {
        let content = MailContent::PasswordReset { reset_id, address: address.map(written), expires_at };
        Self { content, recipient, token: Some(token), useful_until: expires_at }
    }

    /// A link with which a user chooses a first password.
    pub fn set_password(
        recipient: Recipient,
        reset_id: PasswordResetId,
        account: Option<String>,
        token: Token,
        expires_at: Timestamp,
    ) -> Self {
        let content = MailContent::SetPassword { reset_id, account, expires_at };
        Self { content, recipient, token: Some(token), useful_until: expires_at }
    }

    /// News without a link, of this unit of work.
    pub fn news(cx: &Cx, recipient: Recipient, content: MailContent) -> Self {
        Self { content, recipient, token: None, useful_until: cx.now().plus(NOTICE_LIFETIME) }
    }

    /// What happens in this unit of work to the recipient's login: now, and from where its caller is.
    pub fn notice(cx: &Cx, recipient: Recipient, notice: Notice) -> Self {
        let at = cx.now();
        let address = cx.caller().address.filter(|_| notice.is_of_the_owner()).map(written);
        Self {
            content: MailContent::Notice { notice, at, address },
            recipient,
            token: None,
            useful_until: at.plus(NOTICE_LIFETIME),
        }
    }
}

/// An IPv4 address that arrived over IPv6 is written as people know it.
fn written(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

impl MailContent {
    /// The stable name of the mail.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StaffInvitation { .. } => "staff_invitation",
            Self::PasswordReset { .. } => "password_reset",
            Self::AccountInvitation { .. } => "account_invitation",
            Self::SetPassword { .. } => "set_password",
            Self::EmailVerification { .. } => "email_verification",
            Self::Welcome { .. } => "welcome",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::AccessRemoved { .. } => "access_removed",
            Self::NowOwner { .. } => "now_owner",
            Self::Sample { .. } => "sample",
            Self::Notice { notice, .. } => notice.name(),
        }
    }

    /// What makes the mail pointless once it is gone. What happened, happened: nothing ends a notice.
    pub(super) fn subject_id(&self) -> Option<String> {
        match self {
            Self::StaffInvitation { invitation_id, .. } => Some(invitation_id.to_string()),
            Self::AccountInvitation { invitation_id, .. } => Some(invitation_id.to_string()),
            Self::PasswordReset { reset_id, .. } | Self::SetPassword { reset_id, .. } => {
                Some(reset_id.to_string())
            }
            Self::EmailVerification { verification_id, .. } => Some(verification_id.to_string()),
            Self::Welcome { .. }
            | Self::AlreadyRegistered { .. }
            | Self::AccessRemoved { .. }
            | Self::NowOwner { .. }
            | Self::Sample { .. }
            | Self::Notice { .. } => None,
        }
    }
}

impl Notice {
    /// The stable name of the mail.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PasswordChanged { .. } => "password_changed",
            Self::SecondFactorAdded { .. } => "second_factor_added",
            Self::SecondFactorRemoved { .. } => "second_factor_removed",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::EmailChanged { .. } => "email_changed",
            Self::ApiCredentialCreated { .. } => "api_credential_created",
            Self::SecurityQuestionChanged { .. } => "security_question_changed",
            Self::LoggedInAs { .. } => "logged_in_as",
            Self::LoginFromNewAddress { .. } => "login_from_new_address",
        }
    }

    /// Whether it was done in the owner's name. Else the caller's address is somebody else's.
    fn is_of_the_owner(&self) -> bool {
        match self {
            Self::PasswordChanged { how } => match how {
                PasswordChange::Owner | PasswordChange::Reset => true,
                PasswordChange::CommandLine | PasswordChange::Colleague => false,
            },
            Self::SecondFactorRemoved { by, .. } => match by {
                RemovedBy::Owner => true,
                RemovedBy::Colleague | RemovedBy::CommandLine => false,
            },
            Self::EmailChanged { by }
            | Self::ApiCredentialCreated { by }
            | Self::SecurityQuestionChanged { by } => *by == ChangedBy::Owner,
            Self::LoggedInAs { .. } => false,
            Self::SecondFactorAdded { .. }
            | Self::RecoveryCodeUsed { .. }
            | Self::RecoveryCodesRenewed
            | Self::LoginFromNewAddress { .. } => true,
        }
    }
}
