//! placeholder
use super::{Policy, Seen, Wish};
use crate::time::{Millis, SECOND};
use crate::trace::Trace;
pub(super) const ABOUT: &str = "Shoal's own decision, with its defaults";
pub(super) struct Shoal;
impl Shoal {
    pub(super) fn new(_: &Trace) -> Self {
        Self
    }
}
impl Policy for Shoal {
    fn interval(&self) -> Millis {
        SECOND
    }
    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        seen.with_first(10)
    }
}
