//! The operator's own texts in a directory: `LANGUAGE/MAIL.subject`, `.txt` and `.html`. What is not there is ours.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use frontdesk_core::invalid;

use super::{Override, Templates, about, check, check::Part};

/// Everything in it, checked, or a sentence for each mistake that names the file and the line.
pub(crate) fn read(directory: &Path) -> Result<Vec<Override>, Vec<String>> {
    let mut faults = Vec::new();
    let mut found: BTreeMap<(String, String), BTreeMap<&'static str, String>> = BTreeMap::new();
    for folder in entries(directory, &mut faults) {
        let language = name(&folder);
        if !folder.is_dir() {
            faults.push(format!(
                "{}: texts lie in folders that are called as their language is, such as en",
                folder.display()
            ));
        } else if let Err((_, message)) = invalid::language(&language) {
            faults.push(format!("{}: {message}", folder.display()));
        } else {
            for file in entries(&folder, &mut faults) {
                match text(&file) {
                    Ok((mail, part, text)) => {
                        found.entry((mail, language.clone())).or_default().insert(part.suffix(), text);
                    }
                    Err(message) => faults.push(format!("{}: {message}", file.display())),
                }
            }
        }
    }
    let mut all = Vec::new();
    for ((mail, language), mut texts) in found {
        let ours = Templates::built_in(&mail, &language);
        let mut take = |part: Part, ours: Option<String>| {
            let path = path(directory, &language, &mail, part);
            let text = texts.remove(part.suffix()).or(ours);
            text.ok_or_else(|| {
                format!("{}: there is none, and we have none in that language", path.display())
            })
        };
        let subject = take(Part::Subject, ours.as_ref().map(|ours| ours.subject.clone()));
        let text = take(Part::Text, ours.as_ref().map(|ours| ours.text.clone()));
        let html = take(Part::Html, ours.map(|ours| ours.html));
        match (subject, text, html) {
            (Ok(subject), Ok(text), Ok(html)) => {
                let over = Override { mail, language, subject, text, html };
                for fault in check::check(&over).err().into_iter().flatten() {
                    let path = path(directory, &over.language, &over.mail, fault.part);
                    faults.push(match fault.line {
                        0 => format!("{}: {}", path.display(), fault.message),
                        line => format!("{}:{line}: {}", path.display(), fault.message),
                    });
                }
                all.push(over);
            }
            (subject, text, html) => {
                faults.extend([subject.err(), text.err(), html.err()].into_iter().flatten())
            }
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

fn path(directory: &Path, language: &str, mail: &str, part: Part) -> PathBuf {
    directory.join(language).join(format!("{mail}.{}", part.suffix()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What lies in a directory, in order, without what is hidden.
fn entries(directory: &Path, faults: &mut Vec<String>) -> Vec<PathBuf> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            entries.push(entry?.path());
        }
        entries.retain(|path| !name(path).starts_with('.'));
        entries.sort();
        Ok(entries)
    };
    read().unwrap_or_else(|error| {
        faults.push(format!("{}: {error}", directory.display()));
        Vec::new()
    })
}

fn text(file: &Path) -> Result<(String, Part, String), String> {
    let name = name(file);
    let (mail, suffix) = name.rsplit_once('.').unwrap_or((&name, ""));
    let part = Part::ALL.into_iter().find(|part| part.suffix() == suffix);
    let part = part.ok_or("files end in .subject, .txt or .html")?;
    if !about::MAILS.iter().any(|(known, _)| *known == mail) {
        let known: Vec<_> = about::MAILS.iter().map(|(known, _)| *known).collect();
        return Err(format!("there is no mail {mail}; there are {}", known.join(", ")));
    }
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > 1024 * 1024 {
        return Err("it is too large".to_owned());
    }
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?.replace("\r\n", "\n");
    let text = match part {
        // The last line end is the editor's.
        Part::Subject => text.strip_suffix('\n').unwrap_or(&text).to_owned(),
        Part::Text | Part::Html => text,
    };
    Ok((mail.to_owned(), part, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, name: &str, text: &str) {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_is_not_there_is_ours_and_new_languages_are_whole() {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), "de/welcome.subject", "Servus bei {{ company }}\n");
        for (suffix, text) in
            [("subject", "Olá"), ("txt", "{{ link }}\r\n"), ("html", "<a href=\"{{ link }}\">Olá</a>")]
        {
            write(place.path(), &format!("pt-BR/password_reset.{suffix}"), text);
        }
        write(place.path(), ".git/config", "");
        let read = read(place.path()).unwrap();
        let [portuguese, german] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!(german.subject, "Servus bei {{ company }}");
        assert_eq!(german.text, Templates::built_in("welcome", "de").unwrap().text);
        assert_eq!((portuguese.language.as_str(), portuguese.text.as_str()), ("pt-BR", "{{ link }}\n"));
    }

    #[test]
    fn mistakes_name_the_file_and_the_line() {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("README", ""),
            ("en_US/welcome.txt", ""),
            ("en/welcome.txt", "Hello\n\n{{ compny }}"),
            ("en/welcome.html", "<p>\n{% if company %}"),
            ("en/greeting.txt", ""),
            ("en/welcome.md", ""),
            ("fr/welcome.txt", "Bonjour"),
        ] {
            write(place.path(), name, text);
        }
        let faults = read(place.path()).unwrap_err();
        let begins = |name: &str| {
            let start = format!("{}/{name}", place.path().display());
            assert!(faults.iter().any(|fault| fault.starts_with(&start)), "{name}: {faults:#?}");
        };
        for name in [
            "README: texts lie in folders",
            "en_US: A language is a tag",
            "en/welcome.txt:3: compny is no variable of this mail",
            "en/welcome.html:2: ",
            "en/greeting.txt: there is no mail greeting",
            "en/welcome.md: files end in",
            "fr/welcome.subject: there is none",
            "fr/welcome.html: there is none",
        ] {
            begins(name);
        }
        assert_eq!(faults.len(), 8, "{faults:#?}");
        assert_eq!(read(&place.path().join("nowhere")).unwrap_err().len(), 1);
    }
}
