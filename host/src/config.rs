//! Configuration: a TOML file, `FRONTDESK_…` variables and the command line, in rising precedence.
//!
//! Loading reports every mistake at once, each with its place and what to write instead.
//! `examples/frontdesk.toml` explains every key; a test keeps it complete.

mod problem;
mod public_url;
mod reader;
mod secret;
mod sections;
mod source;
#[cfg(test)]
mod tests;
mod web_origin;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use frontdesk_core::network::Network;

pub use problem::{Problem, Problems};
pub use public_url::PublicUrl;
pub use reader::Effective;
pub use secret::Secret;
pub use sections::{Database, DatabasePool, Limits, Log, LogFormat, Mailer, MailerSettings, PluginLimits};
pub use sections::{Smtp, SmtpLogin, SmtpTls};
pub use source::Origin;
pub use web_origin::WebOrigin;

use reader::Reader;
use source::Sources;

use crate::mail::Override;

/// Everything an operator can set, checked. See `examples/frontdesk.toml` for each key.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The data directory. Holds the database, the mailbox, the master key and the code cache.
    pub data: PathBuf,
    pub database: Database,
    /// As configured; [`Config::public_url`] has the default.
    pub configured_public_url: Option<PublicUrl>,
    /// Front ends of other origins that may call the API.
    pub cors_origins: BTreeSet<WebOrigin>,
    /// Whose `X-Forwarded-For` is believed. `None` is undecided: nobody's, and behind a proxy nobody is told apart.
    pub trusted_proxies: Option<Vec<Network>>,
    /// A directory of plugin components that is read at start.
    pub plugins: Option<PathBuf>,
    pub company_name: String,
    /// The operator's own texts for mails, from the directory `mail_templates`: read, and checked.
    pub mail_templates: Vec<Override>,
    /// Absent: mail goes to the built-in mailbox.
    pub smtp: Option<Smtp>,
    pub mailer: Mailer,
    pub limits: Limits,
    pub log: Log,
    pub plugin_limits: PluginLimits,
    pub database_pool: DatabasePool,
}

/// What the command line may override, ready to be flattened into a command.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Overrides {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Data directory [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Database, as sqlite:FILE or postgres://… [default: frontdesk.db in the data directory]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Directory of plugin components to install at start
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
}

/// A configuration as far as it could be understood, for `config check`.
#[derive(Debug)]
pub struct Explained {
    /// Every setting with its value and where it comes from, in the order of the file.
    pub effective: Vec<Effective>,
    pub outcome: Result<Config, Problems>,
}

impl Config {
    /// Reads `file` (if any), then `env`, then `overrides`; the later wins.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, Problems> {
        Self::explain(file, env, overrides).outcome
    }

    /// [`Config::load`] with the origin of every value.
    pub fn explain(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Explained {
        let mut sources = Sources::default();
        // A file that is not TOML would only cause follow-up complaints about what it failed to set.
        if let Some(Err(problems)) = file.map(|file| sources.add_file(file)) {
            return Explained { effective: Vec::new(), outcome: Err(Problems(problems)) };
        }
        sources.add_environment(env);
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        sources.add_flag("--listen", "listen", overrides.listen.clone());
        sources.add_flag("--data", "data", path(&overrides.data));
        sources.add_flag("--database", "database", overrides.database.clone());
        sources.add_flag("--plugins", "plugins", path(&overrides.plugins));

        let mut reader = Reader::new(sources);
        let config = sections::read(&mut reader);
        let (effective, problems) = reader.finish();
        let outcome = match config {
            Some(config) if problems.0.is_empty() => Ok(config),
            _ => Err(problems),
        };
        Explained { effective, outcome }
    }

    /// The address of links and of the allowed origin. Unless it is configured, what was bound.
    pub fn public_url(&self, bound: SocketAddr) -> PublicUrl {
        self.configured_public_url.clone().unwrap_or_else(|| PublicUrl::of_bound_address(bound))
    }

    /// The mailer's settings with what was left out filled in.
    /// `company_name` is what the company is called now.
    pub fn mailer_settings(&self, company_name: &str, public_url: &PublicUrl) -> MailerSettings {
        self.mailer.settings(company_name, public_url)
    }

    pub fn mailbox_dir(&self) -> PathBuf {
        mailbox_dir(&self.data)
    }

    /// What works but is probably not meant, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.configured_public_url {
            None if !self.listen.ip().is_loopback() => warnings.push(format!(
                "public_url is not set while listening on {}, beyond this machine: links in mails will begin \
                 with {} and lead nowhere from elsewhere. Set public_url to the address people use",
                self.listen,
                PublicUrl::of_bound_address(self.listen)
            )),
            Some(url) if !url.is_https() && !url.is_loopback() => warnings.push(format!(
                "public_url is {url}: passwords and links travel in the clear, and browsers refuse the session \
                 cookie. Put a proxy with TLS in front and write https://"
            )),
            Some(_) | None => {}
        }
        let reachable = self.configured_public_url.as_ref().is_some_and(|url| !url.is_loopback());
        match &self.smtp {
            None if reachable => warnings.push(format!(
                "[smtp] is not set: no mail leaves this machine, it is kept in {}",
                self.mailbox_dir().display()
            )),
            Some(smtp) if smtp.tls == SmtpTls::None && smtp.login.is_some() => warnings.push(format!(
                "smtp.tls is \"none\": the password for {} and every mail travel in the clear. Use \"starttls\" \
                 or \"tls\"",
                smtp.host
            )),
            Some(_) | None => {}
        }
        let on_this_machine = self.cors_origins.iter().find(|origin| origin.is_loopback());
        if let Some(origin) = on_this_machine.filter(|_| reachable) {
            warnings.push(format!(
                "cors_origins lists {origin}: whatever listens there on somebody's own machine may call as their \
                 front end. Leave it out once development is over"
            ));
        }
        let behind_proxy = self.listen.ip().is_loopback()
            && self.configured_public_url.as_ref().is_some_and(|url| !url.is_loopback());
        if behind_proxy && self.trusted_proxies.is_none() {
            warnings.push(
                "trusted_proxies is not set although a proxy seems to stand in front: whoever comes through it is \
                 neither counted nor banned by address. Set trusted_proxies to the proxy's address"
                    .to_owned(),
            );
        }
        if !self.listen.ip().is_loopback() && self.trusted_proxies.is_none() {
            warnings.push(format!(
                "trusted_proxies is not set while listening on {}, beyond this machine: whoever adds a forwarding header \
                 is neither counted nor banned by address. Set it to your proxy's address, or to [] if there is none",
                self.listen
            ));
        }
        warnings
    }
}

/// Where the built-in mailbox keeps its messages.
pub fn mailbox_dir(data: &Path) -> PathBuf {
    data.join("mailbox")
}

/// The process's `FRONTDESK_…` variables. A value that is not UTF-8 is kept as far as it can be read, so
/// that it is complained about rather than ignored.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(source::PREFIX))
}
