//! Paths of fields, written as Kubernetes writes them.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// A member of an object.
    Name(String),
    /// An entry of a list, from 0.
    Index(usize),
}

/// Where in a document a value stands: `spec.groupedTraining.groupBy[0]`. The whole document is the empty path.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path of a member of this object.
    pub(super) fn name(&self, name: &str) -> Self {
        self.joined(Segment::Name(name.to_owned()))
    }

    /// The path of an entry of this list.
    pub(super) fn index(&self, index: usize) -> Self {
        self.joined(Segment::Index(index))
    }

    fn joined(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }

    /// The path relative to this one.
    pub(super) fn join(&self, relative: Self) -> Self {
        Self(self.0.iter().cloned().chain(relative.0).collect())
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// What a message calls the field: its name, and its place where it is an entry of a list.
    pub(super) fn leaf(&self) -> String {
        let from = self.0.iter().rposition(|segment| matches!(segment, Segment::Name(_))).unwrap_or(0);
        match Self(self.0[from..].to_vec()).to_string() {
            leaf if leaf.is_empty() => "the document".to_owned(),
            leaf => format!("`{leaf}`"),
        }
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                // A label's name has dots of its own.
                Segment::Name(name) if name.contains(['.', '[', ']']) => write!(f, "[{name}]")?,
                Segment::Name(name) if at == 0 => f.write_str(name)?,
                Segment::Name(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for FieldPath {
    type Err = Infallible;

    /// Reads what [`FieldPath`] writes. A text that is no path becomes one that leads nowhere.
    fn from_str(mut text: &str) -> Result<Self, Self::Err> {
        let mut segments = Vec::new();
        while !text.is_empty() {
            let (part, rest) = match text.strip_prefix('[') {
                Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
                None => {
                    let name = text.strip_prefix('.').unwrap_or(text);
                    name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
                }
            };
            let index = part.parse().ok().filter(|_| text.starts_with('['));
            segments.push(index.map_or_else(|| Segment::Name(part.to_owned()), Segment::Index));
            text = rest;
        }
        Ok(Self(segments))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for text in
            ["", "spec", "spec.groupedTraining.groupBy[0]", "metadata.labels[app.kubernetes.io/name]", "a[1][2].b"]
        {
            assert_eq!(text.parse::<FieldPath>().unwrap().to_string(), text);
        }
        let path: FieldPath = "spec.groupBy[3]".parse().unwrap();
        assert_eq!(path, FieldPath::default().name("spec").name("groupBy").index(3));
    }

    #[test]
    fn a_text_that_is_no_path_ends() {
        for text in ["[", "]", "..", "[]", "a]b", "a[b[c]"] {
            text.parse::<FieldPath>().unwrap();
        }
    }

    #[test]
    fn a_leaf_names_the_list_of_its_entry() {
        let leaf = |text: &str| text.parse::<FieldPath>().unwrap().leaf();
        assert_eq!(leaf("spec.groupBy[3]"), "`groupBy[3]`");
        assert_eq!(leaf("spec.mode"), "`mode`");
        assert_eq!(leaf(""), "the document");
    }
}
