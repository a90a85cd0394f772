//! Inviting many at once, from CSV (RFC 4180) with a heading: `email`, `permissions`, and, if wanted, `language`.
//! Permissions are slugs separated by spaces, or `all`. Each line stands for itself: what is wrong with one holds up no
//! other.

use std::collections::HashSet;

use super::{Link, NewAccountInvitation, invite_one, open_account, store};
use crate::{
    accounts::{self, AccountPermission, AccountPermissions, By},
    cx::Cx,
    ids::AccountId,
    invalid::{Invalid, fold_email},
    invitations::Error,
    settings::Settings,
};

/// Lines that one file has at most.
pub const MOST: usize = 500;

/// A line, as it stands in the file.
#[derive(Clone, Debug)]
pub struct Row {
    /// From 1, the heading included.
    pub line: u64,
    pub email: String,
    pub permissions: String,
    pub language: Option<String>,
}

/// What became of a line.
#[derive(Debug)]
pub struct Outcome {
    pub line: u64,
    /// As it stands in the file.
    pub email: String,
    pub result: Result<Box<Link>, Error>,
}

/// The lines of a file, or what is wrong with it as a whole.
pub fn read(csv: &[u8]) -> Result<Vec<Row>, Invalid> {
    let malformed = |message: String| Invalid::one("", "malformed", message);
    // Spreadsheets begin with a byte order mark.
    let csv = csv.strip_prefix(b"\xef\xbb\xbf").unwrap_or(csv);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let headers = reader
        .headers()
        .map_err(|error| {
            malformed(format!(
                "This is not CSV: save it as UTF-8, separated by commas, with a heading. ({error})"
            ))
        })?
        .clone();
    let known = ["email", "permissions", "language"];
    let columns: Vec<_> = headers.iter().map(str::to_lowercase).collect();
    if let Some(unknown) = columns.iter().find(|column| !known.contains(&column.as_str())) {
        let unknown: String = unknown.chars().take(50).collect();
        return Err(malformed(format!(
            "The first line names the columns: email, permissions, language. {unknown:?} is none of them."
        )));
    }
    if columns.iter().enumerate().any(|(index, column)| columns[..index].contains(column)) {
        return Err(malformed("The first line names each column once.".into()));
    }
    let column = |name: &str| columns.iter().position(|column| column == name);
    let (Some(email), Some(permissions)) = (column("email"), column("permissions")) else {
        return Err(malformed(
            "The first line names the columns: email, permissions, and language if wanted.".into(),
        ));
    };
    let language = column("language");
    let (mut rows, mut lines) = (Vec::new(), Lines { text: csv, at: 0, line: 1 });
    for record in reader.records() {
        let record = record.map_err(|error| {
            malformed(format!(
                "This is not CSV: save it as UTF-8, separated by commas, with a heading. ({error})"
            ))
        })?;
        let field = |index: usize| record.get(index).unwrap_or_default().to_owned();
        rows.push(Row {
            line: lines.of(record.position().map_or(0, csv::Position::byte)),
            email: field(email),
            permissions: field(permissions),
            language: language.map(field).filter(|language| !language.is_empty()),
        });
        if rows.len() > MOST {
            return Err(Invalid::one(
                "",
                "too_many",
                format!("A file has at most {MOST} lines beside its heading."),
            ));
        }
    }
    Ok(rows)
}

/// Counts lines, whatever ends them: LF, CRLF or CR. (The parser leaves a LF after a CR to the record that follows.)
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line in which a record begins that was read from this byte on; records come in their order.
    fn of(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        let ends = self.text[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let to = byte + ends;
        for at in self.at..to {
            let ends_here = match self.text[at] {
                b'\n' => true,
                b'\r' => self.text.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(ends_here);
        }
        self.at = self.at.max(to);
        self.line
    }
}

fn permissions(text: &str) -> Result<AccountPermissions, Invalid> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(AccountPermissions::ALL);
    }
    let word = |word: &str| {
        AccountPermission::parse(&word.to_lowercase()).ok_or_else(|| {
            let word: String = word.chars().take(50).collect();
            Invalid::one("permissions", "unknown", format!("{word:?} is no permission."))
        })
    };
    text.split_whitespace().map(word).collect()
}

/// Invites everybody whose line is good. Nothing is kept unless the unit of work is committed, so a dry run is one that is
/// not.
pub async fn invite(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    rows: Vec<Row>,
    settings: &Settings,
) -> Result<Vec<Outcome>, Error> {
    let account = open_account(cx, by, account, settings).await?;
    let mut invited: HashSet<_> = store::pending_addresses(cx, account.id).await?.into_iter().collect();
    let mut outcomes = Vec::with_capacity(rows.len());
    for Row { line, email, permissions: words, language } in rows {
        let checked = permissions(&words).and_then(|permissions| {
            NewAccountInvitation { email: email.clone(), permissions, language }.checked()
        });
        let result = match checked {
            Err(invalid) => Err(invalid.into()),
            Ok(new) if !invited.insert(fold_email(&new.email)) => {
                let message = "An invitation to this address is pending, or stands further up in the file.";
                Err(Invalid::one("email", "duplicate", message).into())
            }
            Ok(new) => invite_one(cx, by, &account, new, settings).await.map(Box::new),
        };
        match result {
            // Nothing about a line: the others would fail alike.
            Err(error @ (Error::Db(_) | Error::Account(accounts::Error::Db(_)))) => return Err(error),
            result => outcomes.push(Outcome { line, email, result }),
        }
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(csv: &str) -> String {
        read(csv.as_bytes()).unwrap_err().0.remove(0).message
    }

    #[test]
    fn a_file_is_read_by_its_heading() {
        let csv = "\u{feff}Permissions,Email\r\n\"invoices tickets\", ada@example.com \r\nall,grace@example.com\r\n";
        let rows = read(csv.as_bytes()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (rows[0].line, rows[0].email.as_str(), rows[0].permissions.as_str()),
            (2, "ada@example.com", "invoices tickets")
        );
        assert_eq!((rows[1].line, rows[1].language.as_deref()), (3, None));
        for ends in ["\n", "\r\n", "\r"] {
            let csv = ["email,permissions", "a@example.com,all", "", "b@example.com,all"].join(ends);
            let rows = read(csv.as_bytes()).unwrap();
            assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4], "{ends:?}");
        }
        assert!(permissions("ALL").unwrap().is_everything());
        assert_eq!(
            permissions("invoices Tickets").unwrap().to_list(),
            [AccountPermission::Invoices, AccountPermission::Tickets]
        );
        assert_eq!(permissions("reseller").unwrap_err().0[0].message, "\"reseller\" is no permission.");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        assert!(refusal("email\nada@example.com").contains("email, permissions"));
        assert!(refusal("email,permissions,role\n").contains("\"role\" is none of them"));
        assert!(refusal("email,permissions\na,b,c\n").contains("not CSV"));
        let many = format!("email,permissions\n{}", "a@example.com,all\n".repeat(MOST + 1));
        assert!(refusal(&many).contains("at most 500"));
    }
}
