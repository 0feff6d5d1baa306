//! Sizes as people read them; how they write them is in `shoal_core::units`.

pub(crate) use shoal_core::units::parse_size as parse;

const UNITS: [(&str, u32); 4] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];

/// A size for people: `1.5 MiB`.
pub(crate) fn show(bytes: u64) -> String {
    match UNITS.iter().rev().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => format!("{:.1} {unit}B", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

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

    #[test]
    fn the_largest_unit_that_fits_is_shown() {
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")]
        {
            assert_eq!(show(bytes), expected);
        }
    }
}
