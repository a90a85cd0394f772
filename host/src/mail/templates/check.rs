//! Whether other people's templates are fit to stand in the place of ours.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_core::{mail_templates::LONGEST, outbox::MailContent, time::Timestamp};
use minijinja::{
    Error, ErrorKind,
    machinery::{Token, tokenize},
    value::Serde,
};
use serde_json::Value;

use super::{Letterhead, Override, Rendered, SystemMail, about, engine, own_link, samples};

/// Longest subject as it arrives, in characters.
const LONGEST_SUBJECT: usize = 500;

/// A link as it stands in previews: it lets nobody in anywhere.
pub(crate) const SAMPLE_TOKEN: &str = "only-a-sample";

/// 28 November 2026 at 23:40 UTC.
pub(crate) const SAMPLE_TIME: Timestamp = Timestamp::from_millis(1_795_909_201_123);

/// Which of a mail's three texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    /// As fields of the API are called.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }

    /// As files end.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }

    fn of(self, over: &Override) -> &str {
        match self {
            Self::Subject => &over.subject,
            Self::Text => &over.text,
            Self::Html => &over.html,
        }
    }
}

/// What is wrong with one of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) part: Part,
    /// From 1; 0 if it is about all of it.
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// The variables of a mail: `factor.kind`, not `factor`.
pub(crate) fn variables(mail: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for content in of(mail) {
        if let Ok(values) = sample(content, Letterhead::default(), "https://example.com/").values("en") {
            collect(&values, "", &mut names);
        }
    }
    // They say nothing to people.
    names.retain(|name| !name.ends_with("_id"));
    names
}

fn collect(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            collect(value, &path, into);
        }),
        _ => drop(into.insert(path.to_owned())),
    }
}

/// Every way of a mail.
fn of(mail: &str) -> Vec<MailContent> {
    let mut contents = samples::contents(&samples::WORDS, SAMPLE_TIME);
    contents.retain(|content| content.name() == mail);
    contents
}

/// A mail of that name, if there is one, as it could go out.
pub(crate) fn sample_of(mail: &str, letterhead: Letterhead, link: &str) -> Option<SystemMail> {
    of(mail).into_iter().next().map(|content| sample(content, letterhead, link))
}

fn sample(content: MailContent, letterhead: Letterhead, link: &str) -> SystemMail {
    let link = samples::carries_token(&content).then(|| link.to_owned());
    SystemMail { letterhead, recipient_name: samples::WORDS.person.to_owned(), content, link }
}

/// Renders what may not have been saved yet.
pub(crate) fn preview(over: &Override, mail: &SystemMail) -> Result<Rendered, Error> {
    let mut engine = engine::new()?;
    engine::add(&mut engine, FOLDER, over)?;
    render(&engine, over, mail).map_err(|(_, error)| error)
}

const FOLDER: &str = "new/";

fn render(
    engine: &minijinja::Environment<'static>,
    over: &Override,
    mail: &SystemMail,
) -> Result<Rendered, (Part, Error)> {
    let values = mail.values(&over.language).map_err(|error| (Part::Subject, error))?;
    let values = minijinja::Value::from(Serde(values));
    let part = |part: Part| {
        let name = format!("{FOLDER}{}/{}.{}", over.language, over.mail, part.suffix());
        engine::part(engine, &name, &values).map_err(|error| (part, error))
    };
    Ok(Rendered {
        subject: engine::one_line(&part(Part::Subject)?),
        text: part(Part::Text)?,
        html: part(Part::Html)?,
    })
}

/// What is wrong with them, the first of each.
pub(crate) fn check(over: &Override) -> Result<(), Vec<Fault>> {
    let faults: Vec<_> = Part::ALL.iter().filter_map(|part| by_itself(*part, over).err()).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    in_use(over).map_err(|fault| vec![fault])
}

fn fault(part: Part, line: usize, message: impl Into<String>) -> Fault {
    Fault { part, line, message: message.into() }
}

fn told(part: Part, error: &Error) -> Fault {
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        _ => match std::error::Error::source(error) {
            Some(cause) if error.detail().is_none() => format!("{}: {cause}", error.kind()),
            _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        },
    };
    // In ours there are no mistakes: where one of ours is named, it was asked for something wrong.
    let own = error.name().is_some_and(|name| name.starts_with(FOLDER));
    fault(part, error.line().filter(|_| own).unwrap_or(0), message)
}

/// What can be seen without filling it.
fn by_itself(part: Part, over: &Override) -> Result<(), Fault> {
    let source = part.of(over);
    let longest = if part == Part::Subject { LONGEST_SUBJECT } else { LONGEST };
    if source.trim().is_empty() {
        return Err(fault(part, 0, "it is empty"));
    }
    if source.len() > longest {
        return Err(fault(part, 0, format!("it has more than {longest} bytes")));
    }
    let stray = |c: char| c.is_control() && (part == Part::Subject || !matches!(c, '\n' | '\t'));
    if let Some((at, _)) = source.char_indices().find(|(_, c)| stray(*c)) {
        let line = source[..at].matches('\n').count() + 1;
        let message = match part {
            Part::Subject => "a subject is one line",
            Part::Text | Part::Html => "it holds a control character; lines end with a line feed",
        };
        return Err(fault(part, line, message));
    }
    grammar(part, source)?;
    let mut engine = engine::new().map_err(|error| told(part, &error))?;
    let name = format!("{FOLDER}{}", part.suffix());
    engine.add_template_owned(name.clone(), source.to_owned()).map_err(|error| told(part, &error))?;
    let template = engine.get_template(&name).map_err(|error| told(part, &error))?;
    let known = variables(&over.mail);
    let mut unknown: Vec<_> = template.undeclared_variables(true).into_iter().collect();
    unknown.retain(|name| {
        let within = |known: &String| {
            known == name || known.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        !matches!(name.split('.').next(), Some("self" | "super" | "loop")) && !known.iter().any(within)
    });
    unknown.sort();
    match unknown.first() {
        None => Ok(()),
        Some(name) => {
            let lines = source.lines().enumerate();
            let line =
                lines.filter(|(_, line)| line.contains(name.as_str())).map(|(index, _)| index + 1).next();
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            let message = format!("{name} is no variable of this mail; it has {}", known.join(", "));
            Err(fault(part, line.unwrap_or(0), message))
        }
    }
}

/// Templates choose and show. They do not calculate, so that none makes a short text long, and do not turn escaping off:
/// what is shown was written by other people.
fn grammar(part: Part, source: &str) -> Result<(), Fault> {
    const TAGS: [&str; 14] = [
        "if", "elif", "else", "endif", "for", "endfor", "set", "endset", "with", "endwith", "block",
        "endblock", "extends", "include",
    ];
    const WORDS: [&str; 7] = ["if", "elif", "and", "or", "not", "in", "else"];
    let mut before: [Option<String>; 3] = [None, None, None];
    for step in tokenize(source, false, Default::default()) {
        let (token, span) = step.map_err(|error| {
            let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            fault(part, error.line().unwrap_or(0), message)
        })?;
        let refuse = |message: String| Err(fault(part, usize::from(span.start_line), message));
        let [second_last, last] = [before[1].as_deref(), before[2].as_deref()];
        if matches!(last, Some("<" | "<=" | ">" | ">=")) && !matches!(token, Token::Int(_)) {
            return refuse("only numbers are smaller or greater".to_owned());
        }
        let shown = match &token {
            Token::Ident(word) => {
                if last == Some("{%") && !TAGS.contains(word) {
                    return refuse(format!("there is no {{% {word} %}} here; there are {}", TAGS.join(", ")));
                }
                if last == Some("|") && !engine::FILTERS.contains(word) {
                    let filters = engine::FILTERS.join(", ");
                    return refuse(format!("there is no filter {word}; there are {filters}"));
                }
                // Neither does it find out what stands in a link, a piece at a time.
                if *word == "in" && second_last != Some("for") {
                    return refuse("in is for going through a list: {% for one in list %}".to_owned());
                }
                if *word == "is" && last != Some(".") {
                    return refuse("there are no tests; compare with == or ask with if".to_owned());
                }
                if matches!(last, Some("extends" | "include")) && second_last == Some("{%") {
                    return refuse(format!(
                        "name the template in quotes: {{% {} \"layout.html\" %}}",
                        last.unwrap_or_default()
                    ));
                }
                (*word).to_owned()
            }
            Token::ParenOpen => {
                let own =
                    before[0].as_deref() == Some("self") && second_last == Some(".") || last == Some("super");
                let called = last.is_some_and(|last| {
                    last.starts_with(|c: char| c.is_alphabetic()) && !WORDS.contains(&last)
                });
                if called && !own {
                    return refuse("there are no functions here".to_owned());
                }
                "(".to_owned()
            }
            Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => String::new(),
            Token::BlockStart => "{%".to_owned(),
            Token::Str(_) | Token::String(_) => "\"".to_owned(),
            Token::VariableStart
            | Token::Int(_)
            | Token::Dot
            | Token::Assign
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte
            | Token::ParenClose => token.to_string().trim_matches('`').to_owned(),
            other => {
                return refuse(format!(
                    "{other} has no place here: a template chooses and shows, it does not calculate"
                ));
            }
        };
        before.rotate_left(1);
        before[2] = Some(shown);
    }
    Ok(())
}

/// What can be seen once it is filled, in every way that the mail has.
fn in_use(over: &Override) -> Result<(), Fault> {
    let mut engine = engine::new().map_err(|error| told(Part::Subject, &error))?;
    engine::add(&mut engine, FOLDER, over).map_err(|error| told(Part::Subject, &error))?;
    let link = format!("https://desk.example.com/accept#token={SAMPLE_TOKEN}");
    let letterhead = Letterhead {
        company: "Example Hosting".to_owned(),
        logo: "https://example.com/logo.png".to_owned(),
        footer: "Example Hosting Ltd\n1 Example Street".to_owned(),
    };
    for content in of(&over.mail) {
        for letterhead in [
            letterhead.clone(),
            Letterhead { logo: String::new(), footer: String::new(), ..letterhead.clone() },
        ] {
            let mail = sample(content.clone(), letterhead, &link);
            let rendered = render(&engine, over, &mail).map_err(|(part, error)| told(part, &error))?;
            let subject = &rendered.subject;
            if subject.is_empty() || subject.chars().count() > LONGEST_SUBJECT {
                let message = format!("it becomes empty, or longer than {LONGEST_SUBJECT} characters");
                return Err(fault(Part::Subject, 0, message));
            }
            if let Some(link) = &mail.link {
                own_link::check(&rendered, link).map_err(|(part, message)| fault(part, 0, message))?;
            }
        }
    }
    Ok(())
}

/// Descriptions by name.
pub(crate) fn described(mail: &str) -> BTreeMap<String, &'static str> {
    let describe =
        |name: &str| about::VARIABLES.iter().find(|(its, _)| *its == name).map_or("", |(_, says)| *says);
    variables(mail)
        .into_iter()
        .map(|name| {
            let says = describe(&name);
            (name, says)
        })
        .collect()
}

#[cfg(test)]
mod tests;
