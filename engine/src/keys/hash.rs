use arrow::array::{Array, ArrayRef, Int64Array};
use shoal_core::Failure;
use xxhash_rust::xxh3::xxh3_64;

use super::bytes::{INTEGER, KeyColumn, NULL};

/// Hashes the key of every row, in the format that the [module](super) describes.
///
/// # Errors
/// An internal failure where a column does not have its logical type, or none is given.
pub fn hash_keys(columns: &[ArrayRef]) -> Result<Vec<u64>, Failure> {
    let Some(first) = columns.first() else {
        return Err(Failure::internal("a key without columns was to be hashed"));
    };
    let columns = columns.iter().map(KeyColumn::new).collect::<Result<Vec<_>, _>>()?;
    if let [KeyColumn::Integer(values)] = columns[..] {
        return Ok(hash_integers(values));
    }
    let mut bytes = Vec::new();
    let hashes = (0..first.len()).map(|row| {
        bytes.clear();
        for column in &columns {
            column.write(row, &mut bytes);
        }
        xxh3_64(&bytes)
    });
    Ok(hashes.collect())
}

/// The commonest key by far, without a buffer in between.
fn hash_integers(values: &Int64Array) -> Vec<u64> {
    // The tag and the value are put together in a register. Written next to each other, and read across the seam at
    // once, each hash would wait for the writes: five times as long.
    let hash = |value: i64| {
        let bytes = (u128::from(value as u64) << u8::BITS | u128::from(INTEGER)).to_le_bytes();
        xxh3_64(&bytes[..1 + size_of::<i64>()])
    };
    if values.null_count() == 0 {
        return values.values().iter().map(|value| hash(*value)).collect();
    }
    let null = xxh3_64(&[NULL]);
    values.iter().map(|value| value.map_or(null, hash)).collect()
}

/// The bucket of a key, from 0 to `buckets - 1`: `hash * buckets / 2^64`.
///
/// Takes the upper bits of the hash, by one multiplication; 0 buckets are taken for one.
#[inline]
pub fn bucket_of(hash: u64, buckets: u32) -> u32 {
    // The product of 64 and 32 bits has 96, so its upper part is below `buckets`.
    ((u128::from(hash) * u128::from(buckets)) >> u64::BITS) as u32
}

/// The part of a bucket that a key falls into, from 0 to `parts - 1`, where rows of a bucket are dealt once more.
///
/// Takes the lower bits of the hash: the upper ones are much alike within a bucket.
#[inline]
pub fn part_of(hash: u64, parts: u32) -> u32 {
    bucket_of(hash << u32::BITS, parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;

    use super::*;

    /// Bytes put together by hand, and their XXH3-64 as another implementation gives it (python-xxhash 3).
    /// These never change: a change would send keys to other buckets than an earlier build did.
    #[test]
    fn keys_hash_to_the_golden_values() {
        let goldens: Vec<(Vec<ArrayRef>, &[u8], u64)> = vec![
            (vec![Arc::new(Int64Array::from(vec![None]))], b"\x00", 0xc44b_dff4_074e_ecdb),
            (vec![Arc::new(StringArray::from(vec![None::<&str>]))], b"\x00", 0xc44b_dff4_074e_ecdb),
            (vec![Arc::new(BooleanArray::from(vec![true]))], b"\x01\x01", 0x070d_80d6_a768_65f3),
            (vec![Arc::new(Int64Array::from(vec![42]))], b"\x02\x2a\x00\x00\x00\x00\x00\x00\x00", 0xa21e_1a86_7f97_0bec),
            (vec![Arc::new(Int64Array::from(vec![-2]))], b"\x02\xfe\xff\xff\xff\xff\xff\xff\xff", 0x6225_577f_e0df_fa25),
            (vec![Arc::new(Float64Array::from(vec![1.5]))], b"\x03\x00\x00\x00\x00\x00\x00\xf8\x3f", 0x58bd_c64a_f8b4_8dc4),
            (vec![Arc::new(Float64Array::from(vec![-0.0]))], b"\x03\x00\x00\x00\x00\x00\x00\x00\x00", 0xd1d3_0c5e_8136_b99d),
            (vec![Arc::new(Float64Array::from(vec![-f64::NAN]))], b"\x03\x00\x00\x00\x00\x00\x00\xf8\x7f", 0xa849_877b_e023_4960),
            (vec![Arc::new(StringArray::from(vec![""]))], b"\x04\x00\x00\x00\x00\x00\x00\x00\x00", 0xee53_fd1b_240e_9dc6),
            (vec![Arc::new(StringArray::from(vec!["Zürich"]))], b"\x04\x07\x00\x00\x00\x00\x00\x00\x00\x5a\xc3\xbc\x72\x69\x63\x68", 0xb4d5_24aa_b06c_3774),
            (vec![Arc::new(BinaryArray::from(vec![&[0u8, 255][..]]))], b"\x05\x02\x00\x00\x00\x00\x00\x00\x00\x00\xff", 0x956c_5fbf_ec8d_8d87),
            (vec![Arc::new(Date32Array::from(vec![-1]))], b"\x06\xff\xff\xff\xff", 0x632d_791f_9748_ba90),
            (vec![Arc::new(TimestampMicrosecondArray::from(vec![1_000_000]).with_timezone("UTC"))], b"\x07\x40\x42\x0f\x00\x00\x00\x00\x00", 0x7500_84cb_eb18_e879),
            (vec![Arc::new(TimestampMicrosecondArray::from(vec![1_000_000]))], b"\x08\x40\x42\x0f\x00\x00\x00\x00\x00", 0xd316_cb23_d658_4032),
            (vec![Arc::new(Decimal128Array::from(vec![-125]).with_precision_and_scale(10, 2).unwrap())], b"\x09\x02\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0xf8ab_6014_69a4_e279),
            (vec![Arc::new(Int64Array::from(vec![7])), Arc::new(StringArray::from(vec!["General Motors"])), Arc::new(Int64Array::from(vec![None]))], b"\x02\x07\x00\x00\x00\x00\x00\x00\x00\x04\x0e\x00\x00\x00\x00\x00\x00\x00\x47\x65\x6e\x65\x72\x61\x6c\x20\x4d\x6f\x74\x6f\x72\x73\x00", 0xec72_3093_75da_8aff),
        ];
        for (columns, bytes, golden) in goldens {
            assert_eq!(xxh3_64(bytes), golden, "{bytes:?}");
            assert_eq!(hash_keys(&columns).unwrap(), [golden], "{columns:?}");
        }
    }

    #[test]
    fn nulls_and_values_hash_alike_with_and_without_a_buffer() {
        let integers: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), None, Some(-1), Some(i64::MIN)]));
        let alone = hash_keys(&[Arc::clone(&integers)]).unwrap();
        let KeyColumn::Integer(_) = KeyColumn::new(&integers).unwrap() else { unreachable!() };
        let column = KeyColumn::new(&integers).unwrap();
        for (row, hash) in alone.iter().enumerate() {
            let mut bytes = Vec::new();
            column.write(row, &mut bytes);
            assert_eq!(xxh3_64(&bytes), *hash);
        }
    }

    #[test]
    fn zeros_are_one_key_and_so_are_nans() {
        let other_nan = f64::from_bits(0xfff8_0000_0000_0001);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, other_nan, 1.0]));
        let hashes = hash_keys(&[floats]).unwrap();
        assert_eq!(hashes[0], hashes[1]);
        assert_eq!(hashes[2], hashes[3]);
        assert_eq!(std::collections::BTreeSet::from_iter(hashes).len(), 3);
    }

    #[test]
    fn columns_do_not_run_into_each_other() {
        let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let hashes = hash_keys(&[text(["ab", "a"]), text(["c", "bc"])]).unwrap();
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn a_bucket_is_a_share_of_the_hashes() {
        assert_eq!(bucket_of(0, 7), 0);
        assert_eq!(bucket_of(u64::MAX, 7), 6);
        assert_eq!(bucket_of(u64::MAX, u32::MAX), u32::MAX - 1);
        assert_eq!(bucket_of(1 << 63, 2), 1);
        assert_eq!(bucket_of((1 << 63) - 1, 2), 0);
        assert_eq!(bucket_of(u64::MAX, 0), 0);
    }

    #[test]
    fn a_part_does_not_follow_from_the_bucket() {
        assert_eq!(part_of(u64::MAX << 32, 7), 0);
        assert_eq!(part_of(u64::from(u32::MAX), 7), 6);
        assert_eq!(part_of(1 << 31, 2), 1);
    }

    #[test]
    fn a_key_of_another_type_is_refused() {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(hash_keys(&[column]).unwrap_err().message.contains("Int32"));
        assert!(hash_keys(&[]).is_err());
    }
}
