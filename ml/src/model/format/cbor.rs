//! The part of CBOR (RFC 8949) that stored models use, with the typed arrays of RFC 8746.

use minicbor::data::{Tag, Type};
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use crate::model::ModelError;

/// Tag 55799, "self-described CBOR": every stored model begins with its three bytes.
pub(super) const MAGIC: [u8; 3] = [0xd9, 0xd9, 0xf7];

/// Typed arrays, little-endian (RFC 8746, table 1).
const BYTES: u64 = 64;
const U32_LE: u64 = 70;
const F64_LE: u64 = 86;

/// Maps and arrays within each other at most: models have four levels, and a damaged file must not exhaust the stack.
const DEPTH_MAX: usize = 16;

/// A value of a stored model.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Natural(u64),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    Bytes(Vec<u8>),
    Naturals(Vec<u32>),
    Numbers(Vec<f64>),
    /// Something that this version has no use for.
    Other,
}

/// The bytes of a value, with the magic before it.
pub(super) fn to_bytes(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(MAGIC.to_vec());
    // The only error is one of the writer, and a vector has none.
    let infallible: Result<(), minicbor::encode::Error<std::convert::Infallible>> = write(&mut encoder, value);
    debug_assert!(infallible.is_ok());
    encoder.into_writer()
}

fn write<W: minicbor::encode::Write>(
    to: &mut Encoder<W>,
    value: &Value,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    match value {
        Value::Null | Value::Other => to.null()?.ok(),
        Value::Bool(value) => to.bool(*value)?.ok(),
        Value::Natural(value) => to.u64(*value)?.ok(),
        Value::Number(value) => to.f64(*value)?.ok(),
        Value::Text(text) => to.str(text)?.ok(),
        Value::List(values) => {
            to.array(values.len() as u64)?;
            values.iter().try_for_each(|value| write(to, value))
        }
        Value::Map(fields) => {
            to.map(fields.len() as u64)?;
            fields.iter().try_for_each(|(name, value)| {
                to.str(name)?;
                write(to, value)
            })
        }
        Value::Bytes(values) => to.tag(Tag::new(BYTES))?.bytes(values)?.ok(),
        Value::Naturals(values) => {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            to.tag(Tag::new(U32_LE))?.bytes(&bytes)?.ok()
        }
        Value::Numbers(values) => {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            to.tag(Tag::new(F64_LE))?.bytes(&bytes)?.ok()
        }
    }
}

/// The value that bytes hold, all of them.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Value, ModelError> {
    let Some(body) = bytes.strip_prefix(&MAGIC) else {
        let is_start = !bytes.is_empty() && MAGIC.starts_with(bytes);
        return Err(if is_start { ModelError::Truncated } else { ModelError::NotAModel });
    };
    let mut decoder = Decoder::new(body);
    let value = read(&mut decoder, DEPTH_MAX).map_err(|error| {
        if error.is_end_of_input() {
            ModelError::Truncated
        } else {
            ModelError::Damaged(MAGIC.len() + error.position().unwrap_or_else(|| decoder.position()))
        }
    })?;
    if decoder.position() < body.len() {
        return Err(ModelError::Damaged(MAGIC.len() + decoder.position()));
    }
    Ok(value)
}

fn read(from: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let deeper =
        |from: &Decoder<'_>| depth.checked_sub(1).ok_or_else(|| Error::message("too deep").at(from.position()));
    Ok(match from.datatype()? {
        Type::Null => {
            from.null()?;
            Value::Null
        }
        Type::Bool => Value::Bool(from.bool()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::Natural(from.u64()?),
        Type::F16 => Value::Other.after(from.skip())?,
        Type::F32 => Value::Number(f64::from(from.f32()?)),
        Type::F64 => Value::Number(from.f64()?),
        Type::String => Value::Text(from.str()?.to_owned()),
        Type::Array => {
            let depth = deeper(from)?;
            let length = from.array()?.unwrap_or(0);
            // Never set room aside by a length that nothing vouches for: a damaged one ends with the bytes.
            let mut values = Vec::new();
            for _ in 0..length {
                values.push(read(from, depth)?);
            }
            Value::List(values)
        }
        Type::Map => {
            let depth = deeper(from)?;
            let length = from.map()?.unwrap_or(0);
            let mut fields = Vec::new();
            for _ in 0..length {
                let name = from.str()?.to_owned();
                fields.push((name, read(from, depth)?));
            }
            Value::Map(fields)
        }
        Type::Tag => {
            let tag = from.tag()?.as_u64();
            match (tag, from.datatype()?) {
                (BYTES, Type::Bytes) => Value::Bytes(from.bytes()?.to_vec()),
                (U32_LE, Type::Bytes) => Value::Naturals(elements(from, u32::from_le_bytes)?),
                (F64_LE, Type::Bytes) => Value::Numbers(elements(from, f64::from_le_bytes)?),
                _ => Value::Other.after(from.skip())?,
            }
        }
        _ => Value::Other.after(from.skip())?,
    })
}

fn elements<T, const N: usize>(from: &mut Decoder<'_>, element: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
    let place = from.position();
    let (chunks, rest) = from.bytes()?.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(Error::message("part of an element").at(place));
    }
    Ok(chunks.iter().map(|chunk| element(*chunk)).collect())
}

impl Value {
    fn after(self, done: Result<(), Error>) -> Result<Self, Error> {
        done.map(|()| self)
    }
}
