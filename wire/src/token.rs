//! The token that every request carries once a cluster listens beyond its own machine.

use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use shoal_core::{Failure, Reason};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::failure::to_status;
use crate::limits::{TOKEN_BYTES_MAX, TOKEN_CHARS_MIN};

/// Name of the header, in lower case as HTTP/2 wants it.
const HEADER: &str = "authorization";

/// What stands before the token in the header.
const SCHEME: &str = "Bearer ";

/// A secret that all processes of a cluster and all its users know. Never shown, not even by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A token of some text; white space around it does not count.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where it is too short to be secret, too long for a header, or not plain ASCII.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        let refuse = |why: String| {
            Failure::new(Reason::InvalidValue, why)
                .next("make one with `head -c 32 /dev/urandom | base64` and give it to every process of the cluster")
        };
        if text.len() > TOKEN_BYTES_MAX {
            return Err(refuse(format!("the token is longer than {TOKEN_BYTES_MAX} bytes")));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("the token has a character that is no printable ASCII".into()));
        }
        if text.len() < TOKEN_CHARS_MIN {
            return Err(refuse(format!("the token is shorter than {TOKEN_CHARS_MIN} characters")));
        }
        Ok(Self(text.into()))
    }

    /// The token that a request shows whose `authorization` header has that value.
    ///
    /// # Errors
    /// [`Reason::Unauthorized`] for one that shows none, or something that cannot be one.
    pub fn shown(header: Option<&str>) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::new(Reason::Unauthorized, why);
        match header.map(|header| header.strip_prefix(SCHEME)) {
            None => Err(refuse("the request carries no token")),
            Some(None) => Err(refuse("the request's `authorization` is no bearer token")),
            Some(Some(text)) => {
                Self::new(text).map_err(|failure| refuse("the request's token cannot be one").because(&failure))
            }
        }
    }

    /// The token that is in a file.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] with the file's name where it cannot be read or [`Token::new`] refuses what is in it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Reason::InvalidValue, "the token's file cannot be read")
                .because(&error)
                .file(&name)
                .next("name a file that holds the token and that this user may read")
        })?;
        Self::new(&text).map_err(|failure| failure.file(name))
    }

    /// The header's value that shows this token: `Bearer TOKEN`. Not for logs.
    pub fn header(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }

    /// Whether a request may pass whose `authorization` header has that value.
    ///
    /// # Errors
    /// [`Reason::Unauthorized`].
    pub fn check_header(&self, header: Option<&str>) -> Result<(), Failure> {
        let refuse = |why: &str| {
            Err(Failure::new(Reason::Unauthorized, why).next("pass the cluster's token, as `--token-file FILE`"))
        };
        match header.map(|header| header.strip_prefix(SCHEME)) {
            None => refuse("the request carries no token"),
            Some(None) => refuse("the request's `authorization` is no bearer token"),
            Some(Some(shown)) if !self.is(shown) => refuse("the request's token is not the cluster's"),
            Some(Some(_)) => Ok(()),
        }
    }

    /// Compares in a time that depends on the lengths only, so that nobody can guess byte by byte.
    fn is(&self, shown: &str) -> bool {
        let own = self.0.as_bytes();
        let shown = shown.as_bytes();
        let difference = own.iter().zip(shown).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        own.len() == shown.len() && difference == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Lets calls pass that carry the token; all of them where there is none.
#[derive(Clone, Debug)]
pub struct RequireToken(pub Option<Token>);

impl Interceptor for RequireToken {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let header = request.metadata().get(HEADER).and_then(|value| value.to_str().ok());
            token.check_header(header).map_err(|failure| to_status(&failure))?;
        }
        Ok(request)
    }
}

/// Adds the token to every call, where there is one.
#[derive(Clone, Debug)]
pub struct SendToken(pub Option<Token>);

impl Interceptor for SendToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            let mut value = MetadataValue::<Ascii>::try_from(token.header())
                .expect("a token is printable ASCII, which every header holds");
            value.set_sensitive(true);
            request.metadata_mut().insert(HEADER, value);
        }
        Ok(request)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef";

    #[test]
    fn a_token_is_read_from_a_file_and_trimmed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, format!("  {TEXT}\n")).unwrap();
        assert_eq!(Token::read(&file).unwrap(), Token::new(TEXT).unwrap());

        let missing = Token::read(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.reason, Reason::InvalidValue);
        assert!(missing.location.file.unwrap().ends_with("none"));

        std::fs::write(&file, "short").unwrap();
        let short = Token::read(&file).unwrap_err();
        assert!(short.message.contains("shorter than 16"), "{}", short.message);
        assert!(short.location.file.is_some() && short.next.is_some());
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for text in ["0123456789 abcdef", "0123456789\nabcdef0", "0123456789abcdeü", &"x".repeat(TOKEN_BYTES_MAX + 1)]
        {
            assert_eq!(Token::new(text).unwrap_err().reason, Reason::InvalidValue, "{text}");
        }
    }

    #[test]
    fn only_the_same_token_passes() {
        let token = Token::new(TEXT).unwrap();
        token.check_header(Some(&format!("Bearer {TEXT}"))).unwrap();
        let longer = format!("Bearer {TEXT}0");
        let shorter = format!("Bearer {}", &TEXT[1..]);
        let other = "Bearer 0123456789abcdeF".to_owned();
        for header in [None, Some(TEXT), Some("Bearer "), Some(&longer), Some(&shorter), Some(&other)] {
            assert_eq!(token.check_header(header).unwrap_err().reason, Reason::Unauthorized, "{header:?}");
        }
    }

    #[test]
    fn interceptors_agree() {
        let token = Token::new(TEXT).unwrap();
        let sent = SendToken(Some(token.clone())).call(Request::new(())).unwrap();
        RequireToken(Some(token.clone())).call(sent).unwrap();
        let without = SendToken(None).call(Request::new(())).unwrap();
        let refused = RequireToken(Some(token)).call(without).unwrap_err();
        assert_eq!(crate::failure::from_status(&refused).reason, Reason::Unauthorized);
        RequireToken(None).call(Request::new(())).unwrap();
    }

    #[test]
    fn nothing_prints_it() {
        let token = Token::new(TEXT).unwrap();
        let shown = format!("{token:?} {:?} {:?}", RequireToken(Some(token.clone())), SendToken(Some(token.clone())));
        assert!(!shown.contains(TEXT), "{shown}");
        let sent = SendToken(Some(token)).call(Request::new(())).unwrap();
        assert!(!format!("{sent:?}").contains(TEXT));
    }
}
