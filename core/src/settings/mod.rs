//! What administrators set while the service runs. What nobody has set has its default.

mod store;

use std::{collections::HashSet, net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    cx::{Cx, Reads},
    db,
    event::{SettingChange, SettingsChanged},
    invalid::{self, Invalid},
    logins::{self, Audience},
    network::Network,
    second_factor::Factor,
    sessions::Lifetime,
    text_enum::text_enum,
};

text_enum! {
    /// For whom a second factor is required.
    pub enum Required {
        Nobody => "none",
        Staff => "staff",
        Users => "users",
        All => "all",
    }
}

/// Which second factors can be enrolled. Taking one away leaves those alone who have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Methods {
    pub staff: Vec<Factor>,
    pub users: Vec<Factor>,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr;)*) => {
        /// Every setting.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $key: $type,)*
            /// No setting: browsers use no security keys at this service's address.
            #[serde(skip)]
            pub no_security_keys: bool,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($key: $default,)* no_security_keys: false }
            }
        }

        /// Some settings, and what they are to be.
        #[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Change {
            $($(#[doc = $doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$type>),*
        }

        impl Change {
            fn apply(self, to: &mut Settings) {
                $(if let Some(value) = self.$key { to.$key = value })*
            }
        }
    };
}

settings! {
    /// What the company is called, in mails and wherever people read it; empty: what the configuration says.
    company_name: String = String::new();
    /// The https address of the company's logo, for the head of mails; empty: its name is shown.
    company_logo: String = String::new();
    /// What stands at the foot of every mail, plain text: an address, a register number. 1,000 characters at most.
    mail_footer: String = String::new();
    /// The languages that people can choose, the first one for whoever chose none.
    languages: Vec<String> = vec!["en".into(), "de".into()];
    /// Whether anybody can register, and users can create further accounts.
    registration: bool = true;
    /// Whether owners can invite users to their accounts and change what they may do there.
    client_user_management: bool = true;
    /// Registrations from one address, or one /64 of IPv6, in an hour, 1 to 10000.
    registrations_per_hour: u32 = 10;
    /// Invitations to one account in a day, 1 to 10000.
    invitations_per_day: u32 = 50;
    /// Invitations to one account that are pending at once, 1 to 10000.
    invitations_pending: u32 = 100;
    /// Seconds until an invitation to an account can be sent again, 0 to 86400.
    invitation_resend_seconds: u32 = 60;
    /// Domains, with those below them, whose addresses users cannot register or change to.
    blocked_email_domains: Vec<String> = Vec::new();
    /// Records on a page of a list for whoever chose no other number, 10 to 200.
    records_per_page: u32 = 25;
    /// Who must have a second factor. Whoever has none enrols at the next login, before anything else.
    second_factor_required: Required = Required::Nobody;
    /// Which second factors can be enrolled.
    second_factor_methods: Methods = Methods { staff: Factor::ALL.to_vec(), users: Factor::ALL.to_vec() };
    /// Whether staff can set a forgotten password anew by a link.
    staff_password_reset: bool = true;
    /// Characters that a user's password has at least, 8 to 64.
    password_min_users: u8 = 8;
    /// Failed staff logins in a row that ban an address, 1 to 100; 0 bans none.
    ban_after: u32 = 3;
    /// Minutes that such a ban lasts, 1 to 10080.
    ban_minutes: u32 = 15;
    /// Networks from which staff may log in; everywhere if there are none.
    staff_networks: Vec<Network> = Vec::new();
    /// Minutes after which an unused session of staff ends, 5 to 1440.
    session_staff_idle_minutes: u32 = 60;
    /// Hours after which a session of staff ends however it is used, 1 to 720.
    session_staff_hours: u32 = 12;
    /// Days that entries of the activity log are kept, 1 to 36500; 0: for ever. Whole segments go, of a minute or so.
    activity_keep_days: u32 = 0;
    /// Hours after which an unused session of a user ends, 1 to 720.
    session_user_idle_hours: u32 = 24;
    /// Days after which a session of a user ends however it is used, 1 to 365.
    session_user_days: u32 = 30;
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some settings are wrong")]
    Invalid(Invalid),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Settings {
    /// How long sessions live (FEATURES A10).
    pub fn session(&self, audience: Audience) -> Lifetime {
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 60 * 60);
        match audience {
            Audience::Staff => Lifetime {
                idle: Duration::from_secs(u64::from(self.session_staff_idle_minutes) * 60),
                absolute: hours(self.session_staff_hours),
            },
            Audience::User => Lifetime {
                idle: hours(self.session_user_idle_hours),
                absolute: hours(self.session_user_days * 24),
            },
        }
    }

    /// Whether the setting alone, whatever the role says, requires a second factor.
    pub fn requires_second_factor(&self, audience: Audience) -> bool {
        match self.second_factor_required {
            Required::Nobody => false,
            Required::Staff => audience == Audience::Staff,
            Required::Users => audience == Audience::User,
            Required::All => true,
        }
    }

    /// What can be enrolled.
    pub fn offers(&self, audience: Audience, factor: Factor) -> bool {
        let methods = match audience {
            Audience::Staff => &self.second_factor_methods.staff,
            Audience::User => &self.second_factor_methods.users,
        };
        match factor {
            // Where keys do not work, codes stand in for them: what is required must be possible.
            Factor::Totp => {
                methods.contains(&factor) || (self.no_security_keys && methods.contains(&Factor::SecurityKey))
            }
            Factor::SecurityKey => methods.contains(&factor) && !self.no_security_keys,
        }
    }

    /// Whether anything can be enrolled at all.
    pub fn offers_any(&self, audience: Audience) -> bool {
        Factor::ALL.iter().any(|factor| self.offers(audience, *factor))
    }

    /// Whether the settings make sense, and do not shut out whoever sets them.
    fn check(&self, caller: Option<IpAddr>) -> Result<(), Invalid> {
        let mut invalid = Invalid::default();
        let mut range = |key, value: u32, least: u32, most: u32| {
            if !(least..=most).contains(&value) {
                invalid.add(key, "malformed", format!("This is a number from {least} to {most}."));
            }
        };
        range("password_min_users", self.password_min_users.into(), 8, 64);
        range("records_per_page", self.records_per_page, 10, 200);
        range("ban_after", self.ban_after, 0, 100);
        range("ban_minutes", self.ban_minutes, 1, 10_080);
        range("session_staff_idle_minutes", self.session_staff_idle_minutes, 5, 1440);
        range("activity_keep_days", self.activity_keep_days, 0, 36_500);
        range("session_staff_hours", self.session_staff_hours, 1, 720);
        range("session_user_idle_hours", self.session_user_idle_hours, 1, 720);
        range("session_user_days", self.session_user_days, 1, 365);
        range("registrations_per_hour", self.registrations_per_hour, 1, 10_000);
        range("invitations_per_day", self.invitations_per_day, 1, 10_000);
        range("invitations_pending", self.invitations_pending, 1, 10_000);
        range("invitation_resend_seconds", self.invitation_resend_seconds, 0, 86_400);
        self.check_texts(&mut invalid);
        if self.staff_networks.len() > MOST_NETWORKS {
            invalid.add("staff_networks", "too_many", format!("These are at most {MOST_NETWORKS}."));
        }
        let own = |address| self.staff_networks.iter().any(|network| network.contains(address));
        if !self.staff_networks.is_empty() && !caller.is_some_and(own) {
            let from = caller.map_or_else(String::new, |address| format!(" ({address})"));
            invalid.add(
                "staff_networks",
                "shuts_you_out",
                format!(
                    "The address you come from{from} is in none of these networks; add one that holds it."
                ),
            );
        }
        for audience in Audience::ALL {
            if self.requires_second_factor(*audience) && !self.offers_any(*audience) {
                invalid.add(
                    "second_factor_methods",
                    "required",
                    format!(
                        "A second factor is required for {audience}, and none of these can be enrolled here."
                    ),
                );
            }
        }
        invalid.ok()
    }
}

impl Settings {
    fn check_texts(&self, invalid: &mut Invalid) {
        if !self.company_name.is_empty() {
            invalid.take("company_name", invalid::title(&self.company_name));
        }
        let logo = &self.company_logo;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '\\');
        let is_address = logo.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        if !logo.is_empty() && (!is_address || logo.len() > 500 || !logo.chars().all(plain)) {
            invalid.add(
                "company_logo",
                "malformed",
                "A logo has an address like https://example.com/logo.png.",
            );
        }
        invalid.take("mail_footer", invalid::plain_text(&self.mail_footer, 1000));
        if self.languages.is_empty() || self.languages.len() > 50 {
            invalid.add("languages", "malformed", "These are 1 to 50 languages.");
        }
        for (index, language) in self.languages.iter().enumerate() {
            invalid.take(&format!("languages.{index}"), invalid::language(language));
        }
        if self.blocked_email_domains.len() > MOST_DOMAINS {
            invalid.add("blocked_email_domains", "too_many", format!("These are at most {MOST_DOMAINS}."));
        }
        for (index, domain) in self.blocked_email_domains.iter().enumerate() {
            // A domain is what can stand behind an @.
            if invalid::email(&format!("a@{domain}")).is_err() {
                let message = "A domain looks like example.com.";
                invalid.add(&format!("blocked_email_domains.{index}"), "malformed", message);
            }
        }
    }

    /// Whether users cannot have this address.
    pub fn blocks(&self, email: &str) -> bool {
        let domain = invalid::fold_domain(email.rsplit_once('@').map_or("", |(_, domain)| domain));
        self.blocked_email_domains.iter().any(|blocked| {
            domain.strip_suffix(blocked.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// Of whoever chose no language.
    pub fn default_language(&self) -> &str {
        self.languages.first().map_or(logins::DEFAULT_LANGUAGE, String::as_str)
    }
}

/// The settings as they stand.
pub async fn load(reads: &mut impl Reads) -> Result<Settings, db::Error> {
    let mut settings = Map::new();
    for (key, value) in store::load(reads.db()).await? {
        match serde_json::from_str(&value) {
            Ok(value) => drop(settings.insert(key, value)),
            Err(error) => tracing::error!(%key, %error, "a setting that cannot be read has its default"),
        }
    }
    Ok(serde_json::from_value(Value::Object(settings)).unwrap_or_else(|error| {
        tracing::error!(%error, "a setting that this version does not understand: all have their defaults");
        Settings::default()
    }))
}

/// Changes some settings; all of them or none.
/// `no_security_keys`: see [`Settings::no_security_keys`].
pub async fn change(cx: &mut Cx, change: Change, no_security_keys: bool) -> Result<Settings, Error> {
    store::lock(cx).await?;
    let before = Settings { no_security_keys, ..load(cx).await? };
    let mut after = before.clone();
    change.apply(&mut after);
    tidy(&mut after);
    // Who changes nothing about the networks has not shut anybody out.
    let caller = cx.caller().address;
    let mut judged = after.clone();
    if after.staff_networks == before.staff_networks {
        judged.staff_networks.clear();
    }
    judged.check(caller).map_err(Error::Invalid)?;
    keep(cx, &before, &after).await?;
    Ok(after)
}

/// Lets staff log in from everywhere again: for whoever has shut themselves out.
pub async fn clear_staff_networks(cx: &mut Cx) -> Result<(), db::Error> {
    store::lock(cx).await?;
    let before = load(cx).await?;
    let after = Settings { staff_networks: Vec::new(), ..before.clone() };
    keep(cx, &before, &after).await
}

const MOST_NETWORKS: usize = 100;
const MOST_DOMAINS: usize = 1000;

/// Nothing twice.
fn tidy(settings: &mut Settings) {
    let mut seen = HashSet::new();
    settings.staff_networks.retain(|network| seen.insert(*network));
    settings.company_name = settings.company_name.trim().to_owned();
    for domain in &mut settings.blocked_email_domains {
        *domain = invalid::fold_domain(domain.trim().trim_start_matches('@'));
    }
    for list in [&mut settings.blocked_email_domains, &mut settings.languages] {
        let mut seen = HashSet::new();
        list.retain(|word| seen.insert(word.clone()));
    }
    let Methods { staff, users } = &mut settings.second_factor_methods;
    for methods in [staff, users] {
        methods.sort_unstable();
        methods.dedup();
    }
}

async fn keep(cx: &mut Cx, before: &Settings, after: &Settings) -> Result<(), db::Error> {
    let (before, after) = (fields(before), fields(after));
    let mut changed = Vec::new();
    for (key, after) in after {
        let before = before.get(&key).cloned().unwrap_or_default();
        if before != after {
            store::set(cx, &key, &after.to_string()).await?;
            changed.push(SettingChange { key, before, after });
        }
    }
    if !changed.is_empty() {
        cx.emit(SettingsChanged { changed }).await?;
    }
    Ok(())
}

fn fields(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
