use std::collections::HashMap;

use crate::models::CLASSES_MAX;

/// The texts that the target of a group's rows has, numbered as they are met.
#[derive(Default)]
pub(super) struct TextClasses {
    numbers: HashMap<String, usize>,
}

impl TextClasses {
    /// The number of a text. Beyond as many as a group may have, which is then told of, all further ones are one.
    pub(super) fn number(&mut self, text: &str) -> f64 {
        let next = self.numbers.len();
        let number = match self.numbers.get(text) {
            Some(number) => *number,
            None if next > CLASSES_MAX => CLASSES_MAX,
            None => {
                self.numbers.insert(text.to_owned(), next);
                next
            }
        };
        number as f64
    }

    /// The texts, sorted by their bytes; numbers in `target` become places among them.
    pub(super) fn sort(&mut self, target: &mut [f64]) -> Vec<String> {
        let mut sorted: Vec<(String, usize)> = self.numbers.drain().collect();
        sorted.sort();
        let mut place_of = vec![0.0; sorted.len()];
        for (place, (_, number)) in sorted.iter().enumerate() {
            place_of[*number] = place as f64;
        }
        // Numbers of texts are below how many there are.
        target.iter_mut().for_each(|number| *number = place_of[*number as usize]);
        sorted.into_iter().map(|(text, _)| text).collect()
    }

    /// Forgets the group.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_places_in_their_order() {
        let mut classes = TextClasses::default();
        let mut target: Vec<f64> = ["pear", "apple", "pear", "fig"].map(|text| classes.number(text)).to_vec();
        assert_eq!(classes.sort(&mut target), ["apple", "fig", "pear"]);
        assert_eq!(target, [2.0, 0.0, 2.0, 1.0]);
        assert_eq!(classes.number("fig"), 0.0, "the next group begins anew");
    }

    #[test]
    fn no_more_texts_are_kept_than_show_that_they_are_too_many() {
        let mut classes = TextClasses::default();
        let mut target: Vec<f64> = (0..CLASSES_MAX + 5).map(|text| classes.number(&text.to_string())).collect();
        assert_eq!(classes.sort(&mut target).len(), CLASSES_MAX + 1);
    }
}
