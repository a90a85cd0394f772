use std::fmt;

use super::source::Origin;

/// One mistake in the configuration: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// A file, a variable or a flag.
    place: String,
    /// 0 when the place has no lines.
    line: usize,
    message: String,
}

impl Problem {
    pub(super) fn new(place: String, line: usize, message: String) -> Self {
        Self { place, line, message }
    }

    pub(super) fn at(origin: &Origin, message: String) -> Self {
        match origin {
            Origin::File { name, line } => Self::new(name.clone(), *line, message),
            other => Self::new(other.to_string(), 0, message),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.message),
            line => write!(f, "{}:{line}: {}", self.place, self.message),
        }
    }
}

/// All mistakes at once, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
