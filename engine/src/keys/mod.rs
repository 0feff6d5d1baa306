//! Group keys: which types they can have, how they are written as bytes, and which bucket they fall into.
//!
//! The bytes and their hash are a format of our own and never change: workers of different builds, and a table that
//! was dealt to buckets months ago, must agree on the bucket of a key. DataFusion's own hash gives no such promise.
//!
//! # The bytes of a key
//!
//! A key is written column after column, in the order of `groupBy`. Each column is one tag byte and a payload; all
//! numbers are little endian, and floats are IEEE 754.
//!
//! | tag | logical type | payload |
//! |---|---|---|
//! | 0 | null, of any type | nothing |
//! | 1 | boolean | 1 byte, 0 or 1 |
//! | 2 | integer | 8 bytes, two's complement |
//! | 3 | float | 8 bytes; -0.0 as 0.0, every NaN as `7ff8000000000000` |
//! | 4 | text | length in bytes as 8 bytes, then the bytes of the UTF-8 |
//! | 5 | binary | length in bytes as 8 bytes, then the bytes |
//! | 6 | date | 4 bytes, days since 1970-01-01 |
//! | 7 | timestamp in UTC | 8 bytes, microseconds since 1970-01-01T00:00:00Z |
//! | 8 | timestamp without time zone | 8 bytes, microseconds since 1970-01-01T00:00:00 |
//! | 9 | decimal | 1 byte, the scale; 16 bytes, the unscaled value in two's complement |
//!
//! The hash of a key is XXH3-64 with seed 0 over these bytes. Its bucket is the upper 64 bits of the 128-bit product
//! of hash and number of buckets (see [`bucket_of`]); a key that is known to have many rows may have a bucket of its own
//! instead (see [`Buckets`]).

mod buckets;
mod bytes;
mod canonical;
mod gathering;
mod hash;
mod logical;
mod split;

pub use buckets::Buckets;
pub use canonical::{canonical_key, canonical_keys};
pub use gathering::Gathering;
pub use hash::{bucket_of, hash_keys, part_of};
pub use logical::logical_type;
pub use split::{split_by_bucket, split_by_part};
