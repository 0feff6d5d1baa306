//! Categories as numbers.
//!
//! What a column's categories are is learned over the whole job, so that all groups have the same terms: workers build a
//! [`Vocabulary`] from the rows that they see, these are merged in any order, and an [`Encoder`] is made from the result. It
//! is stored with the models.

mod encoder;
mod vocabulary;

pub use encoder::{EncodeError, Encoder, Unknown, hash_bucket};
pub use vocabulary::Vocabulary;
