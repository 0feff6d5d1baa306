//! The hash that a file is known by.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{check_size, too_large};
use crate::failure::{Failure, Reason};
use crate::limits::BLOB_BYTES_MAX;

/// What every hash begins with, so that another way to compute one can be told from this.
const ALGORITHM: &str = "sha256:";

/// Letters of a hash.
const HEX_CHARS: usize = 64;

/// The hash of a file's content, as `sha256:` and 64 letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The hash that a text names.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for what is none.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        text.strip_prefix(ALGORITHM).and_then(Self::of_hex).ok_or_else(|| {
            Failure::new(Reason::InvalidValue, format!("`{text}` is no hash of a file"))
                .next("write it as `sha256:` and 64 of the letters 0-9 and a-f")
        })
    }

    /// The hash with these 64 letters; none for other letters.
    pub fn of_hex(hex: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == HEX_CHARS && hex.bytes().all(is_hex)).then(|| Self(hex.to_owned()))
    }

    /// Its letters alone.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self, Failure> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A hash that is being computed, of no more than a file may have.
#[derive(Clone, Default)]
pub struct Hashing {
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where it is one too many.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.bytes += piece.len() as u64;
        check_size(self.bytes).map_err(|_| too_large(self.bytes, BLOB_BYTES_MAX))?;
        self.hash.update(piece);
        Ok(())
    }

    /// How many bytes there were.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of all pieces.
    pub fn digest(self) -> Digest {
        Digest(self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether the pieces were what they are said to be.
    ///
    /// # Errors
    /// [`Reason::CorruptFile`] where they were not.
    pub fn check(self, expected: &Digest) -> Result<(), Failure> {
        let bytes = self.bytes;
        let found = self.digest();
        if found == *expected {
            return Ok(());
        }
        Err(Failure::new(
            Reason::CorruptFile,
            format!("what came is not what its hash says: {bytes} bytes with the hash {found}, not {expected}"),
        )
        .next("send it again; a file that is written to meanwhile has another hash"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_the_one_that_everybody_computes() {
        // FIPS 180-2, appendix B.1.
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut hashing = Hashing::default();
        hashing.add(b"abc").unwrap();
        assert_eq!((hashing.bytes(), hashing.digest().to_string().as_str()), (3, abc));
        let digest = Digest::parse(abc).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{abc}\""));
        assert_eq!(serde_json::from_str::<Digest>(&format!("\"{abc}\"")).unwrap(), digest);
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let hex = "a".repeat(64);
        for text in ["", "sha256:", "sha256:abc", &hex, &format!("sha256:{}", "A".repeat(64)), &format!("md5:{hex}")] {
            assert_eq!(Digest::parse(text).unwrap_err().reason, Reason::InvalidValue, "{text}");
        }
        assert!(Digest::parse(&format!("sha256:{}/../x", "a".repeat(59))).is_err());
        assert!(Digest::parse(&format!("sha256:{hex}")).is_ok());
    }

    proptest! {
        #[test]
        fn however_content_is_cut_its_hash_is_the_same_and_no_other_content_has_it(
            content in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200, flip in any::<prop::sample::Index>(),
        ) {
            let whole = hash(&[&content]);
            let (one, other) = content.split_at(cut.min(content.len()));
            prop_assert_eq!(&hash(&[one, other]), &whole);
            if !content.is_empty() {
                let mut changed = content.clone();
                let place = flip.index(changed.len());
                changed[place] ^= 1;
                let mut hashing = Hashing::default();
                hashing.add(&changed).unwrap();
                prop_assert_eq!(hashing.check(&whole).unwrap_err().reason, Reason::CorruptFile);
            }
        }
    }

    fn hash(pieces: &[&[u8]]) -> Digest {
        let mut hashing = Hashing::default();
        pieces.iter().for_each(|piece| hashing.add(piece).unwrap());
        hashing.digest()
    }
}
