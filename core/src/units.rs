//! Sizes and durations as people write and read them.

use std::time::Duration;

const SIZE_UNITS: [(&str, u32); 4] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];

const DURATION_UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

/// Bytes of a size as `512Mi`, `1Gi` or `1GiB`; a bare number is bytes.
///
/// # Errors
/// A sentence for whoever typed it.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let size = text.trim();
    let (number, shift) = SIZE_UNITS
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
pub fn size_in_words(bytes: u64) -> String {
    match SIZE_UNITS.iter().rev().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => format!("{:.1} {unit}B", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

/// A duration as `30s`, `5m`, `2h` or `7d`.
///
/// # Errors
/// A sentence for whoever typed it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it as 30s, 5m, 2h or 7d");
    let with_unit = |(unit, seconds): &(char, u64)| Some((text.strip_suffix(*unit)?, *seconds));
    let (digits, seconds) = DURATION_UNITS.iter().find_map(with_unit).ok_or_else(wrong)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    number.map(Duration::from_secs).ok_or_else(wrong)
}

/// A length of time for people, in its two largest units: `9s`, `1m30s`, `2h0m`.
pub fn time_in_words(seconds: f64) -> String {
    let whole = seconds.max(0.0).ceil() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
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
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in ["", "Mi", "1G", "1GB", "512MB", "-1Mi", "1.5Gi", "1mi", "1 Gi B", "99999999999Ti", "+1Ki"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_one_unit() {
        for (text, seconds) in [("30s", Some(30)), ("5m", Some(300)), ("2h", Some(7_200)), ("7d", Some(604_800))] {
            assert_eq!(parse_duration(text).ok().map(|it| it.as_secs()), seconds, "{text}");
        }
        for text in ["", "s", "30", "1.5s", "-1s", "1h30m", "30ss", "99999999999999999999s", "999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_largest_unit_that_fits_is_shown() {
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")]
        {
            assert_eq!(size_in_words(bytes), expected);
        }
    }

    #[test]
    fn times_are_told_in_two_units() {
        for (seconds, expected) in [(0.0, "0s"), (9.2, "10s"), (60.0, "1m0s"), (90.0, "1m30s"), (7_200.0, "2h0m")] {
            assert_eq!(time_in_words(seconds), expected);
        }
    }
}
