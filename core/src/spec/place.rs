//! Where in its text each part of a document stands.

use std::collections::BTreeMap;

use super::path::{FieldPath, Segment};

/// A place in a text; both numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) line: u64,
    /// Counted in characters.
    pub(super) position: u64,
}

/// Where a value and all that is in it stand; it has the shape of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its name stands, or the value itself where it has no name.
    pub(super) key: Mark,
    /// What a reader should look at when the value is wrong: a scalar itself, the name of all else.
    pub(super) focus: Mark,
    /// The places of an object's members.
    pub(super) members: BTreeMap<String, Place>,
    /// The places of a list's entries.
    pub(super) items: Vec<Place>,
}

impl Place {
    pub(super) fn leaf(key: Mark, focus: Mark) -> Self {
        Self { key, focus, members: BTreeMap::new(), items: Vec::new() }
    }

    /// The place of a field, or of the nearest part around it that is there: a default or a missing field has no place
    /// of its own.
    pub(super) fn nearest(&self, path: &FieldPath) -> &Self {
        let mut place = self;
        for segment in path.segments() {
            let inner = match segment {
                Segment::Name(name) => place.members.get(name),
                Segment::Index(index) => place.items.get(*index),
            };
            match inner {
                Some(inner) => place = inner,
                None => break,
            }
        }
        place
    }
}
