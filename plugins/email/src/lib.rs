//! The email provider: composes MIME messages and hands them to the host's mail transport.

use frontdesk_plugin_sdk::{
    Answer, Failure, Nothing, mail,
    notifier::{Notification, Notifier},
    now, random,
};
use serde::Deserialize;

mod address;
mod mime;
#[cfg(test)]
mod tests;
mod text;

use address::{Correspondent, Problem};

#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default)]
    sender_name: String,
    sender_address: String,
    reply_to: Option<String>,
}

struct Email;

impl Notifier for Email {
    type Settings = Settings;
    type Rule = Nothing;

    fn check(settings: Settings) -> Answer {
        let sender = settings.sender()?;
        Ok(Some(match settings.reply_to()? {
            Some(reply_to) => format!("Sends as {sender}, answers go to {reply_to}"),
            None => format!("Sends as {sender}"),
        }))
    }

    fn send(notification: Notification, settings: Settings, _: Nothing) -> Answer {
        let (sender, reply_to) = (settings.sender()?, settings.reply_to()?);
        let recipients = recipients(&notification)?;
        let mut first = None;
        for (index, recipients) in recipients.chunks(mail::MAX_RECIPIENTS).enumerate() {
            let envelope =
                mail::Envelope::new(sender.address(), recipients.iter().map(Correspondent::address));
            let message = mime::compose(&mime::Draft {
                sender: &sender,
                reply_to: reply_to.as_ref(),
                recipients,
                notification: &notification,
                index,
                date: now(),
                boundary: random(18),
            })?;
            let id = mail::submit(&envelope, &message)?;
            first.get_or_insert(id);
        }
        Ok(first)
    }
}

impl Settings {
    fn sender(&self) -> Result<Correspondent, Failure> {
        Correspondent::new(&self.sender_name, &self.sender_address)
            .map_err(|problem| misconfigured("The sender address", "sender_address", problem))
    }

    fn reply_to(&self) -> Result<Option<Correspondent>, Failure> {
        let Some(address) = self.reply_to.as_deref().map(str::trim).filter(|address| !address.is_empty())
        else {
            return Ok(None);
        };
        Correspondent::new("", address)
            .map(Some)
            .map_err(|problem| misconfigured("The reply-to address", "reply_to", problem))
    }
}

fn misconfigured(what: &str, key: &str, problem: Problem) -> Failure {
    Failure::misconfigured(format!("{what} {problem}")).setting(key)
}

/// Everybody the message goes to, each address once.
fn recipients(notification: &Notification) -> Result<Vec<Correspondent>, Failure> {
    let mut recipients: Vec<Correspondent> = Vec::new();
    for recipient in &notification.recipients {
        let correspondent = Correspondent::new(&recipient.name, &recipient.address).map_err(|problem| {
            Failure::rejected(format!("The recipient {:?} {problem}", recipient.address))
        })?;
        if recipients.iter().all(|known| known.address() != correspondent.address()) {
            recipients.push(correspondent);
        }
    }
    if recipients.is_empty() {
        return Err(Failure::rejected("The notification has no recipients"));
    }
    Ok(recipients)
}

frontdesk_plugin_sdk::notifier!(Email);
