//! One mail of every kind in all its ways, for previews, for checking other people's templates, and for our own tests.

use frontdesk_core::{
    ids::{EmailVerificationId, InvitationId, PasswordResetId},
    outbox::{ChangedBy, Factor, MailContent, Notice, PasswordChange, RemovedBy},
    time::Timestamp,
};

/// What people could have put into a mail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'w> {
    pub(crate) person: &'w str,
    /// A role, a key.
    pub(crate) thing: &'w str,
    pub(crate) account: &'w str,
    pub(crate) address: &'w str,
    /// A `User-Agent`.
    pub(crate) client: &'w str,
}

/// As they are in a preview.
pub(crate) const WORDS: Words<'static> = Words {
    person: "Ada Lovelace",
    thing: "Support",
    account: "Analytical Engines Ltd",
    address: "203.0.113.9",
    client: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
};

/// Every mail, the fullest of each kind first.
pub(crate) fn contents(words: &Words<'_>, at: Timestamp) -> Vec<MailContent> {
    // A new mail stops the build here: add its samples below.
    match (MailContent::Welcome { account: String::new() }) {
        MailContent::StaffInvitation { .. }
        | MailContent::PasswordReset { .. }
        | MailContent::AccountInvitation { .. }
        | MailContent::SetPassword { .. }
        | MailContent::EmailVerification { .. }
        | MailContent::Welcome { .. }
        | MailContent::AlreadyRegistered { .. }
        | MailContent::AccessRemoved { .. }
        | MailContent::NowOwner { .. }
        // It is one of the others.
        | MailContent::Sample { .. }
        | MailContent::Notice { .. } => {}
    }
    let person = || words.person.to_owned();
    let account = || words.account.to_owned();
    let address = || Some(words.address.to_owned());
    let expires_at = at;
    let mut contents = Vec::new();
    for inviter in [Some(person()), None] {
        let invitation_id = InvitationId::from_u128(1);
        contents.extend([
            MailContent::StaffInvitation {
                invitation_id,
                inviter: inviter.clone(),
                role: words.thing.to_owned(),
                expires_at,
            },
            MailContent::AccountInvitation { invitation_id, inviter, account: account(), expires_at },
        ]);
    }
    for known in [true, false] {
        let reset_id = PasswordResetId::from_u128(1);
        contents.extend([
            MailContent::PasswordReset { reset_id, address: address().filter(|_| known), expires_at },
            MailContent::SetPassword { reset_id, account: known.then(account), expires_at },
            MailContent::AlreadyRegistered { address: address().filter(|_| known) },
        ]);
    }
    contents.extend([
        MailContent::EmailVerification { verification_id: EmailVerificationId::from_u128(1), expires_at },
        MailContent::Welcome { account: account() },
        MailContent::AccessRemoved { account: account() },
        MailContent::NowOwner { account: account(), former: person() },
    ]);
    for notice in notices(words) {
        contents.push(MailContent::Notice { notice: notice.clone(), at, address: address() });
        contents.push(MailContent::Notice { notice, at, address: None });
    }
    contents
}

fn notices(words: &Words<'_>) -> Vec<Notice> {
    // The same here.
    match Notice::RecoveryCodesRenewed {
        Notice::PasswordChanged { how } => match how {
            PasswordChange::Owner
            | PasswordChange::Reset
            | PasswordChange::CommandLine
            | PasswordChange::Colleague => {}
        },
        Notice::SecondFactorAdded { factor } => match factor {
            Factor::Totp | Factor::SecurityKey { .. } | Factor::All => {}
        },
        Notice::SecondFactorRemoved { by, .. } => match by {
            RemovedBy::Owner | RemovedBy::Colleague | RemovedBy::CommandLine => {}
        },
        Notice::EmailChanged { by }
        | Notice::ApiCredentialCreated { by }
        | Notice::SecurityQuestionChanged { by } => match by {
            ChangedBy::Owner | ChangedBy::Colleague => {}
        },
        Notice::RecoveryCodeUsed { .. }
        | Notice::RecoveryCodesRenewed
        | Notice::LoggedInAs { .. }
        | Notice::LoginFromNewAddress { .. } => {}
    }
    let key = || Factor::SecurityKey { name: words.thing.to_owned() };
    let mut notices = vec![Notice::RecoveryCodesRenewed];
    notices.extend(PasswordChange::ALL.iter().map(|how| Notice::PasswordChanged { how: *how }));
    notices.extend([key(), Factor::Totp].map(|factor| Notice::SecondFactorAdded { factor }));
    for by in RemovedBy::ALL {
        let removed = |factor| Notice::SecondFactorRemoved { factor, by: *by };
        notices.extend([key(), Factor::Totp, Factor::All].map(removed));
    }
    notices.extend([9, 1, 0].map(|left| Notice::RecoveryCodeUsed { left }));
    for by in ChangedBy::ALL {
        notices.extend([
            Notice::EmailChanged { by: *by },
            Notice::ApiCredentialCreated { by: *by },
            Notice::SecurityQuestionChanged { by: *by },
        ]);
    }
    notices.push(Notice::LoggedInAs { account: words.account.to_owned() });
    let clients = [Some(words.client), Some("unheard of"), None];
    notices.extend(clients.map(|client| Notice::LoginFromNewAddress { client: client.map(str::to_owned) }));
    notices
}

/// Whether it carries a token, in a link.
pub(crate) fn carries_token(content: &MailContent) -> bool {
    match content {
        MailContent::StaffInvitation { .. }
        | MailContent::PasswordReset { .. }
        | MailContent::AccountInvitation { .. }
        | MailContent::SetPassword { .. }
        | MailContent::EmailVerification { .. } => true,
        MailContent::Welcome { .. }
        | MailContent::AlreadyRegistered { .. }
        | MailContent::AccessRemoved { .. }
        | MailContent::NowOwner { .. }
        | MailContent::Sample { .. }
        | MailContent::Notice { .. } => false,
    }
}
