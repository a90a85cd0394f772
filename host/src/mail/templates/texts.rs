//! Our own texts: every mail in every language that is shipped.

pub(super) struct Texts {
    pub(super) language: &'static str,
    /// Names the files and says which mail they belong to.
    pub(super) mail: &'static str,
    pub(super) subject: &'static str,
    pub(super) text: &'static str,
    pub(super) html: &'static str,
}

macro_rules! layouts {
    ($($name:literal)*) => { &[$(($name, include_str!($name))),*] };
}

/// What templates are built on.
pub(super) const LAYOUTS: &[(&str, &str)] = layouts! {
    "layout.html" "foot.txt"
    "link.html" "link.txt" "news.html" "news.txt" "notice.html" "notice.txt"
    "en/link.html" "en/link.txt" "en/news.html" "en/news.txt" "en/notice.html" "en/notice.txt"
    "de/link.html" "de/link.txt" "de/news.html" "de/news.txt" "de/notice.html" "de/notice.txt"
};

/// Every language has every mail.
macro_rules! texts {
    ($($language:literal)*) => { &[$(texts! { one $language
        "staff_invitation"
        "account_invitation"
        "set_password"
        "password_reset"
        "email_verification"
        "welcome"
        "already_registered"
        "access_removed"
        "now_owner"
        "password_changed"
        "email_changed"
        "second_factor_added"
        "second_factor_removed"
        "recovery_code_used"
        "recovery_codes_renewed"
        "security_question_changed"
        "api_credential_created"
        "logged_in_as"
        "login_from_new_address"
    }),*] };
    (one $language:literal $($mail:literal)*) => { [$(Texts {
        language: $language,
        mail: $mail,
        subject: include_str!(concat!($language, "/", $mail, ".subject")),
        text: include_str!(concat!($language, "/", $mail, ".txt")),
        html: include_str!(concat!($language, "/", $mail, ".html")),
    }),*] };
}

const BY_LANGUAGE: &[[Texts; 19]] = texts! { "en" "de" };

pub(super) const TEXTS: &[Texts] = BY_LANGUAGE.as_flattened();
