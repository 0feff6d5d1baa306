//! Sizes as people write and read them.

const UNITS: [(&str, u32); 4] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];

/// Bytes of a size as `512Mi`, `1Gi` or `1GiB`; a bare number is bytes.
///
/// # Errors
/// A sentence for whoever typed it.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let size = text.trim();
    let (number, shift) = UNITS
        .iter()
        .find_map(|(unit, shift)| {
            let number = size.strip_suffix(unit).or_else(|| size.strip_suffix('B')?.strip_suffix(unit))?;
            Some((number, *shift))
        })
        .unwrap_or((size, 0));
    let digits = number.trim_end();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` is no size; write it as 512Mi, 2Gi or 2GiB"));
    }
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("`{text}` is larger than any memory"))
}

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
    fn sizes_are_binary_with_or_without_b() {
        for (text, expected) in [
            ("512Mi", 512 << 20),
            ("1Gi", 1 << 30),
            ("1GiB", 1 << 30),
            ("3 Ki", 3 << 10),
            ("2Ti", 2 << 40),
            ("1048576", 1 << 20),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in ["", "Mi", "1G", "1GB", "512MB", "-1Mi", "1.5Gi", "1mi", "1 Gi B", "99999999999Ti", "+1Ki"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

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
