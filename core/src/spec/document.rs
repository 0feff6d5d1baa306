//! Reads YAML, of which JSON is a part, into a value that knows where each of its parts stands.
//!
//! YAML 1.2 with its core schema: `yes` and `no` are texts. What a job file has no use for is refused, because two
//! readers could take it differently: a field twice, a second document, tags of one's own, names that are no text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr::{Scalar, ScalarStyle, Tag};
use saphyr_parser::{Event, Parser, Span, StrInput};
use serde_json::{Map, Value};

use super::path::FieldPath;
use super::place::{Mark, Place};
use crate::failure::{Failure, Reason};
use crate::limits::JOB_FILE_BYTES_MAX;

/// Objects and lists inside each other. The deepest job is far below it, and each level is a call on the stack.
const DEPTH_MAX: usize = 32;

/// Values and bytes of text that all aliases of a document may stand for: as much as could be written out.
const ALIASED_MAX: usize = JOB_FILE_BYTES_MAX;

/// A document and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// Reads one document.
///
/// # Errors
/// `MalformedDocument` with line and position where the text is too long, no YAML, empty or more than one document;
/// `DuplicateName` for a field that is there twice. The file is not filled in.
pub(super) fn read(text: &str) -> Result<Document, Failure> {
    if text.len() > JOB_FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; a job file has at most {JOB_FILE_BYTES_MAX}", text.len());
        return Err(
            Failure::new(Reason::MalformedDocument, message).next("put data into a table and name it in the job")
        );
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), aliased: 0 }.read()
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What each finished anchor stands for, and its weight.
    anchors: BTreeMap<usize, (Value, usize)>,
    /// Weight of all that aliases have stood for so far.
    aliased: usize,
}

type Read = (Value, Place);

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Document, Failure> {
        let mut found: Option<Document> = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                node => {
                    let key = mark(span);
                    let (value, place) = self.node(node, span, None, &FieldPath::default(), 0)?;
                    match &found {
                        // A `---` at the end begins a document with nothing in it.
                        _ if value.is_null() => {}
                        Some(_) => {
                            return Err(malformed("a second document begins here", key)
                                .next("put each job into a file of its own"));
                        }
                        None => found = Some(Document { value, place }),
                    }
                }
            }
        }
        found.ok_or_else(|| {
            Failure::new(Reason::MalformedDocument, "the file is empty")
                .next("begin with `apiVersion: shoal.dev/v1alpha1` and `kind: ShoalJob`")
        })
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Failure> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = Mark { line: error.marker().line() as u64, position: error.marker().col() as u64 + 1 };
                Err(malformed(format!("this is no YAML: {}", error.info()), at).next(
                    "correct the text; indent with spaces, and quote texts that hold `: `, ` #` or begin with a sign",
                ))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// Reads the node that begins with `event`; `key` is where its name stands.
    fn node(
        &mut self,
        event: Event<'a>,
        span: Span,
        key: Option<Mark>,
        path: &FieldPath,
        depth: usize,
    ) -> Result<Read, Failure> {
        let at = mark(span);
        let key = key.unwrap_or(at);
        if depth > DEPTH_MAX {
            return Err(malformed(format!("more than {DEPTH_MAX} objects and lists are inside each other"), at));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let focus = if text.is_empty() && style == ScalarStyle::Plain { key } else { at };
                let value = scalar(text, style, tag.as_ref(), at)?;
                self.remember(anchor, &value);
                Ok((value, Place::leaf(key, focus)))
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_foreign_tag(tag.as_ref(), at)?;
                let read = self.sequence(key, path, depth)?;
                self.remember(anchor, &read.0);
                Ok(read)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_foreign_tag(tag.as_ref(), at)?;
                let read = self.mapping(key, path, depth)?;
                self.remember(anchor, &read.0);
                Ok(read)
            }
            Event::Alias(anchor) => Ok((self.resolve(anchor, at)?, Place::leaf(key, at))),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(malformed("the text ends in the middle of a value", at)),
        }
    }

    fn sequence(&mut self, key: Mark, path: &FieldPath, depth: usize) -> Result<Read, Failure> {
        let mut values = Vec::new();
        let mut place = Place::leaf(key, key);
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((Value::Array(values), place));
            }
            let (value, item) = self.node(event, span, None, &path.index(values.len()), depth + 1)?;
            values.push(value);
            place.items.push(item);
        }
    }

    fn mapping(&mut self, key: Mark, path: &FieldPath, depth: usize) -> Result<Read, Failure> {
        let mut values = Map::new();
        let mut place = Place::leaf(key, key);
        loop {
            let (event, span) = self.next()?;
            let at = mark(span);
            let name = match event {
                Event::MappingEnd => return Ok((Value::Object(values), place)),
                Event::Scalar(text, style, ..) if !(text.is_empty() && style == ScalarStyle::Plain) => {
                    text.into_owned()
                }
                _ => return Err(malformed("the name of a field must be a text", at)),
            };
            let inner = path.name(&name);
            if let Some(first) = place.members.get(&name) {
                let message = format!("field {} is there twice, first on line {}", inner.leaf(), first.key.line);
                let mut failure = Failure::new(Reason::DuplicateName, message).next("remove one of the two");
                failure.location.field_path = Some(inner.to_string());
                return Err(at_mark(failure, at));
            }
            let (event, span) = self.next()?;
            let (value, member) = self.node(event, span, Some(at), &inner, depth + 1)?;
            values.insert(name.clone(), value);
            place.members.insert(name, member);
        }
    }

    /// Keeps what an anchor stands for; 0 is the parser's way to say that there is none.
    fn remember(&mut self, anchor: usize, value: &Value) {
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), weight(value)));
        }
    }

    fn resolve(&mut self, anchor: usize, at: Mark) -> Result<Value, Failure> {
        let (value, weight) =
            self.anchors.get(&anchor).ok_or_else(|| malformed("an alias stands inside what it stands for", at))?;
        self.aliased += weight;
        if self.aliased > ALIASED_MAX {
            return Err(malformed("the aliases of this file stand for too much", at).next("write the values out"));
        }
        Ok(value.clone())
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>, at: Mark) -> Result<Value, Failure> {
    refuse_foreign_tag(tag, at)?;
    match Scalar::parse_from_cow_and_metadata(text, style, tag) {
        Some(Scalar::Null) => Ok(Value::Null),
        Some(Scalar::Boolean(value)) => Ok(value.into()),
        Some(Scalar::Integer(value)) => Ok(value.into()),
        Some(Scalar::FloatingPoint(value)) => number(value.into_inner())
            .ok_or_else(|| malformed("a number that is infinite or none at all has no place in a job file", at)),
        Some(Scalar::String(value)) => Ok(value.into_owned().into()),
        None => Err(malformed("the value is not what its tag says", at).next("remove the tag")),
    }
}

/// A number as JSON has it, where `5.0` and `5` are the same: what `kubectl` sends for `5.0` is `5`.
fn number(value: f64) -> Option<Value> {
    /// From here on not every whole number is a float.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        return Some(Value::from(value as i64));
    }
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn refuse_foreign_tag(tag: Option<&Cow<'_, Tag>>, at: Mark) -> Result<(), Failure> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            Err(malformed(format!("the tag `{tag}` has no meaning in a job file"), at).next("remove the tag"))
        }
        _ => Ok(()),
    }
}

/// Values in it and bytes of its texts.
fn weight(value: &Value) -> usize {
    1 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum(),
    }
}

fn mark(span: Span) -> Mark {
    Mark { line: span.start.line() as u64, position: span.start.col() as u64 + 1 }
}

fn malformed(message: impl Into<String>, at: Mark) -> Failure {
    at_mark(Failure::new(Reason::MalformedDocument, message), at)
}

/// Fills in line and position.
pub(super) fn at_mark(mut failure: Failure, at: Mark) -> Failure {
    failure.location.line = Some(at.line);
    failure.location.position = Some(at.position);
    failure
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
