//! Sizes and numbers for people.

pub(crate) use shoal_core::units::{parse_size as parse, size_in_words as show};

/// A number for people: `1.2 M`.
pub(crate) fn count(number: u64) -> String {
    const THOUSANDS: [(&str, u64); 3] = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000)];
    // Up to ten thousand all digits are as short.
    match THOUSANDS.iter().find(|(_, unit)| number >= *unit && number >= 10_000) {
        Some((name, unit)) => format!("{:.1} {name}", number as f64 / *unit as f64),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_to_what_a_person_compares() {
        for (number, expected) in
            [(0, "0"), (9_999, "9999"), (10_000, "10.0 k"), (1_234_567, "1.2 M"), (7_000_000_000_000, "7000.0 G")]
        {
            assert_eq!(count(number), expected);
        }
    }
}
