use frontdesk_core::{
    ids::{InvitationId, PasswordResetId},
    outbox::{Factor, Notice, PasswordChange, RemovedBy},
    time::Timestamp,
};

use super::{samples::Words, *};

const HOSTILE: &str = "<script>alert(1)</script>\r\nBcc: \"x\"&'y'\u{202e}";
const LINK: &str = "https://desk.example.com/accept#token=";

const AT: Timestamp = Timestamp::from_millis(1_795_909_201_123);

fn mail(content: MailContent, value: &str) -> SystemMail {
    let link = samples::carries_token(&content).then(|| format!("{LINK}{value}"));
    SystemMail { company: value.to_owned(), recipient_name: value.to_owned(), content, link }
}

fn notice(notice: Notice, value: &str) -> SystemMail {
    mail(MailContent::Notice { notice, at: AT, address: Some(value.to_owned()) }, value)
}

/// Every mail in all its ways, with the same value wherever a person could have put one.
fn samples(value: &str) -> Vec<SystemMail> {
    let client = format!("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0 {value}");
    let words = Words { person: value, thing: value, account: value, address: value, client: &client };
    samples::contents(&words, AT).into_iter().map(|content| mail(content, value)).collect()
}

fn rendered(mail: &SystemMail) -> Rendered {
    Templates::new().unwrap().render(mail, "en").unwrap()
}

fn languages() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|texts| texts.language).chain(["xx"])
}

#[test]
fn every_mail_renders_in_every_language_and_escapes_what_people_typed() {
    let templates = Templates::new().unwrap();
    for language in languages() {
        for mail in samples(HOSTILE) {
            let Rendered { subject, text, html } = templates.render(&mail, language).unwrap();
            assert!(!subject.is_empty() && subject.chars().all(|c| !c.is_control()), "{subject:?}");
            assert!(!html.contains("<script>"), "{html}");
            assert!(html.contains("&lt;script&gt;"), "{html}");
            assert!(!html.contains("\"x\"") && !html.contains("'y'"), "attributes stay closed: {html}");
            assert!(text.contains("<script>alert(1)</script> Bcc: \"x\"&'y'"), "{text}");
            assert!(!text.contains("\nBcc:") && !text.contains('\u{202e}') && !html.contains('\u{202e}'));
        }
        for mail in samples("Ada") {
            let Rendered { subject, text, html } = templates.render(&mail, language).unwrap();
            for part in [&subject, &text, &html] {
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
            }
            assert!(!text.contains("none") && !text.contains("null"), "{text}");
            let timed = matches!(&mail.content, MailContent::Notice { .. }) || mail.link.is_some();
            for part in [&text, &html] {
                assert_eq!(part.contains("28 November 2026 at 23:40 UTC"), timed, "{part}");
            }
            assert!(!text.contains("\n\n\n"), "{text}");
            assert!(html.contains("<title>") && !html.contains("<title></title>"), "{html}");
            match &mail.link {
                Some(link) => {
                    assert!(text.contains(&format!("\n{link}\n")), "{text}");
                    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
                }
                // Nothing to follow, so that nobody learns to.
                None => assert!(!text.contains("://") && !html.contains("://") && !html.contains("href")),
            }
        }
    }
}

#[test]
fn every_text_belongs_to_a_mail_and_every_mail_has_the_default_language() {
    for mail in samples("Ada") {
        let name = mail.content.name();
        assert!(TEXTS.iter().any(|t| t.mail == name && t.language == DEFAULT_LANGUAGE), "{name}");
    }
    for texts in TEXTS {
        assert!(samples("Ada").iter().any(|mail| mail.content.name() == texts.mail), "{}", texts.mail);
    }
    assert_eq!(available("staff_invitation", "EN_gb"), "en");
    assert_eq!(available("staff_invitation", "xx"), "en");
}

#[test]
fn a_mail_without_its_link_is_not_sent() {
    for mail in samples("Ada").into_iter().filter(|mail| mail.link.is_some()) {
        let without = SystemMail { link: None, ..mail };
        assert!(Templates::new().unwrap().render(&without, "en").is_err(), "{}", without.content.name());
    }
}

#[test]
fn a_staff_invitation_reads_well() {
    let content = |inviter: Option<&str>| MailContent::StaffInvitation {
        invitation_id: InvitationId::from_u128(1),
        inviter: inviter.map(str::to_owned),
        role: "Support".to_owned(),
        expires_at: "2026-11-28T23:40:01.123Z".parse().unwrap(),
    };
    let mail = SystemMail {
        company: "Acme Hosting".to_owned(),
        recipient_name: "Zoë".to_owned(),
        content: content(Some("Ada Lovelace")),
        link: Some(format!("{LINK}abc")),
    };
    let Rendered { subject, text, .. } = rendered(&mail);
    assert_eq!(subject, "Ada Lovelace invites you to join Acme Hosting");
    assert_eq!(
        text,
        "\
Hello Zoë,

Ada Lovelace invites you to join the staff of Acme Hosting as Support.

Choose your username and password here:

https://desk.example.com/accept#token=abc

The link works once, until Saturday, 28 November 2026 at 23:40 UTC.

If you did not expect this invitation, you can ignore this mail: nothing
happens until somebody opens the link and accepts.

--\u{20}
Acme Hosting
"
    );
    let mail = SystemMail { recipient_name: String::new(), content: content(None), ..mail };
    let Rendered { subject, text, .. } = rendered(&mail);
    assert_eq!(subject, "You are invited to join Acme Hosting");
    assert!(
        text.starts_with("Hello,\n\nYou are invited to join the staff of Acme Hosting as Support.\n"),
        "{text}"
    );
}

#[test]
fn a_password_reset_says_what_it_does_not_do() {
    let content = |address: Option<&str>| MailContent::PasswordReset {
        reset_id: PasswordResetId::from_u128(1),
        address: address.map(str::to_owned),
        expires_at: "2026-11-28T23:40:01.123Z".parse().unwrap(),
    };
    let mail = SystemMail {
        company: "Acme Hosting".to_owned(),
        recipient_name: String::new(),
        content: content(Some("203.0.113.9")),
        link: Some("https://desk.example.com/reset-password#token=abc".to_owned()),
    };
    let Rendered { subject, text, .. } = rendered(&mail);
    assert_eq!(subject, "Choose a new password for Acme Hosting");
    assert_eq!(
        text,
        "\
Hello,

A new password was asked for your login at Acme Hosting, from the
address 203.0.113.9. Choose it here:

https://desk.example.com/reset-password#token=abc

The link works once, until Saturday, 28 November 2026 at 23:40 UTC. It does not stand in for a
second factor: if your login has one, you are asked for it as always.

If you did not ask for this, you can ignore this mail: your password stays as
it is until somebody opens the link and chooses another. Pass the link on to
nobody, and if such mails keep coming, tell us.

--\u{20}
Acme Hosting
"
    );
    let Rendered { text, .. } = rendered(&SystemMail { content: content(None), ..mail });
    assert!(text.contains("your login at Acme Hosting. Choose it here:"), "{text}");
}

#[test]
fn a_notice_says_what_when_from_where_and_what_to_do() {
    let client = Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned());
    let content = MailContent::Notice {
        notice: Notice::LoginFromNewAddress { client },
        at: "2026-11-28T23:40:01.123Z".parse().unwrap(),
        address: Some("2001:db8::9".to_owned()),
    };
    let mail = SystemMail {
        company: "Acme Hosting".to_owned(),
        recipient_name: "Zoë".to_owned(),
        content,
        link: None,
    };
    let Rendered { subject, text, .. } = rendered(&mail);
    assert_eq!(subject, "Your login at Acme Hosting was used from a new address");
    assert_eq!(
        text,
        "\
Hello Zoë,

Somebody logged in to Acme Hosting as you, from an address that you have not
used before.

When: Saturday, 28 November 2026 at 23:40 UTC
From: 2001:db8::9
With: Firefox, Linux

If this was you, there is nothing to do.

If it was not, somebody else may have got into your login. Change your
password, end your other sessions, and tell us at once.

You get this mail because it is about the security of your login. It holds no
link on purpose.

--\u{20}
Acme Hosting
"
    );
}

#[test]
fn what_a_browser_calls_itself_is_not_repeated() {
    let client = Some("You are locked out, see https://evil.example Firefox/1".to_owned());
    let Rendered { subject, text, html } =
        rendered(&notice(Notice::LoginFromNewAddress { client }, "203.0.113.9"));
    for part in [subject, text, html] {
        assert!(!part.contains("evil") && !part.contains("locked"), "{part}");
    }
}

#[test]
fn who_did_it_is_told() {
    for (how, expected) in [
        (PasswordChange::Owner, "The password of your login at Ada was changed.\n"),
        (PasswordChange::Reset, "The password of your login at Ada was changed with a reset link.\n"),
        (PasswordChange::Colleague, "An administrator changed the password of your login at Ada.\n"),
        (
            PasswordChange::CommandLine,
            "An administrator changed the password of your login at Ada, on the\nserver itself.\n",
        ),
    ] {
        let text = rendered(&notice(Notice::PasswordChanged { how }, "Ada")).text;
        assert!(text.contains(expected), "{text}");
        let own = matches!(how, PasswordChange::Owner | PasswordChange::Reset);
        assert_eq!(text.contains("If this was you"), own, "{text}");
    }
    for (by, expected) in [
        (RemovedBy::Owner, "The security key \"Ada\" was removed from your login at Ada.\n"),
        (RemovedBy::Colleague, "An administrator removed the security key \"Ada\" from your login at Ada.\n"),
    ] {
        let factor = Factor::SecurityKey { name: "Ada".to_owned() };
        let text = rendered(&notice(Notice::SecondFactorRemoved { factor, by }, "Ada")).text;
        assert!(text.contains(expected), "{text}");
    }
}
