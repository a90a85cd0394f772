//! What a user may do on an account: the thirteen permissions, and sets of them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::text_enum::text_enum;

text_enum! {
    /// Something that a user may do on an account.
    pub enum AccountPermission {
        Profile => "profile",
        Contacts => "contacts",
        Products => "products",
        ManageProducts => "manageproducts",
        ProductSso => "productsso",
        Domains => "domains",
        ManageDomains => "managedomains",
        Invoices => "invoices",
        Quotes => "quotes",
        Tickets => "tickets",
        Affiliates => "affiliates",
        Emails => "emails",
        Orders => "orders",
    }
}

/// A permission as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccountPermissionView {
    pub slug: AccountPermission,
    pub label: &'static str,
    pub description: &'static str,
}

impl AccountPermission {
    pub const fn describe(self) -> AccountPermissionView {
        let (label, description) = match self {
            Self::Profile => {
                ("Modify master account profile", "Change the account's names, address and tax id.")
            }
            Self::Contacts => {
                ("View and manage contacts", "See, add, change and delete the account's contacts.")
            }
            Self::Products => ("View products and services", "See the account's products and services."),
            Self::ManageProducts => (
                "View and modify product passwords",
                "See and change the passwords of products and services.",
            ),
            Self::ProductSso => {
                ("Perform single sign-on", "Log in to products and services without a password.")
            }
            Self::Domains => ("View domains", "See the account's domains."),
            Self::ManageDomains => {
                ("Manage domain settings", "Change name servers, contacts and other settings of domains.")
            }
            Self::Invoices => ("View and pay invoices", "See the account's invoices and pay them."),
            Self::Quotes => ("View and accept quotes", "See the quotes made to the account and accept them."),
            Self::Tickets => {
                ("View and open support tickets", "See, open and answer the account's support tickets.")
            }
            Self::Affiliates => {
                ("View and manage affiliate account", "See and withdraw what the account has earned.")
            }
            Self::Emails => ("View emails", "See the mails that the account was sent."),
            Self::Orders => (
                "Place new orders, upgrades and cancellations",
                "Order, upgrade and cancel products and services for the account.",
            ),
        };
        AccountPermissionView { slug: self, label, description }
    }
}

/// What a user may do on an account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccountPermissions {
    /// Also what later versions bring.
    everything: bool,
    set: u16,
}

impl AccountPermissions {
    pub const NONE: Self = Self { everything: false, set: 0 };
    pub const ALL: Self = Self { everything: true, set: (1 << AccountPermission::ALL.len()) - 1 };

    pub const fn has(self, permission: AccountPermission) -> bool {
        self.everything || self.set & (1 << permission as u16) != 0
    }

    pub const fn is_everything(self) -> bool {
        self.everything
    }

    pub fn iter(self) -> impl Iterator<Item = AccountPermission> {
        AccountPermission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    pub fn to_list(self) -> Vec<AccountPermission> {
        self.iter().collect()
    }

    /// Words separated by spaces, as stored. One that this version does not know permits nothing.
    pub(crate) fn from_columns(everything: bool, words: &str) -> Self {
        if everything { Self::ALL } else { words.split(' ').filter_map(AccountPermission::parse).collect() }
    }

    /// As stored.
    pub(crate) fn to_words(self) -> String {
        if self.everything {
            return String::new();
        }
        self.iter().map(AccountPermission::as_str).collect::<Vec<_>>().join(" ")
    }

    /// As events tell it.
    pub(crate) fn words(self) -> Vec<String> {
        if self.everything {
            return vec!["all".into()];
        }
        self.iter().map(|permission| permission.as_str().to_owned()).collect()
    }
}

impl FromIterator<AccountPermission> for AccountPermissions {
    fn from_iter<I: IntoIterator<Item = AccountPermission>>(permissions: I) -> Self {
        let set = permissions.into_iter().fold(0, |set, permission| set | 1 << permission as u16);
        Self { everything: false, set }
    }
}

impl fmt::Debug for AccountPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_thirteen_each_with_a_label_and_a_description() {
        assert_eq!(AccountPermission::ALL.len(), 13);
        for permission in AccountPermission::ALL {
            let view = permission.describe();
            assert!(!view.label.is_empty() && view.description.ends_with('.'), "{permission}");
            let one: AccountPermissions = [*permission].into_iter().collect();
            assert_eq!(one.to_list(), [*permission]);
            assert_eq!(AccountPermissions::from_columns(false, &one.to_words()), one);
            assert!(AccountPermissions::ALL.has(*permission) && !AccountPermissions::NONE.has(*permission));
        }
    }

    #[test]
    fn what_this_version_does_not_know_permits_nothing_and_all_is_more_than_each() {
        let each: AccountPermissions = AccountPermission::ALL.iter().copied().collect();
        assert_ne!(each, AccountPermissions::ALL);
        assert_eq!(AccountPermissions::from_columns(false, "reseller contacts").to_words(), "contacts");
        assert_eq!(AccountPermissions::from_columns(true, ""), AccountPermissions::ALL);
    }
}
