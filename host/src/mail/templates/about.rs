//! What is said about our mails to whoever writes texts for them.

/// Every mail, and when it goes out.
pub(crate) const MAILS: [(&str, &str); 19] = [
    ("staff_invitation", "Invites somebody to the staff. Carries a link."),
    ("account_invitation", "Invites somebody to an account. Carries a link."),
    ("set_password", "Lets a user who has no password yet choose one. Carries a link."),
    ("password_reset", "Lets somebody choose a new password. Carries a link."),
    ("email_verification", "Asks a user to confirm their email address. Carries a link."),
    ("welcome", "Greets whoever registered."),
    ("already_registered", "Somebody tried to register with an address that has a login."),
    ("access_removed", "A user is no longer on an account."),
    ("now_owner", "A user has become the owner of an account."),
    ("password_changed", "Security: the password was changed."),
    ("email_changed", "Security: the email address was changed; goes to the one before."),
    ("second_factor_added", "Security: a second factor was added."),
    ("second_factor_removed", "Security: a second factor was removed."),
    ("recovery_code_used", "Security: a recovery code was used."),
    ("recovery_codes_renewed", "Security: new recovery codes were made."),
    ("security_question_changed", "Security: the security question was changed or removed."),
    ("api_credential_created", "Security: an API credential was made that acts for the recipient."),
    ("logged_in_as", "Security: an administrator logged in as the recipient."),
    ("login_from_new_address", "Security: a login from an address not used before."),
];

/// Every variable that some mail has.
pub(crate) const VARIABLES: [(&str, &str); 21] = [
    ("language", "The language of the text, such as en."),
    ("company", "What the company is called."),
    ("logo", "The address of its logo; empty if it has none."),
    ("footer", "The lines of the setting mail_footer: a list, for {% for line in footer %}."),
    ("recipient_name", "The name of the recipient; empty if it is unknown."),
    ("link", "The link to follow, which works once. It must stand in the text and in the HTML."),
    ("inviter", "Who invites; missing if that is unknown."),
    ("role", "The role that somebody is invited to."),
    ("account", "The name of the account; in set_password it may be missing."),
    ("former", "Who owned the account before."),
    ("address", "The IP address it was done from; may be missing."),
    ("expires_at", "Until when the link works; write {{ expires_at|in_words }}."),
    ("at", "When it was done; write {{ at|in_words }}."),
    ("how", "How the password was changed: self, reset, command_line or colleague."),
    ("by", "Who did it: self, colleague or command_line."),
    ("factor.kind", "Which second factor: totp, security_key or all."),
    ("factor.name", "What the owner calls the key; only if factor.kind is security_key."),
    ("left", "How many recovery codes are left."),
    ("client", "The program that logged in; missing if unknown. Write {{ client|program }}."),
    ("mail", "The name of this kind of mail."),
    ("notice", "The name of the notice."),
];
