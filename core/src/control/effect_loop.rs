//! The one loop that carries effects out, in production and in the simulation.
//!
//! ```text
//!   event -> Control -> effects -+-> outside, at once
//!                                +-> Persist: waits its turn -> journal -> what waited for it -> outside
//! ```
//!
//! Group commit: whatever waits when an append ends goes into the next one.

use std::collections::VecDeque;

use super::{Control, Effect, Event};
use crate::failure::Failure;
use crate::journal::Record;

/// Appends that one commit takes at the most: bounds its size, not its rate.
const APPENDS_PER_COMMIT_MAX: usize = 4_096;

/// What effects reach.
pub trait Outside {
    /// Starts to store records. The end of it is told by [`EffectLoop::stored`]; until then there is no other append.
    fn append(&mut self, records: Vec<Record>);

    /// Carries out an effect other than [`Effect::Persist`]. What takes time comes back as an event.
    fn carry_out(&mut self, effect: Effect);

    /// Hears of records as they are decided, before they are stored: for logs and metrics.
    fn observe(&mut self, records: &[Record], control: &Control);
}

/// A state machine, and what waits for its journal.
pub struct EffectLoop {
    control: Control,
    /// Appends that wait for the one in flight.
    waiting: VecDeque<Append>,
    /// What waits for the append in flight, where there is one.
    storing: Option<Vec<Effect>>,
}

struct Append {
    records: Vec<Record>,
    then: Vec<Effect>,
}

impl EffectLoop {
    /// Starts with a machine and what it wants done first.
    pub fn start(control: Control, effects: Vec<Effect>, outside: &mut impl Outside) -> Self {
        let mut this = Self { control, waiting: VecDeque::new(), storing: None };
        this.carry_out(effects, outside);
        this
    }

    /// The machine, to look at.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Takes an event at the time `now_ms`, in milliseconds since 1970-01-01 UTC.
    pub fn handle(&mut self, event: Event, now_ms: u64, outside: &mut impl Outside) {
        let effects = self.control.handle(event, now_ms);
        self.carry_out(effects, outside);
    }

    /// The append in flight has ended.
    ///
    /// # Errors
    /// Why it failed: a head that cannot remember must not go on.
    pub fn stored(&mut self, result: Result<(), Failure>, outside: &mut impl Outside) -> Result<(), Failure> {
        let then = self.storing.take().unwrap_or_default();
        result?;
        self.carry_out(then, outside);
        Ok(())
    }

    /// Appends that wait or are in flight.
    pub fn backlog(&self) -> usize {
        self.waiting.len() + usize::from(self.storing.is_some())
    }

    fn carry_out(&mut self, effects: Vec<Effect>, outside: &mut impl Outside) {
        for effect in effects {
            match effect {
                Effect::Persist { records, then } => {
                    outside.observe(&records, &self.control);
                    self.waiting.push_back(Append { records, then });
                }
                effect => outside.carry_out(effect),
            }
        }
        self.store_next(outside);
    }

    fn store_next(&mut self, outside: &mut impl Outside) {
        if self.storing.is_some() || self.waiting.is_empty() {
            return;
        }
        let batch = self.waiting.len().min(APPENDS_PER_COMMIT_MAX);
        let mut records = Vec::new();
        let mut then = Vec::new();
        for append in self.waiting.drain(..batch) {
            records.extend(append.records);
            then.extend(append.then);
        }
        if records.is_empty() {
            // All that these waited for is stored.
            self.carry_out(then, outside);
        } else {
            self.storing = Some(then);
            outside.append(records);
        }
    }
}
