//! Categories as terms.

use proptest::prelude::*;
use shoal_ml::encode::{EncodeError, Encoder, Unknown, Vocabulary, hash_bucket};

fn categories() -> Vec<String> {
    ["east", "north", "west"].map(str::to_owned).to_vec()
}

#[test]
fn one_hot_names_and_fills_a_term_per_category() {
    let one_hot = |drop_first| Encoder::OneHot { categories: categories(), drop_first, unknown: Unknown::Ignore };
    let rows = [Some("west"), None, Some("east"), Some("moon")];
    assert_eq!(one_hot(false).terms("region"), ["region=east", "region=north", "region=west"]);
    let [west, east] = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    assert_eq!(one_hot(false).encode(&rows).unwrap(), [east.to_vec(), vec![0.0; 4], west.to_vec()]);
    assert_eq!(one_hot(true).terms("region"), ["region=north", "region=west"]);
    assert_eq!(one_hot(true).encode(&rows).unwrap(), [vec![0.0; 4], west.to_vec()]);
}

#[test]
fn ordinal_is_the_place_and_misses_what_it_does_not_know() {
    let ordinal = Encoder::Ordinal { categories: categories(), unknown: Unknown::Ignore };
    assert_eq!(ordinal.terms("region"), ["region"]);
    let values = ordinal.encode(&[Some("west"), None, Some("east"), Some("moon")]).unwrap().remove(0);
    assert_eq!((values[0], values[2]), (2.0, 0.0));
    assert!(values[1].is_nan() && values[3].is_nan());
}

#[test]
fn an_unknown_category_is_refused_with_its_row_where_that_is_asked_for() {
    let expected = Err(EncodeError::UnknownCategory { row: 2, category: "moon".to_owned() });
    for encoder in [
        Encoder::OneHot { categories: categories(), drop_first: true, unknown: Unknown::Error },
        Encoder::Ordinal { categories: categories(), unknown: Unknown::Error },
    ] {
        assert_eq!(encoder.encode(&[Some("west"), None, Some("moon")]), expected);
    }
}

#[test]
fn hashing_is_xxh3_modulo_the_buckets() {
    // xxh3 of no bytes, with seed 0, as its authors publish it.
    assert_eq!(hash_bucket("", u32::MAX), (0x2d06_8005_38d3_94c2_u64 % u64::from(u32::MAX)) as u32);
    let hash = Encoder::Hash { buckets: 3 };
    assert_eq!(hash.terms("region"), ["region#0", "region#1", "region#2"]);
    let columns = hash.encode(&[Some("west"), None]).unwrap();
    let bucket = hash_bucket("west", 3) as usize;
    for (place, column) in columns.iter().enumerate() {
        assert_eq!(column, &[f64::from(u8::from(place == bucket)), 0.0]);
    }
}

#[test]
fn a_full_vocabulary_says_so() {
    let mut vocabulary = Vocabulary::new(2);
    ["b", "c", "b"].iter().for_each(|category| vocabulary.push(category));
    assert!(!vocabulary.overflowed());
    vocabulary.push("a");
    assert!(vocabulary.overflowed());
    assert_eq!(vocabulary.into_categories(), ["a", "b"]);
}

proptest! {
    #[test]
    fn a_vocabulary_does_not_depend_on_who_saw_which_rows(
        rows in prop::collection::vec("[a-f]{0,2}", 0..60), owners in prop::collection::vec(0..4usize, 60), limit in 0..12usize,
        turn in 0..4usize,
    ) {
        let mut whole = Vocabulary::new(limit);
        rows.iter().for_each(|row| whole.push(row));
        let mut parts = vec![Vocabulary::new(limit); 4];
        rows.iter().zip(owners).for_each(|(row, owner)| parts[owner].push(row));
        parts.rotate_left(turn);
        let mut merged = parts.pop().unwrap();
        parts.into_iter().for_each(|part| merged.merge(part));
        prop_assert_eq!(&merged, &whole);

        let mut distinct = rows.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(whole.overflowed(), distinct.len() > limit);
        distinct.truncate(limit);
        prop_assert_eq!(whole.into_categories(), distinct);
    }
}
