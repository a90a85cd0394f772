//! `frontdesk staff`: what helps when nobody gets in any more, because mail or the only administrator is lost.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use frontdesk_core::{
    authority::Authority,
    cx::{Caller, Cx},
    invalid::Invalid,
    invitations::{self, NewStaffInvitation},
    logins::{self, Audience, Login},
    outbox::RemovedBy,
    page::PageRequest,
    recovery, roles, second_factor, settings,
    staff::{self, Entry, Filter},
};

use super::database::{self, DatabaseArgs, Opened};

/// Let staff in again when nobody gets in any more
#[derive(Debug, Args)]
#[command(after_help = "\
These work on the database, whether the service runs or not; a running one
takes notice within a second. Nobody is asked for a password: whoever can run
them owns the installation. Each leaves its entry among the events.

  frontdesk staff reset-password ada         a link to set the password anew
  frontdesk staff remove-second-factor ada   the phone is lost, and so are the
                                             recovery codes
  frontdesk staff invite grace@example.com   a link that brings in a full
                                             administrator")]
pub(super) struct StaffArgs {
    #[command(subcommand)]
    command: StaffCommand,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum StaffCommand {
    /// One line per member of staff, newest first: username, email address, role, what is particular
    List,
    /// Invite somebody, and print the link
    Invite {
        /// Email address
        email: String,
        #[arg(long, value_name = "NAME", default_value = "Full Administrator")]
        role: String,
    },
    /// Make a link that sets a password anew, print it and mail it; it is good once, for an hour
    ResetPassword {
        /// Username or email address
        login: String,
    },
    /// Remove authenticator app, security keys and recovery codes; every session of theirs ends
    RemoveSecondFactor {
        /// Username or email address
        login: String,
    },
    /// Let a disabled member of staff log in again
    Enable {
        /// Username or email address
        login: String,
    },
    /// Show from which networks staff may log in, or let them in from everywhere
    Networks {
        /// Forget the list
        #[arg(long)]
        clear: bool,
    },
}

pub(super) fn run(args: &StaffArgs) -> ExitCode {
    database::run(&args.database, async |opened: &Opened| {
        let said = match &args.command {
            StaffCommand::List => list(opened).await?,
            StaffCommand::Invite { email, role } => invite(opened, email, role).await?,
            StaffCommand::ResetPassword { login } => reset_password(opened, login).await?,
            StaffCommand::RemoveSecondFactor { login } => remove_second_factor(opened, login).await?,
            StaffCommand::Enable { login } => enable(opened, login).await?,
            StaffCommand::Networks { clear } => networks(opened, *clear).await?,
        };
        match io::stdout().write_all(said.as_bytes()) {
            // Whoever read the output has seen enough (`| head`).
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn list(opened: &Opened) -> Result<String, Box<dyn Error>> {
    let mut view = opened.service.read().await?;
    let (mut lines, mut cursor) = (String::new(), None);
    loop {
        let request = PageRequest::new(PageRequest::MOST, cursor.as_deref(), false).map_err(explain)?;
        let page = staff::list(&mut view, &Filter::default(), &request).await?;
        for entry in &page.items {
            let one = match entry {
                Entry::Member(staff) => staff,
                Entry::Invited(invitation) => {
                    lines += &format!(
                        "-  {}  {}  invited, the link ends {}\n",
                        invitation.email.as_deref().unwrap_or_default(),
                        invitation.role.as_ref().map_or("", |role| &role.name),
                        invitation.dates.expires_at,
                    );
                    continue;
                }
            };
            let enrolled = second_factor::is_enrolled(&mut view, one.id.into()).await?;
            let particular = [(one.disabled, "disabled"), (enrolled, "second factor")];
            let particular: Vec<_> =
                particular.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect();
            let last_login = one.last_login_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            lines += &format!(
                "{}  {}  {}  last login {last_login}  {}\n",
                one.username,
                one.email,
                one.role_name,
                particular.join(", ")
            );
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(if lines.is_empty() {
        "There is nobody yet: frontdesk serve prints the first link.\n".into()
    } else {
        lines
    })
}

async fn begin(opened: &Opened) -> Result<Cx, Box<dyn Error>> {
    Ok(opened.service.begin(Caller::command_line()).await?)
}

async fn who(cx: &mut Cx, name: &str) -> Result<Login, Box<dyn Error>> {
    let found = logins::find_by_name(cx, Audience::Staff, name).await?;
    found.ok_or_else(|| {
        format!("nobody has the username or email address {name}; see frontdesk staff list").into()
    })
}

fn link(opened: &Opened, path: &str, token: &str) -> String {
    let config = &opened.config;
    if config.configured_public_url.is_none() {
        eprintln!(
            "public_url is not set: the link begins with what `listen` says; put your address in its place"
        );
    }
    format!("{}\n", config.public_url(config.listen).link_with_token(path, token))
}

async fn invite(opened: &Opened, email: &str, role: &str) -> Result<String, Box<dyn Error>> {
    let mut cx = begin(opened).await?;
    let found = roles::find_by_name(&mut cx, role).await?;
    let role = found.ok_or_else(|| format!("there is no role {role}"))?;
    let new = NewStaffInvitation {
        email: email.to_owned(),
        role_id: role.id,
        username: None,
        first_name: None,
        last_name: None,
        language: None,
        departments: Vec::new(),
    };
    let new = new.checked().map_err(explain)?;
    let made = invitations::invite_staff(&mut cx, &Authority::command_line(), new).await?;
    cx.commit().await?;
    Ok(link(opened, "/accept", &made.token.reveal()))
}

async fn reset_password(opened: &Opened, name: &str) -> Result<String, Box<dyn Error>> {
    let mut cx = begin(opened).await?;
    let login = who(&mut cx, name).await?;
    if login.disabled {
        return Err(format!("{name} is disabled: frontdesk staff enable {name} first").into());
    }
    let token = recovery::link(&mut cx, &login).await?;
    cx.commit().await?;
    Ok(link(opened, "/reset-password", &token.reveal()))
}

async fn remove_second_factor(opened: &Opened, name: &str) -> Result<String, Box<dyn Error>> {
    let mut cx = begin(opened).await?;
    let login = who(&mut cx, name).await?;
    if !second_factor::remove_all(&mut cx, &login, RemovedBy::CommandLine).await? {
        return Err(format!("{name} has no second factor").into());
    }
    cx.commit().await?;
    Ok(format!(
        "{name} is asked for the password alone, and to enrol anew where a second factor is required; a mail tells.\n"
    ))
}

async fn enable(opened: &Opened, name: &str) -> Result<String, Box<dyn Error>> {
    let mut cx = begin(opened).await?;
    let login = who(&mut cx, name).await?;
    if !staff::enable(&mut cx, &Authority::command_line(), login.id.of_staff()).await? {
        return Err(format!("{name} is not disabled").into());
    }
    cx.commit().await?;
    Ok(format!("{name} can log in again.\n"))
}

async fn networks(opened: &Opened, clear: bool) -> Result<String, Box<dyn Error>> {
    if clear {
        let mut cx = begin(opened).await?;
        settings::clear_staff_networks(&mut cx).await?;
        cx.commit().await?;
    }
    let networks = settings::load(&mut opened.service.read().await?).await?.staff_networks;
    Ok(match networks.is_empty() {
        true => "Staff log in from everywhere.\n".into(),
        false => networks.iter().map(|network| format!("{network}\n")).collect(),
    })
}

/// In the words of whoever typed it.
fn explain(invalid: Invalid) -> Box<dyn Error> {
    let said: Vec<_> = invalid.0.into_iter().map(|error| error.message).collect();
    said.join(" ").into()
}
