use std::fs;

use super::*;

struct Case {
    dir: PathBuf,
}

impl Case {
    /// A fresh directory per test, named after it.
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("frontdesk-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn explain(&self, toml: &str, env: &[(&str, &str)]) -> Explained {
        let file = self.file("frontdesk.toml", toml);
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::explain(Some(&file), env, &Overrides::default())
    }

    fn load(&self, toml: &str, env: &[(&str, &str)]) -> Config {
        self.explain(toml, env).outcome.unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The complaints, without the directory.
    fn complaints(&self, toml: &str, env: &[(&str, &str)]) -> String {
        let problems = self.explain(toml, env).outcome.expect_err("must be refused");
        problems.to_string().replace(&format!("{}/", self.dir.display()), "")
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn defaults() -> Config {
    Config::load(None, std::iter::empty(), &Overrides::default()).unwrap()
}

#[test]
fn nothing_set_gives_a_service_for_this_machine() {
    let config = defaults();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database, Database::Sqlite("./data/frontdesk.db".into()));
    assert_eq!(config.mailbox_dir(), Path::new("./data/mailbox"));
    assert!(config.smtp.is_none());
    assert!(config.warnings().is_empty());
    let url = config.public_url("127.0.0.1:41235".parse().unwrap());
    assert_eq!(url.link_with_token("/accept", "abc"), "http://127.0.0.1:41235/accept#token=abc");
    let settings = config.mailer_settings(&config.company_name, &url);
    assert_eq!(
        (settings.sender_name.as_str(), settings.sender_address.as_str()),
        ("Frontdesk", "frontdesk@localhost")
    );
}

#[test]
fn command_line_beats_environment_beats_file() {
    let case = Case::new("precedence");
    let file = case.file(
        "frontdesk.toml",
        "listen = '127.0.0.1:1'\ndata = 'from-file'\ncompany_name = 'File'\n[limits]\nbody_kib = 7",
    );
    let env = [
        ("FRONTDESK_LISTEN", "127.0.0.1:2"),
        ("FRONTDESK_DATA", "from-env"),
        ("FRONTDESK_LIMITS__BODY_KIB", "8"),
    ];
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let overrides = Overrides { listen: Some("127.0.0.1:3".to_owned()), ..Overrides::default() };
    let config = Config::load(Some(&file), env, &overrides).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, Path::new("from-env"));
    assert_eq!(config.database, Database::Sqlite("from-env/frontdesk.db".into()));
    assert_eq!(config.company_name, "File");
    assert_eq!(config.limits.body, 8 * 1024);
}

#[test]
fn every_mistake_is_named_at_its_place() {
    let case = Case::new("mistakes");
    let toml = "\
listen = 'localhost'
company_nam = 'Acme'
host = 'mail.example.com'
limits = 5

[smtp]
hots = 'mail.example.com'
port = 70000
tls = true
username = 'frontdesk'

[stmp]
host = 'x'

[data]
path = '/srv'

[log]
level = 'verbose'
";
    let env = [
        ("FRONTDESK_SMTP_HOST", "mail"),
        ("FRONTDESK_PUBLIC_URL", "desk.example.com"),
        ("FRONTDESK_LIMITS__REQUEST_S", "soon"),
        ("FRONTDESK_QUITE_ELSE", "1"),
    ];
    assert_eq!(
        case.complaints(toml, &env),
        "\
frontdesk.toml:1: listen must be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080
frontdesk.toml:2: unknown key company_nam; did you mean company_name?
frontdesk.toml:3: unknown key host; host belongs in [smtp]
frontdesk.toml:4: limits is a section; write [limits] and its keys below it
frontdesk.toml:7: unknown key smtp.hots; did you mean host?
frontdesk.toml:8: smtp.host is missing; without it mail stays in the built-in mailbox
frontdesk.toml:8: smtp.port must be a whole number from 1 to 65535
frontdesk.toml:9: smtp.tls must be text in quotes, not boolean
frontdesk.toml:10: smtp.username and smtp.password belong together; give both or none
frontdesk.toml:13: unknown section [stmp] (key host); did you mean [smtp]?
frontdesk.toml:16: data is a single value, not a section
frontdesk.toml:19: log.level must be error, warn, info, debug, trace or off, or such as \
\"info,frontdesk::delivery=debug\"
FRONTDESK_LIMITS__REQUEST_S: limits.request_s must be a whole number from 1 to 600
FRONTDESK_PUBLIC_URL: public_url is not an address (relative URL without a base); write https://desk.example.com
FRONTDESK_QUITE_ELSE: unknown setting
FRONTDESK_SMTP_HOST: unknown setting; did you mean FRONTDESK_SMTP__HOST?"
    );
}

#[test]
fn broken_toml_is_reported_with_its_lines_alone() {
    let case = Case::new("syntax");
    let complaints = case.complaints("listen = '127.0.0.1:1'\nsmtp = [\ndata == 'x'\n", &[]);
    assert!(complaints.lines().all(|line| line.starts_with("frontdesk.toml:")), "{complaints}");
    assert!(complaints.contains("not valid TOML"), "{complaints}");
}

#[test]
fn a_missing_file_is_named() {
    let missing = Path::new("/nowhere/frontdesk.toml");
    let problems = Config::load(Some(missing), std::iter::empty(), &Overrides::default()).unwrap_err();
    assert!(problems.to_string().starts_with("/nowhere/frontdesk.toml: cannot be read: "), "{problems}");
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let case = Case::new("secrets");
    let secret = case.file("smtp", "s3cret words\r\n");
    let toml = format!(
        "database = 'postgres://desk:hunter2@db.example.com/desk?password=hunter3'\n\
         [smtp]\nhost = 'mail.example.com'\nusername = 'desk'\npassword_file = '{}'\n",
        secret.display()
    );
    let explained = case.explain(&toml, &[]);
    let shown = format!("{explained:?}");
    let config = explained.outcome.unwrap();
    let smtp = config.smtp.unwrap();
    assert_eq!(smtp.login.unwrap().password.expose(), "s3cret words");
    assert_eq!((smtp.port, smtp.tls), (587, SmtpTls::StartTls));
    assert!(shown.contains("postgres://desk:hidden@db.example.com/desk"), "{shown}");
    for hidden in ["hunter2", "hunter3", "s3cret"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn a_secret_given_twice_follows_precedence_or_is_refused() {
    let case = Case::new("twice");
    let toml = "[smtp]\nhost = 'mail'\nusername = 'desk'\npassword_file = '/nowhere'\n";
    let config = case.load(toml, &[("FRONTDESK_SMTP__PASSWORD", "from the environment")]);
    assert_eq!(config.smtp.unwrap().login.unwrap().password.expose(), "from the environment");
    assert_eq!(
        case.complaints(&format!("{toml}password = 'both'\n"), &[]),
        "frontdesk.toml:5: smtp.password and smtp.password_file are both given; keep one"
    );
    let complaint = case.complaints(toml, &[]);
    assert!(
        complaint.starts_with("frontdesk.toml:4: smtp.password_file names /nowhere, which cannot be read: ")
            && !complaint.contains("belong together"),
        "{complaint}"
    );
}

#[test]
fn a_bad_database_is_refused_without_repeating_it() {
    let case = Case::new("database");
    for bad in
        ["mysql://u:hunter2@h/d", "postgres://u:hunter2@:bad/d", "hunter2", "sqlite::memory:", "sqlite:"]
    {
        let complaint = case.complaints(&format!("database = '{bad}'"), &[]);
        assert!(complaint.starts_with("frontdesk.toml:1: database "), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
    let database = |url: &str| case.load(&format!("database = '{url}'"), &[]).database;
    assert_eq!(database("sqlite:///srv/desk.db"), Database::Sqlite("/srv/desk.db".into()));
    assert_eq!(database("sqlite:desk.db"), Database::Sqlite("desk.db".into()));
    assert!(matches!(database("postgresql:///desk?host=/run/postgresql"), Database::Postgres(_)));
}

#[test]
fn variables_of_others_and_empty_ones_are_left_alone() {
    let case = Case::new("others");
    let env = [
        ("FRONTDESK_CONFIG", "/etc/frontdesk.toml"),
        ("FRONTDESK_SMTP__HOST", ""),
        ("FRONTDESK_PORT", "tcp://10.0.0.1:80"),
        ("FRONTDESK_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("FRONTDESK_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/usr/bin"),
    ];
    assert!(case.load("", &env).smtp.is_none());
}

#[test]
fn public_urls_are_origins_with_at_most_a_path() {
    let parse = |text| PublicUrl::parse(text).map(|url| url.to_string());
    assert_eq!(parse("https://Desk.Example.com:443/").unwrap(), "https://desk.example.com");
    assert_eq!(parse("http://[::1]:8080/desk/").unwrap(), "http://[::1]:8080/desk");
    assert_eq!(parse("https://bücher.example").unwrap(), "https://xn--bcher-kva.example");
    for bad in [
        "desk.example.com",
        "ftp://x",
        "https://u:p@x",
        "https://x/?a",
        "https://x/#a",
        "javascript:alert(1)",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let url = PublicUrl::parse("https://example.com/desk/").unwrap();
    assert_eq!((url.origin().as_str(), url.path()), ("https://example.com", "/desk"));
    assert_eq!(url.link("/accept"), "https://example.com/desk/accept");
    assert_eq!(PublicUrl::of_bound_address("0.0.0.0:80".parse().unwrap()).to_string(), "http://127.0.0.1");
    assert_eq!(PublicUrl::of_bound_address("[::1]:81".parse().unwrap()).to_string(), "http://[::1]:81");
}

#[test]
fn cors_origins_are_what_browsers_send() {
    let case = Case::new("cors");
    let origins = |toml: &str, env: &[(&str, &str)]| {
        let config = case.load(toml, env);
        config.cors_origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(origins("", &[]), "");
    assert_eq!(origins("cors_origins = []", &[]), "");
    for (written, sent) in [
        ("https://console.example.com", "https://console.example.com"),
        ("HTTPS://Console.Example.COM", "https://console.example.com"),
        ("https://console.example.com:443", "https://console.example.com"),
        ("https://console.example.com:8443", "https://console.example.com:8443"),
        ("https://console.example.com:80", "https://console.example.com:80"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://XN--BCHER-KVA.example", "https://xn--bcher-kva.example"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:DB8:0::7]:8443", "https://[2001:db8::7]:8443"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://console.localhost", "http://console.localhost"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ] {
        assert_eq!(origins(&format!("cors_origins = ['{written}']"), &[]), sent, "{written}");
    }
    let file = "cors_origins = ['https://b.example', 'https://a.example', 'https://B.example:443']";
    assert_eq!(origins(file, &[]), "https://a.example https://b.example", "each once");
    let variable = |value| [("FRONTDESK_CORS_ORIGINS", value)];
    assert_eq!(origins(file, &variable("none")), "");
    assert_eq!(origins(file, &variable("https://c.example, https://c.example")), "https://c.example");
    let explained = case.explain(file, &variable("https://c.example"));
    let line = explained.effective.iter().find(|line| line.path == "cors_origins").unwrap();
    assert_eq!(line.value.as_deref(), Some("[\"https://c.example\"]"));
}

#[test]
fn what_is_no_origin_is_refused_with_what_to_write() {
    let case = Case::new("no-origin");
    let complaint = |text: &str| {
        let complaint =
            case.complaints(&format!("\ncors_origins = ['https://good.example', \"{text}\"]"), &[]);
        complaint.strip_prefix("frontdesk.toml:2: cors_origins has a mistake: ").expect(&complaint).to_owned()
    };
    for none in [
        "",
        "null",
        "console.example.com",
        "console.example.com:443",
        "//console.example.com",
        "https:console.example.com",
        "https:/console.example.com",
        "https:///console.example.com",
        "https://",
        "https://:443",
        "https://console.example.com:66000",
        "https://console.example.com https://b.example",
        " https://console.example.com",
        "https://console.example.com ",
        "https://console.\\texample.com",
        "https://console.example.com\\n",
        "ftp://console.example.com",
        "wss://console.example.com",
        "file://console.example.com",
        "chrome-extension://abcdefghijklmnop",
        "blob:https://console.example.com",
        "javascript://console.example.com",
    ] {
        let complaint = complaint(none);
        let told = complaint
            .ends_with("is no origin; write https:// and a host, such as https://console.example.com")
            || complaint.ends_with(
                "goes on after host and port, which an origin does not; write https://console.example.com",
            );
        assert!(told, "{none}: {complaint}");
    }
    for longer in ["/", "/app", "/?a", "?a", "#a", "?", "#", "\\\\app", "/../"] {
        assert!(
            complaint(&format!("https://Console.example.com:443{longer}")).ends_with(
                "goes on after host and port, which an origin does not; write https://console.example.com"
            ),
            "{longer}"
        );
    }
    for wide in ["*", "https://*", "https://*.example.com", "https://console.example.com:*"] {
        assert!(complaint(wide).contains("without *"), "{wide}");
    }
    assert!(complaint("https://console.example.com.").contains("a dot at the end"));
    for plain in [
        "http://console.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "http://notlocalhost",
    ] {
        assert!(complaint(plain).contains("is not encrypted"), "{plain}");
    }
    let secret = complaint("https://desk:hunter2@console.example.com");
    assert!(secret.contains("no user name") && !secret.contains("hunter2"), "{secret}");
    assert_eq!(
        case.complaints("", &[("FRONTDESK_CORS_ORIGINS", "https://a.example,*")]),
        "FRONTDESK_CORS_ORIGINS: cors_origins has a mistake: \"*\" would let in whoever gets a name there; list each \
         front end by its own, without *"
    );
    assert_eq!(
        case.complaints("cors_origins = 'https://a.example'", &[]),
        "frontdesk.toml:1: cors_origins must be a list of texts in quotes, [\"…\", \"…\"], not text"
    );

    let many = |count: usize| {
        let all: Vec<_> = (0..count).map(|n| format!("'https://c{n}.example'")).collect();
        format!("cors_origins = [{}, 'https://c0.example']", all.join(", "))
    };
    assert_eq!(case.load(&many(100), &[]).cors_origins.len(), 100);
    assert_eq!(
        case.complaints(&many(101), &[]),
        "frontdesk.toml:1: cors_origins lists 101 origins; at most 100 may call"
    );
}

#[test]
fn trusted_proxies_are_undecided_none_or_some() {
    let case = Case::new("proxies");
    let proxies = |toml: &str, env: &[(&str, &str)]| {
        let config = case.load(toml, env);
        config.trusted_proxies.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(proxies("", &[]), None);
    assert_eq!(proxies("trusted_proxies = []", &[]).as_deref(), Some(""));
    let file = "trusted_proxies = ['127.0.0.1', '10.1.2.3/8', '::1']";
    assert_eq!(proxies(file, &[]).as_deref(), Some("127.0.0.1 10.0.0.0/8 ::1"));
    let variable = |value| [("FRONTDESK_TRUSTED_PROXIES", value)];
    assert_eq!(proxies(file, &variable("none")).as_deref(), Some(""));
    assert_eq!(proxies(file, &variable("192.0.2.1, fd00::/8")).as_deref(), Some("192.0.2.1 fd00::/8"));
    assert_eq!(proxies("", &variable("")), None);

    assert_eq!(
        case.complaints("trusted_proxies = ['nginx']", &[]),
        "frontdesk.toml:1: trusted_proxies has a mistake: \"nginx\" is neither an IP address nor a network such as \
         192.0.2.0/24 or 2001:db8::/32"
    );
    for (wrong, kind) in [("'127.0.0.1'", "text"), ("true", "boolean"), ("[1]", "a list of something else")] {
        let complaint = case.complaints(&format!("trusted_proxies = {wrong}"), &[]);
        assert!(complaint.contains("must be a list") && complaint.ends_with(kind), "{complaint}");
    }
    let explained = case.explain(file, &[]);
    let line = explained.effective.iter().find(|line| line.path == "trusted_proxies").unwrap();
    assert_eq!(line.value.as_deref(), Some("[\"127.0.0.1\", \"10.1.2.3/8\", \"::1\"]"));
    assert!(case.complaints("listen = ['a']", &[]).contains("must be text in quotes, not a list"));
}

#[test]
fn what_is_probably_not_meant_is_warned_about() {
    let case = Case::new("warnings");
    let warnings = |toml| case.load(toml, &[]).warnings();
    assert!(
        warnings("listen = '0.0.0.0:80'")[0]
            .starts_with("public_url is not set while listening on 0.0.0.0:80")
    );
    let plain = warnings("public_url = 'http://desk.example.com'");
    assert!(plain[0].contains("travel in the clear") && plain[1].contains("no mail leaves"), "{plain:?}");
    let proxied = warnings("public_url = 'https://desk.example.com'\n[smtp]\nhost = 'mail'");
    assert!(proxied.len() == 1 && proxied[0].starts_with("trusted_proxies is not set"), "{proxied:?}");
    let decided = "public_url = 'https://desk.example.com'\ntrusted_proxies = []\n[smtp]\nhost = 'mail'";
    assert_eq!(warnings(decided), Vec::<String>::new());
    let smtp = "[smtp]\nhost = 'mail'\ntls = 'none'\nusername = 'u'\npassword = 'p'";
    assert!(warnings(smtp)[0].starts_with("smtp.tls is \"none\""));
    let developing = "cors_origins = ['https://a.example', 'http://localhost:5173']\n";
    assert_eq!(warnings(developing), Vec::<String>::new());
    let forgotten = warnings(&format!("{developing}{decided}"));
    assert!(
        forgotten.len() == 1 && forgotten[0].starts_with("cors_origins lists http://localhost:5173"),
        "{forgotten:?}"
    );
}

#[test]
fn a_broken_mail_template_is_a_mistake_with_its_file_and_line() {
    let case = Case::new("mail-templates");
    let templates = case.dir.join("mails");
    fs::create_dir_all(templates.join("de")).unwrap();
    fs::write(templates.join("de/welcome.subject"), "Servus bei {{ company }}\n").unwrap();
    let toml = format!("mail_templates = '{}'", templates.display());
    let config = case.load(&toml, &[]);
    assert_eq!(config.mail_templates.len(), 1);
    assert_eq!(config.mail_templates[0].subject, "Servus bei {{ company }}");

    fs::write(templates.join("de/welcome.txt"), "Servus\n{{ compny }}\n").unwrap();
    let complaints = case.complaints(&toml, &[]);
    let expected =
        "frontdesk.toml:1: mail_templates: mails/de/welcome.txt:2: compny is no variable of this mail";
    assert!(complaints.starts_with(expected), "{complaints}");
}

#[test]
fn the_sender_follows_company_and_public_url() {
    let case = Case::new("sender");
    let settings = |toml: &str, url| {
        let config = case.load(toml, &[]);
        let settings = config.mailer_settings(&config.company_name, &PublicUrl::parse(url).unwrap());
        serde_json::to_value(settings).unwrap()
    };
    assert_eq!(
        settings("company_name = 'Acme'", "https://desk.acme.test/x"),
        serde_json::json!({"sender_name": "Acme", "sender_address": "frontdesk@desk.acme.test"})
    );
    assert_eq!(
        settings(
            "[mailer.settings]\nsender_name = 'Desk'\nsender_address = 'a@b.test'\nreply_to = 'c@d.test'",
            "http://10.0.0.1"
        ),
        serde_json::json!({"sender_name": "Desk", "sender_address": "a@b.test", "reply_to": "c@d.test"})
    );
    assert_eq!(settings("", "http://10.0.0.1")["sender_address"], "frontdesk@localhost");
    assert_eq!(
        case.complaints(
            "[mailer.settings]\nsender_address = 'Desk <a@b.test>'\nsender_name = \"a\\nBcc: x@y.test\"",
            &[]
        ),
        "frontdesk.toml:2: mailer.settings.sender_address must be a mail address alone, such as frontdesk@example.com\n\
         frontdesk.toml:3: mailer.settings.sender_name must be a single line"
    );
}

const EXAMPLE: &str = include_str!("../../../examples/frontdesk.toml");

/// The example's commented settings made real. Of a secret and its file only the former.
fn example_with_everything_set() -> String {
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let uncomment = |line: &'static str| match line.strip_prefix('#') {
        Some(rest)
            if setting(line) && !rest.contains("_file = \"/run/secrets") && !rest.starts_with("ca_file") =>
        {
            rest
        }
        _ => line,
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_valid_as_it_stands_and_changes_nothing() {
    let case = Case::new("example");
    assert_eq!(format!("{:?}", case.load(EXAMPLE, &[])), format!("{:?}", defaults()));
    // It is read at once, so it has to be there.
    let templates = case.dir.join("mail-templates");
    fs::create_dir(&templates).unwrap();
    let example = example_with_everything_set();
    case.load(&example.replace("./mail-templates", &templates.display().to_string()), &[]);
}

#[test]
fn the_example_names_every_key_in_its_section_with_its_default() {
    let explained = Config::explain(None, std::iter::empty(), &Overrides::default());
    for Effective { path, value, .. } in &explained.effective {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        let start = if section.is_empty() {
            0
        } else {
            EXAMPLE.find(&format!("\n[{section}]\n")).expect(section) + 1
        };
        let end = EXAMPLE[start + 1..].find("\n[").map_or(EXAMPLE.len(), |end| start + 1 + end);
        let line = EXAMPLE[start..end].lines().find(|line| line.starts_with(&format!("#{key} = ")));
        let line = line.unwrap_or_else(|| panic!("examples/frontdesk.toml does not explain {path}"));
        if let Some(value) = value {
            assert_eq!(line, format!("#{key} = {value}"), "the default of {path}");
        }
    }
}
